// Whether words of the prompt and of a description that mean the same are in the same part of the picture.

import { cubic, field, MEAN, rangeOf } from "../maps.js";

/** Where a map has at least half of its range, as pipeline/reading/agreement.py takes it. */
function part(one, height, width) {
  const values = cubic(one, height, width).map((value) => Math.max(0, value));
  const [low, high] = rangeOf(values);
  return values.map((value) => value > low && value - low >= (high - low) / 2);
}

function iou(one, other) {
  let both = 0;
  let any = 0;
  for (let i = 0; i < one.length; i++) {
    both += one[i] && other[i];
    any += one[i] || other[i];
  }
  return both / Math.max(1, any);
}

/**
 * Number of a word of the description -> {iou, text} of the prompt's word that it is paired with. The words that
 * lie most nearly in one part of the picture are paired first.
 * @param words of the prompt: {text, chip}
 * @param described a message with words and pairs of numbers that are alike
 */
export function agreements(maps, words, { words: seen, alike }) {
  const view = maps?.views.get("attention");
  const found = new Map();
  if (!view) return found;
  const { height, width } = maps;
  const parts = new Map();
  const once = (key, make) => {
    if (!parts.has(key)) parts.set(key, part(make(), height, width));
    return parts.get(key);
  };
  const pairs = alike
    .filter(([i, j]) => words[i] && seen[j].map)
    .map(([i, j]) => {
      const { map } = seen[j];
      const mine = once(`prompt ${i}`, () => field(view, "best", MEAN, [words[i].chip]));
      const theirs = once(`seen ${j}`, () => ({
        values: Float32Array.from(map.flat()),
        height: map.length,
        width: map[0].length,
      }));
      return { i, j, iou: iou(mine, theirs) };
    })
    .sort((one, other) => other.iou - one.iou);
  const taken = new Set();
  for (const { i, j, iou } of pairs) {
    if (taken.has(i) || found.has(j)) continue;
    taken.add(i);
    found.set(j, { iou, text: words[i].text });
  }
  return found;
}
