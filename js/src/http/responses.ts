import type { Denial } from "./options.ts";

/** The media type of problem details (RFC 9457). */
export const PROBLEM_JSON = "application/problem+json";

/** The status and the body of a response by a middleware. */
export interface OwnResponse {
  readonly status: 429 | 503;
  readonly body: string;
}

/** The default response to a request that is not served. It does not say why a request could not be checked. */
export function ownResponse(outcome: Denial | "unavailable"): OwnResponse {
  if (outcome !== "unavailable") {
    return { status: 429, body: JSON.stringify(outcome.problem) };
  }
  const problem = {
    type: "about:blank",
    title: "Service Unavailable",
    status: 503,
    detail: "The request could not be checked against its limits",
  };
  return { status: 503, body: JSON.stringify(problem) };
}
