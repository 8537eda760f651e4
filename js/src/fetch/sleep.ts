/** The longest delay of `setTimeout`. */
const MAX_DELAY_MS = 2 ** 31 - 1;

/**
 * Waits for `ms` milliseconds, or until `onWake`'s argument is called. Leaves neither a timer nor a listener behind.
 *
 * Rejects with the reason of `signal` as soon as it is aborted, and with that of `notice`, if it is a promise that rejects.
 */
export async function sleep(
  ms: number,
  signal: AbortSignal | null | undefined,
  notice?: unknown,
  onWake?: (wake: () => void) => void,
): Promise<void> {
  const end = performance.now() + ms;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let onAbort: (() => void) | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      Promise.resolve(notice).catch(reject);
      signal?.throwIfAborted();
      onAbort = () => reject(signal?.reason);
      signal?.addEventListener("abort", onAbort);
      onWake?.(resolve);
      const wait = () => {
        const left = end - performance.now();
        if (left > 0) {
          timer = setTimeout(wait, Math.min(Math.ceil(left), MAX_DELAY_MS));
        } else {
          resolve();
        }
      };
      wait();
    });
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort as () => void);
  }
}
