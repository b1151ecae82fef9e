import { showSeed, watchSeeds } from "/ui/common/seed.js";
import { equal, test } from "/tests/ui/scripts/harness.js";

function build(seed, hasPicture) {
  const keep = hasPicture ? "<figure data-shown><button data-what='keep_seed'></button></figure>" : "";
  const buttons = '<button data-seed="random"></button><button data-seed="keep"></button>';
  document.body.innerHTML = `<template id="seed-buttons"><span class="seed-buttons">${buttons}</span></template>
    <div role="tabpanel"><div id="text-seed"><input value="${seed}"></div><div class="result-side">${keep}</div></div>`;
  showSeed("text", seed);
  showSeed("text", seed);
  const find = (selector) => document.querySelector(selector);
  return { field: find("input"), dice: find("[data-seed=random]"), lock: find("[data-seed=keep]"), keep: find("[data-what]") };
}

test("the dice empties the seed, the lock takes that of the picture or any", () => {
  const kept = build("41", true);
  equal(document.querySelectorAll(".seed-buttons").length, 1);
  equal([kept.dice.ariaPressed, kept.lock.ariaPressed], ["false", "true"]);
  kept.dice.click();
  equal(kept.field.value, "");
  let pressed = 0;
  kept.keep.addEventListener("click", () => { pressed += 1; });
  kept.lock.click();
  equal([pressed, kept.field.value], [1, ""]);
  const fresh = build("", false);
  fresh.lock.click();
  if (!/^[0-9]+$/.test(fresh.field.value)) throw new Error(`no seed: ${fresh.field.value}`);
  fresh.lock.click();
  equal(fresh.field.value, "");
});

test("a seed field that is drawn later has its buttons before anything changes", async () => {
  build("", false);
  watchSeeds();
  document.body.insertAdjacentHTML("beforeend", '<div class="block" id="negative-seed"><input value="7"></div>');
  await new Promise((done) => { requestAnimationFrame(() => requestAnimationFrame(done)); });
  equal(document.querySelector("#negative-seed [data-seed=keep]").ariaPressed, "true");
});
