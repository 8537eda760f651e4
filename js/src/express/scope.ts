import type { Request } from "express";
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
 *
 * Express ignores case in paths by default, so the path of a router is in lower case. It is the path of the request, as
 * Express does not say the pattern.
 */
export function scopeOf(request: Request): string {
  const base = normalizePath(request.baseUrl).toLowerCase();
  const route = request.route as Route | undefined;
  if (!route) {
    return base ? `${base}/*` : "*";
  }
  const method = request.method === "HEAD" ? "GET" : request.method;
  const path = Array.isArray(route.path) ? route.path.join(",") : String(route.path);
  const { methods } = route;
  const isForAll = methods._all || Object.keys(methods).length > MAX_METHODS;
  return `${isForAll ? "*" : method} ${base}${path}`;
}
