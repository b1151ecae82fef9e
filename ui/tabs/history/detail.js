// The chosen image: its buttons, of which some ask first.

export function mount(element, trigger) {
  element.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-deed]");
    if (!button || (button.dataset.ask && !confirm(button.dataset.ask))) return;
    trigger(button.dataset.deed.startsWith("reuse") ? "reuse" : "deed", { deed: button.dataset.deed, image: button.dataset.image });
  });
}
