import { pathOf } from "./paths.ts";
import type { RequestState } from "./request-checks.ts";
import type { RequestHead } from "./request-head.ts";

/** The parts of Node's `IncomingMessage` that a limiter reads. */
export interface NodeRequest {
  readonly method?: string | undefined;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly socket?: NodeSocket | undefined;
}

/** The parts of Node's `Socket` that say who the peer is. */
export interface NodeSocket {
  readonly remoteAddress?: string | undefined;
  readonly localAddress?: string | undefined;
  readonly destroyed?: boolean;
}

/** The parts of Node's `ServerResponse` that a limiter uses. */
export interface NodeResponse {
  readonly headersSent: boolean;
  getHeader(name: string): number | string | string[] | undefined;
  setHeader(name: string, value: number | string | readonly string[]): unknown;
  // biome-ignore lint/suspicious/noExplicitAny: the overloads of Node.
  writeHead(...args: any[]): any;
}

/** The head of a request of Node. */
export class NodeHead implements RequestHead {
  readonly method: string;
  readonly path: string;
  readonly peer: string | undefined;
  readonly #request: NodeRequest;

  /** `target` is that of the request line. */
  constructor(request: NodeRequest, target: string) {
    this.method = request.method ?? "GET";
    this.path = pathOf(target);
    this.peer = peerOf(request.socket);
    this.#request = request;
  }

  header(name: string): string | undefined {
    return joined(this.#request.headers[name]);
  }
}

/** In place of the address of a peer that is not known. It is never trusted. */
export const UNKNOWN_PEER = "unknown";

/** The address of the peer; `undefined` for a Unix socket, which has none. */
export function peerOf(socket: NodeSocket | undefined): string | undefined {
  if (!socket || socket.remoteAddress !== undefined) {
    return socket?.remoteAddress;
  }
  // A TCP connection loses the address when it is closed. If the client resets it, that is before Node notices.
  return socket.destroyed || socket.localAddress !== undefined ? UNKNOWN_PEER : undefined;
}

/** A response whose headers are finished when they are written. */
interface UnfinishedResponse extends NodeResponse {
  [UNFINISHED]?: Unfinished;
}

interface Unfinished {
  readonly response: NodeResponse;
  readonly state: RequestState;
  readonly isCrossOrigin: boolean;
  /** The function before it was replaced. */
  readonly writeHead: NodeResponse["writeHead"];
  /** The function of the response that is the prototype of this one, if there is one, before it was replaced. */
  readonly base: NodeResponse["writeHead"];
  isWriting: boolean;
}

const UNFINISHED: unique symbol = Symbol("ratelog");

/**
 * Adds the rate limit headers to a response when its headers are written, so that streams and the responses to errors have
 * them, unless the framework has added them before. Refunds are not waited for.
 */
export function finishNode(
  state: RequestState,
  request: NodeRequest,
  response: NodeResponse,
): void {
  const known = (response as UnfinishedResponse)[UNFINISHED];
  // An object with another response as its prototype has that one's property.
  if (state.isEmpty || known?.response === response) {
    return;
  }
  const { writeHead } = response;
  (response as UnfinishedResponse)[UNFINISHED] = {
    response,
    state,
    isCrossOrigin: request.headers.origin !== undefined,
    writeHead,
    base: known?.base ?? writeHead,
    isWriting: false,
  };
  // One function for all: the garbage collector takes longer for one of each response.
  response.writeHead = finishAndWriteHead;
}

function finishAndWriteHead(this: NodeResponse, ...args: unknown[]): unknown {
  const unfinished = (this as UnfinishedResponse)[UNFINISHED];
  if (!unfinished) {
    // Somebody gave it this function of another response.
    return Object.getPrototypeOf(this).writeHead.apply(this, args);
  }
  if (unfinished.isWriting) {
    return unfinished.base.apply(this, args);
  }
  unfinished.isWriting = true;
  try {
    if (!this.headersSent) {
      finish(this, unfinished, args);
    }
    return unfinished.writeHead.apply(this, args);
  } finally {
    unfinished.isWriting = false;
  }
}

function finish(
  response: NodeResponse,
  { state, isCrossOrigin }: Unfinished,
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

/** The lines of a header, joined by commas. */
export function joined(value: number | string | readonly string[] | undefined): string | undefined {
  return value === undefined || typeof value === "string"
    ? value
    : (Array.isArray(value) ? value : [value]).join(", ");
}
