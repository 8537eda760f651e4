import { defineConfig } from "tsdown";

export default defineConfig({
  entry: { index: "src/index.ts", fetch: "src/fetch/index.ts" },
  platform: "neutral",
  target: "es2023",
  dts: { oxc: true },
  // The package is ESM, so `.js` is enough.
  fixedExtension: false,
});
