import { joined, type NodeRequest } from "./node.ts";
import { RequestState } from "./request-checks.ts";

/** The parts of Node's `ServerResponse` that a limiter uses. */
export interface NodeResponse {
  readonly req?: NodeRequest | undefined;
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
  if (state.isEmpty) {
    return;
  }
  const isOfRequest = state.owner === request && response.req === request;
  if (!isOfRequest || !finishesByPrototype(response)) {
    replaceOwn(state, request, response);
  }
}

/** The prototypes of frameworks whose responses finish their headers. */
const prototypes: WeakSet<object> = new WeakSet();

/**
 * Lets all responses of a framework finish their headers, if they have a prototype of their own, as those of Express do.
 * Express sets it for each response, after which a new property costs more than all else that a limiter does. Returns
 * whether this response does.
 */
function finishesByPrototype(response: NodeResponse): boolean {
  const prototype: NodeResponse = Object.getPrototypeOf(response);
  if (prototypes.has(prototype)) {
    return true;
  }
  // That of a parent application is one of its prototypes: requests pass between the two.
  let shared: NodeResponse | undefined;
  let holder: NodeResponse | null = prototype;
  while (holder && !Object.hasOwn(holder, "writeHead")) {
    shared = holder;
    holder = Object.getPrototypeOf(holder);
  }
  const isKnown = holder !== null && replaced.has(holder.writeHead);
  if (!isKnown) {
    if (!holder || !shared || Object.hasOwn(shared, "req")) {
      return false;
    }
    // It may be frozen.
    if (!Reflect.set(shared, "writeHead", finishThen(holder.writeHead))) {
      return false;
    }
  }
  prototypes.add(prototype);
  // A function of its own calls the one that the prototype had before.
  return isKnown || !Object.hasOwn(response, "writeHead");
}

type WriteHead = NodeResponse["writeHead"];

/** The functions of prototypes that finish the headers. */
const replaced: WeakSet<WriteHead> = new WeakSet();

/** Returns a function that finishes the headers of a response, and writes them with another. */
function finishThen(writeHead: WriteHead): WriteHead {
  const finishAndWrite = function (this: UnfinishedResponse, ...args: unknown[]): unknown {
    const request = this.req;
    const state = request && RequestState.find(request);
    if (state && !state.isEmpty && !this[UNFINISHED] && !this.headersSent) {
      finish(this, state, request.headers.origin !== undefined, args);
    }
    return writeHead.apply(this, args);
  };
  replaced.add(finishAndWrite);
  return finishAndWrite;
}

/** Replaces a function of one response. */
function replaceOwn(state: RequestState, request: NodeRequest, response: NodeResponse): void {
  const known = (response as UnfinishedResponse)[UNFINISHED];
  // An object with another response as its prototype has that one's property.
  if (known?.response === response) {
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
      finish(this, unfinished.state, unfinished.isCrossOrigin, args);
    }
    return unfinished.writeHead.apply(this, args);
  } finally {
    unfinished.isWriting = false;
  }
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
