"use strict";
// A drawing: a sheet with layers and a mask, and every change as something that can be undone. It knows nothing of the page.

const LONGEST = 2048;              // pixels that a sheet may be wide or high
const MASK_COLOUR = "#e11d48";
const UNDO_BYTES = 256 * 2 ** 20;  // the oldest changes are forgotten beyond this

function blankCanvas(width, height) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  canvas.getContext("2d", { willReadFrequently: true });
  return canvas;
}

function pen(canvas) { return canvas.getContext("2d", { willReadFrequently: true }); }

let layersMade = 0;

function newLayer(width, height, name) {
  layersMade += 1;
  return { id: `${Date.now().toString(36)}-${layersMade}`, name, visible: true, canvas: blankCanvas(width, height), version: 0 };
}

function newSheet(width, height, paper, layerName) {
  const layer = newLayer(width, height, layerName);
  return { width, height, paper, layers: [layer], active: layer.id, mask: { ...newLayer(width, height, "mask"), id: "mask" } };
}

class Drawing {
  // `changed` is called after every change, undone ones included.
  constructor(sheet, changed) {
    this.sheet = sheet;
    this.changed = changed;
    this.forget();
  }

  forget() { this.done = []; this.undone = []; }

  get layer() { return this.sheet.layers.find((each) => each.id === this.sheet.active) ?? this.sheet.layers[0]; }

  // Make a change that knows its own way back. `bytes` is what remembering it costs.
  apply(redo, undo, bytes = 0) {
    redo();
    this.done.push({ redo, undo, bytes });
    this.undone = [];
    for (let total = this.done.reduce((sum, each) => sum + each.bytes, 0); total > UNDO_BYTES && this.done.length > 1;) {
      total -= this.done.shift().bytes;
    }
    this.changed();
  }

  undo() { this.#move(this.done, this.undone, "undo"); }
  redo() { this.#move(this.undone, this.done, "redo"); }

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
    paint(pen(layer.canvas));
    stroke.end(box ?? { x: 0, y: 0, width: layer.canvas.width, height: layer.canvas.height });
  }

  // Pixels are drawn straight onto the layer between begin and end; `cancel` takes them back.
  begin(layer) {
    const before = blankCanvas(layer.canvas.width, layer.canvas.height);
    pen(before).drawImage(layer.canvas, 0, 0);
    return {
      before,
      cancel: () => { this.#put(layer, pen(before).getImageData(0, 0, before.width, before.height), 0, 0); },
      end: (box) => {
        const x = Math.max(0, Math.floor(box.x)), y = Math.max(0, Math.floor(box.y));
        const width = Math.min(before.width, Math.ceil(box.x + box.width)) - x;
        const height = Math.min(before.height, Math.ceil(box.y + box.height)) - y;
        if (width <= 0 || height <= 0) return;
        const old = pen(before).getImageData(x, y, width, height);
        const now = pen(layer.canvas).getImageData(x, y, width, height);
        this.apply(() => this.#put(layer, now, x, y), () => this.#put(layer, old, x, y), old.data.length * 2);
      },
    };
  }

  #put(layer, pixels, x, y) {
    pen(layer.canvas).putImageData(pixels, x, y);
    layer.version += 1;
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
    this.apply(() => Object.assign(sheet, { layers, active }), () => Object.assign(sheet, before), layer.canvas.width * layer.canvas.height * 4);
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
  flat() {
    const canvas = blankCanvas(this.sheet.width, this.sheet.height);
    const context = pen(canvas);
    context.fillStyle = this.sheet.paper;
    context.fillRect(0, 0, canvas.width, canvas.height);
    for (const layer of this.sheet.layers) if (layer.visible) context.drawImage(layer.canvas, 0, 0);
    return canvas;
  }

  // White where the mask was painted and black elsewhere, or the other way round; null where nothing was painted.
  flatMask(inverted = false) {
    const { canvas } = this.sheet.mask;
    const pixels = pen(canvas).getImageData(0, 0, canvas.width, canvas.height);
    let painted = false;
    for (let i = 0; i < pixels.data.length; i += 4) {
      const on = pixels.data[i + 3] > 127;
      painted ||= on;
      pixels.data.fill(on !== inverted ? 255 : 0, i, i + 3);
      pixels.data[i + 3] = 255;
    }
    if (!painted) return null;
    const flat = blankCanvas(canvas.width, canvas.height);
    pen(flat).putImageData(pixels, 0, 0);
    return flat;
  }

  get blank() { return this.sheet.layers.every((layer) => isEmpty(layer.canvas)); }
}

function isEmpty(canvas) {
  const { data } = pen(canvas).getImageData(0, 0, canvas.width, canvas.height);
  return !new Uint32Array(data.buffer).some((pixel) => pixel !== 0);
}

// Paints `mask` where `picture`, stretched over it, is white.
function paintMask(picture, mask) {
  const { canvas } = mask, context = pen(canvas);
  context.drawImage(picture, 0, 0, canvas.width, canvas.height);
  const pixels = context.getImageData(0, 0, canvas.width, canvas.height);
  for (let i = 0; i < pixels.data.length; i += 4) pixels.data[i + 3] = pixels.data[i] > 127 ? 255 : 0;
  context.putImageData(pixels, 0, 0);
  Object.assign(context, { globalCompositeOperation: "source-in", fillStyle: MASK_COLOUR });
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.globalCompositeOperation = "source-over";
}

// One brush stroke. Points are {x, y, width} in pixels of the sheet.
class Stroke {
  constructor(drawing, layer, colour, erases) {
    this.context = pen(layer.canvas);
    this.started = drawing.begin(layer);
    this.style = { strokeStyle: colour, fillStyle: colour, lineCap: "round", lineJoin: "round" };
    this.mode = erases ? "destination-out" : "source-over";
    this.points = [];
    this.box = null;
  }

  to(point) {
    this.points.push(point);
    this.#grow(point);
    // A line of one width is drawn anew as a whole: pieces laid over each other would show their seams.
    if (this.points.every(({ width }) => width === point.width)) this.#draw(this.points, true);
    else this.#draw(this.points.slice(-3), false);
  }

  end() {
    const { left, top, right, bottom } = this.box;
    this.started.end({ x: left, y: top, width: right - left, height: bottom - top });
  }

  cancel() { this.started.cancel(); }

  #draw(points, anew) {
    const { context, box } = this, last = points.at(-1);
    context.save();
    if (anew) {
      context.beginPath();
      context.rect(Math.floor(box.left), Math.floor(box.top), Math.ceil(box.right - box.left) + 1, Math.ceil(box.bottom - box.top) + 1);
      context.clip();
      context.globalCompositeOperation = "copy";
      context.drawImage(this.started.before, 0, 0);
    }
    Object.assign(context, this.style, { lineWidth: last.width, globalCompositeOperation: this.mode });
    context.beginPath();
    if (points.length === 1) context.arc(last.x, last.y, last.width / 2, 0, 2 * Math.PI);
    context.moveTo(points[0].x, points[0].y);
    points.slice(0, -1).forEach((point, i) => {
      const next = points[i + 1];
      context.quadraticCurveTo(point.x, point.y, (point.x + next.x) / 2, (point.y + next.y) / 2);
    });
    context.lineTo(last.x, last.y);
    if (points.length === 1) context.fill(); else context.stroke();
    context.restore();
  }

  #grow({ x, y, width }) {
    const reach = width / 2 + 2;
    const { left = x, top = y, right = x, bottom = y } = this.box ?? {};
    this.box = {
      left: Math.min(left, x - reach), top: Math.min(top, y - reach),
      right: Math.max(right, x + reach), bottom: Math.max(bottom, y + reach),
    };
  }
}

// Fills the area of one colour around a point, as everything visible shows it, on `layer`.
function flood(drawing, layer, x, y, colour, tolerance = 40) {
  const { width, height } = drawing.sheet;
  const seen = pen(drawing.flat()).getImageData(0, 0, width, height).data;
  const filled = new Uint8Array(width * height), first = (y * width + x) * 4;
  const alike = (i) => [0, 1, 2].every((c) => Math.abs(seen[i * 4 + c] - seen[first + c]) <= tolerance);
  const waiting = [y * width + x];
  while (waiting.length) {
    const i = waiting.pop();
    if (filled[i] || !alike(i)) continue;
    filled[i] = 1;
    const column = i % width;
    if (column > 0) waiting.push(i - 1);
    if (column < width - 1) waiting.push(i + 1);
    if (i >= width) waiting.push(i - width);
    if (i < width * (height - 1)) waiting.push(i + width);
  }
  const [red, green, blue] = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
  drawing.paint(layer, (context) => {
    const pixels = context.getImageData(0, 0, width, height);
    filled.forEach((on, i) => { if (on) pixels.data.set([red, green, blue, 255], i * 4); });
    context.putImageData(pixels, 0, 0);
  });
}
