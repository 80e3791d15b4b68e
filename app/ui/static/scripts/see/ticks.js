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
    this.asked = 0;
    this.says = new Map(); // number of a chip -> its scores in words
    element.addEventListener("painted", () => this.say());
  }

  get isOn() {
    return $(this.element, ".check-words").checked;
  }

  /** Takes the switch; switched on again, it tries again what failed. */
  turn() {
    this.failed();
    this.show(this.viewer.picture);
  }

  /** Marks the words of a picture, and asks for its check if there is none. */
  show(picture) {
    if (this.isOn && picture?.state === "done" && !this.found.has(picture.id)) this.check(picture);
    this.mark();
  }

  check({ id, image, prompt, model, settings }) {
    this.drop(({ is_over }) => !is_over); // the server ends the check before
    this.found.set(id, { share: 0 });
    this.asked += 1;
    this.viewer.send("check", { key: { id, asked: this.asked }, image, prompt, model, settings });
  }

  /** Takes the state of a check; one that was stopped is made again when its picture is back. */
  take(message) {
    const { id, asked } = message.key;
    if (asked !== this.asked) return; // another picture is checked since
    const isShown = this.viewer.picture?.id === id;
    if (message.error && !isShown) this.found.delete(id);
    else this.found.set(id, message);
    if (isShown) this.mark();
  }

  /** Forgets checks that failed, or have no end yet. */
  failed() {
    this.asked += 1;
    this.drop(({ error, is_over }) => error || !is_over);
    this.mark();
  }

  drop(isOne) {
    for (const [id, message] of this.found) if (isOne(message)) this.found.delete(id);
  }

  /** What is known of the picture that is shown, if it is to be seen. */
  get shown() {
    const { picture } = this.viewer;
    return this.isOn && picture?.state === "done" ? this.found.get(picture.id) : null;
  }

  mark() {
    const { shown: found } = this;
    const { lens } = this.viewer;
    for (const each of this.element.querySelectorAll(".ticks")) each.remove();
    this.says.clear();
    const words = $(this.element, ".words");
    const isMarked = Boolean(found?.model ?? found?.describer) && lens.view !== "negative";
    words.classList.toggle("is-checked", isMarked);
    const chips = this.viewer.maps()?.views.get(lens.view)?.chips ?? [];
    for (const button of isMarked ? words.querySelectorAll(".word") : []) {
      const chip = Number(button.dataset.chip);
      const scores = Object.keys(WHO)
        .map((who) => [who, scoreOf(chips[chip], found[who])])
        .filter(([, score]) => score !== null);
      if (!scores.length) continue;
      const says = scores
        .map(([who, score]) => `${WHO[who]}: ${signOf(score)}, ${score.toFixed(2)}`)
        .join("; ");
      this.says.set(chip, `${chips[chip].text}. ${says}.`);
      button.append(ticks(scores, says));
    }
    this.say();
  }

  /** Says how far the check is, what the lit word got, or what the signs mean. */
  say() {
    const { shown: found } = this;
    const { lens } = this.viewer;
    const note = $(this.element, ".ticks-note");
    note.dataset.kind = found?.error ? "error" : "";
    const lit = !lens.glow && !lens.pinned && lens.lit.length === 1 && this.says.get(lens.lit[0]);
    const says = found ? found.error || (found.is_over ? lit || summary(found) : working(found)) : "";
    if (note.textContent === says) return;
    // It never becomes shorter while it says something: what is below would move from under the pointer, and back.
    const least = says ? note.offsetHeight : 0;
    note.textContent = says;
    note.style.minHeight = `${least}px`;
  }
}

/** Ten per cent at a time: it is read aloud. */
const working = ({ share }) => `The model checks the words: ${Math.floor(share * 10) * 10} %.`;

function summary({ model, describer }) {
  if (!model && !describer) return "No word can be checked: name a thing or a colour.";
  const means = [
    model && `Round: the model that drew, mean ${model.mean.toFixed(2)}.`,
    describer
      ? `Square: the describer, mean ${describer.mean.toFixed(2)}.`
      : "The describer does not know this picture, or none of its words.",
    "✓ 0.90 or more, ? unsure, ✗ below 0.50.",
  ];
  return means.filter(Boolean).join(" ");
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

function ticks(scores, says) {
  const box = document.createElement("span");
  box.className = "ticks";
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
