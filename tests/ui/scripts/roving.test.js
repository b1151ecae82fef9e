import { describeShare } from "/ui/common/announcements.js";
import { findNext, settle } from "/ui/common/roving.js";
import { equal, test } from "/tests/ui/scripts/harness.js";

test("arrow keys go round, a slider keeps those that change it", () => {
  const found = ["ArrowRight", "ArrowLeft", "ArrowDown", "End"].map((key) => findNext(key, 2, 3));
  equal(found, [0, 1, 0, 2]);
  equal([findNext("ArrowDown", 0, 3, true), findNext("ArrowRight", 0, 3, true), findNext("Enter", 0, 3)], [null, 1, null]);
});

test("a group has one Tab stop, also when that can no longer be pressed", () => {
  const group = document.createElement("div");
  group.innerHTML = "<button></button><button></button><button></button>";
  const [first, second] = group.children;
  settle(group, second);
  equal([...group.children].map((each) => each.tabIndex), [-1, 0, -1]);
  second.disabled = true;
  settle(group);
  equal([first.tabIndex, second.tabIndex], [0, -1]);
});

test("a quarter of a job is said once", () => {
  equal([describeShare(10, 0), describeShare(26, 0), describeShare(49, 1), describeShare(100, 1)],
    [["", 0], ["25 %", 1], ["", 1], ["100 %", 4]]);
});
