// The limiters that are compared. Each limits a client's address to a million requests a minute, at a server, and sends
// headers with what remains.

import { once } from "node:events";
import fastifyRateLimit from "@fastify/rate-limit";
import express from "express";
import { rateLimit as expressRateLimit } from "express-rate-limit";
import Fastify from "fastify";
import { RedisStore } from "rate-limit-redis";
import { RateLimiterRedis } from "rate-limiter-flexible";
import { RateLimiter } from "ratelog";
import { rateLimit } from "ratelog/express";
import { rateLimit as fastifyPlugin } from "ratelog/fastify";

const LIMIT = 1_000_000;
const WINDOW_MS = 60_000;

export const variants = {
  express: ["none", "command only", "ratelog", "rate-limiter-flexible", "express-rate-limit"],
  fastify: ["none", "command only", "ratelog", "rate-limiter-flexible", "@fastify/rate-limit"],
};

/** The middleware that the documentation of rate-limiter-flexible shows. */
function flexible(client) {
  const limiter = new RateLimiterRedis({
    storeClient: client,
    points: LIMIT,
    duration: WINDOW_MS / 1000,
  });
  return async (address, setHeader) => {
    const { msBeforeNext, remainingPoints } = await limiter.consume(address);
    setHeader("X-RateLimit-Limit", LIMIT);
    setHeader("X-RateLimit-Remaining", remainingPoints);
    setHeader("X-RateLimit-Reset", Math.ceil(msBeforeNext / 1000));
  };
}

/** The command of a check, without headers: no limiter that asks the server can do less. */
function command(client) {
  return (address) => client.call("RL.CHECK", address, String(LIMIT), `${WINDOW_MS}ms`);
}

function ratelog(client) {
  return { limiter: new RateLimiter(client), limit: `${LIMIT}/minute` };
}

const middleware = {
  "command only": (client) => {
    const check = command(client);
    return (request, _, next) => {
      check(request.ip).then(() => next(), next);
    };
  },
  ratelog: (client) => rateLimit(ratelog(client)),
  "rate-limiter-flexible": (client) => {
    const consume = flexible(client);
    return (request, response, next) => {
      consume(request.ip, (name, value) => response.setHeader(name, value)).then(
        () => next(),
        () => response.status(429).end(),
      );
    };
  },
  "express-rate-limit": (client) =>
    expressRateLimit({
      windowMs: WINDOW_MS,
      limit: LIMIT,
      standardHeaders: "draft-8",
      legacyHeaders: false,
      store: new RedisStore({ sendCommand: (command, ...rest) => client.call(command, ...rest) }),
    }),
};

const plugins = {
  "command only": (app, client) => {
    const check = command(client);
    app.addHook("onRequest", async (request) => {
      await check(request.ip);
    });
  },
  ratelog: (app, client) => app.register(fastifyPlugin, ratelog(client)),
  "rate-limiter-flexible": (app, client) => {
    const consume = flexible(client);
    app.addHook("onRequest", async (request, reply) => {
      try {
        await consume(request.ip, (name, value) => reply.header(name, value));
      } catch {
        reply.code(429).send();
      }
    });
  },
  "@fastify/rate-limit": (app, client) =>
    app.register(fastifyRateLimit, { max: LIMIT, timeWindow: WINDOW_MS, redis: client }),
};

/** For each framework, a function that serves an application with a limiter, and returns its port. */
export const applications = {
  async express(variant, client) {
    const app = express();
    if (variant !== "none") {
      app.use(middleware[variant](client));
    }
    app.get("/", (_, response) => {
      response.json({ found: [] });
    });
    const server = app.listen(0, "127.0.0.1");
    await once(server, "listening");
    return server.address().port;
  },

  async fastify(variant, client) {
    const app = Fastify();
    if (variant !== "none") {
      await plugins[variant](app, client);
    }
    app.get("/", async () => ({ found: [] }));
    await app.listen({ port: 0, host: "127.0.0.1" });
    return app.server.address().port;
  },
};
