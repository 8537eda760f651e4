// The sliders of a key: what another limit would have denied.
import { formatInstant } from "./times.js";

/** Asks the API as the sliders move. */
export function runWhatIf() {
  const section = document.querySelector("[data-what-if]");
  if (!(section instanceof HTMLElement)) return;
  const output = section.querySelector("output");
  /** @type {Record<string, HTMLInputElement>} */
  const fields = {};
  for (const input of section.querySelectorAll("input[type=number]")) {
    if (input instanceof HTMLInputElement) fields[input.name] = input;
  }
  /** @type {AbortController | undefined} */
  let running;
  let timer = 0;
  // A slider that moves sends many events.
  const askSoon = () => {
    clearTimeout(timer);
    timer = window.setTimeout(ask, 150);
  };
  const ask = async () => {
    document.dispatchEvent(new Event("what-if"));
    running?.abort();
    running = new AbortController();
    const query = new URLSearchParams({ limit: fields.limit.value, window: `${fields.window.value}s` });
    try {
      const response = await fetch(`${section.dataset.whatIf}?${query}`, { signal: running.signal });
      const answer = await response.json();
      if (output) output.textContent = response.ok ? describe(answer) : answer.detail;
    } catch (error) {
      if (output && !(error instanceof DOMException)) output.textContent = "The dashboard does not answer.";
    }
  };
  for (const slider of section.querySelectorAll("input[type=range]")) {
    if (!(slider instanceof HTMLInputElement)) continue;
    const field = fields[slider.dataset.scale ?? ""];
    const most = Number(field.max);
    const place = () => (slider.value = String(Math.round((1000 * Math.log1p(Number(field.value))) / Math.log1p(most))));
    place();
    slider.addEventListener("input", () => {
      const value = Math.round(Math.expm1((Number(slider.value) / 1000) * Math.log1p(most)));
      field.value = String(Math.max(Number(field.min), Math.min(most, value)));
      askSoon();
    });
    field.addEventListener("input", () => {
      place();
      askSoon();
    });
  }
  ask();
}

/** @param {{units: number, denied_units: number, denied: {at_ms: number}[], incomplete: boolean}} answer */
function describe(answer) {
  const counted = answer.incomplete ? " Only the newest 50,000 instants are counted." : "";
  if (answer.units === 0) return "There are no recorded units.";
  if (answer.denied_units === 0) return `None of ${answer.units} units would have been denied.${counted}`;
  const times = answer.denied.map((hit) => formatInstant(hit.at_ms));
  const [first, last] = [times[0], times[times.length - 1]];
  return `${answer.denied_units} of ${answer.units} units would have been denied, the first at ${first}, the last at ${last}.${counted}`;
}
