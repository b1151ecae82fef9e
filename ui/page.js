"use strict";
// Ctrl+Enter (Cmd+Enter on a Mac) presses the visible Generate button from anywhere in its tab.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
  const button = [...document.querySelectorAll("button.generate")].find((each) => each.offsetParent && !each.disabled);
  if (!button) return;
  event.preventDefault();
  event.stopPropagation();
  button.click();
}, true);

// On a narrow page the picture lies below the form: bring it into view when it starts.
document.addEventListener("click", (event) => {
  if (!event.target.closest("button.generate")) return;
  const stage = document.querySelector("#stage");
  if (stage && stage.getBoundingClientRect().top > window.innerHeight * 0.75) {
    stage.scrollIntoView({ behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth", block: "start" });
  }
});
