// The charts: rates over time, and the usage of a key.
import { reportConnection } from "./connection.js";
import uPlot from "./uplot.js";

const COLORS = { allowed: "#2f9e5f", denied: "#d9453c", shadow: "#c98a00", usage: "#4d7fe8", line: "#8884" };
const HEIGHT = 220;
/** The most instants of a page of hits. */
const PAGE = 1000;
/** The seconds between two marks of the axis of time. */
const STEPS = [1, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400, 172800, 604800];

const withSeconds = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const withMinutes = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });
const withDate = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const numbers = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 });

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
  const stroke = () => getComputedStyle(element).color;
  const lines = { stroke: COLORS.line, width: 1 };
  const width = () => Math.max(200, element.clientWidth - 16);
  /** @type {uPlot.Options} */
  const options = {
    width: width(),
    height: HEIGHT,
    series: [
      { label: "Time", value: (_, seconds) => (Number.isFinite(seconds) ? exact.format(seconds * 1000) : "–") },
      ...series.map((line) => ({
        width: 1.5,
        points: { show: false },
        value: (/** @type {uPlot} */ _, /** @type {number | null} */ value) => (typeof value === "number" ? numbers.format(value) : "–"),
        ...line,
      })),
    ],
    axes: [
      { stroke, grid: lines, ticks: lines, space: 90, size: 32, incrs: STEPS, values: (_, marks, _axis, _space, step) => marks.map((mark) => clock(mark, step)) },
      { stroke, grid: lines, ticks: lines, size: 60 },
    ],
    scales: {
      x: { range: (_, first, last) => (last === null ? [0, 60] : [Math.min(first, last - 60), last]) },
      y: { range: (_, _low, high) => [0, high > 0 ? high * 1.1 : 1] },
    },
    hooks: { setData: [showNewest], setLegend: [showNewest] },
  };
  const chart = new uPlot(options, data, element);
  new ResizeObserver(() => chart.setSize({ width: width(), height: HEIGHT })).observe(element);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => chart.redraw());
  return chart;
}

/**
 * A mark of the axis of time.
 * @param {number} seconds
 * @param {number} step
 */
function clock(seconds, step) {
  const format = step < 60 ? withSeconds : step < 86400 ? withMinutes : withDate;
  return format.format(seconds * 1000);
}

/**
 * The legend has the newest values, or those under the pointer.
 * @param {uPlot} chart
 */
function showNewest(chart) {
  const isPointed = (chart.cursor.left ?? -1) >= 0;
  if (!isPointed && chart.data[0].length > 0) chart.setLegend({ idx: chart.data[0].length - 1 }, false);
}

/** @param {HTMLElement} element */
async function showChecks(element) {
  const series = [
    { label: "Allowed", stroke: COLORS.allowed },
    { label: "Denied", stroke: COLORS.denied },
    { label: "Shadow-denied", stroke: COLORS.shadow },
  ];
  const chart = draw(element, series, [[], [], [], []]);
  const url = new URL(element.dataset.history ?? "", location.href);
  const policy = url.searchParams.get("policy");
  let range = "15m";
  const load = async () => {
    const asked = range;
    url.searchParams.set("range", asked);
    const history = await fetchJson(url);
    // Somebody may have chosen the other range since.
    if (history && asked === range) chart.setData([history.times, history.allowed, history.denied, history.shadow_denied]);
  };
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
  await load();
  const live = document.querySelector(".live");
  // There were no points while the dashboard did not answer.
  live?.addEventListener("htmx:sse:after:connection", load);
  // A point that comes before the first counts is one of them.
  live?.addEventListener("point", (event) => {
    if (range !== "15m" || policy) return;
    const point = JSON.parse(/** @type {CustomEvent} */ (event).detail.data);
    const [times, allowed, denied, shadow] = chart.data.map((column) => [...column].slice(-899));
    const newest = times.at(-1) ?? 0;
    if (newest === point.time) return;
    if (newest > point.time) {
      // The clock of the dashboard was set back.
      load();
      return;
    }
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
}

/**
 * Returns nothing if the dashboard does not answer, or refuses.
 * @param {string | URL} url
 */
async function fetchJson(url) {
  try {
    const response = await fetch(url);
    reportConnection(response.ok);
    return response.ok ? await response.json() : undefined;
  } catch {
    reportConnection(false);
    return undefined;
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

/**
 * The steps of a page of hits. A page that is full lacks older units, which a window after its oldest one no longer counts.
 * @param {{at_ms: number, units: number}[]} hits newest first
 * @param {number} window in milliseconds
 * @param {number} end the instant before which the page has all units, in milliseconds
 * @returns {{steps: [number[], number[]], isPartial: boolean}} whether the steps lack units
 */
export function usageOfPage(hits, window, end = Infinity) {
  const steps = usage(hits, window);
  const last = steps[0].findIndex((at) => at >= end / 1000);
  if (last >= 0) {
    for (const column of steps) column.length = last;
  }
  if (hits.length < PAGE) return { steps, isPartial: false };
  const start = hits[hits.length - 1].at_ms + window;
  if (start > hits[0].at_ms) return { steps, isPartial: true };
  const first = steps[0].findIndex((at) => at >= start / 1000);
  return { steps: [steps[0].slice(first), steps[1].slice(first)], isPartial: false };
}

/** @param {HTMLElement} element */
async function showUsage(element) {
  const hits = await fetchJson(element.dataset.hits ?? "");
  if (!hits) return;
  const limit = () => Number(/** @type {HTMLInputElement | null} */ (document.querySelector("[name=limit]"))?.value ?? 0);
  const window = () => Number(/** @type {HTMLInputElement | null} */ (document.querySelector("[name=window]"))?.value ?? 60) * 1000;
  const note = document.querySelector("[data-partial]");
  const before = new URL(element.dataset.hits ?? "", location.href).searchParams.get("before");
  const end = before === null ? Infinity : Number(before);
  const data = () => {
    const { steps: [times, used], isPartial } = usageOfPage(hits, window(), end);
    if (note instanceof HTMLElement) note.hidden = !isPartial;
    return /** @type {uPlot.AlignedData} */ ([times, used, times.map(limit)]);
  };
  const paths = uPlot.paths.stepped?.({ align: 1 });
  const chart = draw(element, [
    { label: "Units in the window", stroke: COLORS.usage, fill: `${COLORS.usage}22`, paths },
    { label: "Limit", stroke: COLORS.denied, dash: [6, 4] },
  ], data());
  document.addEventListener("what-if", () => chart.setData(data()));
}
