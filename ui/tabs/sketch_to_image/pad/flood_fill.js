import { getContext } from "./sheet.js";

const EDGE = 2;  // pixels: as wide as the soft edge of a line

// Fills the area of one colour around a point, as everything visible shows it, on `layer`. The colour goes on into the soft edge
// of what bounds the area, so that no fringe of the old colour stays.
export function floodFill(drawing, layer, x, y, colour, tolerance = 40) {
  const { width, height } = drawing.sheet;
  const seen = getContext(drawing.flatten()).getImageData(0, 0, width, height).data;
  const first = [0, 1, 2].map((c) => seen[(y * width + x) * 4 + c]);
  const distance = (i) => Math.max(...first.map((level, c) => Math.abs(seen[i * 4 + c] - level)));
  const filled = findArea(y * width + x, width, height, (i) => distance(i) <= tolerance);
  const edge = growArea(filled, width, height, distance);
  const fill = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
  drawing.paint(layer, (context) => {
    const pixels = context.getImageData(0, 0, width, height);
    filled.forEach((on, i) => { if (on) pixels.data.set([...fill, 255], i * 4); });
    for (const i of edge) pixels.data.set(blend(i, pixels.data, seen, first, fill, distance, width), i * 4);
    context.putImageData(pixels, 0, 0);
  });
}

function visitNeighbours(i, width, height, visit) {
  const column = i % width;
  if (column > 0) visit(i - 1);
  if (column < width - 1) visit(i + 1);
  if (i >= width) visit(i - width);
  if (i < width * (height - 1)) visit(i + width);
}

function findArea(start, width, height, belongs) {
  const area = new Uint8Array(width * height), waiting = [start], wait = (i) => { if (!area[i]) waiting.push(i); };
  while (waiting.length) {
    const i = waiting.pop();
    if (area[i] || !belongs(i)) continue;
    area[i] = 1;
    visitNeighbours(i, width, height, wait);
  }
  return area;
}

// The soft edge of what bounds an area: the pixels beside it, as long as they become less like it from one to the next.
function growArea(area, width, height, distance) {
  const known = area.slice(), edge = [];
  let border = [];
  const begin = (i) => { if (!known[i]) { known[i] = 1; border.push(i); } };
  area.forEach((on, i) => { if (on) visitNeighbours(i, width, height, begin); });
  for (let round = 1; round < EDGE; round += 1) {
    const reached = border;
    for (const i of reached) edge.push(i);
    border = [];
    for (const i of reached) visitNeighbours(i, width, height, (next) => { if (distance(next) > distance(i)) begin(next); });
  }
  for (const i of border) edge.push(i);
  return edge;
}

// A pixel of the soft edge on the layer that is filled. Under what is half there on that layer lies the colour; elsewhere the
// share of the old colour that is still seen is replaced.
function blend(i, layer, seen, first, fill, distance, width) {
  const pixel = [...layer.slice(i * 4, i * 4 + 4)], alpha = pixel[3] / 255;
  if (alpha > 0 && alpha < 1) return [...fill.map((level, c) => Math.round(pixel[c] * alpha + level * (1 - alpha))), 255];
  // The line beside the area is what differs most from it nearby.
  const around = [-2, -1, 0, 1, 2].flatMap((row) => [-2, -1, 0, 1, 2].map((column) => i + row * width + column));
  const farthest = Math.max(...around.filter((each) => each >= 0 && each * 4 < seen.length).map(distance), 1);
  const share = 1 - distance(i) / farthest;
  if (!alpha) return [...fill, Math.round(share * 255)];
  return [...fill.map((level, c) => Math.round(pixel[c] + share * (level - first[c]))), 255];
}
