// What stands beside Generate: the jobs that wait can be cancelled.

export function mount(element, trigger) {
  element.addEventListener("click", (event) => {
    if (event.target.closest("button[data-cancel]")) trigger("cancel", {});
  });
}
