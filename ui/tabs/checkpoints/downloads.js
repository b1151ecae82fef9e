// The buttons of offers and downloads.

export function mount(element, trigger) {
  element.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-do]");
    if (button) trigger("press", { what: button.dataset.do, which: button.dataset.which });
  });
}
