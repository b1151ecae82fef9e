// What Gradio's accordions and sliders leave out for those who do not see the page: whether a box is open; no signs among words.

import { whenAdded } from "./additions.js";

const BOX = "button.label-wrap";

function describe(button) {
  const expanded = String(button.classList.contains("open"));
  if (button.getAttribute("aria-expanded") !== expanded) button.setAttribute("aria-expanded", expanded);
}

// The sign of the button that resets a slider is drawn by style.css: as text it would be read, and measured, as a word.
function clearSign(button) {
  if (button.textContent) button.textContent = "";
}

function look() {
  document.querySelectorAll(`${BOX}:not([aria-expanded])`).forEach(describe);
  document.querySelectorAll(".reset-button").forEach(clearSign);
}

export function watchAccordions() {
  new MutationObserver((changes) => {
    for (const { target } of changes) if (target.matches(BOX)) describe(target);
  }).observe(document.documentElement, { subtree: true, attributes: true, attributeFilter: ["class"] });
  whenAdded(look);
}
