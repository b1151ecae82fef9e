import { changeWeight } from "/ui/common/prompt_weights.js";
import { equal, test } from "/tests/ui/scripts/harness.js";

// The text after a change of weight, with what is selected then between bars.
function show(text, start, end, by) {
  const change = changeWeight(text, start, end, by);
  if (!change) return text;
  const changed = text.slice(0, change.start) + change.replacement + text.slice(change.end);
  const [first, last] = change.selection;
  return `${changed.slice(0, first)}|${changed.slice(first, last)}|${changed.slice(last)}`;
}

test("the word at the cursor, the selected words, a bracket with a weight", () => {
  equal(show("a red cat", 3, 3, 0.1), "a (|red|:1.1) cat");
  equal(show("a red cat", 2, 9, 0.1), "a (|red cat|:1.1)");
  equal(show("a (red:1.1) cat", 5, 5, 0.1), "a (|red|:1.2) cat");
  equal(show("a (red cat:1.1)", 3, 10, -0.1), "a |red cat|");
});

test("spaces around a selection stay outside, and nothing is no word", () => {
  equal(show("a red cat", 1, 6, 0.1), "a (|red|:1.1) cat");
  equal(show("a,  ,b", 3, 3, 0.1), "a,  ,b");
});

test("weights stay free of rounding errors", () => {
  equal(show("(red:1.1)", 2, 2, 0.1), "(|red|:1.2)");
  equal(show("(red:0.3)", 2, 2, -0.1), "(|red|:0.2)");
});
