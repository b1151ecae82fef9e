// The result view: which of its images is large, and the buttons under it.

import { openLightbox } from "./lightbox.js";
import { deleted, pressMenu } from "./picture_menu.js";

const EVENTS = ["reuse", "reuse_template", "keep_seed", "vary", "pick", "trim"];

// Every tab has a result view of its own; only the open tab's is visible.
const findVisibleView = () => [...document.querySelectorAll(".block.stage")].find((each) => each.offsetParent);
const isThere = (figure) => !deleted.has(figure.dataset.name);
const listFigures = (view) => [...view.querySelectorAll(".viewer figure.result")].filter(isThere);
const BUSY = "input, textarea, select, [contenteditable], canvas, [role=tablist], dialog";
const isWriting = (target) => Boolean(target.closest?.(BUSY));

// Shows the image of that name large, the first one for "".
function choose(view, name) {
  view.dataset.chosen = name;
  const figures = listFigures(view);
  const shown = figures.find((each) => each.dataset.name === name) ?? figures[0];
  for (const figure of view.querySelectorAll(".viewer figure.result")) figure.toggleAttribute("data-shown", figure === shown);
  for (const button of view.querySelectorAll("[data-show]")) {
    button.setAttribute("aria-pressed", button.dataset.show === shown?.dataset.name);
  }
  const strip = view.querySelector(".strip"), pressed = strip?.querySelector("[aria-pressed=true]");
  if (pressed) strip.scrollLeft = pressed.offsetLeft - strip.offsetLeft - strip.clientWidth / 2;  // and not the page
}

function step(view, by) {
  const figures = listFigures(view), now = figures.findIndex((each) => each.hasAttribute("data-shown"));
  const next = figures[now + by];
  if (next) choose(view, next.dataset.name);
  return Boolean(next);
}

const lookAt = (view, on) => view.closest(".result-side")?.toggleAttribute("data-looking", on);

function findGenerate() {
  return [...document.querySelectorAll("button.generate")].find((each) => each.offsetParent && !each.disabled);
}

// Ctrl+Enter (Cmd+Enter on a Mac) presses the visible Generate button from anywhere in its tab.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
  const button = findGenerate();
  if (!button) return;
  event.preventDefault();
  event.stopPropagation();
  button.click();
}, true);

// The arrow keys go through the strip.
document.addEventListener("keydown", (event) => {
  const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key], view = findVisibleView();
  if (!by || !view || isWriting(event.target) || event.ctrlKey || event.metaKey || event.altKey) return;
  if (step(view, by)) { lookAt(view, true); event.preventDefault(); }
});

// A press on Generate shows what it makes, not what was looked at; on a narrow page the result lies below the form.
document.addEventListener("click", (event) => {
  const view = findVisibleView();
  if (!view || !event.target.closest("button.generate, button.also")) return;
  choose(view, "");
  lookAt(view, false);
  if (!matchMedia("(max-width: 800px)").matches) return;
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  view.scrollIntoView({ behavior: calm ? "auto" : "smooth", block: "nearest" });
});

// Stopping takes a moment while a step runs or a checkpoint loads: show at once that the press was noticed. It also ends
// “Keep generating”.
document.addEventListener("click", (event) => {
  if (!event.target.closest("button.stop-job")) return;
  const tab = event.target.closest("[role=tabpanel]"), side = tab.querySelector(".result-side");
  side.dataset.stopped = side.querySelector(".making")?.dataset.job ?? "";
  showStopping(side);
  tab.querySelector(".forever input:checked")?.click();
});

// Each step brings new content, which is of the job that was stopped until that has ended.
function showStopping(side) {
  const making = side.querySelector(".making");
  making?.toggleAttribute("data-stopping", making.dataset.job === side.dataset.stopped);
}

// Two images under a slider: its value is how much of the left one is visible.
document.addEventListener("input", (event) => {
  if (event.target.matches?.(".pair input")) event.target.closest(".pair").style.setProperty("--cut", `${event.target.value}%`);
});

// While “Keep generating” is on, the end of the last job presses Generate; a failure or Stop switches it off.
function goOn(view, state) {
  const tab = view.closest("[role=tabpanel]"), forever = tab?.querySelector(".forever input:checked");
  if (!forever || tab.querySelector(".waiting .count")) return;
  if (state === "finished") tab.querySelector("button.generate").click(); else forever.click();
}

// A quick job may have ended before the page has seen it run, so it is by its name that its end is noticed, once.
function watch(view) {
  let ended = "";
  const look = () => {
    const { state = "running", job = "" } = view.querySelector(".stage-inner")?.dataset ?? {};
    if (listFigures(view).length) choose(view, view.dataset.chosen ?? "");
    if (state === "running" || !job || job === ended) return;
    ended = job;
    goOn(view, state);
  };
  const side = view.closest(".result-side");
  new MutationObserver(look).observe(view, { childList: true, subtree: true });
  new MutationObserver(() => showStopping(side)).observe(side, { childList: true, subtree: true });
  look();
}

// The buttons under the results raise the event that `data-what` names.
export function mount(element, trigger) {
  const view = element.closest(".block.stage");
  element.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-what]"), small = event.target.closest("button[data-show]");
    const large = event.target.closest("a.frame");
    if (EVENTS.includes(button?.dataset.what)) trigger(button.dataset.what, { ...button.dataset });
    const inMenu = event.target.closest(".menu button");
    if (inMenu) pressMenu(inMenu, (name) => choose(view, name));
    if (small) { choose(view, small.dataset.show); lookAt(view, true); }
    const plain = large && !event.ctrlKey && !event.metaKey && !event.shiftKey;
    if (plain && openLightbox(large, [...element.querySelectorAll("a.frame")])) event.preventDefault();
  });
  watch(view);
}

// What is being made lies over what was made before, until somebody looks at that; a press on it brings it back.
document.addEventListener("click", (event) => {
  const side = event.target.closest(".under-way")?.closest(".result-side");
  side?.removeAttribute("data-looking");
});
