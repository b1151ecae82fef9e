// One image over the whole window: arrows, zoom, full screen; Escape closes it.

let frames = [], place = 0;

const findDialog = () => document.querySelector("#lightbox");

function show(dialog) {
  const frame = frames[place], image = dialog.querySelector("img");
  Object.assign(image, { src: frame.href, alt: frame.querySelector("img")?.alt ?? "" });
  dialog.classList.remove("zoomed");
  dialog.querySelector("[data-go='-1']").disabled = place === 0;
  dialog.querySelector("[data-go='1']").disabled = place === frames.length - 1;
}

function go(dialog, by) {
  if (!frames[place + by]) return;
  place += by;
  show(dialog);
}

function press(dialog, { go: by, act }) {
  if (by) go(dialog, Number(by));
  if (act === "zoom") dialog.classList.toggle("zoomed");
  if (act === "close") dialog.close();
  if (act === "full") document.fullscreenElement ? document.exitFullscreen() : dialog.requestFullscreen();
}

function prepare(dialog) {
  dialog.dataset.ready = "";
  dialog.addEventListener("click", ({ target }) => {
    if (target === dialog) dialog.close();
    press(dialog, target.closest("button")?.dataset ?? (target.matches("img") ? { act: "zoom" } : {}));
  });
  dialog.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (by) go(dialog, by);
    if (event.key === "+" || event.key === "-") dialog.classList.toggle("zoomed", event.key === "+");
    if (event.key === "f") press(dialog, { act: "full" });
  });
  dialog.addEventListener("close", () => { if (document.fullscreenElement) document.exitFullscreen(); });
}

// Opens at the image of `frame`, a link with an image in it; `all` are the others that the arrows go to. False where the page
// has no place for it.
export function openLightbox(frame, all) {
  const dialog = findDialog();
  if (!dialog) return false;
  if (!("ready" in dialog.dataset)) prepare(dialog);
  frames = all;
  place = Math.max(0, all.indexOf(frame));
  show(dialog);
  dialog.showModal();
  return true;
}
