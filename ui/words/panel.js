// A panel of words to press: chips or cards that the server renders when the panel is first seen, with a field to search them.

import { replaceText } from "../common/typing.js";

// The text with words after it, and a comma between them.
export function separate(before, words) {
  return /(^|[\s,(]|AND)$/.test(before) ? words : `, ${words}`;
}

// Puts words into the prompt of the tab at its cursor.
export function insertWords(field, words) {
  const at = field.selectionEnd;
  replaceText(field, at, at, separate(field.value.slice(0, at), words));
}

// Takes out what a card put in before, with the comma that set it off; null where it is not in the text.
export function removeWords(text, beginning) {
  const start = text.indexOf(beginning);
  if (start < 0) return null;
  const end = text.slice(start).search(/[>)]/);
  const before = text.slice(0, start).replace(/,\s*$/, "");
  return before + (end < 0 ? "" : text.slice(start + end + 1)).replace(before ? /^$/ : /^[,\s]+/, "");
}

function toggleWords(field, words, beginning) {
  const without = beginning ? removeWords(field.value, beginning) : null;
  if (without === null) insertWords(field, words);
  else replaceText(field, 0, field.value.length, without);
}

// Hides what does not contain every word that is searched.
export function filterItems(panel, searched) {
  const wanted = searched.toLowerCase().split(/\s+/).filter(Boolean);
  for (const item of panel.querySelectorAll("[data-search]")) {
    item.hidden = !wanted.every((word) => item.dataset.search.includes(word));
  }
  for (const group of panel.querySelectorAll("[data-group]")) group.hidden = !group.querySelector("[data-search]:not([hidden])");
  const nothing = panel.querySelector("[data-nothing]");
  if (nothing) nothing.hidden = Boolean(panel.querySelector("[data-search]:not([hidden])"));
}

async function load(panel) {
  const checkpoint = document.documentElement.dataset[`${panel.dataset.tab}Checkpoint`] ?? "";
  if (panel.dataset.loaded === checkpoint) return;
  panel.dataset.loaded = checkpoint;
  try {
    const answer = await fetch(`${panel.dataset.source}?${new URLSearchParams({ checkpoint })}`);
    if (answer.ok) panel.innerHTML = await answer.text();
  } catch {
    delete panel.dataset.loaded; // the studio is closed: asked again when the panel is next seen
  }
}

// The prompt of the tab, or its negative prompt if that was typed in last.
function findField(tab) {
  const field = lastField?.id === `${tab}-negative_prompt` ? lastField : document.querySelector(`#${tab}-prompt`);
  return field?.querySelector("textarea");
}

let lastField = null;
document.addEventListener("focusin", ({ target }) => {
  if (target.matches?.(".prompt textarea, .negative textarea")) lastField = target.closest("[id]:not(textarea)");
});

export function mount(element) {
  const panel = element.querySelector("[data-source]");
  new IntersectionObserver((seen) => { if (seen.some((each) => each.isIntersecting)) load(panel); }).observe(panel);
  new MutationObserver(() => { if (panel.offsetParent) load(panel); })
    .observe(document.documentElement, { attributeFilter: [`data-${panel.dataset.tab}-checkpoint`] });
  panel.addEventListener("input", (event) => { if (event.target.type === "search") filterItems(panel, event.target.value); });
  panel.addEventListener("error", ({ target }) => {
    if (!target.dataset.broken) return;
    const said = Object.assign(document.createElement("span"), { className: "card-blank", textContent: target.dataset.broken });
    target.replaceWith(said);
  }, true);
  panel.addEventListener("click", (event) => {
    const button = event.target.closest("[data-insert]");
    const field = findField(panel.dataset.tab);
    if (!button || !field) return;
    const { scrollX, scrollY } = window;
    toggleWords(field, button.dataset.insert, button.dataset.toggle);
    // Several may be pressed one after the other, so the panel stays in view and in focus.
    button.focus({ preventScroll: true });
    scrollTo({ left: scrollX, top: scrollY, behavior: "instant" });
  });
}
