import { getContext } from "./sheet.js";

// A line, a rectangle or an ellipse between the first point and the newest. Points are {x, y, width} in pixels of the sheet.
export class Shape {
  constructor(drawing, layer, name, colour) {
    this.context = getContext(layer.canvas);
    this.started = drawing.begin(layer);
    Object.assign(this, { name, colour, box: null });
  }

  to(...points) {
    this.first ??= points[0];
    this.#takeBack();
    const last = points.at(-1), reach = this.name === "line" ? last.width / 2 + 2 : 2;
    const [left, right] = [Math.min(this.first.x, last.x), Math.max(this.first.x, last.x)];
    const [top, bottom] = [Math.min(this.first.y, last.y), Math.max(this.first.y, last.y)];
    const x = Math.floor(left - reach), y = Math.floor(top - reach);
    this.box = { x, y, width: Math.ceil(right + reach) - x, height: Math.ceil(bottom + reach) - y };
    this.#draw(last, { left, top, right, bottom });
  }

  end() { this.started.end(this.box); }

  cancel() { this.started.cancel(); }

  #takeBack() {
    if (!this.box) return;
    const { x, y, width, height } = this.box;
    this.context.clearRect(x, y, width, height);
    this.context.drawImage(this.started.before, x, y, width, height, x, y, width, height);
  }

  #draw(last, { left, top, right, bottom }) {
    const { context, first, colour } = this;
    context.save();
    Object.assign(context, { strokeStyle: colour, fillStyle: colour, lineWidth: last.width, lineCap: "round" });
    context.beginPath();
    if (this.name === "line") {
      context.moveTo(first.x, first.y);
      context.lineTo(last.x, last.y);
      context.stroke();
    } else {
      if (this.name === "rectangle") context.rect(left, top, right - left, bottom - top);
      else context.ellipse((left + right) / 2, (top + bottom) / 2, (right - left) / 2, (bottom - top) / 2, 0, 0, 2 * Math.PI);
      context.fill();
    }
    context.restore();
  }
}
