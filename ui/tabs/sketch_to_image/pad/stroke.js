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

  // Several points at once, as they come between two frames, are drawn at once.
  to(...points) {
    const first = Math.max(0, this.points.length - 2);
    this.points.push(...points);
    for (const point of points) this.box = grow(this.box, point);
    const fresh = this.points.slice(first).reduce(grow, null), { width } = this.points[0];
    // A line of one width is drawn as a whole, where it changed: overlapping pieces would show seams.
    if (this.points.every((point) => point.width === width)) this.#draw(this.points, fresh);
    else for (let i = first + 1; i <= this.points.length; i += 1) this.#draw(this.points.slice(Math.max(0, i - 3), i), null);
  }

  end() {
    const { left, top, right, bottom } = this.box;
    this.started.end({ x: left, y: top, width: right - left, height: bottom - top });
  }

  cancel() { this.started.cancel(); }

  #draw(points, part) {
    const { context } = this, last = points.at(-1);
    context.save();
    if (part) {
      const x = Math.floor(part.left), y = Math.floor(part.top);
      const width = Math.ceil(part.right) - x + 1, height = Math.ceil(part.bottom) - y + 1;
      context.beginPath();
      context.rect(x, y, width, height);
      context.clip();
      context.clearRect(x, y, width, height);
      context.drawImage(this.started.before, x, y, width, height, x, y, width, height);
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
}

// The box around a line, with one more point of it.
function grow(box, { x, y, width }) {
  const reach = width / 2 + 2, { left = x, top = y, right = x, bottom = y } = box ?? {};
  return {
    left: Math.min(left, x - reach), top: Math.min(top, y - reach),
    right: Math.max(right, x + reach), bottom: Math.max(bottom, y + reach),
  };
}
