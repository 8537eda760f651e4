import type { Field } from "./limit-set.ts";
import type { ResponseHead } from "./options.ts";

/** Headers whose values are lists. */
const LISTS: readonly string[] = ["ratelimit-policy", "ratelimit"];
const REMAINING = "x-ratelimit-remaining";
const RETRY_AFTER = "retry-after";

/**
 * Merges the headers of a limiter with those that the response has, which another limiter or the application has set, for
 * example for an upstream server. Lists are joined. A `Retry-After` stays. Of the `X-RateLimit` headers, those of the
 * limiter that denied the request stay, else those with the least remaining, and the first of a tie.
 */
export function mergeFields(own: readonly Field[], response: ResponseHead): readonly Field[] {
  const merged: Field[] = [];
  let isBound: boolean | undefined;
  for (const field of own) {
    const [name, value] = field;
    if (LISTS.includes(name)) {
      merged.push([name, appended(response.header(name), value)]);
    } else if (name === RETRY_AFTER) {
      // The function for denials has set its own.
      if (response.header(name) === undefined) {
        merged.push(field);
      }
    } else {
      isBound ??= isBinding(own, response);
      if (!isBound) {
        merged.push(field);
      }
    }
  }
  return merged;
}

/** A list with more items at its end, unless it has them already. */
function appended(list: string | undefined, items: string): string {
  if (!list) {
    return items;
  }
  return list === items || list.endsWith(`, ${items}`) ? list : `${list}, ${items}`;
}

/** Whether the `X-RateLimit` headers of a response bind the client at least as much as those of a limiter. */
function isBinding(own: readonly Field[], response: ResponseHead): boolean {
  const present = response.header(REMAINING);
  const isDenied = own.some(([name]) => name === RETRY_AFTER);
  if (isDenied || present === undefined || !/^\d{1,15}$/.test(present)) {
    return false;
  }
  const remaining = own.find(([name]) => name === REMAINING)?.[1];
  return response.status === 429 || Number(present) <= Number(remaining);
}
