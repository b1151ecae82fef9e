// What was said about a form is over when the form is changed, however that is done: typed, pasted, dictated or dragged. Gradio's
// own event of a field knows typing alone.

const PRESSES = "button.generate, button.also, [id$=-save], [id$=-describe]";

function mark(target, isOutdated) {
  const said = target.closest?.("[role=tabpanel]")?.querySelectorAll("[id$=-says] .says") ?? [];
  for (const each of said) each.classList.toggle("outdated", isOutdated);
}

document.addEventListener("input", ({ target }) => mark(target, true), true);
// What is said again in the same words is not drawn anew.
document.addEventListener("click", ({ target }) => {
  if (target.closest?.(PRESSES)) mark(target, false);
}, true);
