// Instants in the browser's zone, and countdowns.

const format = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
/**
 * The ends of countdowns by the browser's clock, which may differ from the server's, with the remaining milliseconds that
 * they were sent with.
 * @type {WeakMap<HTMLElement, {sent: string | undefined, ends: number}>}
 */
const countdowns = new WeakMap();

/**
 * An instant in the browser's zone.
 * @param {number} unixMs
 */
export function formatInstant(unixMs) {
  return format.format(unixMs);
}

/** Writes all instants of the page, also of parts that arrive later. */
export function showTimes() {
  write(document.body);
  new MutationObserver((changes) => {
    for (const change of changes) {
      if (change.target instanceof Element) write(change.target);
    }
  }).observe(document.body, { childList: true, subtree: true });
  setInterval(count, 1000);
}

/** @param {Element} root */
function write(root) {
  for (const time of root.querySelectorAll("time[data-ms]")) {
    if (!(time instanceof HTMLTimeElement) || time.dataset.shown === time.dataset.ms) continue;
    time.dataset.shown = time.dataset.ms;
    // The title keeps the exact instant.
    time.textContent = formatInstant(Number(time.dataset.ms));
  }
  for (const element of root.querySelectorAll(".countdown")) {
    if (element instanceof HTMLElement) endOf(element);
  }
}

/**
 * The end of a countdown. The remaining time counts from the moment when it arrived.
 * @param {HTMLElement} element
 */
function endOf(element) {
  const sent = element.dataset.rest;
  const known = countdowns.get(element);
  if (known && known.sent === sent) return known.ends;
  const ends = Date.now() + Number(sent);
  countdowns.set(element, { sent, ends });
  return ends;
}

function count() {
  for (const element of document.querySelectorAll(".countdown")) {
    if (!(element instanceof HTMLElement)) continue;
    const rest = Math.ceil((endOf(element) - Date.now()) / 1000);
    element.textContent = duration(Math.max(0, rest));
  }
}

/** @param {number} seconds */
function duration(seconds) {
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86400)} d ${Math.floor((seconds % 86400) / 3600)} h`;
}
