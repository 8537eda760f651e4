// A client that is limited, and one that waits: `node client.js http://127.0.0.1:8000`.

import { createFetch } from "ratelog/fetch";

const [url = "http://127.0.0.1:8000"] = process.argv.slice(2);
const began = performance.now();

async function show(title, response) {
  const seconds = ((performance.now() - began) / 1000).toFixed(1).padStart(5);
  const { status, headers } = response;
  console.log(`${seconds} s  ${title.padEnd(34)} ${status}  ${headers.get("ratelimit")}`);
  const body = await response.json();
  if (status === 429) {
    console.log(`         Retry-After: ${headers.get("retry-after")};`, body["violated-policies"]);
  }
}

for (let n = 0; n < 4; n++) {
  await show("GET /search, plan free", await fetch(`${url}/search`));
}
for (let n = 0; n < 4; n++) {
  const headers = { "x-api-key": "key-of-ada" };
  await show("GET /search, plan pro", await fetch(`${url}/search`, { headers }));
}
for (const password of ["right", "wrong", "wrong", "wrong", "right"]) {
  const headers = { "x-user": "ann", "x-password": password };
  const response = await fetch(`${url}/login`, { method: "POST", headers });
  await show(`POST /login, ${password} password`, response);
}

console.log("\nThe same with a fetch that waits:\n");
const waiting = createFetch({ maxWaitMs: 30_000 });
for (let n = 0; n < 4; n++) {
  await show("GET /search, plan free, waiting", await waiting(`${url}/search`));
}
