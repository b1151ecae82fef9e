// The menu under a picture: it closes by itself, copies the prompt, and deletes a picture unless that is taken back in time.

const PATIENCE = 8000;  // milliseconds in which a press on “Undo” keeps the picture

// Names of pictures that are deleted, or will be as soon as nobody takes it back.
export const deleted = new Set();

const rules = document.head.appendChild(document.createElement("style"));
let waiting = null;

function hideDeleted() {
  const hide = (name) => ["name", "show"].map((kind) => `.viewer [data-${kind}="${CSS.escape(name)}"]`);
  rules.textContent = deleted.size ? `${[...deleted].flatMap(hide).join(", ")} { display: none !important; }` : "";
}

// What waits is done now; the button that does it is one of the page's own, so that the server hears of it as of any press.
function finish() {
  if (!waiting) return;
  const { timer, bar, button } = waiting;
  waiting = null;
  clearTimeout(timer);
  button.click();
  bar.remove();
}

function takeBack() {
  const { timer, bar, name, show } = waiting;
  waiting = null;
  clearTimeout(timer);
  bar.remove();
  deleted.delete(name);
  hideDeleted();
  show(name);
}

function createBar({ done, undo }) {
  const bar = Object.assign(document.createElement("div"), { id: "undo", className: "undo" });
  const said = Object.assign(document.createElement("span"), { textContent: done });
  const button = Object.assign(document.createElement("button"), { type: "button", textContent: undo });
  said.setAttribute("role", "status");
  button.addEventListener("click", takeBack);
  bar.append(said, button);
  return bar;
}

function remove({ dataset }, show) {
  finish();
  const button = Object.assign(document.createElement("button"), { type: "button", hidden: true });
  Object.assign(button.dataset, { send: dataset.delete, image: dataset.image });
  const bar = document.body.appendChild(createBar(dataset));
  bar.append(button);
  deleted.add(dataset.image);
  hideDeleted();
  waiting = { name: dataset.image, bar, button, show, timer: setTimeout(finish, PATIENCE) };
  show("");
  bar.querySelector("button").focus({ preventScroll: true });
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {  // which a page without encryption has not, on other computers
    const field = document.body.appendChild(Object.assign(document.createElement("textarea"), { value: text }));
    field.select();
    document.execCommand("copy");
    field.remove();
  }
}

// Press a button of the menu; `show` shows the picture of a name, the first one for "".
export function pressMenu(button, show) {
  if (button.dataset.copy !== undefined) {
    copy(button.dataset.copy);
    button.textContent = button.dataset.done;
  }
  if (button.dataset.delete) remove(button, show);
}

const closeMenus = (but) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) if (menu !== but) menu.open = false;
};
document.addEventListener("click", ({ target }) => {
  closeMenus(target.closest?.("summary, [data-copy]")?.closest("details"));
});
document.addEventListener("keydown", (event) => {
  const menu = event.target.closest?.("details.menu[open]");
  if (event.key !== "Escape" || !menu) return;
  event.stopPropagation();
  menu.open = false;
  menu.querySelector("summary").focus();
}, true);
