// The chosen image: its buttons, of which some ask first.

export function mount(element, trigger) {
  element.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-deed]");
    if (!button || (button.dataset.ask && !confirm(button.dataset.ask))) return;
    const { deed, image } = button.dataset;
    trigger(deed.startsWith("reuse") ? "reuse" : "deed", { deed, image });
  });
}
