import { versions } from "../express.ts";
import { ofExpress } from "./express.ts";
import { ofFastify } from "./fastify.ts";
import type { Framework } from "./framework.ts";
import { ofHono } from "./hono.ts";
import { ofWeb } from "./web.ts";

export const frameworks: readonly Framework[] = [
  ...versions.map(([name, create]) => ofExpress(name, create)),
  ofFastify,
  ofHono,
  ofWeb,
];
