// One application with one limiter: FRAMEWORK is express or fastify, VARIANT a name of variants.js. Talks to main.js.

import { connectClient } from "./client.js";
import { applications } from "./variants.js";

const { FRAMEWORK, VARIANT, REDIS_PORT } = process.env;
const client = await connectClient(Number(REDIS_PORT));
const port = await applications[FRAMEWORK](VARIANT, client);

process.on("message", () => {
  const { user, system } = process.cpuUsage();
  process.send({ cpuMicros: user + system });
});
process.on("disconnect", () => process.exit());
process.send({ port });
