/** The paths of health checks, which are exempt. */
const HEALTH_PATHS = ["/health", "/healthz", "/livez", "/readyz", "/ping"];

/**
 * A path in which only the characters are escaped that have to be, in upper case (RFC 3986, section 6.2.2): `/users/%37`
 * is `/users/7`.
 */
export function normalizePath(path: string): string {
  // Most paths have nothing to replace.
  if (!path.includes("%")) {
    return path;
  }
  return path.replace(/%([\da-f]{2})/gi, (escaped, digits) => {
    const character = String.fromCharCode(Number.parseInt(digits, 16));
    return /[\w.~-]/.test(character) ? character : escaped.toUpperCase();
  });
}

/** The path of a request target, without the query. */
export function pathOf(target: string): string {
  const query = target.indexOf("?");
  return query < 0 ? target : target.slice(0, query);
}

/**
 * Paths that are exempt from limits: exact ones, with parameters (`/files/:id`), or with any rest (`/internal/*`).
 * A path that is escaped in another way is not exempt.
 */
export class ExemptPaths {
  readonly #exact: ReadonlySet<string>;
  readonly #patterns: readonly RegExp[];

  /** @throws {RangeError} for a path that does not begin with `/`. */
  constructor(paths: readonly string[], withHealth: boolean) {
    for (const path of paths) {
      if (!path.startsWith("/")) {
        throw new RangeError(`expected a path that begins with '/', not '${path}'`);
      }
    }
    const isPattern = (path: string) => /\*$|\/:/.test(path);
    this.#exact = new Set([
      ...paths.filter((path) => !isPattern(path)),
      ...(withHealth ? HEALTH_PATHS : []),
    ]);
    this.#patterns = paths.filter(isPattern).map(pattern);
  }

  has(path: string): boolean {
    return this.#exact.has(path) || this.#patterns.some((pattern) => pattern.test(path));
  }
}

function pattern(path: string): RegExp {
  const source = path
    .replace(/\*$/, "")
    .replace(/[\\^$.*+?()[\]{}|]/g, "\\$&")
    .replace(/\/:[^/]+/g, "/[^/]+");
  return new RegExp(`^${source}${path.endsWith("*") ? "" : "$"}`);
}
