// A sheet: its size, its paper, its layers from the bottom to the top, and its mask. Each is a canvas of the sheet's size.

export const LONGEST_SIDE = 2048; // pixels that a sheet may be wide or high
export const MASK_COLOUR = "#e11d48";

// Canvases are made to be read: flood fill, masks and undo look at their pixels.
export function createCanvas(width, height) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  canvas.getContext("2d", { willReadFrequently: true });
  return canvas;
}

export function getContext(canvas) { return canvas.getContext("2d", { willReadFrequently: true }); }

let layerCount = 0;

export function createLayer(width, height, name) {
  layerCount += 1;
  const canvas = createCanvas(width, height);
  return { id: `${Date.now().toString(36)}-${layerCount}`, name, visible: true, canvas, version: 0, marks: 0, photo: "" };
}

export function createSheet(width, height, paper, layerName) {
  const layer = createLayer(width, height, layerName);
  return { width, height, paper, layers: [layer], active: layer.id, mask: { ...createLayer(width, height, "mask"), id: "mask" } };
}

// The photo that a sheet shows and nothing else, by its hash: the engine works on its file, at its own size. "" where something
// was drawn on it, or beside it. A layer counts its `marks`; undoing one takes it off.
export function findPhoto(sheet) {
  const visible = sheet.layers.filter((layer) => layer.visible);
  return visible.length === 1 && !visible[0].marks ? visible[0].photo ?? "" : "";
}

export function isTransparent(canvas) {
  const { data } = getContext(canvas).getImageData(0, 0, canvas.width, canvas.height);
  return !new Uint32Array(data.buffer).some((pixel) => pixel !== 0);
}

// Paints the mask where `image`, stretched over it, is white.
export function fillMask(image, mask) {
  const { canvas } = mask, context = getContext(canvas);
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  const pixels = context.getImageData(0, 0, canvas.width, canvas.height);
  for (let i = 0; i < pixels.data.length; i += 4) pixels.data[i + 3] = pixels.data[i] > 127 ? 255 : 0;
  context.putImageData(pixels, 0, 0);
  Object.assign(context, { globalCompositeOperation: "source-in", fillStyle: MASK_COLOUR });
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.globalCompositeOperation = "source-over";
}
