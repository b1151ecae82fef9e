import { decide, describeTitle } from "/ui/common/when_done.js";
import { equal, test } from "/tests/ui/scripts/harness.js";

test("the title shows the job that is furthest, and itself when nothing runs", () => {
  equal(describeTitle([], "Easel"), "Easel");
  equal(describeTitle([12.4, 40, null], "Easel"), "40 % · Easel");
  equal(describeTitle([null], "Easel"), "… Easel");
});

test("who looks at the page hears nothing, and who has not chosen is asked", () => {
  equal([decide("yes", false), decide(null, false), decide("no", true), decide("yes", true), decide(null, true)],
    ["", "", "", "tell", "ask"]);
});
