import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { SHA1, TEXT } from "../../src/limiter/script-text.ts";

test("the script is that of the client core: `npm run embed-script` copies it", () => {
  const original = new URL("../../../crates/client-core/src/ratelog.lua", import.meta.url);
  const text = readFileSync(original, "utf8");
  expect(TEXT).toBe(text);
  expect(SHA1).toBe(createHash("sha1").update(text).digest("hex"));
});
