import type { Field } from "./limit-set.ts";
import type { RequestHead } from "./request-head.ts";

/** Whether a browser asks for permission to send the actual request. */
export function isPreflight(head: RequestHead): boolean {
  return head.method === "OPTIONS" && head.header("access-control-request-method") !== undefined;
}

/** The value of `Access-Control-Expose-Headers` that lets scripts of other origins read these headers, too. */
export function exposedHeaders(present: string | undefined, fields: readonly Field[]): string {
  const others = present ? present.split(",").map((name) => name.trim()) : [];
  if (others.includes("*")) {
    return "*";
  }
  const known = new Set(others.map((name) => name.toLowerCase()));
  const added = fields.map(([name]) => name).filter((name) => !known.has(name));
  return [...others, ...added.map(titleCase)].join(", ");
}

function titleCase(name: string): string {
  return name
    .replace(/\b[a-z]/g, (letter) => letter.toUpperCase())
    .replace("Ratelimit", "RateLimit");
}
