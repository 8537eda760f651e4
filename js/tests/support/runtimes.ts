import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const folder = fileURLToPath(new URL("../runtimes/node_modules/", import.meta.url));

/**
 * The program of a runtime that scripts/test-js installs: of the first package whose name, in a scope, fits a pattern.
 * `undefined` if there is none for this platform.
 */
export function programOf(scope: string, pattern: RegExp, path: string): string | undefined {
  const packages = existsSync(folder + scope) ? readdirSync(folder + scope) : [];
  const name = packages.find((one) => pattern.test(one));
  return name && join(folder, scope, name, path);
}

/** Why a test is skipped if there is no program; fails on Linux, where there is one. */
export function missing(name: string): string {
  if (process.platform === "linux") {
    throw new Error(`${name} is not installed: run scripts/node js/tests/runtimes`);
  }
  return `the tests have no ${name} for this platform`;
}
