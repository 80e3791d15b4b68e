// The weights of words: in the prompt, or of their attention. Dragged sideways, or changed by keys.

const PIXELS = 120; // of dragging, for one unit of weight
const PATIENCE = 700; // milliseconds after the last key before a weight counts
const MOST = { prompt: 2.5, attention: 4 };
const KEYS = { "+": 0.1, "=": 0.1, ArrowUp: 0.1, "-": -0.1, ArrowDown: -0.1 };

export class Weights {
  constructor(element, viewer) {
    this.select = element.querySelector(".weigh-by");
    this.viewer = viewer;
    this.pressed = null; // what keys have changed so far: {chip, by, weight}
  }

  /** What is weighed: `prompt` or `attention`. */
  get by() {
    return this.select.value;
  }

  /** The weight that a word of the picture has now. */
  of(chip, by) {
    if (by === "prompt") return chip.weight;
    const all = this.viewer.picture?.settings?.scale_words ?? [];
    const same = (word) => word.toLowerCase() === chip.text.toLowerCase();
    return all.find(({ word }) => same(word))?.scale ?? 1;
  }

  /** Where a word's weights stand, on its button. */
  badges(chip) {
    return Object.keys(MOST).map((by) => {
      const badge = document.createElement("small");
      badge.dataset.by = by;
      const weight = this.of(chip, by);
      badge.textContent = weight === 1 ? "" : written(by, weight);
      return badge;
    });
  }

  say(button, by, weight) {
    button.querySelector(`[data-by=${by}]`).textContent = written(by, weight);
  }

  /** Takes a key that was pressed on a word; false where it changes no weight. */
  key(button, chip, key) {
    if (!(key in KEYS)) return false;
    const { by, pressed } = this;
    const isMore = pressed?.chip === chip && pressed.by === by;
    const weight = clamp(by, (isMore ? pressed.weight : this.of(chip, by)) + KEYS[key]);
    this.pressed = { chip, by, weight };
    this.say(button, by, weight);
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => {
      this.pressed = null;
      this.change(chip, by, weight);
    }, PATIENCE);
    return true;
  }

  /** Draws the picture again with another weight, unless it is the one that the word has. */
  change(chip, by, weight) {
    if (weight !== this.of(chip, by)) this.viewer.weigh(chip, weight, by);
    else this.viewer.chips.refresh();
  }

  /** Lets a word be dragged; `ended` is called with whether it has moved. */
  drag(button, chip, ended) {
    button.addEventListener("pointerdown", (down) => {
      if (down.button !== 0) return;
      const { by } = this;
      const before = this.of(chip, by);
      let weight = before;
      let moved = false;
      const move = (event) => {
        const across = event.clientX - down.clientX;
        if (!moved && Math.abs(across) < 6) return;
        if (!moved) button.setPointerCapture(down.pointerId);
        moved = true;
        button.classList.add("dragged");
        weight = clamp(by, before + across / PIXELS);
        this.say(button, by, weight);
      };
      const end = (event) => {
        for (const kind of ["pointermove", "pointerup", "pointercancel"])
          button.removeEventListener(kind, kind === "pointermove" ? move : end);
        button.classList.remove("dragged");
        ended(moved);
        if (moved) this.change(chip, by, event.type === "pointerup" ? weight : before); // a scroll takes it over
      };
      button.addEventListener("pointermove", move);
      button.addEventListener("pointerup", end);
      button.addEventListener("pointercancel", end);
    });
  }
}

const clamp = (by, weight) => Math.round(20 * Math.min(MOST[by], Math.max(0, weight))) / 20;
const written = (by, weight) =>
  `${by === "attention" ? "attention " : ""}×${String(Math.round(weight * 100) / 100)}`;
