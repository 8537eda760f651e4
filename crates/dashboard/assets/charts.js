// The charts: rates over time, and the usage of a key.
import uPlot from "./uplot.js";

const COLORS = { allowed: "#2f9e5f", denied: "#d9453c", shadow: "#c98a00", line: "#2458c5" };

/** Draws the charts of the page. */
export function showCharts() {
  for (const element of document.querySelectorAll("[data-chart]")) {
    if (!(element instanceof HTMLElement)) continue;
    if (element.dataset.chart === "checks") showChecks(element);
    else showUsage(element);
  }
}

/**
 * @param {HTMLElement} element
 * @param {uPlot.Series[]} series
 * @param {uPlot.AlignedData} data
 */
function draw(element, series, data) {
  const style = getComputedStyle(document.body);
  const axis = { stroke: style.color, grid: { stroke: "#8884", width: 1 }, ticks: { stroke: "#8884", width: 1 } };
  const options = {
    width: Math.max(200, element.clientWidth - 16),
    height: 220,
    series: [{}, ...series],
    axes: [axis, { ...axis, size: 60 }],
    scales: { y: { range: (/** @type {uPlot} */ _, /** @type {number} */ _low, /** @type {number} */ high) => [0, high > 0 ? high * 1.1 : 1] } },
  };
  const chart = new uPlot(/** @type {uPlot.Options} */ (options), data, element);
  new ResizeObserver(() => chart.setSize({ width: Math.max(200, element.clientWidth - 16), height: 220 })).observe(element);
  return chart;
}

/** @param {HTMLElement} element */
async function showChecks(element) {
  const series = [
    { label: "Allowed", stroke: COLORS.allowed, width: 1.5 },
    { label: "Denied", stroke: COLORS.denied, width: 1.5 },
    { label: "Shadow-denied", stroke: COLORS.shadow, width: 1.5 },
  ];
  const chart = draw(element, series, [[], [], [], []]);
  const url = new URL(element.dataset.history ?? "", location.href);
  const policy = url.searchParams.get("policy");
  let range = "15m";
  const load = async () => {
    url.searchParams.set("range", range);
    const response = await fetch(url);
    if (!response.ok) return;
    const history = await response.json();
    chart.setData([history.times, history.allowed, history.denied, history.shadow_denied]);
  };
  await load();
  document.querySelector(".live")?.addEventListener("point", (event) => {
    if (range !== "15m" || policy) return;
    const point = JSON.parse(/** @type {CustomEvent} */ (event).detail.data);
    const [times, allowed, denied, shadow] = chart.data.map((column) => [...column].slice(-899));
    if (times.at(-1) === point.time) return;
    chart.setData(/** @type {uPlot.AlignedData} */ ([
      [...times, point.time],
      [...allowed, point.allowed],
      [...denied, point.denied],
      [...shadow, point.shadow_denied],
    ]));
  });
  setInterval(() => {
    if (!document.hidden && (range === "24h" || policy)) load();
  }, policy ? 2000 : 60000);
  for (const button of document.querySelectorAll("[data-range]")) {
    if (!(button instanceof HTMLElement)) continue;
    button.addEventListener("click", () => {
      range = button.dataset.range ?? "15m";
      for (const other of document.querySelectorAll("[data-range]")) {
        other.setAttribute("aria-pressed", String(other === button));
      }
      load();
    });
  }
}

/**
 * The units in use over time, as steps: each unit counts for a window.
 * @param {{at_ms: number, units: number}[]} hits newest first
 * @param {number} window in milliseconds
 * @returns {[number[], number[]]}
 */
export function usage(hits, window) {
  const changes = hits.flatMap((hit) => [[hit.at_ms, hit.units], [hit.at_ms + window, -hit.units]]);
  changes.sort((a, b) => a[0] - b[0]);
  /** @type {[number[], number[]]} */
  const steps = [[], []];
  let used = 0;
  for (const [at, change] of changes) {
    used += change;
    if (steps[0].at(-1) === at / 1000) {
      steps[1][steps[1].length - 1] = used;
    } else {
      steps[0].push(at / 1000);
      steps[1].push(used);
    }
  }
  return steps;
}

/** @param {HTMLElement} element */
async function showUsage(element) {
  const response = await fetch(element.dataset.hits ?? "");
  if (!response.ok) return;
  const hits = await response.json();
  const limit = () => Number(/** @type {HTMLInputElement | null} */ (document.querySelector("[name=limit]"))?.value ?? 0);
  const window = () => Number(/** @type {HTMLInputElement | null} */ (document.querySelector("[name=window]"))?.value ?? 60) * 1000;
  const data = () => {
    const [times, used] = usage(hits, window());
    return /** @type {uPlot.AlignedData} */ ([times, used, times.map(limit)]);
  };
  const steps = uPlot.paths.stepped?.({ align: 1 });
  const chart = draw(element, [
    { label: "Units in the window", stroke: COLORS.line, fill: "#2458c522", width: 1.5, paths: steps },
    { label: "Limit", stroke: COLORS.denied, dash: [6, 4], width: 1.5 },
  ], data());
  document.addEventListener("what-if", () => chart.setData(data()));
}
