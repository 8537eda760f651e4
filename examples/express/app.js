// An API in Express with limits, and a page that uses it with a fetch that waits: `make example-js`.

import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import express from "express";
import { Redis } from "ioredis";
import { RateLimiter } from "ratelog";
import { hashed, rateLimit } from "ratelog/express";

const users = new Map([
  ["key-of-ada", { id: "user:ada", plan: "pro" }],
  ["key-of-bob", { id: "user:bob", plan: "free" }],
]);
const userOf = (request) => users.get(request.get("x-api-key") ?? "");

// With a server, all processes share the limits. Without one, each process has its own.
const { REDIS_URL } = process.env;
const options = { autoResendUnfulfilledCommands: false };
const client = REDIS_URL ? new Redis(REDIS_URL, options) : undefined;
client?.on("error", ({ message }) => console.error(message));
const limiter = new RateLimiter(client ?? "memory://");
const app = express();
app.disable("x-powered-by");

// All requests, by client address.
app.use(rateLimit({ limiter, limit: "50/second", exempt: ["/", "/ratelog/*"] }));

// By plan and user. A client without a key has the first plan, and its address counts.
const search = rateLimit({
  limiter,
  plans: { free: "3/second; 5/10s", pro: "20/second" },
  plan: (request) => userOf(request)?.plan ?? "free",
  key: (request) => userOf(request)?.id,
});
app.get("/search", search, (request, response) => {
  const query = String(request.query.q ?? "");
  response.json({ found: ["exact", "sliding", "log"].filter((word) => word.includes(query)) });
});

// Failed logins only, by user name.
const login = rateLimit({
  limiter,
  limit: "3/minute",
  names: ["failed logins"],
  key: async (request) => `login:${await hashed(request.get("x-user") ?? "")}`,
  countIf: ({ status }) => status === 401,
});
app.post("/login", login, (request, response) => {
  const isRight = request.get("x-password") === "right";
  response.status(isRight ? 200 : 401).json({ welcome: isRight });
});

// The page, and the module that it imports.
app.get("/", (_, response) => {
  response.sendFile(fileURLToPath(new URL("page.html", import.meta.url)));
});
app.use("/ratelog", express.static(dirname(fileURLToPath(import.meta.resolve("ratelog/fetch")))));

const server = app.listen(Number(process.env.PORT ?? 8000), "127.0.0.1", () => {
  console.log(`http://127.0.0.1:${server.address().port}`);
});
