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

/** A response whose headers are finished when they are written. */
interface UnfinishedResponse extends NodeResponse {
  [UNFINISHED]?: Unfinished;
}

/** The state of a response until its headers are finished. */
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
 *
 * The state is a property of the response: frameworks give a response other requests and prototypes on its way.
 */
export function finishNode(
  state: RequestState,
  request: NodeRequest,
  response: UnfinishedResponse,
): void {
  const known = response[UNFINISHED];
  // An object with another response as its prototype has that one's property.
  if (state.isEmpty || known?.response === response) {
    return;
  }
  const { writeHead } = response;
  response[UNFINISHED] = {
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

function finishAndWriteHead(this: UnfinishedResponse, ...args: unknown[]): unknown {
  const unfinished = this[UNFINISHED];
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
