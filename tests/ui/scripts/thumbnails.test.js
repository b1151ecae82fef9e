import { findNeighbour, mount } from "/ui/tabs/history/thumbnails.js";
import { equal, test } from "/tests/ui/scripts/harness.js";

const BOXES = [[0, 0], [10, 0], [20, 0], [0, 30], [10, 30]].map(([left, top]) => ({ left, top }));

test("the arrow keys go along the rows and to the nearest of the next one", () => {
  equal(["ArrowRight", "ArrowDown", "ArrowUp", "End", "x"].map((key) => findNeighbour(key, BOXES, 2)), [3, 4, null, 4, null]);
  const led = [["ArrowUp", 4], ["ArrowLeft", 0], ["ArrowDown", 3]].map(([key, now]) => findNeighbour(key, BOXES, now));
  equal(led, [1, null, null]);
});

const THUMBS = "abcd".split("").map((name) => `<button data-choose="${name}" aria-pressed="false"></button>`).join("");

test("several are selected in the mode for that, with Ctrl and with Shift", () => {
  const element = document.createElement("div"), heard = [];
  element.innerHTML = `<div class="selection"><button data-select-mode></button><output data-words="{count} of them"></output>
    <button data-many="mark" hidden></button><button data-select-none hidden></button></div>${THUMBS}`;
  mount(element, (name, detail) => heard.push([name, detail]));
  const press = (selector, keys = {}) => {
    element.querySelector(selector).dispatchEvent(new MouseEvent("click", { bubbles: true, ...keys }));
  };
  press("[data-choose=a]");
  press("[data-choose=c]", { shiftKey: true });
  press("[data-choose=b]", { ctrlKey: true });
  equal(element.querySelector("output").value, "2 of them");
  press("[data-many]");
  equal(heard, [["choose", { image: "a" }], ["many", { action: "mark", images: ["a", "c"] }]]);
  press("[data-select-mode]");
  press("[data-choose=d]");
  equal(element.querySelectorAll("[data-selected]").length, 1);
  press("[data-select-mode]");
  equal([element.querySelectorAll("[data-selected]").length, heard.length], [0, 2]);
});
