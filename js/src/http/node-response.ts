import { joined, type NodeRequest } from "./node.ts";
import type { RequestState } from "./request-checks.ts";

/** The parts of Node's `ServerResponse` that a limiter uses. */
export interface NodeResponse {
  readonly headersSent: boolean;
  getHeader(name: string): number | string | string[] | undefined;
  setHeader(name: string, value: number | string | readonly string[]): unknown;
  removeHeader(name: string): void;
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
  while (original?.[FINISHING]?.isDone) {
    original = original[FINISHING].original;
  }
  const known = original?.[FINISHING];
  // An object with another response as its prototype has that one's function.
  if (known?.response !== response || known.state !== state) {
    const isCrossOrigin = request.headers.origin !== undefined;
    response.writeHead = finishing({ response, state, original, isDone: false }, isCrossOrigin);
  }
}

function finishing(own: Finishing, isCrossOrigin: boolean): WriteHead {
  const { state, original } = own;
  const writeHead: WriteHead = function (this: NodeResponse, ...args: unknown[]): unknown {
    const isFirst = !state.isFinishing && !this.headersSent && !state.hasBegun("finish");
    const result = isFirst
      ? finishAndWrite(this, own, isCrossOrigin, args)
      : original.apply(this, args);
    own.isDone = true;
    return result;
  };
  writeHead[FINISHING] = own;
  return writeHead;
}

function finishAndWrite(
  response: NodeResponse,
  { state, original }: Finishing,
  isCrossOrigin: boolean,
  args: unknown[],
): unknown {
  const given = takeGiven(args);
  const before = given.map(([name]) => [name, response.getHeader(name)] as const);
  state.isFinishing = true;
  try {
    setAll(response, given);
    const head = {
      status: Number(args[0]),
      header: (name: string) => joined(response.getHeader(name)),
    };
    setAll(response, state.finish(head, isCrossOrigin).fields);
    return original.apply(response, args);
  } catch (error) {
    if (!response.headersSent) {
      // The response to the error must not have the length or the encoding of this one.
      restoreAll(response, before);
    }
    throw error;
  } finally {
    state.isFinishing = false;
  }
}

type Value = number | string | readonly string[];

function setAll(response: NodeResponse, headers: readonly (readonly [string, Value])[]): void {
  for (const [name, value] of headers) {
    response.setHeader(name, value);
  }
}

function restoreAll(
  response: NodeResponse,
  headers: readonly (readonly [string, Value | undefined])[],
): void {
  for (const [name, value] of headers) {
    if (value === undefined) {
      response.removeHeader(name);
    } else {
      response.setHeader(name, value);
    }
  }
}

/** Takes the headers off the arguments of `writeHead`, so that they can be set, and read, before. */
function takeGiven(args: unknown[]): [string, Value][] {
  while (args.at(-1) === undefined && args.length) {
    args.pop();
  }
  const given = args.at(-1);
  if (typeof given !== "object" || given === null) {
    return [];
  }
  // A list may have pairs instead.
  const list = Array.isArray(given) && (Array.isArray(given[0]) ? given.flat() : given);
  if (list && list.length % 2) {
    // Node rejects it.
    return [];
  }
  args.pop();
  const headers = list ? merged(list) : Object.entries(given);
  return headers.filter(([name]) => name);
}

/** The headers of a list of names and values, such as the raw headers of a message. */
function merged(list: readonly string[]): [string, Value][] {
  const headers = new Map<string, [string, string | string[]]>();
  for (let index = 0; index < list.length; index += 2) {
    const [name, value] = list.slice(index, index + 2) as [string, string];
    const known = headers.get(name.toLowerCase());
    headers.set(name.toLowerCase(), [name, known ? [known[1], value].flat() : value]);
  }
  return [...headers.values()];
}
