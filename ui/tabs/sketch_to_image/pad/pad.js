// The drawing pad: its tools, layers, images that are put onto it, and the upload of the drawing.

import { Drawing } from "./drawing.js";
import { floodFill } from "./flood_fill.js";
import { drawCentred, loadFile, loadImage, uploadImage } from "./images.js";
import { createSampleSheet } from "./samples.js";
import { LONGEST_SIDE, createCanvas, createLayer, createSheet, fillMask, findPhoto, getContext } from "./sheet.js";
import { DrawingStore } from "./store.js";
import { SHAPES as DRAWN_SHAPES, View } from "./view.js";
import { settle } from "../../../common/roving.js";

const UNIT = 192;  // pixels of a quarter of a square sheet's side
const SHAPES = { square: [4, 4], portrait: [3, 4], landscape: [4, 3], tall: [4, 6], wide: [6, 4] };
const SMALLEST = 512;  // a smaller picture is upscaled to this, so that there is room to draw
const LINES_SWITCH = "#sketch-keep_lines input";
const UPLOAD_LASTS = 60 * 60 * 1000; // milliseconds; the engine removes uploads that no job used after a day
const KEYS = { b: "brush", e: "eraser", f: "fill", m: "mask", h: "hand", l: "line", r: "rectangle", o: "ellipse" };
const COLOURING = ["brush", "fill", ...DRAWN_SHAPES];
const FRESH_TOOLS = { tool: "brush", colour: "#1c1917", widths: { brush: 14, eraser: 40, mask: 60, unmask: 60 }, kept: false };

class Pad {
  constructor() {
    this.tools = structuredClone(FRESH_TOOLS);
    this.revision = 0;
    this.live = false;
    this.drawing = new Drawing(createSheet(4 * UNIT, 4 * UNIT, "#ffffff", ""), () => this.#changed());
    this.ready = this.#restoreSaved();
  }

  // Puts the pad into `element`, which holds its HTML. `trigger(name, detail)` raises an event of the page.
  async mount(element, trigger) {
    await this.ready;
    Object.assign(this, { root: element.querySelector(".pad"), trigger });
    const frame = this.root.querySelector(".pad-view");
    this.view = new View(frame, this.drawing, () => this.tool, (name, x, y) => this.#press(name, x, y));
    this.root.addEventListener("click", (event) => this.#clicked(event.target.closest("button")));
    this.root.addEventListener("input", (event) => this.#chosen(event.target));
    this.root.addEventListener("dragover", (event) => event.preventDefault());
    this.root.addEventListener("drop", (event) => { event.preventDefault(); this.open(...event.dataTransfer.files); });
    this.root.querySelector("input[type=file]").addEventListener("change", ({ target }) => {
      this.open(target.files[0]);
      target.value = "";
    });
    this.#show();
    this.root.dataset.ready = "";
  }

  get tool() {
    const { tool, colour, widths } = this.tools;
    return { name: tool, colour, width: widths[tool] ?? widths.brush };
  }

  get isVisible() { return Boolean(this.root?.offsetParent); }

  say(text, kind = "note") {
    const box = this.root?.querySelector(".pad-says");
    if (box) Object.assign(box, { textContent: text, hidden: !text, className: `pad-says says ${kind}` });
  }

  // ---- Uploading

  // The drawing, uploaded: JSON with `sketch`, `mask` and `lines` as hashes, or `trouble`.
  // What did not change is not uploaded again within an hour.
  upload() {
    const lines = Boolean(document.querySelector(LINES_SWITCH)?.checked), revision = this.revision;
    const known = this.uploaded?.revision === revision && this.uploaded.lines === lines && Date.now() <= this.uploaded.until;
    if (!known) this.uploaded = { revision, lines, until: Date.now() + UPLOAD_LASTS, answer: this.#upload(lines) };
    return this.uploaded.answer;
  }

  async #upload(keepsLines) {
    await this.ready;
    const { sheet } = this.drawing, mask = this.drawing.flattenMask(this.tools.kept);
    // A drawing that was put back has no layers: its lines are those that its picture was made from.
    const kept = this.lines?.revision === this.revision ? this.lines.hash : "";
    const lines = keepsLines && !kept ? this.drawing.layer.canvas : null;
    try {
      const photo = findPhoto(sheet), canvases = [photo ? null : this.drawing.flatten(), mask, lines];
      const [sketch, masked, drawn] = await Promise.all(canvases.map(async (canvas) => {
        if (!canvas) return "";
        const png = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
        return (await uploadImage(png, this.root.dataset.away)).hash;
      }));
      const { paper, width, height } = sheet, drawnLines = keepsLines ? kept || drawn : "";
      return JSON.stringify({ sketch: photo || sketch, mask: masked, lines: drawnLines, paper, width, height });
    } catch (error) {
      this.uploaded = null;
      return JSON.stringify({ trouble: error.message });
    }
  }

  setLive(on) {
    this.live = on;
    if (on) this.repaint();
  }

  // Live: the page is sent the newest drawing; what changes during an upload is sent after it.
  async repaint() {
    if (!this.live || !this.trigger || this.sending) return;
    this.sending = true;
    let sent = -1;
    while (sent !== this.revision) {
      sent = this.revision;
      const drawing = await this.upload();
      if (sent === this.revision) this.trigger("drawn", { pad: drawing });
    }
    this.sending = false;
  }

  repaintSoon() {
    clearTimeout(this.soon);
    this.soon = setTimeout(() => this.repaint(), 150);
  }

  // ---- Pictures that come in

  // Runs what may fail, and shows the error's sentence if it does.
  async attempt(action) {
    try {
      await this.ready;
      await action(this);
    } catch (error) {
      this.say(error.message, "trouble");
    }
  }

  // A file: any picture that the engine can read, by way of the engine. Of several only the first is opened, and that is said.
  open(file, ...others) {
    if (!file) return;
    const words = this.root.dataset.others.replace("{count}", others.length + 1).replace("{name}", () => file.name);
    const said = others.length ? [words] : [];
    this.say(this.root.dataset.opening);
    this.attempt(async () => {
      const { hash, notices } = await uploadImage(file, this.root.dataset.away).catch((error) => {
        throw new Error([error.message, ...said].join(" "));
      });
      await this.take(`sketches/${hash}`, file.name || "", hash);
      this.say([...notices, ...said].join(" "));
    });
  }

  // A picture of the page. A blank sheet takes its shape; on another it becomes the top layer. `photo` is the hash of its file.
  async take(address, name, photo = "") {
    const file = await loadFile(address), bitmap = await createImageBitmap(file);
    if (this.drawing.isBlank) {
      const longest = Math.max(bitmap.width, bitmap.height), grow = Math.min(LONGEST_SIDE, Math.max(SMALLEST, longest)) / longest;
      const [width, height] = [bitmap.width, bitmap.height].map((side) => Math.max(8, Math.round(side * grow)));
      const sheet = createSheet(width, height, this.drawing.sheet.paper, name);
      drawCentred(bitmap, sheet.layers[0].canvas);
      sheet.layers[0].photo = photo || (await uploadImage(file, this.root.dataset.away)).hash;
      this.drawing.replace(sheet);
    } else {
      const layer = createLayer(this.drawing.sheet.width, this.drawing.sheet.height, name);
      drawCentred(bitmap, layer.canvas);
      this.drawing.addLayer(layer);
    }
    this.view?.whole();
  }

  // The drawing, flat, and the mask that a picture was made from, by their hashes; undo brings back what was there.
  async restore({ sketch, mask, paper, lines = "" }) {
    const now = JSON.parse(await this.upload()), { sheet: before } = this.drawing;
    if (sketch === now.sketch && mask === now.mask && paper === now.paper) return;
    const [bitmap, masked] = await Promise.all([sketch, mask].map((hash) => hash && loadImage(`sketches/${hash}`)));
    const sheet = createSheet(bitmap.width, bitmap.height, paper, "");
    // The same drawing under another mask keeps its layers.
    if (sketch === now.sketch && paper === now.paper) Object.assign(sheet, { layers: before.layers, active: before.active });
    else {
      drawCentred(bitmap, sheet.layers[0].canvas);
      sheet.layers[0].photo = sketch;
    }
    if (masked) fillMask(masked, sheet.mask);
    if (masked) this.tools.kept = false;
    this.drawing.replace(sheet);
    this.lines = lines && { revision: this.revision, hash: lines };
    if (before.width !== sheet.width || before.height !== sheet.height) this.view?.whole();
  }

  reshape(width, height) {
    const { sheet } = this.drawing;
    const moved = (layer) => {
      const canvas = createCanvas(width, height);
      drawCentred(layer.canvas, canvas);
      return { ...layer, canvas, version: layer.version + 1, photo: "" };
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
      clear: () => drawing.replace(createSheet(drawing.sheet.width, drawing.sheet.height, drawing.sheet.paper, "")),
      "clear-mask": () => drawing.clear(drawing.sheet.mask),
      "zoom-in": () => view.zoomBy(1.5),
      "zoom-out": () => view.zoomBy(1 / 1.5),
      "zoom-whole": () => view.whole(),
      upload: () => this.root.querySelector("input[type=file]").click(),
      "layer-add": () => drawing.addLayer(createLayer(drawing.sheet.width, drawing.sheet.height, "")),
      "layer-remove": () => drawing.removeLayer(layer),
      "layer-up": () => drawing.moveLayer(layer, 1),
      "layer-down": () => drawing.moveLayer(layer, -1),
      "layer-show": () => {
        const shown = drawing.sheet.layers.find((each) => each.id === button.dataset.of);
        drawing.showLayer(shown, !shown.visible);
      },
    })[act]?.();
    this.#show();
    this.#save();
  }

  #chosen(field) {
    const { name, value } = field;
    if (name === "pad-colour") this.#setColour(value);
    if (name === "pad-width") this.tools.widths[this.tools.tool in this.tools.widths ? this.tools.tool : "brush"] = Number(value);
    if (name === "pad-paper") this.drawing.setPaper(value);
    if (name === "pad-shape" && value in SHAPES) this.reshape(...SHAPES[value].map((part) => part * UNIT));
    if (name === "pad-kept") { this.tools.kept = value === "kept"; this.#changed(); }
    this.#show();
    this.#save();
  }

  #setColour(colour) {
    this.tools.colour = colour;
    if (!COLOURING.includes(this.tools.tool)) this.tools.tool = "brush";
  }

  #press(name, x, y) {
    if (name === "fill") return floodFill(this.drawing, this.drawing.layer, x, y, this.tools.colour);
    const [red, green, blue] = getContext(this.drawing.flatten()).getImageData(x, y, 1, 1).data;
    this.#setColour(`#${[red, green, blue].map((level) => level.toString(16).padStart(2, "0")).join("")}`);
    this.#show();
  }

  #sample(name) {
    const { width, height } = this.drawing.sheet;
    this.drawing.replace(createSampleSheet(name, width, height, ""));
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
    this.#save();
    this.repaint();
  }

  #show() {
    if (!this.root) return;
    const { drawing, tools, root } = this, { sheet } = drawing;
    const set = (name, value) => {
      const field = root.querySelector(`[name=${name}]`);
      if (field.value !== String(value)) field.value = value;
    };
    for (const choice of ["tool", "colour"]) {
      for (const button of root.querySelectorAll(`[data-${choice}]`)) {
        button.setAttribute("aria-pressed", button.dataset[choice] === tools[choice]);
      }
    }
    this.#enable("undo", drawing.undoStack.length > 0);
    this.#enable("redo", drawing.redoStack.length > 0);
    root.querySelectorAll("[data-roving]").forEach((group) => settle(group));
    set("pad-colour", tools.colour);
    set("pad-width", this.tool.width);
    root.querySelector("output").value = `${this.tool.width} px`;
    set("pad-paper", sheet.paper);
    set("pad-kept", tools.kept ? "kept" : "repainted");
    const isShape = ([wide, high]) => wide * UNIT === sheet.width && high * UNIT === sheet.height;
    const shape = Object.keys(SHAPES).find((name) => isShape(SHAPES[name]));
    set("pad-shape", shape ?? "");
    root.querySelector(".pad-masking").hidden = !["mask", "unmask"].includes(tools.tool);
    root.querySelector(".pad-view").style.setProperty("--ratio", sheet.width / sheet.height);
    root.querySelector(".pad-size").textContent = `${sheet.width} × ${sheet.height}`;
    this.#showLayers();
    this.view?.show();
  }

  // The focus goes on to the drawing before its button can no longer be pressed.
  #enable(act, on) {
    const button = this.root.querySelector(`[data-act=${act}]`);
    if (!on && document.activeElement === button) this.view?.screen.focus();
    button.disabled = !on;
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

  async #restoreSaved() {
    try {
      this.store = await DrawingStore.open();
      const found = await this.store.load();
      if (found) {
        this.drawing.sheet = found.sheet;
        Object.assign(this.tools, found.tools);
      }
    } catch (error) {
      console.info(`The drawing will not survive a reload: ${error}`);
    }
  }

  #save() {
    this.store?.save(this.drawing.sheet, this.tools).catch(() => this.say(this.root?.dataset.full ?? "", "trouble"));
  }
}

export const pad = new Pad();
window.easelPad = pad; // for the short handlers in Python

export function mount(element, trigger) {
  return pad.mount(element, trigger);
}

document.addEventListener("keydown", (event) => {
  const writing = event.target.closest?.("input:not([type=range]):not([type=color]), textarea, select, [contenteditable]");
  if (pad.isVisible && !writing && pad.key(event)) event.preventDefault();
});

// A word processor puts a picture of the words beside the words: into a field only the words go.
export function findPastedImages(clipboard, isWriting) {
  const files = [...(clipboard?.files ?? [])].filter((each) => each.type.startsWith("image/"));
  const hasWords = [...(clipboard?.types ?? [])].some((type) => type === "text/plain" || type === "text/html");
  return isWriting && hasWords ? [] : files;
}

document.addEventListener("paste", (event) => {
  const files = findPastedImages(event.clipboardData, Boolean(event.target.closest?.("input, textarea, [contenteditable]")));
  if (files.length && pad.isVisible) { event.preventDefault(); pad.open(...files); }
});
