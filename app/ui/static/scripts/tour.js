// The tour on opening the page: a picture whose words are lit in turn.

import { nounOf, wordsOf } from "./light.js";

const FIRST = 900; // milliseconds before the first word is lit
const BRIGHT = 0.25; // of the noun's light: words with less would leave the picture dark
const EACH = 1400; // for each word
const TIMES = 3; // over all words; then the noun stays lit

/** The picture that is shipped with the page, with the maps that the tour needs. */
export const example = () => shipped("example.json");

/** The same with all its maps and the film of its steps. */
export const wholeExample = () => shipped("example-whole.json");

async function shipped(name) {
  try {
    const answer = await fetch(new URL(`limelight/${name}`, document.baseURI));
    return answer.ok ? await answer.json() : null;
  } catch {
    return null; // the server does not answer; drawing a picture will say so
  }
}

/** Lights the noun and other bright words in turn until somebody points, presses or types, or another picture is shown. */
export class Tour {
  constructor(viewer) {
    this.viewer = viewer;
    this.timer = null;
    this.isLit = false; // by the tour; a click on that word then selects it and does not switch it off
    for (const event of ["pointerdown", "keydown", "wheel", "focusin"])
      document.addEventListener(event, () => this.end(), { passive: true });
    for (const event of ["pointerdown", "keydown"])
      viewer.element.addEventListener(event, ({ target, key = "Enter" }) => {
        if (target.closest(".word") && ["Enter", " "].includes(key)) this.giveUp();
      });
    viewer.element.addEventListener("pointerover", () => this.end());
  }

  get isOn() {
    return this.timer !== null;
  }

  begin() {
    const view = this.viewer.maps()?.views.get("attention");
    if (!view) return;
    const rest = nounOf(view);
    const topOf = (i) => this.viewer.lens.light([i])?.top ?? 0;
    const others = wordsOf(view).filter((i) => i !== rest && view.chips[i].text.length > 2);
    const order = [rest, ...others.filter((i) => topOf(i) >= BRIGHT * topOf(rest))];
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) {
      this.light(rest);
      return;
    }
    let turn = 0;
    const next = () => {
      const isLast = turn === TIMES * order.length;
      this.light(isLast ? rest : order[turn % order.length]);
      turn += 1;
      this.timer = isLast ? null : setTimeout(next, EACH);
    };
    this.timer = setTimeout(next, FIRST);
  }

  light(i) {
    this.isLit = true;
    this.viewer.lens.selected = new Set([i]);
    this.viewer.chips.mark();
    this.viewer.lens.paint();
  }

  giveUp() {
    if (this.isLit) this.viewer.lens.selected.clear();
    this.isLit = false;
  }

  end() {
    clearTimeout(this.timer);
    this.timer = null;
    this.viewer.complete();
  }
}
