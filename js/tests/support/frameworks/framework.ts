import type { RequestChecks } from "../../../src/http/index.ts";
import type { HttpOptions } from "../../../src/http/options.ts";

/** A request of any framework, for the functions in options. */
export interface AnyRequest {
  header(name: string): string | undefined;
  query(name: string): string | undefined;
}

/** Options with functions that take a request of any framework. */
export interface AnyOptions extends HttpOptions<AnyRequest> {
  /** A text in place of problem details, and a value of `Retry-After`. */
  readonly denied?: { readonly text: string; readonly retryAfter: string };
}

/** The limits of an application, and of its route `/users/:id`. */
export interface Limits {
  readonly all?: AnyOptions | undefined;
  readonly user?: AnyOptions | undefined;
}

/**
 * A framework with an application of these routes: `/search`, `/users/:id`, `/stream`, `/error`, `/health`, `/login`,
 * which responds with the status in the query, `/refund`, and `/own`, which exposes a header of its own.
 */
export interface Framework {
  readonly name: string;
  run(limits: Limits, use: (url: string) => Promise<void>): Promise<void>;
}

/** Converts the functions of options to those of a framework. */
export function convert<R>(
  { denied, ...options }: AnyOptions,
  toAny: (request: R) => AnyRequest,
): HttpOptions<R> {
  const converted: Record<string, unknown> = { ...options };
  for (const name of ["limit", "plan", "key", "cost", "skip"] as const) {
    const option = options[name];
    if (typeof option === "function") {
      converted[name] = (request: R) => option(toAny(request));
    }
  }
  if (options.limits) {
    converted.limits = options.limits.map((limit) => convert(limit as AnyOptions, toAny));
  }
  return converted as unknown as HttpOptions<R>;
}

/** Takes a request back twice, and returns the units and the keys as JSON. */
export async function refund(checks: RequestChecks | undefined): Promise<string> {
  return JSON.stringify([await checks?.refund(), await checks?.refund(), checks?.keys]);
}
