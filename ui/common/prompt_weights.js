// Ctrl+Up and Ctrl+Down change the weight of the selected words, or of the word at the cursor, by a tenth: (word:1.1).

import { replaceText } from "./typing.js";

const WEIGHTED = /^\((.*):([+-]?[0-9.]+)\)$/s;

function findWord(text, cursor) {
  const start = text.slice(0, cursor).search(/[^\s,()[\]|<>]*$/);
  return [start, cursor + text.slice(cursor).match(/^[^\s,()[\]|<>:]*/)[0].length];
}

// The bracket with a weight around the cursor.
function findBracket(text, cursor) {
  const start = text.lastIndexOf("(", cursor - 1);
  const found = start < 0 ? null : text.slice(start).match(/^\([^()]*:[+-]?[0-9.]+\)/);
  return found && start + found[0].length >= cursor ? [start, start + found[0].length] : null;
}

// Start and end of what a change of weight applies to.
function findTarget(text, start, end) {
  if (start === end) {
    const bracket = findBracket(text, start);
    if (bracket) return bracket;
    [start, end] = findWord(text, start);
  }
  while (start < end && /\s/.test(text[start])) start += 1;
  while (end > start && /\s/.test(text[end - 1])) end -= 1;
  // A bracket with a weight around the words, or selected with them, is what changes.
  const tail = text.slice(end).match(/^:[+-]?[0-9.]+\)/);
  return text[start - 1] === "(" && tail ? [start - 1, end + tail[0].length] : [start, end];
}

// What replaces the text from `start` to `end`, and what is to be selected then; null where there is nothing to weight.
export function changeWeight(text, selectionStart, selectionEnd, by) {
  const [start, end] = findTarget(text, selectionStart, selectionEnd);
  const [, words, weight] = text.slice(start, end).match(WEIGHTED) ?? [null, text.slice(start, end), "1"];
  if (!words) return null;
  const changed = Math.round((Number(weight) + by) * 100) / 100;
  const first = start + (changed === 1 ? 0 : 1);
  return { start, end, replacement: changed === 1 ? words : `(${words}:${changed})`, selection: [first, first + words.length] };
}

document.addEventListener("keydown", (event) => {
  const field = event.target;
  if (!["ArrowUp", "ArrowDown"].includes(event.key) || !(event.ctrlKey || event.metaKey)) return;
  if (!field.matches?.(".prompt textarea, .negative textarea")) return;
  event.preventDefault();
  const change = changeWeight(field.value, field.selectionStart, field.selectionEnd, event.key === "ArrowUp" ? 0.1 : -0.1);
  if (!change) return;
  replaceText(field, change.start, change.end, change.replacement);
  field.setSelectionRange(...change.selection);
}, true);

// Shift+Enter makes a line, in fields of one line too. Gradio would take it for the end of the input.
document.addEventListener("keydown", (event) => {
  const field = event.target;
  if (event.key !== "Enter" || !event.shiftKey || event.ctrlKey || event.metaKey || event.isComposing) return;
  if (!field.matches?.(".prompt textarea, .negative textarea")) return;
  event.preventDefault();
  event.stopPropagation();
  replaceText(field, field.selectionStart, field.selectionEnd, "\n");
}, true);
