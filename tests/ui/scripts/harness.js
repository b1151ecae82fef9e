// The few functions that the scripts' unit tests need. `run` is called by test_scripts.py, a test at a time.

const tests = new Map();

export function test(name, body) { tests.set(name, body); }

export async function run(name) { await tests.get(name)(); }

export function equal(actual, expected, about = "") {
  const [one, other] = [actual, expected].map((value) => JSON.stringify(value));
  if (one !== other) throw new Error(`${about || "values differ"}: ${one}, not ${other}`);
}

// [red, green, blue, alpha] of one pixel.
export function pixel(canvas, x, y) {
  return [...canvas.getContext("2d").getImageData(x, y, 1, 1).data];
}
