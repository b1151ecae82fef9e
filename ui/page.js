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
  if (!stage || !event.target.closest("button.generate, button.study") || !matchMedia("(max-width: 800px)").matches) return;
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  stage.scrollIntoView({ behavior: calm ? "auto" : "smooth", block: "start" });
});

// Stopping takes a moment while a step or a checkpoint is in the works: say at once that it was heard.
document.addEventListener("click", (event) => {
  const stage = visibleStage();
  if (stage && event.target.closest("button.generate, button.study, button.stop-job")) {
    stage.toggleAttribute("data-stopping", Boolean(event.target.closest("button.stop-job")));
  }
});

// Two pictures under a slider: the bar says how much of the left one is seen.
document.addEventListener("input", (event) => {
  if (event.target.matches?.(".pair input")) event.target.closest(".pair").style.setProperty("--cut", `${event.target.value}%`);
});

// Ctrl+Up and Ctrl+Down change the weight of the selected words, or of the word at the cursor, by a tenth: (word:1.1).
const WEIGHTED = /^\((.*):([+-]?[0-9.]+)\)$/s;

function wordAt(text, place) {
  const before = text.slice(0, place).search(/[^\s,()[\]|<>]*$/);
  return [before, place + text.slice(place).match(/^[^\s,()[\]|<>:]*/)[0].length];
}

// The bracket with a weight that the cursor stands in.
function bracketAt(text, place) {
  const start = text.lastIndexOf("(", place - 1);
  const found = start < 0 ? null : text.slice(start).match(/^\([^()]*:[+-]?[0-9.]+\)/);
  return found && start + found[0].length >= place ? [start, start + found[0].length] : null;
}

function chosen(field) {
  let [start, end] = [field.selectionStart, field.selectionEnd];
  if (start === end) {
    const bracket = bracketAt(field.value, start);
    if (bracket) return bracket;
    [start, end] = wordAt(field.value, start);
  }
  while (start < end && /\s/.test(field.value[start])) start += 1;
  while (end > start && /\s/.test(field.value[end - 1])) end -= 1;
  // A bracket with a weight around the words, or selected with them, is what changes.
  const tail = field.value.slice(end).match(/^:[+-]?[0-9.]+\)/);
  return field.value[start - 1] === "(" && tail ? [start - 1, end + tail[0].length] : [start, end];
}

document.addEventListener("keydown", (event) => {
  const field = event.target;
  if (!["ArrowUp", "ArrowDown"].includes(event.key) || !(event.ctrlKey || event.metaKey)) return;
  if (!field.matches?.(".prompt textarea, .negative textarea")) return;
  event.preventDefault();
  const [start, end] = chosen(field);
  const [, words, weight] = field.value.slice(start, end).match(WEIGHTED) ?? [null, field.value.slice(start, end), "1"];
  if (!words) return;
  const changed = Math.round((Number(weight) + (event.key === "ArrowUp" ? 0.1 : -0.1)) * 100) / 100;
  const written = changed === 1 ? words : `(${words}:${changed})`;
  field.setSelectionRange(start, end);
  // Typed, so that Ctrl+Z takes it back; where a browser cannot, put there.
  if (!document.execCommand("insertText", false, written)) {
    field.setRangeText(written);
    field.dispatchEvent(new Event("input", { bubbles: true }));
  }
  const first = start + (changed === 1 ? 0 : 1);
  field.setSelectionRange(first, first + words.length);
}, true);
