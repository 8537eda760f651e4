/** Writes src/limiter/script-text.ts: the Lua script of the client core, and its hash. `npm run embed-script`. */
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";

const original = new URL("../../crates/client-core/src/ratelog.lua", import.meta.url);
const copy = new URL("../src/limiter/script-text.ts", import.meta.url);
const text = readFileSync(original, "utf8");
const sha1 = createHash("sha1").update(text).digest("hex");
const literal = text.replace(/[\\`]|\$\{/g, "\\$&");

writeFileSync(
  copy,
  `// Copied from crates/client-core/src/ratelog.lua by \`npm run embed-script\`.

/** The hash of the script, for \`EVALSHA\`. */
export const SHA1 = "${sha1}";

/** The text of the script. */
export const TEXT = \`${literal}\`;
`,
);
