// Pressing a chip puts its words into the prompt.

export function mount(element, trigger) {
  element.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button) trigger("pick", { prompt: button.textContent });
  });
}
