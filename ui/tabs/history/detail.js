// The chosen image: its buttons, of which some ask first, and a press on it, which shows it over the whole window.

import { openLightbox } from "../../common/lightbox.js";

export function mount(element, trigger) {
  element.addEventListener("click", (event) => {
    const frame = event.target.closest("a.frame");
    if (frame && !event.ctrlKey && !event.metaKey && !event.shiftKey && openLightbox(frame, [frame])) event.preventDefault();
    const button = event.target.closest("button[data-action]");
    if (!button || (button.dataset.ask && !confirm(button.dataset.ask))) return;
    const { action, image } = button.dataset;
    trigger(action.startsWith("reuse") ? "reuse" : "action", { action, image });
  });
}
