import { joined, type NodeRequest } from "./node.ts";
import { RequestState } from "./request-checks.ts";

/** The parts of Node's `ServerResponse` that a limiter uses. */
export interface NodeResponse {
  readonly req?: object | undefined;
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
export interface Unfinished {
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
 * Express sets the prototype of each request and response, which then have hidden classes of their own: a new property costs
 * more than all else that a limiter does. The response gets one, its function.
 */
export function finishNode(
  state: RequestState,
  request: NodeRequest,
  response: NodeResponse,
): void {
  const known = unfinishedOf(response);
  if (state.isEmpty || known?.response === response) {
    return;
  }
  const { writeHead } = response;
  const unfinished: Unfinished = {
    response,
    state,
    isCrossOrigin: request.headers.origin !== undefined,
    writeHead,
    base: known?.base ?? writeHead,
    isWriting: false,
  };
  if (response.req === state.owner && !state.unfinished) {
    state.unfinished = unfinished;
  } else {
    (response as UnfinishedResponse)[UNFINISHED] = unfinished;
  }
  // One function for all: the garbage collector takes longer for one of each response.
  response.writeHead = finishAndWriteHead;
}

/** The state of a response, or of the response that is its prototype. */
function unfinishedOf(response: UnfinishedResponse): Unfinished | undefined {
  const own = response[UNFINISHED];
  if (own?.response === response) {
    return own;
  }
  const kept = response.req && RequestState.find(response.req)?.unfinished;
  return kept?.response === response ? kept : (own ?? (kept && inherited(kept, response)));
}

function inherited(kept: Unfinished, response: NodeResponse): Unfinished | undefined {
  return Object.prototype.isPrototypeOf.call(kept.response, response) ? kept : undefined;
}

function finishAndWriteHead(this: NodeResponse, ...args: unknown[]): unknown {
  const unfinished = unfinishedOf(this);
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
