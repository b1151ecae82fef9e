import { getContext } from "./sheet.js";

// Fills the area of one colour around a point, as everything visible shows it, on `layer`.
export function floodFill(drawing, layer, x, y, colour, tolerance = 40) {
  const { width, height } = drawing.sheet;
  const seen = getContext(drawing.flatten()).getImageData(0, 0, width, height).data;
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
