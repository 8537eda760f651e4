/** Returns the origin of a URL, which may be relative to the page. An invalid URL has one too; `fetch` reports it. */
export function originOf(url: string): string {
  try {
    return new URL(url, globalThis.location?.href).origin;
  } catch {
    return "";
  }
}
