import { filterItems, insertWords, removeWords, separate } from "/ui/words/panel.js";
import { equal, test } from "/tests/ui/scripts/harness.js";

test("words are set off by a comma where words stand before them", () => {
  equal(["", "a cat", "a cat, ", "(", "a\n", "a AND"].map((before) => separate(before, "dog")),
    ["dog", ", dog", "dog", "dog", "dog", "dog"]);
});

test("words go to the cursor", () => {
  const field = document.createElement("textarea");
  document.body.append(field);
  field.value = "a cat in space";
  field.setSelectionRange(5, 5);
  insertWords(field, "red");
  equal(field.value, "a cat, red in space");
  field.remove();
});

test("a search hides what does not match, and headings without words", () => {
  const panel = document.createElement("div");
  panel.innerHTML = "<section data-group><i data-search='red cat'></i><i data-search='dog'></i></section>"
    + "<section data-group><i data-search='sky'></i></section><p data-nothing hidden></p>";
  const shown = () => [...panel.querySelectorAll("[data-search]:not([hidden])")].map((each) => each.dataset.search);
  filterItems(panel, " Cat re");
  equal(shown(), ["red cat"]);
  equal(panel.querySelectorAll("section[hidden]").length, 1);
  filterItems(panel, "zebra");
  equal([shown(), panel.querySelector("p").hidden], [[], false]);
  filterItems(panel, "");
  equal([shown().length, panel.querySelector("p").hidden], [3, true]);
});

test("a card that is pressed again takes its words out", () => {
  equal(removeWords("a cat, <lora:ink:0.8>, red", "<lora:ink:"), "a cat, red");
  equal(removeWords("<lora:ink:0.8>, a cat", "<lora:ink:"), "a cat");
  equal(removeWords("a cat, (bad:1)", "(bad:"), "a cat");
  equal(removeWords("a cat", "<lora:ink:"), null);
});
