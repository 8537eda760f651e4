// Buttons that copy, and forms that ask before they act.

/** Copies the text of a button that is pressed. */
export function copyOnClick() {
  document.addEventListener("click", async (event) => {
    const button = event.target instanceof Element ? event.target.closest("[data-copy]") : null;
    if (!(button instanceof HTMLElement)) return;
    const label = button.textContent;
    button.textContent = (await copy(button.dataset.copy ?? "")) ? "Copied" : "Not copied";
    setTimeout(() => (button.textContent = label), 1500);
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
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "visually-hidden";
  document.body.append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  return copied;
}

/** Asks before a form with a question is sent. */
export function confirmForms() {
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form instanceof HTMLFormElement && form.dataset.confirm && !window.confirm(form.dataset.confirm)) {
      event.preventDefault();
    }
  });
}
