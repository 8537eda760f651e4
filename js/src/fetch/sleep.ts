/** The longest delay of `setTimeout`. */
const MAX_DELAY_MS = 2 ** 31 - 1;

/**
 * Waits for `ms` milliseconds, or until `onWake`'s argument is called. Leaves neither a timer nor a listener behind.
 *
 * Rejects with the reason of `signal` as soon as it is aborted.
 */
export async function sleep(
  ms: number,
  signal: AbortSignal | null | undefined,
  onWake?: (wake: () => void) => void,
): Promise<void> {
  signal?.throwIfAborted();
  const end = performance.now() + ms;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let onAbort: (() => void) | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
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
