// Buttons anywhere on the page send an image to a tab: each raises the event that its `data-send` names.

export function mount(_element, trigger, events) {
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-send]");
    if (events.includes(button?.dataset.send)) trigger(button.dataset.send, { image: button.dataset.image });
  });
}
