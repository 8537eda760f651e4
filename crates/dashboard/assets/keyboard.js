// Keys: `/` searches, `g` and a letter opens a page, `?` shows the help.

/** Listens for keys outside of fields. */
export function handleKeys() {
  let afterG = false;
  document.addEventListener("keydown", (event) => {
    const target = event.target;
    const isField = target instanceof HTMLElement && target.closest("input, select, textarea, dialog[open]");
    if (isField || event.ctrlKey || event.metaKey || event.altKey) return;
    const link = afterG ? document.querySelector(`[data-go="${CSS.escape(event.key)}"]`) : null;
    afterG = event.key === "g";
    if (link instanceof HTMLAnchorElement) {
      event.preventDefault();
      location.assign(link.href);
    } else if (event.key === "/") {
      event.preventDefault();
      search();
    } else if (event.key === "?") {
      const help = document.getElementById("help");
      if (help instanceof HTMLDialogElement) help.showModal();
    }
  });
  if (location.hash === "#search") search();
}

function search() {
  const field = document.getElementById("search");
  if (field) field.focus();
  else location.assign(`${document.body.dataset.base ?? ""}/keys#search`);
}
