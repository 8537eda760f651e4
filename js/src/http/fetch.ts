import type { Outcome } from "./http-limiter.ts";
import type { Field } from "./limit-set.ts";
import type { Denial, ResponseHead } from "./options.ts";
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
const REPLACED: unique symbol = Symbol("ratelog");

type Replaced = ReadonlyMap<
  string,
  { readonly value: string; readonly before: string | undefined }
>;

interface FinishedResponse extends Response {
  [REPLACED]?: Replaced;
}

/** The head of a response, without the headers that were set for another request, if the program returns it again. */
export function responseHead(response: Response): ResponseHead {
  const replaced = (response as FinishedResponse)[REPLACED];
  const header = (name: string) => {
    const value = response.headers.get(name) ?? undefined;
    const known = replaced?.get(name);
    return known && known.value === value ? known.before : value;
  };
  return { status: response.status, header };
}

/** Sets headers on a response. Returns the same, or a copy if it is immutable, as those of `fetch` are. */
export function withFields(response: Response, fields: readonly Field[]): Response {
  try {
    setAll(response, fields);
    return response;
  } catch {
    const copy = new Response(response.body, response);
    setAll(copy, fields);
    return copy;
  }
}

function setAll(response: FinishedResponse, fields: readonly Field[]): void {
  const { header } = responseHead(response);
  const replaced = fields.map(([name, value]) => [name, { value, before: header(name) }] as const);
  for (const [name, value] of fields) {
    response.headers.set(name, value);
  }
  response[REPLACED] = new Map(replaced);
}

/** Whether the headers of a response can be set: not those of a network error, or of a switch of protocols. */
export function hasHeaders({ status }: Response): boolean {
  return status >= 200;
}
