// The Queue panel: opened by its button, closed by Escape or a press elsewhere. Its buttons give orders; a job leads to its tab.

import { openTab } from "./tabs.js";

export function mount(element, trigger) {
  const showState = () => {
    element.querySelector(".queue-button")?.setAttribute("aria-expanded", element.classList.contains("queue-open"));
  };
  const close = () => { element.classList.remove("queue-open"); showState(); };
  new MutationObserver(showState).observe(element, { childList: true, subtree: true });
  element.addEventListener("click", (event) => {
    if (event.target.closest(".queue-button")) { element.classList.toggle("queue-open"); showState(); }
    const go = event.target.closest("button[data-go]")?.dataset.go;
    if (go) { close(); openTab(go); }
    const button = event.target.closest("button[data-order]");
    if (button && (!button.dataset.ask || confirm(button.dataset.ask))) {
      trigger("order", { order: button.dataset.order, job: button.dataset.job });
    }
  });
  document.addEventListener("click", (event) => { if (!event.composedPath().includes(element)) close(); });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") close(); });
  showState();
}
