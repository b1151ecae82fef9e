import { describeChanged } from "/ui/common/changed_settings.js";
import { addressOf } from "/ui/common/tabs.js";
import { isSettingsText } from "/ui/tabs/image_info/dropped_settings.js";
import { findPastedImages } from "/ui/tabs/sketch_to_image/pad/pad.js";
import { equal, test } from "/tests/ui/scripts/harness.js";

test("only what differs from the blank form is named", () => {
  const labels = { steps: "Steps", guidance: "Guidance", only_masked: "Only the masked part" };
  const blank = { steps: "", guidance: "cfg", only_masked: false };
  equal(describeChanged(blank, labels, blank), "");
  const form = { steps: "9", guidance: "cfg", only_masked: true, prompt: "a cat" };
  equal(describeChanged(form, labels, blank), "Steps 9 · Only the masked part");
});

test("a tab has an address of its own", () => {
  equal([addressOf("History"), addressOf("Sketch to image")], ["#tab=history", "#tab=sketch-to-image"]);
});

test("settings are told from a prompt that speaks of steps", () => {
  equal(isSettingsText("a fox\nNegative prompt: text\nSteps: 20, Sampler: Euler a"), true);
  equal(["a fox on the steps", "Steps: many", "a list of Steps: 20, 30"].map(isSettingsText), [false, false, false]);
});

test("what a word processor or a spreadsheet copies is words where somebody writes, and a picture elsewhere", () => {
  const picture = { type: "image/png" }, word = { files: [picture], types: ["text/plain", "text/html", "Files"] };
  const screenshot = { files: [picture], types: ["Files"] };
  const count = (clipboard, writing) => findPastedImages(clipboard, writing).length;
  equal([count(word, true), count(word, false), count(screenshot, true), count(null, true)], [0, 1, 1, 0]);
});
