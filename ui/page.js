"use strict";
// Every tab has a stage of its own; only the open tab's can be seen.
const visibleStage = () => [...document.querySelectorAll(".stage")].find((each) => each.offsetParent);

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
  const stage = visibleStage();
  if (!stage || !event.target.closest("button.generate") || !matchMedia("(max-width: 800px)").matches) return;
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  stage.scrollIntoView({ behavior: calm ? "auto" : "smooth", block: "start" });
});

// Stopping takes a moment while a step or a checkpoint is in the works: say at once that it was heard.
document.addEventListener("click", (event) => {
  const stage = visibleStage();
  if (stage && event.target.closest("button.generate, button.stop-job")) {
    stage.toggleAttribute("data-stopping", Boolean(event.target.closest("button.stop-job")));
  }
});
