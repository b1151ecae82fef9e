"use strict";
// The drawing pad: tools, layers, pictures that come in, and the drawing that is handed to the engine.

const UNIT = 192;  // pixels of a quarter of a square sheet's side
const SHAPES = { square: [4, 4], portrait: [3, 4], landscape: [4, 3], tall: [4, 6], wide: [6, 4] };
const SMALLEST = 512;  // a smaller picture is enlarged to this, so that there is room to draw
const KEYS = { b: "brush", e: "eraser", f: "fill", m: "mask", h: "hand" };
const FRESH_TOOLS = { tool: "brush", colour: "#1c1917", widths: { brush: 14, eraser: 40, mask: 60, unmask: 60 }, kept: false };

class Pad {
  constructor() {
    this.tools = structuredClone(FRESH_TOOLS);
    this.revision = 0;
    this.live = false;
    this.drawing = new Drawing(newSheet(4 * UNIT, 4 * UNIT, "#ffffff", ""), () => this.#changed());
    this.ready = this.#remember();
  }

  // Puts the pad into `element`, which holds its HTML. `trigger(name, told)` tells the page of something.
  async mount(element, trigger) {
    await this.ready;
    Object.assign(this, { root: element.querySelector(".pad"), trigger });
    const frame = this.root.querySelector(".pad-view");
    this.view = new View(frame, this.drawing, () => this.tool, (name, x, y) => this.#press(name, x, y));
    this.root.addEventListener("click", (event) => this.#clicked(event.target.closest("button")));
    this.root.addEventListener("input", (event) => this.#chosen(event.target));
    this.root.addEventListener("dragover", (event) => event.preventDefault());
    this.root.addEventListener("drop", (event) => { event.preventDefault(); this.open(event.dataTransfer.files[0]); });
    this.root.querySelector("input[type=file]").addEventListener("change", ({ target }) => { this.open(target.files[0]); target.value = ""; });
    this.#show();
    this.root.dataset.ready = "";
  }

  get tool() {
    const { tool, colour, widths } = this.tools;
    return { name: tool, colour, width: widths[tool] ?? widths.brush };
  }

  get seen() { return Boolean(this.root?.offsetParent); }

  say(text, kind = "note") {
    const box = this.root?.querySelector(".pad-says");
    if (box) Object.assign(box, { textContent: text, hidden: !text, className: `pad-says says ${kind}` });
  }

  // ---- What is handed to the engine

  // The drawing as the engine's folder of pictures knows it: JSON with `sketch` and `mask` as hashes, or `trouble`.
  handIn() {
    if (this.handed?.revision !== this.revision) this.handed = { revision: this.revision, told: this.#handIn() };
    return this.handed.told;
  }

  async #handIn() {
    await this.ready;
    const { sheet } = this.drawing, mask = this.drawing.flatMask(this.tools.kept);
    try {
      const [sketch, masked] = await Promise.all([this.drawing.flat(), mask].map(async (canvas) => {
        if (!canvas) return "";
        const png = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
        return (await send(png)).hash;
      }));
      return JSON.stringify({ sketch, mask: masked, paper: sheet.paper, width: sheet.width, height: sheet.height });
    } catch (error) {
      this.handed = null;
      return JSON.stringify({ trouble: error.message });
    }
  }

  setLive(on) {
    this.live = on;
    if (on) this.repaint();
  }

  // Live: the page hears of the newest drawing; what changes while it is handed in is told afterwards.
  async repaint() {
    if (!this.live || !this.trigger || this.telling) return;
    this.telling = true;
    let told = -1;
    while (told !== this.revision) {
      told = this.revision;
      const pad = await this.handIn();
      if (told === this.revision) this.trigger("drawn", { pad });
    }
    this.telling = false;
  }

  repaintSoon() {
    clearTimeout(this.soon);
    this.soon = setTimeout(() => this.repaint(), 150);
  }

  // ---- Pictures that come in

  // Does something that may fail, and says so if it does.
  async attempt(deed) {
    try {
      await this.ready;
      await deed(this);
    } catch (error) {
      this.say(error.message, "trouble");
    }
  }

  // A file: any picture that the engine can read, by way of the engine.
  open(file) {
    if (!file) return;
    this.say(this.root.dataset.opening);
    this.attempt(async () => {
      const { hash, notices } = await send(file);
      await this.take(`sketches/${hash}`, file.name || "");
      this.say(notices.join(" "));
    });
  }

  // A picture of the page. A blank sheet takes its shape; on another it becomes the top layer.
  async take(address, name) {
    const bitmap = await fetched(address);
    if (this.drawing.blank) {
      const grow = Math.min(LONGEST, Math.max(SMALLEST, bitmap.width, bitmap.height)) / Math.max(bitmap.width, bitmap.height);
      const [width, height] = [bitmap.width, bitmap.height].map((side) => Math.max(8, Math.round(side * grow)));
      const sheet = newSheet(width, height, this.drawing.sheet.paper, name);
      place(bitmap, sheet.layers[0].canvas);
      this.drawing.replace(sheet);
    } else {
      const layer = newLayer(this.drawing.sheet.width, this.drawing.sheet.height, name);
      place(bitmap, layer.canvas);
      this.drawing.addLayer(layer);
    }
    this.view?.whole();
  }

  // The drawing, flat, and the mask that a picture was made from, by their hashes; undo brings back what was there.
  async restore({ sketch, mask, paper }) {
    const now = JSON.parse(await this.handIn()), { sheet: before } = this.drawing;
    if (sketch === now.sketch && mask === now.mask && paper === now.paper) return;
    const [bitmap, masked] = await Promise.all([sketch, mask].map((hash) => hash && fetched(`sketches/${hash}`)));
    const sheet = newSheet(bitmap.width, bitmap.height, paper, "");
    // The same drawing under another mask keeps its layers.
    if (sketch === now.sketch && paper === now.paper) Object.assign(sheet, { layers: before.layers, active: before.active });
    else place(bitmap, sheet.layers[0].canvas);
    if (masked) paintMask(masked, sheet.mask);
    if (masked) this.tools.kept = false;
    this.drawing.replace(sheet);
    if (before.width !== sheet.width || before.height !== sheet.height) this.view?.whole();
  }

  reshape(width, height) {
    const { sheet } = this.drawing;
    const moved = (layer) => {
      const canvas = blankCanvas(width, height);
      place(layer.canvas, canvas);
      return { ...layer, canvas, version: layer.version + 1 };
    };
    this.drawing.replace({ ...sheet, width, height, layers: sheet.layers.map(moved), mask: moved(sheet.mask) });
    this.view.whole();
  }

  // ---- Buttons and fields

  #clicked(button) {
    if (!button) return;
    const { drawing, view } = this, { layer } = drawing, { act, tool, colour, sample, layer: id } = button.dataset;
    if (tool) this.tools.tool = tool;
    if (colour) this.#setColour(colour);
    if (id) drawing.sheet.active = id;
    if (sample) this.#sample(sample);
    ({
      undo: () => drawing.undo(),
      redo: () => drawing.redo(),
      clear: () => drawing.replace(newSheet(drawing.sheet.width, drawing.sheet.height, drawing.sheet.paper, "")),
      "clear-mask": () => drawing.clear(drawing.sheet.mask),
      "zoom-in": () => view.zoomBy(1.5),
      "zoom-out": () => view.zoomBy(1 / 1.5),
      "zoom-whole": () => view.whole(),
      upload: () => this.root.querySelector("input[type=file]").click(),
      "layer-add": () => drawing.addLayer(newLayer(drawing.sheet.width, drawing.sheet.height, "")),
      "layer-remove": () => drawing.removeLayer(layer),
      "layer-up": () => drawing.moveLayer(layer, 1),
      "layer-down": () => drawing.moveLayer(layer, -1),
      "layer-show": () => { const one = drawing.sheet.layers.find((each) => each.id === button.dataset.of); drawing.showLayer(one, !one.visible); },
    })[act]?.();
    this.#show();
    this.#keep();
  }

  #chosen(field) {
    const { name, value } = field;
    if (name === "pad-colour") this.#setColour(value);
    if (name === "pad-width") this.tools.widths[this.tools.tool in this.tools.widths ? this.tools.tool : "brush"] = Number(value);
    if (name === "pad-paper") this.drawing.setPaper(value);
    if (name === "pad-shape" && value in SHAPES) this.reshape(...SHAPES[value].map((part) => part * UNIT));
    if (name === "pad-kept") { this.tools.kept = value === "kept"; this.#changed(); }
    this.#show();
    this.#keep();
  }

  #setColour(colour) {
    this.tools.colour = colour;
    if (!["brush", "fill"].includes(this.tools.tool)) this.tools.tool = "brush";
  }

  #press(name, x, y) {
    if (name === "fill") return flood(this.drawing, this.drawing.layer, x, y, this.tools.colour);
    const [red, green, blue] = pen(this.drawing.flat()).getImageData(x, y, 1, 1).data;
    this.#setColour(`#${[red, green, blue].map((level) => level.toString(16).padStart(2, "0")).join("")}`);
    this.#show();
  }

  #sample(name) {
    const { width, height } = this.drawing.sheet;
    this.drawing.replace(sampleSheet(name, width, height, ""));
    this.trigger("sample", { name });
  }

  // A key that was pressed while nobody was writing; true if it meant something here.
  key({ key, ctrlKey, metaKey, shiftKey, altKey }) {
    const letter = key.toLowerCase();
    if (ctrlKey || metaKey) {
      if (letter !== "z" && letter !== "y") return false;
      this.drawing[letter === "y" || shiftKey ? "redo" : "undo"]();
    } else if (!altKey && letter in KEYS) this.tools.tool = KEYS[letter];
    else if (key === "[" || key === "]") this.#widen(key === "]" ? 1.25 : 0.8);
    else return false;
    this.#show();
    return true;
  }

  #widen(factor) {
    const { widths, tool } = this.tools;
    if (tool in widths) widths[tool] = Math.min(200, Math.max(1, Math.round(widths[tool] * factor + (factor > 1 ? 0.5 : -0.5))));
  }

  // ---- After every change

  #changed() {
    this.revision += 1;
    this.#show();
    this.#keep();
    this.repaint();
  }

  #show() {
    if (!this.root) return;
    const { drawing, tools, root } = this, { sheet } = drawing;
    const set = (name, value) => { const field = root.querySelector(`[name=${name}]`); if (field.value !== String(value)) field.value = value; };
    for (const button of root.querySelectorAll("[data-tool]")) button.setAttribute("aria-pressed", button.dataset.tool === tools.tool);
    for (const button of root.querySelectorAll("[data-colour]")) button.setAttribute("aria-pressed", button.dataset.colour === tools.colour);
    root.querySelector("[data-act=undo]").disabled = !drawing.done.length;
    root.querySelector("[data-act=redo]").disabled = !drawing.undone.length;
    set("pad-colour", tools.colour);
    set("pad-width", this.tool.width);
    root.querySelector("output").value = `${this.tool.width} px`;
    set("pad-paper", sheet.paper);
    set("pad-kept", tools.kept ? "kept" : "repainted");
    const shape = Object.keys(SHAPES).find((name) => SHAPES[name].every((part, i) => part * UNIT === [sheet.width, sheet.height][i]));
    set("pad-shape", shape ?? "");
    root.querySelector(".pad-masking").hidden = !["mask", "unmask"].includes(tools.tool);
    root.querySelector(".pad-view").style.setProperty("--ratio", sheet.width / sheet.height);
    root.querySelector(".pad-size").textContent = `${sheet.width} × ${sheet.height}`;
    this.#showLayers();
    this.view?.show();
  }

  #showLayers() {
    const { sheet } = this.drawing, word = this.root.dataset.layer;
    const rows = sheet.layers.map((layer, i) => {
      const row = document.createElement("li"), eye = document.createElement("button"), name = document.createElement("button");
      Object.assign(eye, { type: "button", textContent: layer.visible ? "●" : "○", title: this.root.dataset.show });
      Object.assign(eye.dataset, { act: "layer-show", of: layer.id });
      eye.setAttribute("aria-pressed", layer.visible);
      Object.assign(name, { type: "button", textContent: layer.name || `${word} ${i + 1}` });
      name.dataset.layer = layer.id;
      name.setAttribute("aria-pressed", layer.id === sheet.active);
      row.append(eye, name);
      return row;
    });
    this.root.querySelector(".pad-layers ol").replaceChildren(...rows.reverse());
  }

  async #remember() {
    try {
      this.keeper = await Keeper.open();
      const found = await this.keeper.find();
      if (found) {
        this.drawing.sheet = found.sheet;
        Object.assign(this.tools, found.tools);
      }
    } catch (error) {
      console.info(`The drawing is not kept over a reload: ${error}`);
    }
  }

  #keep() {
    this.keeper?.keep(this.drawing.sheet, this.tools).catch(() => this.say(this.root?.dataset.full ?? "", "trouble"));
  }
}

// `picture` in the middle of `canvas`, as large as it fits.
function place(picture, canvas) {
  const scale = Math.min(canvas.width / picture.width, canvas.height / picture.height), context = pen(canvas);
  context.imageSmoothingQuality = "high";
  const width = picture.width * scale, height = picture.height * scale;
  context.drawImage(picture, (canvas.width - width) / 2, (canvas.height - height) / 2, width, height);
}

async function fetched(address) {
  const reply = await fetch(address);
  if (!reply.ok) throw new Error(await reply.text());
  return createImageBitmap(await reply.blob());
}

// A picture to the engine's folder of pictures: what it is called there. Throws the server's sentence.
async function send(body) {
  const reply = await fetch("sketches", { method: "POST", body });
  const told = await reply.json().catch(() => ({}));
  if (!reply.ok) throw new Error(told.trouble ?? window.easelPad.root.dataset.away);
  return told;
}

window.easelPad = new Pad();

document.addEventListener("keydown", (event) => {
  const writing = event.target.closest?.("input:not([type=range]):not([type=color]), textarea, select, [contenteditable]");
  if (window.easelPad.seen && !writing && window.easelPad.key(event)) event.preventDefault();
});

document.addEventListener("paste", (event) => {
  const file = [...(event.clipboardData?.files ?? [])].find((each) => each.type.startsWith("image/"));
  if (file && window.easelPad.seen) { event.preventDefault(); window.easelPad.open(file); }
});
