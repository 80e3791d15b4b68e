// What is said of each of two pictures that are compared.

import { shortSite } from "../light.js";

const NAMES = { scale_words: "weights of attention" };

/** The prompt of a picture, and its settings that differ from the other's. */
export function caption(picture, other) {
  const box = document.createElement("div");
  const prompt = document.createElement("p");
  prompt.textContent = picture.prompt;
  const differences = document.createElement("p");
  const isEdit = picture.settings.edit_of === other.prompt || other.settings.edit_of === picture.prompt;
  const names = Object.keys(picture.settings).filter(
    (name) =>
      name !== "prompt" &&
      !(name === "edit_of" && isEdit) &&
      JSON.stringify(picture.settings[name]) !== JSON.stringify(other.settings[name]),
  );
  const about = names.map(
    (name) => `${NAMES[name] ?? name.replaceAll("_", " ")} ${shown(picture.settings[name])}`,
  );
  differences.textContent = [...about, ...backends(picture, other)].join(" · ") || `seed ${picture.seed}`;
  box.append(prompt, differences);
  return box;
}

/** A setting in short. */
function shown(value) {
  if (value === null) return "none";
  if (Array.isArray(value))
    return value.length
      ? value
          .map(
            (each) =>
              each.prompt ??
              weighed(each) ??
              each.word ??
              (each.site ? `${shortSite(each.site)}:${each.head + 1}` : each),
          )
          .join(", ")
      : "none";
  return typeof value === "object" ? "another" : value;
}

/** A word and its weight; nothing for what has no weight. */
const weighed = ({ word, scale }) => (word && scale !== undefined ? `${word} ×${scale}` : undefined);

function backends(picture, other) {
  const [mine, theirs] = [picture, other].map((each) => JSON.stringify(each.attention));
  return mine === theirs
    ? []
    : Object.entries(picture.attention).map(([kind, names]) => `${kind} ${names.join(", ")}`);
}
