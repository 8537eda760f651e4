// Says when a page is no longer live.

/**
 * Shows or hides the notice that the dashboard does not answer.
 * @param {boolean} isUp
 */
export function reportConnection(isUp) {
  const notice = document.getElementById("connection");
  if (notice) notice.hidden = isUp;
}

/** Keeps a page with events live: shows the notice while none arrive, and connects until they do. */
export function watchConnection() {
  const live = document.querySelector(".live");
  if (!live) return;
  let last = Date.now();
  const isUp = () => document.hidden || Date.now() - last < 4000;
  live.addEventListener("point", () => (last = Date.now()));
  document.addEventListener("visibilitychange", () => (last = Date.now()));
  setInterval(() => reportConnection(isUp()), 500);
  // The extension connects again what was connected once. Without a first connection, this event starts one.
  setInterval(() => isUp() || live.dispatchEvent(new Event("reconnect")), 2000);
  // The session has ended: the page leads to the login.
  for (const name of ["htmx:response:error", "htmx:sse:error"]) {
    live.addEventListener(name, (event) => {
      const { ctx, status } = /** @type {CustomEvent} */ (event).detail;
      if ((status ?? ctx?.response.status) === 401) location.reload();
    });
  }
}
