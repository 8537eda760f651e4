import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createFetch } from "../../src/fetch/index.ts";
import { sleep } from "../../src/fetch/sleep.ts";
import { answer, fakeFetch, settle } from "../support/server.ts";

const URL_ = "https://api.example.com/";
const denied = answer(429, { "Retry-After": "5" });
const reason = new Error("the user went away");

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

test.each([
  ["the options", (signal: AbortSignal) => [URL_, { signal }] as const],
  ["a Request", (signal: AbortSignal) => [new Request(URL_, { signal })] as const],
  [
    "a Request as the init",
    (signal: AbortSignal) => [URL_, new Request(URL_, { signal }) as RequestInit] as const,
  ],
])("the signal of %s ends a wait at once", async (_, argumentsFor) => {
  const controller = new AbortController();
  const [input, init] = argumentsFor(controller.signal);
  const fake = fakeFetch(denied);
  const call = createFetch({ fetch: fake })(input, init);
  call.catch(() => {});
  await vi.advanceTimersByTimeAsync(1000);
  expect(vi.getTimerCount()).toBe(1);
  controller.abort(reason);
  await expect(call).rejects.toBe(reason);
  expect(fake.times).toHaveLength(1);
});

test("a signal of null replaces that of a Request", async () => {
  const controller = new AbortController();
  const request = new Request(URL_, { signal: controller.signal });
  const call = createFetch({ fetch: fakeFetch(denied, answer(200)) })(request, { signal: null });
  await vi.advanceTimersByTimeAsync(1000);
  controller.abort(reason);
  await settle(call);
  expect((await call).status).toBe(200);
});

test("nothing is sent after a signal is aborted", async () => {
  const fake = fakeFetch(denied);
  await expect(
    createFetch({ fetch: fake })(URL_, { signal: AbortSignal.abort(reason) }),
  ).rejects.toBe(reason);
  expect(fake.times).toEqual([]);
});

test("a signal that is aborted during a try begins no wait", async () => {
  const controller = new AbortController();
  const onWait = vi.fn();
  const fake = fakeFetch(() => {
    controller.abort(reason);
    return denied;
  });
  const call = createFetch({ fetch: fake, onWait })(URL_, { signal: controller.signal });
  await expect(call).rejects.toBe(reason);
  expect(onWait).not.toHaveBeenCalled();
});

test("a signal that onWait aborts ends the wait", async () => {
  const controller = new AbortController();
  const onWait = () => controller.abort(reason);
  const call = createFetch({ fetch: fakeFetch(denied), onWait })(URL_, {
    signal: controller.signal,
  });
  await expect(call).rejects.toBe(reason);
});

test("a request that is held back is aborted, and the next one is sent", async () => {
  const paced = createFetch({
    fetch: fakeFetch(answer(200, { RateLimit: '"a";r=0;t=5' })),
    pace: true,
  });
  await paced(URL_);
  const controller = new AbortController();
  const aborted = paced(URL_, { signal: controller.signal });
  aborted.catch(() => {});
  const next = paced(URL_);
  await vi.advanceTimersByTimeAsync(1000);
  controller.abort(reason);
  await expect(aborted).rejects.toBe(reason);
  const passed = await settle(next);
  expect((await next).status).toBe(200);
  expect(passed).toBeGreaterThanOrEqual(4000);
});

test("a wait leaves no listener behind", async () => {
  const { signal } = new AbortController();
  const [add, remove] = [
    vi.spyOn(signal, "addEventListener"),
    vi.spyOn(signal, "removeEventListener"),
  ];
  const wait = sleep(1000, signal);
  await settle(wait);
  await wait;
  expect(add).toHaveBeenCalledOnce();
  expect(remove.mock.calls[0]).toEqual(add.mock.calls[0]);
});
