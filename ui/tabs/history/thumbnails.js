// The page of thumbnails: one can be chosen, and the pages turned.

export function mount(element, trigger) {
  element.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button?.dataset.turn) trigger("turn", { by: Number(button.dataset.turn) });
    if (!button?.dataset.choose) return;
    for (const other of element.querySelectorAll("[aria-pressed=true]")) other.setAttribute("aria-pressed", "false");
    button.setAttribute("aria-pressed", "true");
    trigger("choose", { image: button.dataset.choose });
  });
}
