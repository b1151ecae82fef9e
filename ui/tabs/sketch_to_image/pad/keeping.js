"use strict";
// The drawing in the browser's own database, pixels and layers, so that a reload or a restart finds it as it was left.

class Keeper {
  static async open(name = "easel-pad") {
    const keeper = new Keeper();
    keeper.database = await new Promise((resolve, reject) => {
      const opening = indexedDB.open(name, 1);
      opening.onupgradeneeded = () => opening.result.createObjectStore("parts");
      opening.onsuccess = () => resolve(opening.result);
      opening.onerror = () => reject(opening.error);
    });
    keeper.kept = new Map();
    return keeper;
  }

  // Keeps what changed since the last time. Resolves when it is on disk; rejects where there is no room.
  keep(sheet, tools) {
    const changing = this.database.transaction("parts", "readwrite", { durability: "strict" });
    const parts = changing.objectStore("parts");
    const planes = [...sheet.layers, sheet.mask];
    const names = ({ id, name, visible }) => ({ id, name, visible });
    parts.put({ width: sheet.width, height: sheet.height, paper: sheet.paper, active: sheet.active, layers: sheet.layers.map(names), tools }, "sheet");
    const now = new Map();
    for (const plane of planes) {
      const { canvas, version } = plane, before = this.kept.get(plane.id);
      now.set(plane.id, { canvas, version });
      if (before?.canvas !== canvas || before.version !== version) parts.put(pen(plane.canvas).getImageData(0, 0, plane.canvas.width, plane.canvas.height), plane.id);
    }
    for (const gone of this.kept.keys()) if (!now.has(gone)) parts.delete(gone);
    this.kept = now;
    // Without this the browser waits for more to do, and a reload in that moment would lose the stroke.
    changing.commit();
    return new Promise((resolve, reject) => {
      changing.oncomplete = resolve;
      changing.onabort = () => { this.kept = new Map(); reject(changing.error); };
    });
  }

  // {sheet, tools} as they were kept, or null.
  async find() {
    const parts = this.database.transaction("parts").objectStore("parts");
    const read = (key) => new Promise((resolve, reject) => {
      const asked = parts.get(key);
      asked.onsuccess = () => resolve(asked.result);
      asked.onerror = () => reject(asked.error);
    });
    const written = await read("sheet");
    if (!written) return null;
    const { width, height, paper, active, tools } = written;
    const sheet = { width, height, paper, active, layers: [], mask: null };
    for (const told of [...written.layers, { id: "mask", name: "mask", visible: true }]) {
      const pixels = await read(told.id);
      const plane = { ...told, canvas: blankCanvas(width, height), version: 0 };
      if (pixels) pen(plane.canvas).putImageData(pixels, 0, 0);
      this.kept.set(plane.id, { canvas: plane.canvas, version: 0 });
      if (told.id === "mask") sheet.mask = plane; else sheet.layers.push(plane);
    }
    return { sheet, tools };
  }
}
