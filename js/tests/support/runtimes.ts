import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const folder = fileURLToPath(new URL("../runtimes/node_modules/", import.meta.url));

/** Why a test is skipped where there is no program. */
export const NOT_ON_THIS_PLATFORM = "the tests have no such runtime for this platform";

/**
 * The program of a runtime that scripts/test-js installs: of the first package whose name, in a scope, fits a pattern.
 * `undefined` if there is none for this platform.
 *
 * @throws {Error} The runtimes are not installed. Those for Linux are in the lock file.
 */
export function programOf(scope: string, pattern: RegExp, path: string): string | undefined {
  const packages = existsSync(folder + scope) ? readdirSync(folder + scope) : [];
  const name = packages.find((one) => pattern.test(one));
  if (name === undefined && process.platform === "linux") {
    throw new Error(`${scope || pattern} is not installed: run scripts/node js/tests/runtimes`);
  }
  return name && join(folder, scope, name, path);
}
