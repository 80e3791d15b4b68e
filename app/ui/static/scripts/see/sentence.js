// A sentence whose words light up what they looked at.

import { rangeOf } from "../maps.js";

const KEYS = { ArrowRight: 1, ArrowLeft: -1 };

/**
 * The light of a word's map.
 * @param same {iou, text} of the prompt's word that means the same, if there is one
 */
function glowOf({ text, map }, same) {
  const values = Float32Array.from(map.flat());
  const top = rangeOf(values)[1];
  const field = { values, height: map.length, width: map[0].length };
  const note = same
    ? `${text}: map agreement ${same.iou.toFixed(2)} with “${same.text}” of the prompt`
    : `${text}: where the describer looked`;
  return { field, low: 0, high: top, top, what: text, how: "Where the describer looked for this word", note };
}

/**
 * An element with a text in which words with a map are buttons.
 * @param name of the sentence, for people who do not see it
 * @param words {text, span, map}; spans count characters, not UTF-16
 * @param agreed number of a word -> the prompt's word that means the same
 * @param actions point(light or null) and pin(light)
 */
export function sentence(name, text, words, agreed, { point, pin }) {
  const box = document.createElement("div");
  box.className = "sentence";
  box.setAttribute("role", "toolbar");
  box.setAttribute("aria-label", name);
  const letters = [...text];
  const between = (start, end) => letters.slice(start, end).join("");
  let last = 0;
  words.forEach((word, i) => {
    if (!word.map) return;
    box.append(between(last, word.span[0]), button(word, i));
    last = word.span[1];
  });
  box.append(between(last));
  const all = [...box.querySelectorAll("button")];
  for (const each of all.slice(1)) each.tabIndex = -1;
  box.addEventListener("keydown", (event) => {
    const at = all.indexOf(event.target);
    if (at < 0 || !(event.key in KEYS)) return;
    const next = all[(at + KEYS[event.key] + all.length) % all.length];
    event.target.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
    event.preventDefault();
  });
  return box;

  function button(word, i) {
    const made = document.createElement("button");
    made.type = "button";
    made.className = "seen-word";
    made.textContent = between(...word.span);
    made.glow = glowOf(word, agreed.get(i));
    const leave = () => point(null);
    made.addEventListener("pointerenter", (event) => event.pointerType === "mouse" && point(made.glow));
    made.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && leave());
    made.addEventListener("focus", () => made.matches(":focus-visible") && point(made.glow));
    made.addEventListener("blur", leave);
    made.addEventListener("click", () => pin(made.glow));
    return made;
  }
}
