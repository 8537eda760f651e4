import { joined, type NodeRequest } from "./node.ts";
import type { RequestState } from "./request-checks.ts";

/** The parts of Node's `ServerResponse` that a limiter uses. */
export interface NodeResponse {
  readonly headersSent: boolean;
  getHeader(name: string): number | string | string[] | undefined;
  setHeader(name: string, value: number | string | readonly string[]): unknown;
  // biome-ignore lint/suspicious/noExplicitAny: the overloads of Node.
  writeHead(...args: any[]): any;
}

/**
 * Adds the rate limit headers to a response when its headers are written, so that streams and the responses to errors have
 * them, unless the framework has added them before. Refunds are not waited for.
 */
export function finishNode(
  state: RequestState,
  request: NodeRequest,
  response: NodeResponse,
): void {
  if (!state.isEmpty && state.begin(response)) {
    const isCrossOrigin = request.headers.origin !== undefined;
    response.writeHead = finishing(response.writeHead, state, isCrossOrigin);
  }
}

/** Returns a `writeHead` that adds the headers before it calls the original. */
function finishing(
  original: NodeResponse["writeHead"],
  state: RequestState,
  isCrossOrigin: boolean,
): NodeResponse["writeHead"] {
  return function writeHead(this: NodeResponse, ...args: unknown[]): unknown {
    if (!this.headersSent) {
      finish(this, state, isCrossOrigin, args);
    }
    return original.apply(this, args);
  };
}

function finish(
  response: NodeResponse,
  state: RequestState,
  isCrossOrigin: boolean,
  args: unknown[],
): void {
  if (state.hasBegun("finish")) {
    return;
  }
  setGiven(response, args);
  const head = {
    status: Number(args[0]),
    header: (name: string) => joined(response.getHeader(name)),
  };
  const { fields } = state.finish(head, isCrossOrigin);
  for (const [name, value] of fields) {
    response.setHeader(name, value);
  }
}

/** Sets the headers that `writeHead` is given as an object, so that they can be read, and takes them off. */
function setGiven(response: NodeResponse, args: unknown[]): void {
  const given = args.at(-1);
  if (typeof given === "object" && given !== null && !Array.isArray(given)) {
    for (const [name, value] of Object.entries(given)) {
      response.setHeader(name, value);
    }
    args.pop();
  }
}
