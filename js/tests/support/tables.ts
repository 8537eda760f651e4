import { readFileSync } from "node:fs";

/** Reads a table of cases that every language runs. */
export function readTable<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../../../tests/${name}`, import.meta.url), "utf8"));
}
