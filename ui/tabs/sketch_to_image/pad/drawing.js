// A drawing: a sheet, and every change to it as something that can be undone. It knows nothing of the page.

import { createCanvas, getContext, isTransparent } from "./sheet.js";

const UNDO_BYTES = 256 * 2 ** 20; // the oldest changes are forgotten beyond this

export class Drawing {
  // `changed` is called after every change, undone ones included.
  constructor(sheet, changed) {
    this.sheet = sheet;
    this.changed = changed;
    this.clearHistory();
  }

  clearHistory() { this.undoStack = []; this.redoStack = []; }

  get layer() { return this.sheet.layers.find((each) => each.id === this.sheet.active) ?? this.sheet.layers[0]; }

  // Make a change that knows its own way back. `bytes` is what remembering it costs.
  apply(redo, undo, bytes = 0) {
    redo();
    this.undoStack.push({ redo, undo, bytes });
    this.redoStack = [];
    let total = this.undoStack.reduce((sum, change) => sum + change.bytes, 0);
    while (total > UNDO_BYTES && this.undoStack.length > 1) total -= this.undoStack.shift().bytes;
    this.changed();
  }

  undo() { this.#move(this.undoStack, this.redoStack, "undo"); }
  redo() { this.#move(this.redoStack, this.undoStack, "redo"); }

  #move(from, to, way) {
    const change = from.pop();
    if (!change) return;
    change[way]();
    to.push(change);
    this.changed();
  }

  // A change of pixels of one layer: `paint(context)` draws; `box` is the part that it touches, whole if left out.
  paint(layer, paint, box) {
    const stroke = this.begin(layer);
    paint(getContext(layer.canvas));
    stroke.end(box ?? { x: 0, y: 0, width: layer.canvas.width, height: layer.canvas.height });
  }

  // Pixels are drawn straight onto the layer between begin and end; `cancel` takes them back.
  begin(layer) {
    const before = createCanvas(layer.canvas.width, layer.canvas.height);
    getContext(before).drawImage(layer.canvas, 0, 0);
    return {
      before,
      cancel: () => { this.#put(layer, getContext(before).getImageData(0, 0, before.width, before.height), 0, 0); },
      end: (box) => {
        const x = Math.max(0, Math.floor(box.x)), y = Math.max(0, Math.floor(box.y));
        const width = Math.min(before.width, Math.ceil(box.x + box.width)) - x;
        const height = Math.min(before.height, Math.ceil(box.y + box.height)) - y;
        if (width <= 0 || height <= 0) return;
        const old = getContext(before).getImageData(x, y, width, height);
        const now = getContext(layer.canvas).getImageData(x, y, width, height);
        this.apply(() => this.#mark(layer, now, x, y, 1), () => this.#mark(layer, old, x, y, -1), old.data.length * 2);
      },
    };
  }

  #put(layer, pixels, x, y) {
    getContext(layer.canvas).putImageData(pixels, x, y);
    layer.version += 1;
  }

  #mark(layer, pixels, x, y, count) {
    this.#put(layer, pixels, x, y);
    layer.marks = (layer.marks ?? 0) + count;
  }

  // Another sheet altogether: a new shape, a sample.
  replace(sheet) {
    const before = this.sheet;
    const bytes = before.layers.length * before.width * before.height * 4;
    this.apply(() => { this.sheet = sheet; }, () => { this.sheet = before; }, bytes);
  }

  addLayer(layer, place = this.sheet.layers.length) {
    const sheet = this.sheet, before = { layers: sheet.layers, active: sheet.active };
    const layers = [...sheet.layers.slice(0, place), layer, ...sheet.layers.slice(place)];
    this.apply(() => Object.assign(sheet, { layers, active: layer.id }), () => Object.assign(sheet, before));
  }

  removeLayer(layer) {
    if (this.sheet.layers.length === 1) return this.clear(layer);
    const sheet = this.sheet, before = { layers: sheet.layers, active: sheet.active };
    const layers = sheet.layers.filter((each) => each !== layer);
    const active = sheet.active === layer.id ? layers.at(-1).id : sheet.active;
    const bytes = layer.canvas.width * layer.canvas.height * 4;
    this.apply(() => Object.assign(sheet, { layers, active }), () => Object.assign(sheet, before), bytes);
  }

  moveLayer(layer, by) {
    const sheet = this.sheet, before = sheet.layers, from = before.indexOf(layer), to = from + by;
    if (to < 0 || to >= before.length) return;
    const layers = before.filter((each) => each !== layer);
    layers.splice(to, 0, layer);
    this.apply(() => { sheet.layers = layers; }, () => { sheet.layers = before; });
  }

  showLayer(layer, visible) {
    this.apply(() => { layer.visible = visible; }, () => { layer.visible = !visible; });
  }

  setPaper(paper) {
    const sheet = this.sheet, before = sheet.paper;
    if (paper !== before) this.apply(() => { sheet.paper = paper; }, () => { sheet.paper = before; });
  }

  clear(layer) { this.paint(layer, (context) => context.clearRect(0, 0, layer.canvas.width, layer.canvas.height)); }

  // Everything that is visible, as it lies on its paper.
  flatten() {
    const canvas = createCanvas(this.sheet.width, this.sheet.height);
    const context = getContext(canvas);
    context.fillStyle = this.sheet.paper;
    context.fillRect(0, 0, canvas.width, canvas.height);
    for (const layer of this.sheet.layers) if (layer.visible) context.drawImage(layer.canvas, 0, 0);
    return canvas;
  }

  // White where the mask was painted and black elsewhere, or the other way round; null where nothing was painted.
  flattenMask(inverted = false) {
    const { canvas } = this.sheet.mask;
    const pixels = getContext(canvas).getImageData(0, 0, canvas.width, canvas.height);
    let painted = false;
    for (let i = 0; i < pixels.data.length; i += 4) {
      const on = pixels.data[i + 3] > 127;
      painted ||= on;
      pixels.data.fill(on !== inverted ? 255 : 0, i, i + 3);
      pixels.data[i + 3] = 255;
    }
    if (!painted) return null;
    const flat = createCanvas(canvas.width, canvas.height);
    getContext(flat).putImageData(pixels, 0, 0);
    return flat;
  }

  get isBlank() { return this.sheet.layers.every((layer) => isTransparent(layer.canvas)); }
}
