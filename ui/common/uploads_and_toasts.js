// Roles and names in Gradio's upload buttons and passing messages (toasts) that would mislead those who do not see the page.

import { whenAdded } from "./additions.js";

// "Upload" beside a chosen file is a button inside a button, and is named by a key that was never translated. The outer stays:
// it takes the name of the inner one, and presses it.
function mendUpload(outer) {
  const inner = outer.querySelector("button.upload-container");
  if (!inner || inner.inert) return;
  inner.inert = true;
  outer.setAttribute("aria-label", inner.ariaLabel);
  outer.title = inner.ariaLabel;
  outer.addEventListener("click", (event) => {
    if (event.target.type !== "file") inner.querySelector("input[type=file]").click();
  });
}

// The head of a message holds its close button, so it cannot be a button itself. The sign in that button is drawn by style.css.
function mendToast(head) {
  head.removeAttribute("role");
  head.removeAttribute("tabindex");
  head.querySelector(".toast-close span")?.replaceChildren();
}

export function watchUploadsAndToasts() {
  whenAdded(() => {
    document.querySelectorAll("button.icon-button:has(button.upload-container)").forEach(mendUpload);
    document.querySelectorAll(".toast-header[role=button]").forEach(mendToast);
  });
}
