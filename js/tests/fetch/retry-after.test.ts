import fc from "fast-check";
import { expect, test } from "vitest";
import {
  parseHttpDate,
  parseReset,
  parseRetryAfter,
  parseUnits,
} from "../../src/fetch/retry-after.ts";

test("digits are ASCII, and a wait that is beyond all bounds is long", () => {
  expect(parseRetryAfter("\u0665")).toBeUndefined();
  expect(parseRetryAfter("18446744073709551616")).toEqual({ after: 1000 * 2 ** 64 });
  expect(parseRetryAfter("9".repeat(400))).toEqual({ after: Number.POSITIVE_INFINITY });
  expect(parseUnits("")).toBeUndefined();
});

test("a reset is no date", () => {
  expect(parseReset("Fri, 15 Jan 2027 08:00:09 GMT")).toBeUndefined();
});

test("the smallest fraction of a reset is rounded up", () => {
  expect(parseReset("4.00000000000000000000001")).toEqual({ after: 5000 });
  expect(parseReset("4.000")).toEqual({ after: 4000 });
});

test("dates that do not exist are malformed", () => {
  for (const date of [
    "Mon, 15 Jan 2027 08:00:09 GMT",
    "Tue, 30 Feb 2027 08:00:09 GMT",
    "Fri, 15 Jan 2027 24:00:00 GMT",
    "Fri, 15 Jan 2027 08:00:60 GMT",
    "Fri, 15 Jan 2027 08:00:09 UTC",
    "Fri, 15 Jan 2027 08:00:09 +0100",
    "fri, 15 jan 2027 08:00:09 gmt",
    "Fri, 15 Jan 2027",
    "Frioday, 15-Jan-27 08:00:09 GMT",
    "Wed, 31 Dec 1969 23:59:59 GMT",
    "Invalid Date",
  ]) {
    expect(parseHttpDate(date), date).toBeUndefined();
  }
});

const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");

/** The three formats of RFC 9110. */
function formats(date: Date): string[] {
  const two = (value: number) => String(value).padStart(2, "0");
  const day = DAYS[date.getUTCDay()] ?? "";
  const month = MONTHS[date.getUTCMonth()];
  const [month_day, year] = [date.getUTCDate(), date.getUTCFullYear()];
  const time = [date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds()].map(two).join(":");
  const short = day.slice(0, 3);
  return [
    `${short}, ${two(month_day)} ${month} ${year} ${time} GMT`,
    `${short} ${month} ${String(month_day).padStart(2)} ${time} ${year}`,
    ...(year < 2070 ? [`${day}, ${two(month_day)}-${month}-${two(year % 100)} ${time} GMT`] : []),
  ];
}

test("every second is read in all formats", () => {
  const seconds = fc.integer({ min: 0, max: Date.UTC(9999, 11, 31, 23, 59, 59) / 1000 });
  const this_century = fc.integer({ min: 0, max: Date.UTC(2069, 11, 31) / 1000 });
  fc.assert(
    fc.property(fc.oneof(seconds, this_century), (second) => {
      for (const text of formats(new Date(second * 1000))) {
        expect(parseHttpDate(text), text).toBe(second * 1000);
      }
    }),
  );
});

test("arbitrary text is handled", () => {
  const text = fc.oneof(
    fc.string(),
    fc.stringMatching(/^(Mon|Fri), \d\d (Feb|Dec) (19|20|99)\d\d \d\d:[0-6]0:00 GMT$/),
  );
  fc.assert(
    fc.property(text, (value) => {
      const time = parseHttpDate(value);
      expect(time === undefined || new Date(time).toUTCString() === value).toBe(true);
      expect(parseUnits(value) !== undefined).toBe(/^[0-9]+$/.test(value));
    }),
  );
});
