import type { Field } from "./limit-set.ts";
import type { ResponseHead } from "./options.ts";

/** Headers whose values are lists. */
const LISTS: readonly string[] = ["ratelimit-policy", "ratelimit"];
const REMAINING = "x-ratelimit-remaining";
const RETRY_AFTER = "retry-after";

/**
 * The headers of a limiter, merged with those that the response has, which another limiter or the application has set, for
 * example for an upstream server. Lists are joined. A `Retry-After` stays. Of the `X-RateLimit` headers, those of the
 * limiter that denied the request stay, else those with the least remaining, and the first of a tie.
 */
export class MergedFields {
  /** The headers to set. */
  readonly fields: readonly Field[];
  readonly #own: readonly Field[];

  /** `earlier` are those that were set on the response before, if they were: they are replaced. */
  constructor(
    own: readonly Field[],
    response: ResponseHead,
    isDenied: boolean,
    earlier: MergedFields | undefined,
  ) {
    this.#own = own;
    // Most responses have none of them.
    const isPlain = own.every(([name]) => response.header(name) === undefined);
    this.fields = isPlain
      ? own
      : merge(own, response, isDenied, (name) => {
          const value = response.header(name);
          return earlier ? earlier.#before(name, value) : value;
        });
  }

  /** The value that a header had before these were set, if these still have a part in it. */
  #before(name: string, value: string | undefined): string | undefined {
    const own = fieldOf(this.#own, name);
    if (value === undefined || own === undefined) {
      return value;
    }
    if (LISTS.includes(name)) {
      // Another limiter may have added its items since.
      const before = `, ${value}, `.replace(`, ${own}, `, ", ").slice(2, -2);
      return before || undefined;
    }
    return value === own && value === fieldOf(this.fields, name) ? undefined : value;
  }
}

function merge(
  own: readonly Field[],
  { status }: ResponseHead,
  isDenied: boolean,
  present: (name: string) => string | undefined,
): readonly Field[] {
  const fields: Field[] = [];
  let isBound: boolean | undefined;
  for (const field of own) {
    const [name, value] = field;
    if (LISTS.includes(name)) {
      const list = present(name);
      fields.push(list ? [name, `${list}, ${value}`] : field);
    } else if (name === RETRY_AFTER) {
      // The function for denials has set its own.
      if (present(name) === undefined) {
        fields.push(field);
      }
    } else {
      isBound ??= !isDenied && isBinding(present(REMAINING), fieldOf(own, REMAINING), status);
      // Those that were set before are not to stay.
      const shown = isBound ? present(name) : value;
      if (shown !== undefined) {
        fields.push([name, shown]);
      }
    }
  }
  return fields;
}

function fieldOf(fields: readonly Field[], name: string): string | undefined {
  return fields.find((field) => field[0] === name)?.[1];
}

/** Whether the `X-RateLimit` headers of a response bind the client at least as much as those of a limiter that allows. */
function isBinding(present: string | undefined, own: string | undefined, status: number): boolean {
  // More digits are no exact number.
  if (present === undefined || !/^\d{1,15}$/.test(present)) {
    return false;
  }
  return status === 429 || Number(present) <= Number(own);
}
