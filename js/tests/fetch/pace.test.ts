import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createFetch, type Wait } from "../../src/fetch/index.ts";
import { Throttles } from "../../src/fetch/throttles.ts";
import { answer, fakeFetch, settle } from "../support/server.ts";

const URL_ = "https://api.example.com/";
const exhausted = answer(200, { RateLimit: '"a";r=0;t=5' });

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

/** A `fetch` that never answers by itself; and a function that answers the oldest request. */
function pending() {
  const open: ((response: Response) => void)[] = [];
  const urls: string[] = [];
  const fetches = (input: RequestInfo | URL) => {
    urls.push(String(input));
    return new Promise<Response>((resolve) => open.push(resolve));
  };
  const respond = async (response: Response) => {
    await vi.advanceTimersByTimeAsync(0);
    open.shift()?.(response);
    await vi.advanceTimersByTimeAsync(0);
  };
  return { fetches: fetches as typeof fetch, urls, open, respond };
}

test("requests wait until something remains, and onWait knows it", async () => {
  const waits: Wait[] = [];
  const fake = fakeFetch(exhausted, answer(200, { RateLimit: '"a";r=9;t=5' }));
  const paced = createFetch({ fetch: fake, pace: true, onWait: (wait) => waits.push(wait) });
  await paced(URL_);
  const calls = Promise.all([paced(URL_), paced(`${URL_}other`)]);
  const passed = await settle(calls);
  expect(passed).toBeGreaterThanOrEqual(5000);
  expect(passed).toBeLessThanOrEqual(5501);
  expect((await calls).map(({ status }) => status)).toEqual([200, 200]);
  expect(waits).toEqual([
    { waitMs: expect.any(Number), attempt: 0, reason: "pace", response: undefined },
  ]);
});

test("requests to other origins do not wait, nor do those without pace", async () => {
  const paced = createFetch({ fetch: fakeFetch(exhausted), pace: true });
  await paced(URL_);
  await paced("https://other.example.com/");
  const unpaced = createFetch({ fetch: fakeFetch(exhausted) });
  await unpaced(URL_);
  await unpaced(URL_);
});

test("no more requests are in flight than remained, in order", async () => {
  const { fetches, urls, open, respond } = pending();
  const paced = createFetch({ fetch: fetches, pace: true });
  const first = paced(`${URL_}0`);
  await respond(answer(200, { RateLimit: '"a";r=2;t=60' }));
  const rest = [1, 2, 3, 4, 5].map((n) => paced(`${URL_}${n}`));
  await vi.advanceTimersByTimeAsync(0);
  expect(open).toHaveLength(2);
  await respond(answer(200, { RateLimit: '"a";r=1;t=60' }));
  expect(open).toHaveLength(1);
  await respond(answer(200, { RateLimit: '"a";r=2;t=60' }));
  expect(open).toHaveLength(2);
  await respond(answer(200));
  await respond(answer(200));
  await respond(answer(200));
  await respond(answer(200));
  await Promise.all([first, ...rest]);
  expect(urls).toEqual([0, 1, 2, 3, 4, 5].map((n) => `${URL_}${n}`));
});

test.each([
  ["of a limit without units", '"a";r=0;t=5', 5501, 5501],
  ["of a limit with units", '"a";r=1;t=5', 0, 5000],
  ["of the limit with the fewest units", '"a";r=9;t=1, "b";r=1;t=5', 0, 5000],
])(
  "beside a slow request, one more is sent in each period %s",
  async (_, header, first, period) => {
    const { fetches, open, respond } = pending();
    const paced = createFetch({ fetch: fetches, pace: true });
    const calls = [paced(URL_)];
    await respond(answer(200, { RateLimit: header }));
    calls.push(paced(URL_), paced(URL_), paced(URL_));
    await vi.advanceTimersByTimeAsync(first);
    expect(open).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(4400);
    expect(open).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(period - 4400);
    expect(open).toHaveLength(2);
    await vi.advanceTimersByTimeAsync(period);
    expect(open).toHaveLength(3);
    await respond(answer(200));
    await respond(answer(200));
    await respond(answer(200));
    await Promise.all(calls);
  },
);

test.each([
  ["a reset before the end of a pause", 429, { "Retry-After": "10", RateLimit: '"a";r=2;t=1' }, 2],
  ["a wait of zero", 429, { "Retry-After": "0" }, 12],
  ["a reset of zero", 200, { RateLimit: '"a";r=2;t=0' }, 13],
  ["a reset at once", 200, { "X-RateLimit-Remaining": "1", "X-RateLimit-Reset": "0.003" }, 12],
])("%s does not let all requests go at once", async (_, status, headers, most) => {
  const { fetches, open, respond } = pending();
  const paced = createFetch({ fetch: fetches, pace: true, maxTries: 1 });
  const calls = [paced(URL_)];
  await respond(answer(status, headers));
  calls.push(...Array.from({ length: 20 }, () => paced(URL_)));
  await vi.advanceTimersByTimeAsync(11_001);
  expect(open.length).toBeGreaterThan(0);
  expect(open.length).toBeLessThanOrEqual(most);
  while (open.length) {
    await respond(answer(200));
  }
  await Promise.all(calls);
});

test("a service that answers slowly is not sent more than its limit beyond that", async () => {
  // Five requests a second, in a sliding window; each takes three seconds.
  const times: number[] = [];
  let sent = 0;
  const server = async () => {
    sent++;
    const now = performance.now();
    const recent = times.filter((time) => now - time < 1000);
    const allowed = recent.length < 5;
    if (allowed) {
      times.push(now);
    }
    const remaining = Math.max(0, 4 - recent.length);
    await new Promise((resolve) => setTimeout(resolve, 3000));
    const headers = { RateLimit: `"a";r=${remaining};t=1` };
    return allowed
      ? new Response("", { headers })
      : new Response("", { status: 429, headers: { ...headers, "Retry-After": "1" } });
  };
  const paced = createFetch({ fetch: server, pace: true, maxWaitMs: 1_000_000 });
  const calls = Promise.all(Array.from({ length: 60 }, () => paced(URL_)));
  await settle(calls);
  expect((await calls).every(({ ok }) => ok)).toBe(true);
  // The first 60 are sent before any response.
  expect(sent).toBeLessThanOrEqual(2 * 60);
});

test("after a denial without a wait, one request is in flight", async () => {
  const { fetches, open, respond } = pending();
  const paced = createFetch({ fetch: fetches, pace: true, maxTries: 1 });
  const first = paced(URL_);
  await respond(answer(429));
  const rest = [paced(URL_), paced(URL_)];
  await vi.advanceTimersByTimeAsync(0);
  expect(open).toHaveLength(1);
  await respond(answer(200));
  await respond(answer(200));
  await Promise.all([first, ...rest]);
});

test("a shorter wait does not end a longer one, and a denied request waits with the others", async () => {
  const { fetches, open, respond } = pending();
  const paced = createFetch({ fetch: fetches, pace: true });
  const calls = [paced(URL_), paced(URL_)];
  await respond(answer(429, { "Retry-After": "20" }));
  await respond(answer(200, { RateLimit: '"a";r=0;t=1' }));
  await vi.advanceTimersByTimeAsync(19_999);
  expect(open).toHaveLength(0);
  await vi.advanceTimersByTimeAsync(2001);
  expect(open).toHaveLength(1);
  await respond(answer(200));
  await Promise.all(calls);
});

test("no request is held back beyond its deadline, nor by a wait that ends after it", async () => {
  const { fetches, open, respond } = pending();
  const paced = createFetch({ fetch: fetches, pace: true, maxWaitMs: 10_000 });
  const first = paced(URL_);
  await respond(answer(200, { RateLimit: '"a";r=0;t=3600' }));
  await first;
  const second = paced(URL_);
  const third = paced(URL_);
  await vi.advanceTimersByTimeAsync(0);
  expect(open).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(open).toHaveLength(2);
  await respond(answer(200));
  await respond(answer(200));
  await Promise.all([second, third]);
});

test("a wait that is too long for any request does not hide a shorter one", async () => {
  const long = answer(200, { RateLimit: '"a";r=0;t=3600' });
  for (const answers of [
    [long, exhausted],
    [exhausted, long],
  ]) {
    const { fetches, open, respond } = pending();
    const paced = createFetch({ fetch: fetches, pace: true });
    const calls = [paced(URL_), paced(URL_)];
    for (const one of answers) {
      await respond(one);
    }
    calls.push(paced(URL_));
    await vi.advanceTimersByTimeAsync(4999);
    expect(open).toHaveLength(0);
    await vi.advanceTimersByTimeAsync(502);
    expect(open).toHaveLength(1);
    await respond(answer(200));
    await Promise.all(calls);
  }
});

test("a request that fails makes room for the next one", async () => {
  const fake = fakeFetch(
    answer(200, { RateLimit: '"a";r=1;t=60' }),
    new RangeError("no"),
    answer(200),
  );
  const paced = createFetch({ fetch: fake, pace: true });
  await paced(URL_);
  const [failed, next] = await Promise.allSettled([paced(URL_), paced(URL_)]);
  expect([failed?.status, next?.status]).toEqual(["rejected", "fulfilled"]);
});

test("a hold that another response interrupts is announced once", async () => {
  const { fetches, respond } = pending();
  const onWait = vi.fn();
  const paced = createFetch({ fetch: fetches, pace: true, onWait });
  const calls = [paced(URL_), paced(URL_)];
  await respond(answer(200, { RateLimit: '"a";r=0;t=5' }));
  calls.push(paced(URL_));
  await vi.advanceTimersByTimeAsync(1000);
  await respond(answer(200));
  await vi.advanceTimersByTimeAsync(5000);
  await respond(answer(200));
  await Promise.all(calls);
  expect(onWait).toHaveBeenCalledOnce();
});

test("the wait after a denial is announced once, also if several requests are denied", async () => {
  // The jitter of the period is longer than that of the request.
  const random = vi.spyOn(Math, "random").mockReturnValue(0.1);
  random.mockReturnValueOnce(0.8).mockReturnValueOnce(0.1).mockReturnValueOnce(0.9);
  try {
    const { fetches, respond } = pending();
    const waits: Wait[] = [];
    const paced = createFetch({ fetch: fetches, pace: true, onWait: (wait) => waits.push(wait) });
    const calls = Promise.all([paced(URL_), paced(URL_)]);
    await respond(answer(429, { "Retry-After": "5" }));
    await vi.advanceTimersByTimeAsync(20);
    await respond(answer(429, { "Retry-After": "5" }));
    await vi.advanceTimersByTimeAsync(6000);
    await respond(answer(200));
    await respond(answer(200));
    await calls;
    expect(waits.map(({ reason }) => reason)).toEqual(["retry-after", "retry-after"]);
  } finally {
    random.mockRestore();
  }
});

test("a wait after a denial never ends after the deadline", async () => {
  const random = vi.spyOn(Math, "random").mockReturnValue(1);
  try {
    const fake = fakeFetch(answer(429, { "Retry-After": "10" }), answer(200));
    const call = createFetch({ fetch: fake, pace: true, maxWaitMs: 10_500 })(URL_);
    expect(await settle(call)).toBeLessThanOrEqual(10_501);
    expect((await call).status).toBe(200);
  } finally {
    random.mockRestore();
  }
});

test("a longer period than the wait after a denial is announced, too", async () => {
  const { fetches, respond } = pending();
  const waits: Wait[] = [];
  const paced = createFetch({ fetch: fetches, pace: true, onWait: (wait) => waits.push(wait) });
  const calls = Promise.all([paced(URL_), paced(URL_)]);
  await respond(answer(429, { "Retry-After": "20" }));
  await respond(answer(429, { "Retry-After": "5" }));
  await vi.advanceTimersByTimeAsync(22_001);
  await respond(answer(200));
  await respond(answer(200));
  await calls;
  expect(waits.map(({ reason }) => reason)).toEqual(["retry-after", "retry-after", "pace"]);
});

test("the least recently used origin is forgotten", () => {
  const throttles = new Throttles(2);
  const [a, b] = [throttles.get("https://a.example.com"), throttles.get("https://b.example.com")];
  expect(throttles.get("https://a.example.com")).toBe(a);
  throttles.get("https://c.example.com");
  expect(throttles.get("https://a.example.com")).toBe(a);
  expect(throttles.get("https://b.example.com")).not.toBe(b);
});
