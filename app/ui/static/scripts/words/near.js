// Known words that are near to unknown ones of the prompt: a click puts one into the prompt field.

/** Fills the line under the words; hides it where nothing is near. */
export function showNear(line, offers) {
  const found = offers.filter(({ words }) => words.length);
  line.hidden = !found.length;
  line.replaceChildren(...found.map(offer));
}

function offer({ typed, words }) {
  const part = document.createElement("span");
  const name = document.createElement("b");
  name.textContent = typed;
  part.append("In place of “", name, "”: ", ...words.map((word) => button(typed, word)));
  return part;
}

function button(typed, word) {
  const made = document.createElement("button");
  made.type = "button";
  made.className = "near-word";
  made.textContent = word;
  made.title = `Write ${word} in the prompt in place of ${typed}`;
  made.addEventListener("click", () => write(typed, word));
  return made;
}

/** Replaces a word or a phrase in the prompt, in any case; at the end where it is no longer there. */
function write(typed, word) {
  const field = document.querySelector("#prompt textarea");
  const escaped = typed
    .split(" ")
    .map((each) => each.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"))
    .join("[^\\p{L}\\p{N}]+");
  const old = new RegExp(`(?<![\\p{L}\\p{N}])${escaped}(?![\\p{L}\\p{N}])`, "giu");
  const text = field.value;
  field.value = old.test(text) ? text.replace(old, () => word) : `${text.trimEnd()} ${word}`.trimStart();
  field.dispatchEvent(new Event("input", { bubbles: true }));
}
