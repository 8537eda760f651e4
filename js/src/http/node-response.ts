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

/** The function of a response, which may be one that finishes its headers. */
type WriteHead = NodeResponse["writeHead"] & { [FINISHING]?: Finishing };

interface Finishing {
  readonly response: NodeResponse;
  readonly state: RequestState;
  /** The function before it was replaced. */
  readonly original: WriteHead;
  isDone: boolean;
}

const FINISHING: unique symbol = Symbol("ratelog");

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
  let original: WriteHead = response.writeHead;
  // Tests use one object as the response to many requests.
  while (original[FINISHING]?.isDone) {
    original = original[FINISHING].original;
  }
  const known = original[FINISHING];
  // An object with another response as its prototype has that one's function.
  if (known?.response !== response || known.state !== state) {
    const isCrossOrigin = request.headers.origin !== undefined;
    response.writeHead = finishing({ response, state, original, isDone: false }, isCrossOrigin);
  }
}

function finishing(own: Finishing, isCrossOrigin: boolean): WriteHead {
  const { state, original } = own;
  const writeHead: WriteHead = function (this: NodeResponse, ...args: unknown[]): unknown {
    if (own.isDone || state.isFinishing || this.headersSent) {
      return original.apply(this, args);
    }
    state.isFinishing = true;
    try {
      finish(this, state, isCrossOrigin, args);
      const result = original.apply(this, args);
      own.isDone = true;
      return result;
    } finally {
      state.isFinishing = false;
    }
  };
  writeHead[FINISHING] = own;
  return writeHead;
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
