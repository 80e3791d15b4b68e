// "Try this": three guided looks at the picture that is shipped with the page.

import { chipsOf } from "./light.js";
import { wholeExample } from "./tour.js";

const LEAF = [0.34, 0.16]; // of the example: a place on it, as parts of width and height
const OTHER_SEED = "14";
const WORD = "red";

export class Looks {
  constructor(element, viewer) {
    this.element = element;
    this.viewer = viewer;
    const acts = { leaf: () => this.leaf(), away: () => this.away(), seed: () => this.seed() };
    for (const button of element.querySelectorAll("[data-look]"))
      button.addEventListener("click", () => this.try(acts[button.dataset.look]));
  }

  async try(act) {
    const { viewer } = this;
    viewer.tour.end();
    if (document.querySelector("#desk").dataset.busy === "true") {
      viewer.say("A picture is being drawn; try this when it is done.");
      return;
    }
    const picture = await wholeExample();
    if (!picture) return;
    viewer.show("picture");
    viewer.lens.selected.clear();
    viewer.lens.wanted = [];
    viewer.recall({ ...picture, is_whole: true });
    viewer.bringBack(picture);
    await viewer.rendered;
    viewer.lens.film.end();
    viewer.lens.turn();
    act();
  }

  /** Which word has most attention at the leaf. */
  leaf() {
    const { lens } = this.viewer;
    lens.pointAt(LEAF);
    const bars = lens.shares(LEAF);
    lens.selected = new Set(chipsOf(lens.maps, lens.look.view, [bars[0].text]));
    this.viewer.chips.mark();
    lens.paint();
    this.viewer.say(
      `At the leaf, “${bars[0].text}” has most of the attention, then “${bars[1].text}”: the list of words at this point says how much. Point elsewhere to compare.`,
    );
    this.element.querySelector(".frame").scrollIntoView({ block: "nearest" });
  }

  /** The same picture without one of its words. */
  away() {
    const { viewer } = this;
    const view = viewer.maps().views.get("attention");
    const chip = view.chips.find(({ text }) => text === WORD);
    viewer.weigh(chip, 0);
  }

  /** The same words from another noise. */
  seed() {
    this.viewer.again({ seed: OTHER_SEED });
  }
}
