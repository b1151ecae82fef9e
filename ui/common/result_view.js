// The result view: the image while it is made and when it is there.

// Every tab has a result view of its own; only the open tab's is visible.
const findVisibleView = () => [...document.querySelectorAll(".stage")].find((each) => each.offsetParent);

// Ctrl+Enter (Cmd+Enter on a Mac) presses the visible Generate button from anywhere in its tab.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
  const button = [...document.querySelectorAll("button.generate")].find((each) => each.offsetParent && !each.disabled);
  if (!button) return;
  event.preventDefault();
  event.stopPropagation();
  button.click();
}, true);

// On a narrow page the result lies below the form: scroll to it when it starts.
document.addEventListener("click", (event) => {
  const view = findVisibleView();
  if (!view || !event.target.closest("button.generate, button.study") || !matchMedia("(max-width: 800px)").matches) return;
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  view.scrollIntoView({ behavior: calm ? "auto" : "smooth", block: "start" });
});

// Stopping takes a moment while a step runs or a checkpoint loads: show at once that the press was noticed.
document.addEventListener("click", (event) => {
  const view = findVisibleView();
  if (view && event.target.closest("button.generate, button.study, button.stop-job")) {
    view.toggleAttribute("data-stopping", Boolean(event.target.closest("button.stop-job")));
  }
});

// Two images under a slider: its value is how much of the left one is visible.
document.addEventListener("input", (event) => {
  if (event.target.matches?.(".pair input")) event.target.closest(".pair").style.setProperty("--cut", `${event.target.value}%`);
});

const EVENTS = ["reuse", "reuse_template", "keep_seed", "pick", "trim"];

// The buttons under the results raise the event that `data-what` names.
export function mount(element, trigger) {
  element.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-what]");
    if (EVENTS.includes(button?.dataset.what)) trigger(button.dataset.what, { ...button.dataset });
  });
}
