import type { Outcome } from "./http-limiter.ts";
import type { Field } from "./limit-set.ts";
import type { Denial, ResponseHead } from "./options.ts";
import type { RequestState } from "./request-checks.ts";
import type { RequestHead } from "./request-head.ts";
import { ownResponse, PROBLEM_JSON } from "./responses.ts";

/** The head of a `Request`. */
export function fetchHead(
  { method, headers }: Request,
  path: string,
  peer: string | undefined,
): RequestHead {
  return { method, path, peer, header: (name) => headers.get(name) ?? undefined };
}

/** Creates a response. */
type Create = (
  body: string,
  init: { status: 429 | 503; headers: Record<string, string> },
) => Response;

/** The response to a request that is not served. `onDenied` responds to denied requests, and `create` to others. */
export async function denialResponse(
  outcome: Exclude<Outcome, "serve">,
  onDenied: ((denial: Denial) => Response | Promise<Response>) | undefined,
  create: Create = (body, init) => new Response(body, init),
): Promise<Response> {
  const { status, body } = ownResponse(outcome);
  if (!onDenied || outcome === "unavailable") {
    return create(body, { status, headers: { "content-type": PROBLEM_JSON } });
  }
  const response = await onDenied(outcome);
  // A function that sets no status means this one.
  return response.status === 200
    ? new Response(response.body, { status, headers: response.headers })
    : response;
}

/** The values of headers that were set on a response, and of those that it had before. */
type Replaced = ReadonlyMap<
  string,
  { readonly value: string; readonly before: string | undefined }
>;

const REPLACED: unique symbol = Symbol("ratelog");

interface FinishedResponse extends Response {
  [REPLACED]?: Replaced;
}

/** Those of responses that take no properties. */
const replacedByResponse: WeakMap<Response, Replaced> = new WeakMap();

/** The head of a response, without the headers that were set for another request, if the program returns it again. */
function responseHead(response: Response): ResponseHead {
  const replaced = replacedOf(response);
  const header = (name: string) => {
    const value = response.headers.get(name) ?? undefined;
    const known = replaced?.get(name);
    return known && known.value === value ? known.before : value;
  };
  return { status: response.status, header };
}

/** Sets headers on a response. Returns the same, or a copy if it is immutable, as those of `fetch` are. */
export function withFields(response: Response, fields: readonly Field[]): Response {
  const { header } = responseHead(response);
  const set = fields.map(([name, value]) => [name, { value, before: header(name) }] as const);
  const finished = withHeaders(response, fields);
  const replaced = new Map([...(replacedOf(response) ?? []), ...set]);
  try {
    (finished as FinishedResponse)[REPLACED] = replaced;
  } catch {
    replacedByResponse.set(finished, replaced);
  }
  return finished;
}

function replacedOf(response: FinishedResponse): Replaced | undefined {
  return response[REPLACED] ?? replacedByResponse.get(response);
}

function withHeaders(response: Response, fields: readonly Field[]): Response {
  try {
    setAll(response.headers, fields);
    return response;
  } catch {
    const copy = new Response(response.body, response);
    setAll(copy.headers, fields);
    return copy;
  }
}

function setAll(headers: Headers, fields: readonly Field[]): void {
  for (const [name, value] of fields) {
    headers.set(name, value);
  }
}

/**
 * Takes the units of a response that does not count back, and sets the headers on it. Returns the same response, or a copy
 * if it is immutable.
 */
export async function finishFetch(
  state: RequestState,
  { headers }: Request,
  response: Response,
): Promise<Response> {
  // Those of a network error, or of a switch of protocols, cannot be set.
  const hasHeaders = response.status >= 200;
  if (state.isEmpty || !hasHeaders) {
    return response;
  }
  const { fields, refunded } = state.finish(responseHead(response), headers.has("origin"));
  await refunded;
  return withFields(response, fields);
}
