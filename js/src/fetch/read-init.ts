/** The members that the Fetch standard, and Node for `duplex`, read. */
const MEMBERS =
  "method headers body signal redirect credentials mode cache referrer referrerPolicy integrity keepalive priority duplex window".split(
    " ",
  );

/**
 * Reads an init once, so that it can be used for several tries. As in `fetch`, the members may be those of a prototype:
 * a `Request` is an init, too.
 */
export function readInit(given: RequestInit): RequestInit {
  // Some libraries have further members.
  const init: Record<string, unknown> = { ...given };
  for (const name of MEMBERS) {
    const value = (given as Record<string, unknown>)[name];
    if (value !== undefined) {
      init[name] = value;
    }
  }
  if (init.headers) {
    // An iterator can be read once.
    init.headers = new Headers(init.headers as HeadersInit);
  }
  return init;
}
