// Calls `look` now and, once a frame, after elements were added to the page: Gradio draws a tab when it is opened.
export function whenAdded(look) {
  let waiting = false;
  new MutationObserver(() => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; look(); });
  }).observe(document.documentElement, { childList: true, subtree: true });
  look();
}
