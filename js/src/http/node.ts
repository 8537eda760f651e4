import type { RequestHead } from "./http-limiter.ts";
import { pathOf } from "./paths.ts";
import { RequestState } from "./request-checks.ts";

/** The parts of Node's `IncomingMessage` that a limiter reads. */
export interface NodeRequest {
  readonly method?: string | undefined;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly socket?: { readonly remoteAddress?: string | undefined };
}

/** The parts of Node's `ServerResponse` that a limiter uses. */
export interface NodeResponse {
  readonly headersSent: boolean;
  getHeader(name: string): number | string | string[] | undefined;
  setHeader(name: string, value: number | string | readonly string[]): unknown;
  // biome-ignore lint/suspicious/noExplicitAny: the overloads of Node.
  writeHead(...args: any[]): any;
}

/** The head of a request of Node with the target of its request line. */
export function nodeHead(request: NodeRequest, target: string): RequestHead {
  return {
    method: request.method ?? "GET",
    path: pathOf(target),
    peer: request.socket?.remoteAddress,
    header: (name) => joined(request.headers[name]),
  };
}

/** A response whose headers are finished when they are written. */
interface UnfinishedResponse extends NodeResponse {
  [UNFINISHED]?: Unfinished;
}

interface Unfinished {
  readonly state: RequestState;
  readonly isCrossOrigin: boolean;
  readonly writeHead: NodeResponse["writeHead"];
}

const UNFINISHED: unique symbol = Symbol("ratelog");

/**
 * Adds the rate limit headers to a response when its headers are written, so that streams and the responses to errors have
 * them, unless the framework has added them before. Refunds are not waited for.
 */
export function finishNode(owner: object, request: NodeRequest, response: NodeResponse): void {
  const state = RequestState.of(owner);
  if (state.isEmpty || !state.begin("replace writeHead")) {
    return;
  }
  (response as UnfinishedResponse)[UNFINISHED] = {
    state,
    isCrossOrigin: request.headers.origin !== undefined,
    writeHead: response.writeHead,
  };
  // One function for all: the garbage collector takes longer for one of each response.
  response.writeHead = finishAndWriteHead;
}

function finishAndWriteHead(this: NodeResponse, ...args: unknown[]): unknown {
  const { state, isCrossOrigin, writeHead } = (this as Required<UnfinishedResponse>)[UNFINISHED];
  if (!this.headersSent && !state.hasBegun("finish")) {
    setGiven(this, args);
    const head = {
      status: Number(args[0]),
      header: (name: string) => joined(this.getHeader(name)),
    };
    const { fields } = state.finish(head, isCrossOrigin, Date.now());
    for (const [name, value] of fields) {
      this.setHeader(name, value);
    }
  }
  return writeHead.apply(this, args);
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

/** The lines of a header, joined by commas. */
export function joined(value: number | string | readonly string[] | undefined): string | undefined {
  return value === undefined || typeof value === "string"
    ? value
    : (Array.isArray(value) ? value : [value]).join(", ");
}
