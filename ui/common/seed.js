// In each seed field: a dice for another seed each time, and a lock that keeps the seed of the picture that is shown.

import { whenAdded } from "./additions.js";

const LARGEST = 2 ** 32;

const findField = (block) => block.querySelector("textarea, input");

function write(block, seed) {
  const field = findField(block);
  field.value = seed;
  field.dispatchEvent(new Event("input", { bubbles: true }));
}

// The button that keeps the seed of a picture; a tab without a picture has none.
function findKeep(block) {
  const side = block.closest("[role=tabpanel]")?.querySelector(".result-side");
  return side?.querySelector("figure[data-shown] [data-what=keep_seed]") ?? side?.querySelector("[data-what=keep_seed]");
}

function press(block, name) {
  const isKept = Boolean(findField(block).value.trim());
  if (name === "random" || isKept) return write(block, "");
  const keep = findKeep(block);
  if (keep) keep.click(); else write(block, String(Math.floor(Math.random() * LARGEST)));
}

// Shows whether a seed is kept.
export function showSeed(tab, seed) {
  const block = document.getElementById(`${tab}-seed`), template = document.querySelector("#seed-buttons");
  if (!block || !template) return;
  if (!block.querySelector(".seed-buttons")) {
    block.append(template.content.cloneNode(true));
    block.querySelector(".seed-buttons").addEventListener("click", (event) => {
      const button = event.target.closest("[data-seed]");
      if (button) press(block, button.dataset.seed);
    });
  }
  const isKept = Boolean(String(seed ?? "").trim());
  block.querySelector("[data-seed=random]").setAttribute("aria-pressed", !isKept);
  block.querySelector("[data-seed=keep]").setAttribute("aria-pressed", isKept);
}

// Gives each seed field its buttons as soon as its tab is drawn.
export function watchSeeds() {
  whenAdded(() => {
    for (const block of document.querySelectorAll(".block[id$=-seed]:not(:has(.seed-buttons))")) {
      const field = findField(block);
      if (field) showSeed(block.id.replace(/-seed$/, ""), field.value);
    }
  });
}
