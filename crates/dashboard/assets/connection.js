// Says when a page is no longer live.

/**
 * Shows or hides the notice that the dashboard does not answer.
 * @param {boolean} isUp
 */
export function reportConnection(isUp) {
  const notice = document.getElementById("connection");
  if (notice) notice.hidden = isUp;
}

/** Shows the notice while no events arrive on a page that has them. */
export function watchConnection() {
  const live = document.querySelector(".live");
  if (!live) return;
  let last = Date.now();
  live.addEventListener("point", () => (last = Date.now()));
  setInterval(() => reportConnection(document.hidden || Date.now() - last < 4000), 500);
  document.addEventListener("visibilitychange", () => (last = Date.now()));
}
