// Ticks under the prompt's words: whether the picture shows them, as the model that drew it and the describer
// see it.

const FITS = 0.9; // scores as in app/commands/check.py
const FAILS = 0.5;
const SIGNS = { yes: "✓", unsure: "?", no: "✗" };
const WHO = { model: "the model", describer: "the describer" };

const signOf = (score) => (score >= FITS ? "yes" : score >= FAILS ? "unsure" : "no");

const $ = (root, selector) => root.querySelector(selector);

export class Ticks {
  constructor(element, viewer) {
    this.element = element;
    this.viewer = viewer;
    this.found = new Map(); // id of a picture -> the newest message of its check
  }

  get isOn() {
    return $(this.element, ".check-words").checked;
  }

  turn() {
    this.show(this.viewer.picture);
  }

  /** Marks the words of a picture, and asks for its check if there is none. */
  show(picture) {
    if (this.isOn && picture?.state === "done" && !this.found.has(picture.id)) this.check(picture);
    this.mark();
  }

  check({ id, image, prompt, model, settings }) {
    this.found.set(id, { share: 0 });
    this.viewer.send("check", { key: { id }, image, prompt, model, settings });
  }

  /** Takes the state of a check; one that was stopped is made again when its picture is back. */
  take(message) {
    const { id } = message.key ?? {};
    const isShown = this.viewer.picture?.id === id;
    if (message.error && !isShown) this.found.delete(id);
    else this.found.set(id, message);
    if (isShown) this.mark();
  }

  mark() {
    const { picture, lens } = this.viewer;
    for (const each of this.element.querySelectorAll(".ticks")) each.remove();
    const found = this.isOn && picture?.state === "done" ? this.found.get(picture.id) : null;
    const words = $(this.element, ".words");
    const isMarked = Boolean(found?.model ?? found?.describer);
    words.classList.toggle("is-checked", isMarked);
    this.say(found);
    if (!isMarked || lens.view === "negative") return;
    const chips = this.viewer.maps()?.views.get(lens.view)?.chips ?? [];
    for (const button of words.querySelectorAll(".word")) {
      const scores = Object.keys(WHO)
        .map((who) => [who, scoreOf(chips[button.dataset.chip], found[who])])
        .filter(([, score]) => score !== null);
      if (scores.length) button.append(ticks(scores));
    }
  }

  say(found) {
    const note = $(this.element, ".ticks-note");
    const isWorking = found && !found.error && !(found.share >= 1 && found.model !== undefined);
    note.dataset.kind = found?.error ? "error" : "";
    const says = found
      ? found.error || [isWorking && working(found), ...summary(found)].filter(Boolean).join(" ")
      : "";
    if (note.textContent !== says) note.textContent = says;
  }
}

/** Ten per cent at a time: it is read aloud. */
const working = ({ share }) => `The model checks the words: ${Math.floor(share * 10) * 10} %.`;

function summary({ share, model, describer }) {
  if (!model && !describer) return share >= 1 ? ["No word can be checked: name a thing or a colour."] : [];
  const means = [
    model && `Round: the model that drew, mean ${model.mean.toFixed(2)}.`,
    describer
      ? `Square: the describer, mean ${describer.mean.toFixed(2)}.`
      : "The describer does not know this picture, or none of its words.",
  ];
  return [...means, "✓ 0.90 or more, ? unsure, ✗ below 0.50."];
}

/** The lowest score of those that a chip has; a relation of several words is marked at its longest. */
function scoreOf(chip, check) {
  if (chip?.part !== "word" || !check) return null;
  const [start, end] = chip.span;
  const own = check.words.filter(({ word, span }) => {
    const longest = word.split(" ").reduce((most, each) => (each.length > most.length ? each : most), "");
    const first = span[0] + word.indexOf(longest);
    return first < end && start < first + longest.length;
  });
  return own.length ? Math.min(...own.map(({ score }) => score)) : null;
}

function ticks(scores) {
  const box = document.createElement("span");
  box.className = "ticks";
  const says = scores.map(([who, score]) => `${WHO[who]}: ${signOf(score)}, ${score.toFixed(2)}`).join("; ");
  box.title = says;
  for (const [who, score] of scores) {
    const sign = document.createElement("i");
    sign.dataset.sign = signOf(score);
    sign.dataset.who = who;
    sign.setAttribute("aria-hidden", true);
    sign.textContent = SIGNS[signOf(score)];
    box.append(sign);
  }
  const aloud = document.createElement("span");
  aloud.className = "aloud";
  aloud.textContent = ` (${says})`;
  box.append(aloud);
  return box;
}
