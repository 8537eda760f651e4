// Says when live parts of a page are no longer live.

/** Shows a notice while no events arrive. */
export function watchConnection() {
  const notice = document.getElementById("connection");
  const live = document.querySelector(".live");
  if (!notice || !live) return;
  let last = Date.now();
  live.addEventListener("point", () => (last = Date.now()));
  setInterval(() => {
    notice.hidden = document.hidden || Date.now() - last < 4000;
  }, 500);
  document.addEventListener("visibilitychange", () => (last = Date.now()));
}
