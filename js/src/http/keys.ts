/** The maximum length of a subject in a key, in characters. */
const MAX_LENGTH = 128;
/** The maximum length of a scope. A path of a request may be longer. */
const MAX_SCOPE_LENGTH = 256;
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
  if (typeof tag === "string" && scope.length <= MAX_SCOPE_LENGTH) {
    return joinKey(prefix, tag, scope);
  }
  const bounded = scope.length <= MAX_SCOPE_LENGTH ? scope : hashOf(scope);
  return Promise.all([tag, bounded]).then(([tag, scope]) => joinKey(prefix, tag, scope));
}

function joinKey(prefix: string, tag: string, scope: string): string {
  return `${prefix ? `${prefix}:` : ""}{${tag}}:${scope}`;
}

async function hashOf(text: string): Promise<string> {
  return `hash:${await hashed(text)}`;
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
  return hashOf(subject);
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
