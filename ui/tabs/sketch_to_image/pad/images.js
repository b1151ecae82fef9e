// Images that come onto the pad, and those that go to the engine.

import { getContext } from "./sheet.js";

// Draws an image in the middle of a canvas, as large as it fits.
export function drawCentred(image, canvas) {
  const scale = Math.min(canvas.width / image.width, canvas.height / image.height), context = getContext(canvas);
  context.imageSmoothingQuality = "high";
  const width = image.width * scale, height = image.height * scale;
  context.drawImage(image, (canvas.width - width) / 2, (canvas.height - height) / 2, width, height);
}

// The image at an address. Throws the server's sentence.
export async function loadImage(address) { return createImageBitmap(await loadFile(address)); }

export async function loadFile(address) {
  const reply = await fetch(address);
  if (!reply.ok) throw new Error(await reply.text());
  return reply.blob();
}

// Uploads an image file. Resolves to its hash and the server's notices; throws the server's sentence, or `unreachable`.
export async function uploadImage(body, unreachable) {
  const reply = await fetch("sketches", { method: "POST", body });
  const answer = await reply.json().catch(() => ({}));
  if (!reply.ok) throw new Error(answer.trouble ?? unreachable);
  return answer;
}
