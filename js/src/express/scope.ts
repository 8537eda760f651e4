import type { NextFunction, Request } from "express";
import { normalizePath } from "../http/paths.ts";

/** A route with more methods than this is one for all of them. */
const MAX_METHODS = 9;

/** The route of a request as Express 4 and 5 have it. */
interface Route {
  readonly path: unknown;
  /** The methods in lower case; `_all` for all of them. */
  readonly methods: Readonly<Record<string, boolean>>;
}

/**
 * The scope of a middleware: `GET /users/:id` on a route, `/admin/*` on a router or a path, and `*` on the application.
 * `next` is the function that the middleware got.
 *
 * Express ignores case in paths by default, so the path of a router is in lower case. It is the path of the request, as
 * Express does not say the pattern.
 */
export function scopeOf(request: Request, next: NextFunction): string {
  const base = normalizePath(request.baseUrl).toLowerCase();
  const route = request.route as Route | undefined;
  // A route that passes a request on leaves itself in the request. A router's next function is that of the request.
  if (!route || next === request.next) {
    const path = base && withoutWildcard(base, request.params);
    return path ? `${path}/*` : "*";
  }
  const method = request.method === "HEAD" ? "GET" : request.method;
  const path = Array.isArray(route.path) ? route.path.join(",") : String(route.path);
  const { methods } = route;
  const isForAll = methods._all || Object.keys(methods).length > MAX_METHODS;
  return `${isForAll ? "*" : method} ${base}${path}`;
}

/** The path without the end that a wildcard matches, which a client makes up. */
function withoutWildcard(path: string, params: Readonly<Record<string, unknown>>): string {
  for (const [name, value] of Object.entries(params)) {
    // A wildcard has a list in Express 5, and a number as its name in Express 4.
    if (value && (Array.isArray(value) || /^\d+$/.test(name))) {
      const end = [value].flat().join("/").replace(/\/$/, "").toLowerCase();
      const decoded = decode(path);
      if (decoded?.endsWith(end)) {
        return decoded.slice(0, decoded.length - end.length).replace(/\/$/, "");
      }
    }
  }
  return path;
}

function decode(path: string): string | undefined {
  try {
    return decodeURIComponent(path).toLowerCase();
  } catch {
    return undefined;
  }
}
