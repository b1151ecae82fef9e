import { Drawing } from "/ui/tabs/sketch_to_image/pad/drawing.js";
import { createLayer, createSheet } from "/ui/tabs/sketch_to_image/pad/sheet.js";
import { DrawingStore } from "/ui/tabs/sketch_to_image/pad/store.js";
import { equal, pixel, test } from "/tests/ui/scripts/harness.js";

const TOOLS = { tool: "eraser", colour: "#123456", widths: { brush: 3 }, kept: true };

function paintDot(drawing, layer, colour) {
  drawing.paint(layer, (context) => { context.fillStyle = colour; context.fillRect(1, 1, 2, 2); });
}

function count(store) {
  return new Promise((resolve) => {
    const counting = store.database.transaction("parts").objectStore("parts").count();
    counting.onsuccess = () => resolve(counting.result);
  });
}

test("an empty database has no drawing", async () => {
  const store = await DrawingStore.open("empty");
  equal(await store.load(), null);
});

test("sheet, layers, mask and tools come back as they were saved", async () => {
  const store = await DrawingStore.open("whole"), drawing = new Drawing(createSheet(12, 8, "#ffeedd", "first"), () => {});
  const second = createLayer(12, 8, "second");
  drawing.addLayer(second);
  drawing.showLayer(second, false);
  paintDot(drawing, drawing.sheet.layers[0], "#ff0000");
  paintDot(drawing, drawing.sheet.mask, "#e11d48");
  await store.save(drawing.sheet, TOOLS);

  const { sheet, tools } = await (await DrawingStore.open("whole")).load();
  equal(tools, TOOLS);
  equal([sheet.width, sheet.height, sheet.paper, sheet.active], [12, 8, "#ffeedd", second.id]);
  equal(sheet.layers.map(({ name, visible }) => [name, visible]), [["first", true], ["second", false]]);
  equal(pixel(sheet.layers[0].canvas, 1, 1), [255, 0, 0, 255]);
  equal(pixel(sheet.mask.canvas, 1, 1)[3], 255);
});

test("a change after a save is saved too, an undone one included", async () => {
  const store = await DrawingStore.open("changes"), drawing = new Drawing(createSheet(8, 8, "#ffffff", ""), () => {});
  await store.save(drawing.sheet, TOOLS);
  paintDot(drawing, drawing.layer, "#ff0000");
  await store.save(drawing.sheet, TOOLS);
  equal(pixel((await store.load()).sheet.layers[0].canvas, 1, 1), [255, 0, 0, 255]);
  drawing.undo();
  await store.save(drawing.sheet, TOOLS);
  equal(pixel((await store.load()).sheet.layers[0].canvas, 1, 1), [0, 0, 0, 0]);
});

test("the pixels of a layer that is gone go too", async () => {
  const store = await DrawingStore.open("gone"), drawing = new Drawing(createSheet(8, 8, "#ffffff", ""), () => {});
  drawing.addLayer(createLayer(8, 8, ""));
  await store.save(drawing.sheet, TOOLS);
  equal(await count(store), 4, "the sheet, two layers and the mask");
  drawing.removeLayer(drawing.layer);
  await store.save(drawing.sheet, TOOLS);
  equal(await count(store), 3);
});

test("a save that fails is told of, and the next one saves everything", async () => {
  const store = await DrawingStore.open("full"), drawing = new Drawing(createSheet(8, 8, "#ffffff", ""), () => {});
  const transaction = store.database.transaction.bind(store.database);
  store.database.transaction = (...wanted) => {
    const failing = transaction(...wanted);
    failing.commit = () => failing.abort();
    return failing;
  };
  const failed = await store.save(drawing.sheet, TOOLS).then(() => false, () => true);
  equal(failed, true);
  store.database.transaction = transaction;
  await store.save(drawing.sheet, TOOLS);
  equal((await store.load()).sheet.width, 8);
});
