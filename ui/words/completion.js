// Completes what is typed into a prompt: the server says what could follow, this shows it under the field.

import { replaceText } from "../common/typing.js";

const FIELDS = ".prompt textarea, .negative textarea";
const PAUSE = 90; // milliseconds without a key before the server is asked

// What is being typed before the cursor: its kind, its text, and where it starts; null for nothing that can be completed.
export function findQuery(text, cursor) {
  const line = text.slice(text.lastIndexOf("\n", cursor - 1) + 1, cursor);
  if (/^#/.test(line)) return null;
  const begin = (kind, query) => ({ kind, query, start: cursor - query.length });
  const tag = line.match(/<([A-Za-z]{0,5})$|<(?:lora|lyco):([^<>:]*)$/);
  if (tag) return tag[2] === undefined ? beginTag(cursor, tag[1]) : { ...begin("lora", tag[2]), start: cursor - tag[0].length };
  if (/<[^<>]*$/.test(line)) return null;
  // Whole wildcards are taken out first, so that the end of one is not the beginning of another.
  const open = line.replace(/__[^\s_,]+(?:_[^\s_,]+)*__/g, (whole) => " ".repeat(whole.length));
  const wildcard = open.match(/__([^\s,{}|$#()<>:\\]*)$/);
  if (wildcard) return { ...begin("wildcard", wildcard[1]), start: cursor - wildcard[0].length };
  const embedding = open.match(/\bembedding:([^\s,()[\]{}|<>:]*)$/);
  if (embedding) return { ...begin("embedding", embedding[1]), start: cursor - embedding[0].length };
  const [word] = open.match(/(?:\\.|[^,()[\]{}|<>:\\]|(?<=\w):(?=\w))*$/);
  const query = word.trimStart().replace(/^(?:AND|BREAK)\s+/, "");
  return query ? begin("word", query) : null;
}

// "<", "<l", "<lora": the beginning of a LoRA's tag.
function beginTag(cursor, letters) {
  const isLora = "lora".startsWith(letters) || "lyco".startsWith(letters);
  return isLora ? { kind: "lora", query: "", start: cursor - letters.length - 1 } : null;
}

// The text and the cursor after a suggestion was chosen. A sign that closes the tag and is there already is not doubled.
export function applySuggestion(text, cursor, query, suggestion) {
  const start = query.kind === "word" ? cursor - suggestion.replaces : query.start;
  const rest = text.slice(cursor);
  const closing = query.kind === "lora" ? rest.match(/^[^<>\n,]*>/)?.[0] : query.kind === "wildcard" ? rest.match(/^__/)?.[0] : "";
  return { start, end: cursor + (closing ?? "").length, insert: suggestion.insert };
}

let list = null; // the open list: { field, query, suggestions, chosen }
let waiting = 0;
let asked = null;
const popup = document.createElement("div");

export function closeList() {
  clearTimeout(waiting);
  asked?.abort();
  if (list) for (const name of ["aria-controls", "aria-activedescendant"]) list.field.removeAttribute(name);
  list = null;
  popup.remove();
}

// An input method that is composing uses the same keys, and its text is not yet typed.
const isTyping = (event) => event.isComposing || event.keyCode === 229;

function ask(field) {
  clearTimeout(waiting);
  const query = field.selectionStart === field.selectionEnd ? findQuery(field.value, field.selectionStart) : null;
  if (!query) { closeList(); return; }
  waiting = setTimeout(() => fetchSuggestions(field, query), PAUSE);
}

async function fetchSuggestions(field, query) {
  asked?.abort();
  const request = asked = new AbortController();
  const tab = field.closest("[id$=prompt]")?.id.split("-")[0];
  const checkpoint = document.documentElement.dataset[`${tab}Checkpoint`] ?? "";
  const address = `words?${new URLSearchParams({ kind: query.kind, query: query.query, checkpoint })}`;
  try {
    const answer = await fetch(address, { signal: request.signal });
    const found = answer.ok ? await answer.json() : null;
    if (document.activeElement === field && found) showList(field, query, found);
  } catch {
    // Another key was pressed meanwhile, or the studio is closed: nothing is completed.
  }
}

function showList(field, query, { suggestions, troubles }) {
  closeList();
  if (!suggestions.length && !troubles.length) return;
  list = { field, query, suggestions, chosen: -1 };
  const options = suggestions.map(createOption);
  const said = troubles.map((text) => createElement("p", { className: "says trouble", textContent: text }));
  const box = createElement("ul", { id: "completions", role: "listbox" });
  box.ariaLabel = "Completions";
  box.append(...options);
  popup.replaceChildren(...(options.length ? [box] : []), ...said);
  (document.querySelector(".gradio-container") ?? document.body).append(popup);
  field.setAttribute("aria-controls", "completions");
  place();
}

const createElement = (name, properties) => Object.assign(document.createElement(name), properties);

function createOption(suggestion, index) {
  const option = createElement("li", { id: `completion-${index}`, role: "option", ariaSelected: "false" });
  const { label, note } = suggestion;
  option.append(createElement("bdi", { textContent: label }), createElement("small", { textContent: note }));
  option.addEventListener("mousedown", (event) => event.preventDefault()); // the cursor stays in the field
  option.addEventListener("click", () => take(index));
  return option;
}

// Where the list ends at the latest: it may not cover Generate.
function findFloor(bottom) {
  const row = [...document.querySelectorAll(".press")].find((each) => each.checkVisibility());
  const edge = row?.getBoundingClientRect().top ?? innerHeight;
  return edge < bottom ? innerHeight : Math.min(edge, innerHeight);
}

function place() {
  const { left, bottom, top, width } = list.field.getBoundingClientRect(), below = findFloor(bottom) - bottom;
  const above = below < 180 && top > below;
  const room = above ? top : below;
  Object.assign(popup.style, {
    left: `${left}px`, width: `${width}px`, maxHeight: `${Math.min(300, room - 12)}px`,
    top: above ? "" : `${bottom + 4}px`, bottom: above ? `${innerHeight - top + 4}px` : "",
  });
}

function choose(by) {
  const count = list.suggestions.length;
  list.chosen = list.chosen < 0 && by < 0 ? count - 1 : (list.chosen + by + count) % count;
  for (const option of popup.querySelectorAll("li")) {
    const isChosen = option.id === `completion-${list.chosen}`;
    option.ariaSelected = String(isChosen);
    if (isChosen) option.scrollIntoView({ block: "nearest" });
  }
  list.field.setAttribute("aria-activedescendant", `completion-${list.chosen}`);
}

function take(index) {
  const { field, query, suggestions } = list;
  const { start, end, insert } = applySuggestion(field.value, field.selectionStart, query, suggestions[index]);
  closeList();
  replaceText(field, start, end, insert);
  closeList(); // what was inserted is not completed once more
}

function press(event) {
  if (!list || event.target !== list.field || isTyping(event) || event.ctrlKey || event.metaKey || event.altKey) return false;
  if (event.key === "Escape") { closeList(); return true; }
  const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (by && list.suggestions.length) { choose(by); return true; }
  // Nothing is chosen at first, so that Enter makes a line and Tab goes on as ever.
  if (list.chosen >= 0 && !event.shiftKey && ["Enter", "Tab"].includes(event.key)) { take(list.chosen); return true; }
  return false;
}

popup.className = "completions";
document.addEventListener("keydown", (event) => {
  if (!press(event)) return;
  event.preventDefault();
  event.stopPropagation();
}, true);
document.addEventListener("input", (event) => {
  if (event.target.matches?.(FIELDS) && event.isTrusted && !isTyping(event)) ask(event.target);
});
document.addEventListener("compositionend", (event) => { if (event.target.matches?.(FIELDS)) ask(event.target); });
document.addEventListener("compositionstart", closeList);
for (const name of ["focusin", "mousedown"]) {
  document.addEventListener(name, ({ target }) => { if (list && target !== list.field && !popup.contains(target)) closeList(); });
}
addEventListener("resize", () => { if (list) place(); });
document.addEventListener("scroll", (event) => { if (list && !popup.contains(event.target)) place(); }, true);
