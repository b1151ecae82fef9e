// Sketches to start from, drawn for Easel as strokes: colour, width, then points, on a square of 100 x 100.

import { createSheet, getContext } from "./sheet.js";

const SAMPLES = {
  bird: {
    paper: "#bfe3ff",
    strokes: [
      ["#7a4a21", 6, [0, 74], [30, 71], [62, 73], [100, 66]], ["#7a4a21", 3, [70, 72], [84, 60], [92, 58]],
      ["#3f8f3a", 8, [90, 56], [94, 52]], ["#3f8f3a", 7, [82, 60], [84, 55]],
      ["#d9482b", 20, [40, 54], [47, 55], [54, 53]], ["#d9482b", 16, [60, 44], [62, 43]],
      ["#a8321c", 7, [40, 55], [46, 60], [54, 58]], ["#d9482b", 6, [30, 58], [16, 64]], ["#d9482b", 5, [30, 60], [20, 69]],
      ["#f2b632", 5, [70, 44], [77, 46]], ["#1c1917", 3, [62, 42], [62.2, 42]],
      ["#5b3413", 1.6, [44, 63], [43, 71]], ["#5b3413", 1.6, [52, 63], [53, 71]],
    ],
  },
  boat: {
    paper: "#cfeaff",
    strokes: [
      ["#2f7fc1", 14, [0, 78], [100, 78]], ["#2f7fc1", 14, [0, 88], [100, 88]], ["#2f7fc1", 14, [0, 96], [100, 96]],
      ["#8a4b1f", 9, [28, 66], [72, 66]], ["#8a4b1f", 8, [34, 72], [66, 72]], ["#5b3413", 2.4, [50, 62], [50, 22]],
      ["#ffffff", 7, [54, 56], [66, 56]], ["#ffffff", 7, [54, 49], [62, 49]], ["#ffffff", 7, [54, 42], [58, 42]],
      ["#ffffff", 5, [53.5, 34], [54.5, 34]], ["#d9482b", 4, [52, 23], [58, 25]], ["#f2c94c", 14, [82, 18], [82.2, 18]],
    ],
  },
  house: {
    paper: "#d6efff",
    strokes: [
      ["#5fae4b", 16, [0, 84], [100, 84]], ["#5fae4b", 16, [0, 95], [100, 95]],
      ["#f1dcb4", 12, [34, 56], [66, 56]], ["#f1dcb4", 12, [34, 66], [66, 66]], ["#f1dcb4", 12, [34, 74], [66, 74]],
      ["#b5372a", 7, [28, 48], [50, 28], [72, 48]], ["#b5372a", 9, [38, 44], [62, 44]], ["#b5372a", 8, [46, 36], [54, 36]],
      ["#7a4a21", 8, [50, 68], [50, 76]], ["#4f9bd9", 6, [39, 60], [39.2, 60]], ["#4f9bd9", 6, [61, 60], [61.2, 60]],
      ["#7a4a21", 4, [86, 78], [86, 62]], ["#3f8f3a", 17, [86, 54], [86.2, 54]], ["#f2c94c", 14, [16, 18], [16.2, 18]],
    ],
  },
  balloon: {
    paper: "#bfe3ff",
    strokes: [
      ["#ffffff", 9, [10, 30], [26, 30]], ["#ffffff", 8, [15, 25], [21, 25]],
      ["#ffffff", 9, [72, 62], [90, 62]], ["#ffffff", 8, [78, 57], [84, 57]],
      ["#d9262b", 38, [50, 38], [50.2, 40]], ["#d9262b", 12, [50, 56], [50, 60]], ["#f08a8c", 5, [42, 28], [40, 34]],
      ["#444444", 1, [50, 66], [48, 76], [52, 86], [49, 96]],
    ],
  },
};

// A sheet with the sample of that name, in the shape of `width` x `height`.
export function createSampleSheet(name, width, height, layerName) {
  const { paper, strokes } = SAMPLES[name];
  const sheet = createSheet(width, height, paper, layerName), context = getContext(sheet.layers[0].canvas);
  // Centred, and as wide as the sheet where that cuts nothing off: the ground reaches both edges.
  const unit = Math.min(width, height) / 100;
  const lower = height / 2 + Math.max(0, height - width) / 4;
  const place = ([x, y]) => [((x - 50) * width) / 100 + width / 2, (y - 50) * unit + lower];
  for (const [colour, size, ...points] of strokes) {
    Object.assign(context, { strokeStyle: colour, lineWidth: size * unit, lineCap: "round", lineJoin: "round" });
    context.beginPath();
    points.forEach((point, i) => (i ? context.lineTo(...place(point)) : context.moveTo(...place(point))));
    context.stroke();
  }
  return sheet;
}
