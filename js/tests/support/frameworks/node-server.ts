import type { AddressInfo } from "node:net";
import { serve } from "@hono/node-server";

/** The bindings of `@hono/node-server`. */
type Bindings = { incoming: { socket: { remoteAddress?: string } } };

/** Serves a function of a `Request` by `@hono/node-server`. */
export async function withFetch(
  fetch: (request: Request, env: Bindings) => Response | Promise<Response>,
  use: (url: string) => Promise<void>,
): Promise<void> {
  const server = serve({
    fetch: fetch as Parameters<typeof serve>[0]["fetch"],
    port: 0,
    hostname: "127.0.0.1",
    overrideGlobalObjects: false,
  });
  await new Promise((resolve) => server.once("listening", resolve));
  try {
    await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    if ("closeAllConnections" in server) {
      server.closeAllConnections();
    }
    await new Promise((resolve) => server.close(resolve));
  }
}
