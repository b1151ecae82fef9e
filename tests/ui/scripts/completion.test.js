import { applySuggestion, findQuery } from "/ui/words/completion.js";
import { equal, test } from "/tests/ui/scripts/harness.js";

// The kind, the query and the text that it takes the place of, at the bar.
function show(text) {
  const cursor = text.indexOf("|");
  const whole = text.replace("|", "");
  const query = findQuery(whole, cursor);
  return query && [query.kind, query.query, whole.slice(query.start, cursor)];
}

test("what was begun tells what completes it", () => {
  equal(show("a cat, <lora:in|"), ["lora", "in", "<lora:in"]);
  equal(show("<|"), ["lora", "", "<"]);
  equal(show("<lo|"), ["lora", "", "<lo"]);
  equal(show("<lyco:a b|"), ["lora", "a b", "<lyco:a b"]);
  equal(show("a __col|"), ["wildcard", "col", "__col"]);
  equal(show("__a__ and __b/c|"), ["wildcard", "b/c", "__b/c"]);
  equal(show("(embedding:ba|:1.2)"), ["embedding", "ba", "embedding:ba"]);
  equal(show("a cat, long h|"), ["word", "long h", "long h"]);
  equal(show("(long h|:1.2)"), ["word", "long h", "long h"]);
  equal(show("a cat AND do|"), ["word", "a cat AND do", "a cat AND do"]);
  equal(show("one\ntwo|"), ["word", "two", "two"]);
  equal(show("re:ze|"), ["word", "re:ze", "re:ze"]);
  equal(show("saber \\(fa|"), ["word", "saber \\(fa", "saber \\(fa"]);
});

test("nothing is completed in a comment, in a tag's weight, after a whole tag or without a word", () => {
  for (const text of ["# a comm|", "<lora:ink:0.|", "<hypernet:a|", "a cat, |", "|", "(red:1.|"]) {
    const found = show(text);
    equal(found && found[0] !== "word" ? found : null, null, text);
  }
  equal(show("a cat, |"), null);
  equal(show("__colors__|"), null);
});

test("a suggestion takes the place of what was typed and of the sign that closes it", () => {
  const take = (text, insert, replaces = 0) => {
    const cursor = text.indexOf("|");
    const whole = text.replace("|", "");
    const { start, end } = applySuggestion(whole, cursor, findQuery(whole, cursor), { insert, replaces });
    return whole.slice(0, start) + insert + whole.slice(end);
  };
  equal(take("a <lora:in|:0.5>, b", "<lora:ink:1>"), "a <lora:ink:1>, b");
  equal(take("a <lora:in| b", "<lora:ink:1>"), "a <lora:ink:1> b");
  equal(take("__co|__ cat", "__colors__"), "__colors__ cat");
  equal(take("a pen|, b", "penguin", 3), "a penguin, b");
});
