// Buttons that copy.

/** Copies the text of a button that is pressed, and says so on the button for a moment. */
export function copyOnClick() {
  /** @type {WeakSet<Element>} */
  const busy = new WeakSet();
  document.addEventListener("click", async (event) => {
    const button = event.target instanceof Element ? event.target.closest("[data-copy]") : null;
    if (!(button instanceof HTMLElement) || busy.has(button)) return;
    busy.add(button);
    const label = button.textContent;
    button.textContent = (await copy(button.dataset.copy ?? "")) ? "Copied" : "Not copied";
    setTimeout(() => {
      button.textContent = label;
      busy.delete(button);
    }, 1500);
  });
}

/**
 * Browsers offer the clipboard over HTTPS and on this machine only. Elsewhere, a selection is copied.
 * @param {string} text
 */
async function copy(text) {
  if (navigator.clipboard) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      // The browser refused: try the other way.
    }
  }
  const focused = document.activeElement;
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "visually-hidden";
  document.body.append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  if (focused instanceof HTMLElement) focused.focus();
  return copied;
}
