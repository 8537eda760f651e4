import { defineConfig } from "tsdown";

export default defineConfig({
  entry: {
    index: "src/index.ts",
    express: "src/express/index.ts",
    fastify: "src/fastify/index.ts",
    fetch: "src/fetch/index.ts",
    hono: "src/hono/index.ts",
    store: "src/store/index.ts",
    web: "src/web/index.ts",
  },
  platform: "neutral",
  target: "es2023",
  dts: { oxc: true },
  // The package is ESM, so `.js` is enough.
  fixedExtension: false,
});
