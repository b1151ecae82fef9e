// The page of thumbnails: one is chosen by a press or the arrow keys; several are selected in the mode for that, or with Ctrl or
// Shift; and the pages are turned.

const SETTLE = 200;  // milliseconds after the last arrow key until the picture is shown

// Where an arrow key leads from the thumbnail numbered `now`; `boxes` are their corners. null where it leads nowhere.
export function findNeighbour(key, boxes, now) {
  const { left, top } = boxes[now], along = { ArrowLeft: now - 1, ArrowRight: now + 1, Home: 0, End: boxes.length - 1 };
  if (key in along) return boxes[along[key]] ? along[key] : null;
  const far = { ArrowUp: (box) => top - box.top, ArrowDown: (box) => box.top - top }[key];
  if (!far) return null;
  const measured = boxes.map((box, index) => ({ index, far: far(box), aside: Math.abs(box.left - left) }));
  const beyond = measured.filter((each) => each.far > 4);
  beyond.sort((one, other) => one.far - other.far || one.aside - other.aside);
  return beyond[0]?.index ?? null;
}

class Selection {
  constructor(element, trigger) {
    Object.assign(this, { element, trigger, names: new Set(), mode: false, last: null });
    new MutationObserver(() => this.show()).observe(element, { childList: true, subtree: true });
    this.show();
  }

  get thumbnails() { return [...this.element.querySelectorAll("[data-choose]")]; }

  toggle(button, isRange) {
    const all = this.thumbnails, from = all.findIndex((each) => each.dataset.choose === this.last), to = all.indexOf(button);
    const range = isRange && from >= 0 ? all.slice(Math.min(from, to), Math.max(from, to) + 1) : [];
    for (const each of range) this.names.add(each.dataset.choose);
    if (!range.length && !this.names.delete(button.dataset.choose)) this.names.add(button.dataset.choose);
    this.last = button.dataset.choose;
    this.show();
  }

  press({ many, ask, selectMode, selectNone }) {
    if (selectMode !== undefined) this.mode = !this.mode;
    if (selectNone !== undefined || (selectMode !== undefined && !this.mode)) this.names.clear();
    if (many && this.names.size && (!ask || confirm(ask))) {
      this.trigger("many", { action: many, images: [...this.names] });
      this.names.clear();
    }
    this.show();
  }

  // Pictures that are no longer on the page are no longer selected.
  show() {
    const there = new Set(this.thumbnails.map((each) => each.dataset.choose)), bar = this.element.querySelector(".selection");
    for (const name of this.names) if (!there.has(name)) this.names.delete(name);
    for (const each of this.thumbnails) each.toggleAttribute("data-selected", this.names.has(each.dataset.choose));
    if (!bar) return;
    bar.querySelector("[data-select-mode]").setAttribute("aria-pressed", this.mode);
    for (const each of bar.querySelectorAll("[data-many], [data-select-none]")) each.hidden = !this.names.size;
    const count = bar.querySelector("output"), many = this.names.size;
    const words = many ? count.dataset.words.replace("{count}", many) : "";
    if (count.value !== words) count.value = words;
  }
}

export function mount(element, trigger) {
  const selection = new Selection(element, trigger);
  let soon = 0;

  function choose(button) {
    for (const other of element.querySelectorAll("[aria-pressed=true][data-choose]")) other.setAttribute("aria-pressed", "false");
    button.setAttribute("aria-pressed", "true");
    selection.last = button.dataset.choose;
    trigger("choose", { image: button.dataset.choose });
  }

  element.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button?.dataset.turn) trigger("turn", { by: Number(button.dataset.turn) });
    if (button?.closest(".selection")) selection.press(button.dataset);
    if (!button?.dataset.choose) return;
    if (selection.mode || event.ctrlKey || event.metaKey || event.shiftKey) selection.toggle(button, event.shiftKey);
    else choose(button);
  });
  element.addEventListener("keydown", (event) => {
    const all = selection.thumbnails, now = all.indexOf(event.target.closest("[data-choose]"));
    if (now < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
    const next = findNeighbour(event.key, all.map((each) => each.getBoundingClientRect()), now);
    if (next === null) return;
    event.preventDefault();
    all[next].focus();
    clearTimeout(soon);
    if (!selection.mode) soon = setTimeout(() => choose(all[next]), SETTLE);
  });
}
