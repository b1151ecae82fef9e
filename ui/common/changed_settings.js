// What is set where it cannot be seen is said beside it, and what was filled in by a button lights up for a moment.

import { showSeed } from "./seed.js";

const before = new Map();

const same = (one, other) => String(one ?? "") === String(other ?? "");

// "Steps 9 · CFG scale 5": the fields of `labels` whose value is not the blank one.
export function describeChanged(form, labels, blank) {
  const names = Object.keys(labels).filter((name) => name in form && !same(form[name], blank[name]));
  return names.map((name) => (form[name] === true ? labels[name] : `${labels[name]} ${form[name]}`)).join(" · ");
}

function lightUp(element) {
  if (!element || element.contains(document.activeElement)) return;
  element.classList.remove("filled");
  void element.offsetWidth;  // begins the animation anew
  element.classList.add("filled");
}

// Called with each change of a tab's form.
export function showForm(tab, form) {
  const old = before.get(tab), line = document.querySelector(`.changed-settings[data-tab="${tab}"]`);
  before.set(tab, form);
  showSeed(tab, form.seed);
  if (line) {
    const { labels, blank } = JSON.parse(line.dataset.form), text = describeChanged(form, labels, blank);
    if (old && text !== line.textContent) lightUp(line);
    line.textContent = text;
  }
  if (!old) return;
  for (const name of Object.keys(form)) if (!same(form[name], old[name])) lightUp(document.getElementById(`${tab}-${name}`));
}

window.easelShowForm = showForm;  // for the short handlers in Python
