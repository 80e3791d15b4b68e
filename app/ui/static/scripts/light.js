// The light over a picture: numbers on a grid, and the range that their colours span.

import { field, MEAN, rangeOf } from "./maps.js";

export const percent = (value) => `${(100 * value).toFixed(value < 0.0995 ? 1 : 0)} %`;

/**
 * The light of some chips: their field, the range of the colours and the field's highest value, and their
 * names; null where nothing of them was recorded.
 * @param maps unpacked maps of a picture
 * @param look {view, source, frame, head, scale}: the choices of the inspector
 * @param chips numbers of words in the view
 */
export function lightOf(maps, look, chips) {
  const view = maps?.views.get(look.view);
  if (!view || !chips.length) return null;
  const one = field(view, look.source, look.frame, chips, look.head);
  if (!one) return null;
  const [low, high] = rangeOf(one.values);
  const what = chips.map((i) => view.chips[i].text).join(" + ");
  const light = { field: one, low: 0, high, top: high, what };
  if (look.scale === "stretched") return { ...light, low };
  return look.scale === "shared" ? { ...light, high: sharedTop(view, look) } : light;
}

/** The highest value of any word. */
function sharedTop(view, look) {
  const tops = wordsOf(view).map((i) => field(view, look.source, look.frame, [i], look.head));
  return Math.max(...tops.map((each) => (each ? rangeOf(each.values)[1] : 0)));
}

/** The numbers of a view's words, without start, end and padding. */
export function wordsOf(view) {
  return view.chips.map((_, i) => i).filter((i) => view.chips[i].part === "word");
}

/** Numbers of the chips whose text is one of `texts`. */
export function chipsOf(maps, name, texts) {
  const view = maps?.views.get(name);
  return view ? view.chips.map((_, i) => i).filter((i) => texts.includes(view.chips[i].text)) : [];
}

// Words that end the name of what a picture is most about.
const ENDS = new Set([
  ..."to on in at of with and near under over behind above below beneath between by next".split(" "),
  ..."left right wearing standing sitting hiding floating made".split(" "),
]);
const SMALL_WORDS = new Set([
  ...ENDS,
  ..."a an the or without from one two three four five six sleeping flying jumping upside down".split(" "),
]);

/**
 * The word that a picture is most about: of those that the model knows, the last before the first preposition
 * that is no article, no number and no pose.
 */
export function nounOf(view, unknown = []) {
  const words = wordsOf(view);
  const texts = words.map((i) => view.chips[i].text.toLowerCase());
  const strange = unknown.map((text) => text.toLowerCase());
  const isOne = (text) => text.length > 2 && !SMALL_WORDS.has(text) && !strange.includes(text);
  const first = texts.findIndex(isOne);
  const end = texts.findIndex((text, i) => i > first && first >= 0 && ENDS.has(text));
  const found = texts.slice(0, end < 0 ? texts.length : end).findLastIndex(isOne);
  return words[found < 0 ? 0 : found] ?? 0;
}

/** Steps that were recorded one by one. */
export function stepsOf(maps) {
  const layers = [...(maps?.views.values() ?? [])].flatMap((view) => view.layers);
  const frames = layers.filter((layer) => layer.kind !== "heads").flatMap((layer) => layer.frames);
  return frames.reduce((most, frame) => Math.max(most, frame + 1), MEAN + 1);
}

/** A site's name for people: "down 1 · block 1". */
export function shortSite(name) {
  const part = /^(down|up)_blocks\.(\d+)\.attentions\.(\d+)\.transformer_blocks\.(\d+)/.exec(name);
  if (part)
    return `${part[1] === "down" ? "Down" : "Up"} ${part[2]} · layer ${part[3]}${part[4] === "0" ? "" : `.${part[4]}`}`;
  return name.startsWith("mid_block") ? "Middle" : name;
}

/** Where most of a field lies, in words. */
export function whereabouts({ values, height, width }) {
  let best = 0;
  values.forEach((value, i) => {
    if (value > values[best]) best = i;
  });
  const third = (value, size, names) => names[Math.min(2, Math.floor((3 * value) / size))];
  const down = third(Math.floor(best / width), height, ["upper", "middle", "lower"]);
  const across = third(best % width, width, ["left", "middle", "right"]);
  return down === "middle" && across === "middle" ? "middle" : down === across ? down : `${down} ${across}`;
}
