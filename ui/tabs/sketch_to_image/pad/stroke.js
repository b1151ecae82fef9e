import { getContext } from "./sheet.js";

// One brush stroke. Points are {x, y, width} in pixels of the sheet.
export class Stroke {
  constructor(drawing, layer, colour, erases) {
    this.context = getContext(layer.canvas);
    this.started = drawing.begin(layer);
    this.style = { strokeStyle: colour, fillStyle: colour, lineCap: "round", lineJoin: "round" };
    this.mode = erases ? "destination-out" : "source-over";
    this.points = [];
    this.box = null;
  }

  to(point) {
    this.points.push(point);
    this.#grow(point);
    // A line of one width is redrawn as a whole: overlapping pieces would show seams.
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
      const width = Math.ceil(box.right - box.left) + 1, height = Math.ceil(box.bottom - box.top) + 1;
      context.rect(Math.floor(box.left), Math.floor(box.top), width, height);
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
