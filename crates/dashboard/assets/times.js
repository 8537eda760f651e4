// Instants in the browser's zone, and countdowns.

const short = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

/** Writes all instants of the page, also of parts that arrive later. */
export function showTimes() {
  write(document.body);
  new MutationObserver((changes) => {
    for (const change of changes) {
      if (change.target instanceof Element) write(change.target);
    }
  }).observe(document.body, { childList: true, subtree: true });
  setInterval(() => count(document.body), 1000);
}

/** @param {Element} root */
function write(root) {
  for (const time of root.querySelectorAll("time[data-ms]")) {
    if (!(time instanceof HTMLTimeElement) || time.dateTime) continue;
    const instant = new Date(Number(time.dataset.ms));
    time.dateTime = instant.toISOString();
    time.title = instant.toISOString();
    time.textContent = short.format(instant);
  }
}

/** @param {Element} root */
function count(root) {
  for (const element of root.querySelectorAll(".countdown")) {
    if (!(element instanceof HTMLElement)) continue;
    const rest = Math.max(0, Math.ceil((Number(element.dataset.ends) - Date.now()) / 1000));
    element.textContent = rest > 0 ? duration(rest) : "now";
  }
}

/** @param {number} seconds */
function duration(seconds) {
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86400)} d ${Math.floor((seconds % 86400) / 3600)} h`;
}
