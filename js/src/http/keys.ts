/** The maximum length of a subject in a key, in characters. */
const MAX_LENGTH = 128;
const SAFE = /^[\w:/.@~+=,-]+$/;

/**
 * Hashes a secret, such as an API key, for use in a key: 128 bits of SHA-256 as hexadecimal digits.
 *
 * ```ts
 * const key = `key:${await hashed("s3cr3t")}`;
 * ```
 */
export async function hashed(secret: string): Promise<string> {
  const data = new TextEncoder().encode(secret);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", data), 0, 16);
  return hexadecimal(digest);
}

/**
 * The key of a subject in a scope: `ratelog:{ip:192.0.2.7}:GET /search`.
 *
 * The hash tag keeps all keys of a request's subject in one slot of a cluster. The subject is escaped, and hashed if it is
 * long.
 */
export function subjectKey(
  prefix: string,
  subject: string,
  scope: string,
): string | Promise<string> {
  const tag = keySafe(subject);
  const start = prefix ? `${prefix}:` : "";
  return typeof tag === "string"
    ? `${start}{${tag}}:${scope}`
    : tag.then((text) => `${start}{${text}}:${scope}`);
}

/** Escapes a subject: bounded in length, and without spaces, braces and characters that are not ASCII. */
function keySafe(subject: string): string | Promise<string> {
  if (subject.length <= MAX_LENGTH) {
    if (SAFE.test(subject)) {
      return subject;
    }
    const escaped = escapeBytes(subject);
    if (escaped && escaped.length <= MAX_LENGTH) {
      return escaped;
    }
  }
  return hashed(subject).then((hash) => `hash:${hash}`);
}

function escapeBytes(text: string): string {
  let escaped = "";
  for (const byte of new TextEncoder().encode(text)) {
    const character = String.fromCharCode(byte);
    escaped += SAFE.test(character) ? character : `%${hexadecimal([byte]).toUpperCase()}`;
  }
  return escaped;
}

function hexadecimal(bytes: Iterable<number>): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
