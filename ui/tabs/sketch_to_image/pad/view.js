// How a drawing is looked at: drawn on the screen with zoom and pan, and what pointers do on it.

import { KeyboardPointer } from "./keyboard.js";
import { Shape } from "./shape.js";
import { MASK_COLOUR } from "./sheet.js";
import { Stroke } from "./stroke.js";

const PEN_ERASER = 5;  // the button that a browser reports for the other end of a pen
export const SHAPES = ["line", "rectangle", "ellipse"];
const CURSORS = { hand: "grab", fill: "crosshair", pick: "crosshair" };
const SMALLEST_RING = 14;  // pixels of the page, for the pointer of the keyboard
const NEAREST = 0.25, FARTHEST = 32;  // zoom, in shares of the view that shows all of the sheet

export class View {
  // `tool()` is {name, width, colour}; `used(name, x, y)` is called for tools that work on a press alone.
  constructor(frame, drawing, tool, used) {
    Object.assign(this, { frame, drawing, tool, used, zoom: 1, pan: { x: 0, y: 0 }, pointers: new Map() });
    this.screen = frame.querySelector("canvas");
    this.ring = frame.querySelector(".pad-ring");
    const listen = (name, heard) => this.screen.addEventListener(name, heard.bind(this), { passive: false });
    listen("pointerdown", this.#down);
    listen("pointermove", this.#move);
    listen("pointerup", this.#up);
    listen("pointercancel", this.#cancelled);
    listen("pointerleave", () => { this.ring.hidden = true; });
    listen("wheel", this.#wheel);
    listen("contextmenu", (event) => event.preventDefault());
    this.keyboard = new KeyboardPointer(this);
    new ResizeObserver(() => this.show()).observe(frame);
  }

  get scale() {
    const { width, height } = this.drawing.sheet;
    return Math.min(this.frame.clientWidth / width, this.frame.clientHeight / height) * this.zoom;
  }

  // Where the sheet's corner is, in pixels of the page inside the frame.
  get corner() {
    const { width, height } = this.drawing.sheet, { scale, pan, frame } = this;
    return { x: (frame.clientWidth - width * scale) / 2 + pan.x, y: (frame.clientHeight - height * scale) / 2 + pan.y };
  }

  show() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => { this.waiting = false; this.#draw(); });
  }

  #draw() {
    const { screen, frame, drawing: { sheet } } = this, dots = devicePixelRatio || 1;
    const width = Math.round(frame.clientWidth * dots), height = Math.round(frame.clientHeight * dots);
    if (!width || !height) return;
    if (screen.width !== width || screen.height !== height) Object.assign(screen, { width, height });
    const context = screen.getContext("2d"), { scale, corner } = this;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, width, height);
    context.setTransform(scale * dots, 0, 0, scale * dots, corner.x * dots, corner.y * dots);
    context.imageSmoothingEnabled = scale * dots < 4;
    context.imageSmoothingQuality = "high";
    context.fillStyle = sheet.paper;
    context.fillRect(0, 0, sheet.width, sheet.height);
    for (const layer of sheet.layers) if (layer.visible) context.drawImage(layer.canvas, 0, 0);
    context.globalAlpha = 0.5;
    context.drawImage(sheet.mask.canvas, 0, 0);
    context.globalAlpha = 1;
  }

  // Zoom by a factor, keeping what lies under a point (page pixels inside the frame; the middle if left out).
  zoomBy(factor, at = { x: this.frame.clientWidth / 2, y: this.frame.clientHeight / 2 }) {
    const before = this.corner, old = this.scale;
    this.zoom = Math.min(FARTHEST, Math.max(NEAREST, this.zoom * factor));
    const now = this.corner, grown = this.scale / old;
    this.pan.x += at.x - (at.x - before.x) * grown - now.x;
    this.pan.y += at.y - (at.y - before.y) * grown - now.y;
    this.show();
  }

  whole() {
    this.zoom = 1;
    this.pan = { x: 0, y: 0 };
    this.show();
  }

  #inside(event) {
    const frame = this.frame.getBoundingClientRect();
    return { x: event.clientX - frame.left, y: event.clientY - frame.top };
  }

  // The point of the sheet that lies under one of the page, with the width of the tool there.
  locate({ x, y }) {
    const { corner, scale } = this;
    return { x: (x - corner.x) / scale, y: (y - corner.y) / scale, width: this.tool().width };
  }

  panBy(x, y) {
    this.pan = { x: this.pan.x + x, y: this.pan.y + y };
    this.show();
  }

  #down(event) {
    event.preventDefault();
    this.screen.focus({ preventScroll: true });
    this.screen.setPointerCapture(event.pointerId);
    // A hand that rests beside the pen neither draws nor moves the sheet, whichever of them came first.
    if (event.pointerType === "pen") this.#letPenDraw();
    if (this.penDraws && event.pointerType === "touch") return;
    this.pointers.set(event.pointerId, this.#inside(event));
    if (event.pointerType === "pen") this.penDraws = true;
    if (this.pointers.size === 2) return this.#pinch();
    if (this.pointers.size > 2) return;
    const tool = this.tool();
    if (event.button === 1 || tool.name === "hand") { this.panning = this.#inside(event); return; }
    const turned = event.button === PEN_ERASER;
    if (event.button > 0 && !turned) return;
    this.begin(this.#points(event)[0], turned);
  }

  // Begins what the tool draws at a point of the sheet; false for a tool that works on a press alone.
  begin(point, turned = false) {
    const { name, colour } = this.tool(), { sheet } = this.drawing;
    if (name === "fill" || name === "pick") {
      const { x, y } = point, inside = x >= 0 && y >= 0 && x < sheet.width && y < sheet.height;
      if (inside) this.used(name, Math.floor(x), Math.floor(y));
      return false;
    }
    if (name === "hand") return false;
    const onMask = name === "mask" || name === "unmask", layer = onMask ? sheet.mask : this.drawing.layer;
    layer.visible = true;
    const erases = turned || ["eraser", "unmask"].includes(name);
    this.stroke = SHAPES.includes(name) && !erases
      ? new Shape(this.drawing, layer, name, colour) : new Stroke(this.drawing, layer, onMask ? MASK_COLOUR : colour, erases);
    this.extend([point]);
    return true;
  }

  extend(points) {
    this.stroke.to(...points);
    this.show();
  }

  finish() {
    const stroke = this.stroke;
    this.stroke = null;
    stroke?.end();
  }

  abort() {
    const stroke = this.stroke;
    this.stroke = null;
    stroke?.cancel();
    this.show();
  }

  #move(event) {
    this.#follow(event);
    if (!this.pointers.has(event.pointerId)) return;
    const before = this.pointers.get(event.pointerId);
    this.pointers.set(event.pointerId, this.#inside(event));
    if (this.pinching) return this.#pinched();
    if (this.panning) {
      const now = this.#inside(event);
      return this.panBy(now.x - before.x, now.y - before.y);
    }
    if (this.stroke) this.extend(this.#points(event));
  }

  #points(event) {
    const seen = event.getCoalescedEvents?.() ?? [];
    return (seen.length ? seen : [event]).map((each) => {
      // A pen presses; a mouse and a finger always do so alike.
      const pressed = each.pointerType === "pen" && each.pressure ? 0.3 + 0.7 * each.pressure : 1;
      const point = this.locate(this.#inside(each));
      return { ...point, width: point.width * pressed };
    });
  }

  // What fingers had begun when the pen came is taken back.
  #letPenDraw() {
    this.stroke?.cancel();
    this.stroke = this.panning = this.pinching = null;
    this.pointers.clear();
  }

  #up(event) {
    if (!this.pointers.delete(event.pointerId)) return;
    if (event.pointerType === "pen") this.penDraws = false;
    if (this.pointers.size < 2) this.pinching = null;
    this.panning = null;
    this.finish();
  }

  #cancelled(event) {
    if (!this.pointers.has(event.pointerId)) return;
    this.abort();
    this.#up(event);
  }

  // Two fingers move and zoom; what the first of them had begun to draw is taken back.
  #pinch() {
    this.stroke?.cancel();
    this.stroke = this.panning = null;
    this.pinching = this.#fingers();
  }

  #pinched() {
    const before = this.pinching, now = this.#fingers();
    this.pan = { x: this.pan.x + now.x - before.x, y: this.pan.y + now.y - before.y };
    this.zoomBy(now.apart / before.apart, now);
    this.pinching = now;
  }

  #fingers() {
    const [one, other] = [...this.pointers.values()];
    const apart = Math.max(1, Math.hypot(one.x - other.x, one.y - other.y));
    return { x: (one.x + other.x) / 2, y: (one.y + other.y) / 2, apart };
  }

  #wheel(event) {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    this.zoomBy(Math.exp(-event.deltaY / 300), this.#inside(event));
  }

  #follow(event) {
    this.screen.style.cursor = CURSORS[this.tool().name] ?? "none";
    this.showRing(this.#inside(event));
    this.ring.hidden = event.pointerType === "touch" || this.screen.style.cursor !== "none";
  }

  // The ring shows how wide the brush is, and where the keyboard's pointer is.
  showRing({ x, y }, ofKeyboard = false) {
    const size = Math.max(ofKeyboard ? SMALLEST_RING : 0, this.tool().width * this.scale);
    this.ring.hidden = false;
    this.ring.classList.toggle("of-keyboard", ofKeyboard);
    this.ring.style.cssText = `width:${size}px;height:${size}px;transform:translate(${x - size / 2}px,${y - size / 2}px)`;
  }
}
