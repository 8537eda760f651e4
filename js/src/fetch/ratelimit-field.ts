/** One item of the `RateLimit` header. */
export interface RateLimitItem {
  /** The parameter `r`, in units. */
  readonly remaining: number;
  /** The parameter `t` in milliseconds, if the item has one. */
  readonly resetMs: number | undefined;
}

// Structured Field values: RFC 9651, sections 3 and 4.2.
const INTEGER = "-?\\d{1,15}";
const STRING = '"(?:[ !#-[\\]-~]|\\\\["\\\\])*"';
const TOKEN = "[A-Za-z*][\\w!#$%&'*+.^`|~:/-]*";
// As RFC 4648 has it, with the padding that parsers may not insist on.
const BASE64 = "[A-Za-z\\d+/]";
const BYTES = `:(?:${BASE64}{4})*(?:${BASE64}{2}={0,2}|${BASE64}{3}=?)?:`;
const DISPLAY_STRING = '%"(?:[ !#$&-~]|%[\\da-f]{2})*"';
const BARE_ITEM = `(?:-?\\d{1,12}\\.\\d{1,3}|@?${INTEGER}|${STRING}|${TOKEN}|${BYTES}|\\?[01]|${DISPLAY_STRING})`;
const PARAMETER = `; *([a-z*][a-z\\d_.*-]*)(?:=(${BARE_ITEM}))?`;
const PARAMETERS = `(?:${PARAMETER.replaceAll(/\((?!\?)/g, "(?:")})*`;
const INNER_LIST = `\\( *(?:${BARE_ITEM}${PARAMETERS}(?: +|(?=\\))))*\\)`;
const MEMBER = new RegExp(
  `(${INNER_LIST}|${BARE_ITEM})(${PARAMETERS})[ \\t]*(?:(,)[ \\t]*|$)`,
  "y",
);

/** Parses the value of `RateLimit`, a Structured Field List. Omits malformed items; a malformed list is empty. */
export function parseRateLimit(value: string): RateLimitItem[] {
  const list = value.replace(/^ +/, "");
  const items: RateLimitItem[] = [];
  let comma: string | undefined = ",";
  for (MEMBER.lastIndex = 0; comma; ) {
    const member = MEMBER.exec(list);
    if (!member) {
      return [];
    }
    const [, name, parameters, next] = member as unknown as [string, string, string, string?];
    comma = next;
    const item = name.startsWith("(") ? undefined : parseItem(parameters);
    if (item) {
      items.push(item);
    }
  }
  return items;
}

function parseItem(parameters: string): RateLimitItem | undefined {
  const values = new Map<string | undefined, string>();
  for (const [, key, value = "?1"] of parameters.matchAll(new RegExp(PARAMETER, "g"))) {
    values.set(key, value);
  }
  const remaining = parseNonNegative(values.get("r"));
  const reset = parseNonNegative(values.get("t"));
  if (remaining === undefined || (values.has("t") && reset === undefined)) {
    return undefined;
  }
  return { remaining, resetMs: reset === undefined ? undefined : reset * 1000 };
}

function parseNonNegative(value: string | undefined): number | undefined {
  return value && /^(\d+|-0+)$/.test(value) ? Math.abs(Number(value)) : undefined;
}
