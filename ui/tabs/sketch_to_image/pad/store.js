// The drawing in the browser's own database, pixels and layers, so that a reload or a restart finds it as it was left.

import { createCanvas, getContext } from "./sheet.js";

export class DrawingStore {
  static async open(name = "easel-pad") {
    const store = new DrawingStore();
    store.database = await new Promise((resolve, reject) => {
      const opening = indexedDB.open(name, 1);
      opening.onupgradeneeded = () => opening.result.createObjectStore("parts");
      opening.onsuccess = () => resolve(opening.result);
      opening.onerror = () => reject(opening.error);
    });
    store.saved = new Map();
    return store;
  }

  // Writes what changed since the last save. Resolves when it is on disk; rejects where there is no room.
  save(sheet, tools) {
    const changing = this.database.transaction("parts", "readwrite", { durability: "strict" });
    const parts = changing.objectStore("parts");
    const planes = [...sheet.layers, sheet.mask];
    const names = ({ id, name, visible, marks, photo }) => ({ id, name, visible, marks, photo });
    const { width, height, paper, active } = sheet;
    parts.put({ width, height, paper, active, layers: sheet.layers.map(names), tools }, "sheet");
    const now = new Map();
    for (const plane of planes) {
      const { canvas, version } = plane, before = this.saved.get(plane.id);
      now.set(plane.id, { canvas, version });
      if (before?.canvas === canvas && before.version === version) continue;
      parts.put(getContext(canvas).getImageData(0, 0, canvas.width, canvas.height), plane.id);
    }
    for (const gone of this.saved.keys()) if (!now.has(gone)) parts.delete(gone);
    this.saved = now;
    // Without this the browser waits for more to do, and a reload in that moment would lose the stroke.
    changing.commit();
    return new Promise((resolve, reject) => {
      changing.oncomplete = resolve;
      changing.onabort = () => { this.saved = new Map(); reject(changing.error); };
    });
  }

  // {sheet, tools} as they were saved, or null.
  async load() {
    const parts = this.database.transaction("parts").objectStore("parts");
    const read = (key) => new Promise((resolve, reject) => {
      const asked = parts.get(key);
      asked.onsuccess = () => resolve(asked.result);
      asked.onerror = () => reject(asked.error);
    });
    const stored = await read("sheet");
    if (!stored) return null;
    const { width, height, paper, active, tools } = stored;
    const sheet = { width, height, paper, active, layers: [], mask: null };
    for (const saved of [...stored.layers, { id: "mask", name: "mask", visible: true }]) {
      const pixels = await read(saved.id);
      const plane = { ...saved, canvas: createCanvas(width, height), version: 0 };
      if (pixels) getContext(plane.canvas).putImageData(pixels, 0, 0);
      this.saved.set(plane.id, { canvas: plane.canvas, version: 0 });
      if (saved.id === "mask") sheet.mask = plane; else sheet.layers.push(plane);
    }
    return { sheet, tools };
  }
}
