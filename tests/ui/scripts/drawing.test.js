import { Drawing } from "/ui/tabs/sketch_to_image/pad/drawing.js";
import { floodFill } from "/ui/tabs/sketch_to_image/pad/flood_fill.js";
import { createSampleSheet } from "/ui/tabs/sketch_to_image/pad/samples.js";
import { createLayer, createSheet, fillMask, findPhoto, getContext, isTransparent } from "/ui/tabs/sketch_to_image/pad/sheet.js";
import { Stroke } from "/ui/tabs/sketch_to_image/pad/stroke.js";
import { equal, pixel, test } from "/tests/ui/scripts/harness.js";

const RED = [255, 0, 0, 255], WHITE = [255, 255, 255, 255], BLUE = [0, 0, 255, 255], NOTHING = [0, 0, 0, 0];

function create(width = 20, height = 10) {
  const counted = { changes: 0 };
  const drawing = new Drawing(createSheet(width, height, "#ffffff", ""), () => { counted.changes += 1; });
  return { drawing, counted };
}

function fillBox(drawing, layer, colour, x, y, width, height) {
  const box = { x, y, width, height };
  drawing.paint(layer, (context) => { context.fillStyle = colour; context.fillRect(x, y, width, height); }, box);
}

test("a change of pixels is undone and redone exactly, and told of each time", () => {
  const { drawing, counted } = create();
  fillBox(drawing, drawing.layer, "#ff0000", 2, 2, 4, 4);
  equal(pixel(drawing.layer.canvas, 3, 3), RED);
  drawing.undo();
  equal(pixel(drawing.layer.canvas, 3, 3), NOTHING);
  drawing.redo();
  equal(pixel(drawing.layer.canvas, 3, 3), RED);
  equal(counted.changes, 3);
});

test("undo and redo with nothing to take back change nothing", () => {
  const { drawing, counted } = create();
  drawing.undo();
  drawing.redo();
  equal(counted.changes, 0);
});

test("a new change forgets what was undone", () => {
  const { drawing } = create();
  fillBox(drawing, drawing.layer, "#ff0000", 0, 0, 2, 2);
  drawing.undo();
  fillBox(drawing, drawing.layer, "#0000ff", 5, 5, 2, 2);
  drawing.redo();
  equal(pixel(drawing.layer.canvas, 0, 0), NOTHING);
  equal(pixel(drawing.layer.canvas, 5, 5), BLUE);
});

test("only so many bytes of changes are remembered, the newest ones, and at least one", () => {
  const { drawing } = create();
  for (let i = 0; i < 5; i += 1) drawing.apply(() => {}, () => {}, 100 * 2 ** 20);
  equal(drawing.undoStack.length, 2);
  drawing.apply(() => {}, () => {}, 300 * 2 ** 20);
  equal(drawing.undoStack.length, 1);
});

test("a change outside the sheet is no change", () => {
  const { drawing } = create();
  fillBox(drawing, drawing.layer, "#ff0000", 40, 40, 4, 4);
  equal(drawing.undoStack.length, 0);
});

test("a layer is added above, chosen, moved, hidden, removed, and each step undone", () => {
  const { drawing } = create(), [first] = drawing.sheet.layers;
  const second = createLayer(20, 10, "second");
  drawing.addLayer(second);
  equal(drawing.layer.id, second.id);
  drawing.moveLayer(second, -1);
  equal(drawing.sheet.layers.map(({ id }) => id), [second.id, first.id]);
  drawing.moveLayer(second, -1);
  equal(drawing.sheet.layers.map(({ id }) => id), [second.id, first.id], "it cannot go below the lowest");
  drawing.showLayer(second, false);
  drawing.removeLayer(second);
  equal(drawing.sheet.layers.map(({ id }) => id), [first.id]);
  equal(drawing.layer.id, first.id);
  for (let i = 0; i < 4; i += 1) drawing.undo();
  equal(drawing.sheet.layers.map(({ id }) => id), [first.id]);
  equal(second.visible, true);
});

test("the last layer is emptied instead of removed", () => {
  const { drawing } = create();
  fillBox(drawing, drawing.layer, "#ff0000", 0, 0, 4, 4);
  drawing.removeLayer(drawing.layer);
  equal(drawing.sheet.layers.length, 1);
  equal(isTransparent(drawing.layer.canvas), true);
});

test("flattened are the visible layers on their paper", () => {
  const { drawing } = create();
  fillBox(drawing, drawing.layer, "#ff0000", 0, 0, 4, 4);
  const above = createLayer(20, 10, "");
  drawing.addLayer(above);
  fillBox(drawing, above, "#0000ff", 0, 0, 2, 2);
  equal([pixel(drawing.flatten(), 0, 0), pixel(drawing.flatten(), 3, 3), pixel(drawing.flatten(), 9, 9)], [BLUE, RED, WHITE]);
  drawing.showLayer(above, false);
  equal(pixel(drawing.flatten(), 0, 0), RED);
  drawing.setPaper("#0000ff");
  equal(pixel(drawing.flatten(), 9, 9), BLUE);
});

test("a mask is white where it was painted, or the other way round, and none where nothing was", () => {
  const { drawing } = create(), { mask } = drawing.sheet;
  equal(drawing.flattenMask(), null);
  fillBox(drawing, mask, "#e11d48", 0, 0, 4, 4);
  equal([pixel(drawing.flattenMask(), 1, 1), pixel(drawing.flattenMask(), 9, 9)], [WHITE, [0, 0, 0, 255]]);
  equal([pixel(drawing.flattenMask(true), 1, 1), pixel(drawing.flattenMask(true), 9, 9)], [[0, 0, 0, 255], WHITE]);
});

test("a mask that comes back is painted where it is white", () => {
  const { drawing } = create();
  fillBox(drawing, drawing.sheet.mask, "#e11d48", 0, 0, 4, 4);
  const copy = createLayer(20, 10, "mask");
  fillMask(drawing.flattenMask(), copy);
  equal([pixel(copy.canvas, 1, 1)[3], pixel(copy.canvas, 9, 9)[3]], [255, 0]);
});

test("a stroke is one change; cancelled it leaves nothing", () => {
  const { drawing } = create(40, 40);
  const stroke = new Stroke(drawing, drawing.layer, "#ff0000", false);
  for (const x of [5, 10, 20, 30]) stroke.to({ x, y: 20, width: 6 });
  stroke.end();
  equal([pixel(drawing.layer.canvas, 15, 20), drawing.undoStack.length], [RED, 1]);
  const cancelled = new Stroke(drawing, drawing.layer, "#0000ff", false);
  cancelled.to({ x: 15, y: 20, width: 6 });
  cancelled.cancel();
  equal([pixel(drawing.layer.canvas, 15, 20), drawing.undoStack.length], [RED, 1]);
  drawing.undo();
  equal(isTransparent(drawing.layer.canvas), true);
});

test("the eraser takes away", () => {
  const { drawing } = create(40, 40);
  fillBox(drawing, drawing.layer, "#ff0000", 0, 0, 40, 40);
  const stroke = new Stroke(drawing, drawing.layer, "#000000", true);
  stroke.to({ x: 20, y: 20, width: 10 });
  stroke.end();
  equal([pixel(drawing.layer.canvas, 20, 20), pixel(drawing.layer.canvas, 2, 2)], [NOTHING, RED]);
});

test("flood fill stops at a border and fills what is shown, on the layer that it is given", () => {
  const { drawing } = create(20, 20);
  fillBox(drawing, drawing.layer, "#000000", 10, 0, 1, 20);
  const above = createLayer(20, 20, "");
  drawing.addLayer(above);
  floodFill(drawing, above, 3, 3, "#ff0000");
  equal([pixel(above.canvas, 0, 19), pixel(above.canvas, 10, 5), pixel(above.canvas, 15, 5)], [RED, NOTHING, NOTHING]);
});

test("flood fill leaves no fringe at a soft line, and none on its other side", () => {
  const { drawing } = create(24, 24);
  const stroke = new Stroke(drawing, drawing.layer, "#000000", false);
  for (const y of [-4, 12, 28]) stroke.to({ x: 12.5 + y / 40, y, width: 3 });
  stroke.end();
  floodFill(drawing, drawing.layer, 2, 12, "#ff0000");
  const flat = drawing.flatten(), row = [...Array(24).keys()].map((x) => pixel(flat, x, 12));
  const core = row.findIndex(([red]) => red < 40);
  equal(row.slice(0, core).every(([, green, blue]) => green < 40 && blue < 40), true, "red up to the line, without white in it");
  equal(row.slice(core + 4), row.slice(core + 4).map(() => [255, 255, 255, 255]), "paper beyond it");
});

test("points that come together are drawn as if they came one by one", () => {
  const points = [5, 9, 14, 20, 27, 33].map((x) => ({ x, y: 20 + (x % 4), width: 7 }));
  const draw = (...groups) => {
    const { drawing } = create(40, 40), stroke = new Stroke(drawing, drawing.layer, "#ff0000", false);
    for (const group of groups) stroke.to(...group);
    stroke.end();
    return [...getContext(drawing.layer.canvas).getImageData(0, 0, 40, 40).data];
  };
  const [one, other] = [draw(...points.map((each) => [each])), draw(points)];
  // Its soft edge may differ a little, because the rounding begins elsewhere.
  equal(one.every((level, i) => Math.abs(level - other[i]) < 64) && one.some((level) => level === 255), true);
});

test("every sample fits a sheet of any shape", () => {
  for (const name of ["bird", "boat", "house", "balloon"]) {
    for (const [width, height] of [[64, 64], [48, 64], [64, 48]]) {
      const { width: wide, height: high, layers } = createSampleSheet(name, width, height, "");
      equal([wide, high, isTransparent(layers[0].canvas)], [width, height, false], name);
    }
  }
});

test("a context that is asked for again is the same", () => {
  const { canvas } = createLayer(4, 4, "");
  equal(getContext(canvas) === getContext(canvas), true);
});

test("a photo is worked on as its file until something is drawn on it, and again once that is undone", () => {
  const { drawing } = create();
  drawing.layer.photo = "a hash";
  equal(findPhoto(drawing.sheet), "a hash");
  fillBox(drawing, drawing.sheet.mask, "#e11d48", 0, 0, 4, 4);
  equal(findPhoto(drawing.sheet), "a hash");
  fillBox(drawing, drawing.layer, "#ff0000", 2, 2, 4, 4);
  equal(findPhoto(drawing.sheet), "");
  drawing.undo();
  equal(findPhoto(drawing.sheet), "a hash");
  drawing.addLayer(createLayer(20, 10, "second"));
  equal(findPhoto(drawing.sheet), "");
});

test("points that come between two frames are drawn at once, and only where they are, on the largest sheet too", () => {
  const { drawing } = create(2048, 2048), stroke = new Stroke(drawing, drawing.layer, "#ff0000", false);
  const drawn = [], { stroke: original } = CanvasRenderingContext2D.prototype;
  const cleared = [], { clearRect } = CanvasRenderingContext2D.prototype;
  CanvasRenderingContext2D.prototype.stroke = function count() { drawn.push(1); return original.call(this); };
  CanvasRenderingContext2D.prototype.clearRect = function measure(...box) {
    cleared.push(box[2] * box[3]);
    return clearRect.apply(this, box);
  };
  try {
    for (let i = 0; i < 50; i += 1) {
      stroke.to(...[0, 1, 2, 3].map((part) => ({ x: 8 * i + 2 * part, y: 4 * i + part, width: 16 })));
    }
    stroke.end();
  } finally {
    Object.assign(CanvasRenderingContext2D.prototype, { stroke: original, clearRect });
  }
  equal(drawn.length, 50, "strokes for 200 points in 50 frames");
  equal(cleared.every((pixels) => pixels < 64 * 64), true, "only what changed is drawn anew");
  equal(pixel(drawing.layer.canvas, 200, 100), RED);
});
