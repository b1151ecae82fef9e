// A choice in a row of the inventory: what the user says that a file is.

export function mount(element, trigger) {
  element.addEventListener("change", (event) => {
    const row = event.target.closest("[data-entry]");
    if (!row) return;
    const chosen = Object.fromEntries([...row.querySelectorAll("select")].map(({ name, value }) => [name, value]));
    trigger("choose", { entry: row.dataset.entry, family: "", prediction_type: "", ...chosen });
  });
}
