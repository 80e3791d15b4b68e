// The words under the picture: buttons that light up, and that are dragged to change a word's weight.

import { showNear } from "./near.js";
import { Rewrite } from "./rewrite.js";
import { Weights } from "./weights.js";

const $ = (root, selector) => root.querySelector(selector);

export class Chips {
  constructor(element, viewer) {
    this.element = element;
    this.viewer = viewer;
    this.key = "";
    this.rewrite = new Rewrite(element, viewer);
    this.weights = new Weights(element, viewer);
    for (const selector of [".sum", ".special"])
      $(element, selector).addEventListener("change", () => this.refresh());
  }

  get lens() {
    return this.viewer.lens;
  }

  /** Makes all buttons again, as the picture that is shown has them. */
  refresh() {
    this.key = "";
    this.viewer.render();
  }

  render(picture, maps) {
    const box = $(this.element, ".words");
    const view = maps?.views.get(this.lens.view);
    const special = $(this.element, ".special").checked;
    const key = JSON.stringify([
      picture.prompt,
      view?.chips ?? null,
      picture.unknown ?? null,
      picture.near ?? null,
      picture.settings?.scale_words ?? null,
      special,
      picture.state === "done",
      this.lens.view,
    ]);
    if (key !== this.key) {
      this.key = key;
      box.classList.toggle("is-negative", this.lens.view === "negative");
      showNear($(this.element, ".near"), picture.near ?? []);
      const chips = view?.chips ?? [];
      box.replaceChildren(
        ...chips
          .map((chip, i) => ({ chip, i }))
          .filter(({ chip }) => chip.part === "word" || special)
          .map(({ chip, i }, order) => this.button(chip, i, order, picture)),
      );
    }
    this.mark();
  }

  button(chip, i, order, picture) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = chip.part === "word" ? "word" : "word special-word";
    button.dataset.chip = i;
    button.tabIndex = order === 0 ? 0 : -1;
    const name = document.createElement("span");
    name.textContent = chip.part === "word" ? chip.text : `‹${chip.text}›`;
    button.append(name, ...this.weights.badges(chip));
    if (picture.unknown?.some((word) => word.toLowerCase() === chip.text.toLowerCase())) {
      const mark = document.createElement("small");
      mark.className = "unknown";
      mark.textContent = "?";
      button.title = `The model was not trained on "${chip.text}"`;
      button.setAttribute("aria-label", `${chip.text}, not known to the model`);
      button.append(mark);
    }
    button.addEventListener("pointerenter", (event) => event.pointerType === "mouse" && this.hover(i));
    button.addEventListener("pointerleave", () => this.hover(null));
    button.addEventListener("click", (event) => this.click(i, event));
    button.addEventListener("keydown", (event) => this.keys(event, button, chip));
    if (chip.part === "word" && picture.state === "done" && this.lens.view !== "negative") {
      button.dataset.weighed = true;
      this.weights.drag(button, chip, (moved) => {
        this.dragged = moved;
      });
    }
    return button;
  }

  hover(i) {
    this.lens.hovered = i;
    this.lens.paint();
  }

  click(i, event) {
    if (this.dragged) {
      this.dragged = false;
      return;
    }
    const { selected } = this.lens;
    const add = event.shiftKey || event.ctrlKey || event.metaKey || $(this.element, ".sum").checked;
    const was = selected.has(i);
    if (!add) selected.clear();
    if (was) selected.delete(i);
    else selected.add(i);
    this.lens.hovered = this.lens.pinned = null;
    this.lens.place = null;
    this.mark();
    this.lens.paint();
    this.viewer.tabs.refresh();
  }

  mark() {
    for (const button of this.element.querySelectorAll("#pane-picture .word"))
      button.setAttribute("aria-pressed", this.lens.selected.has(Number(button.dataset.chip)));
    this.viewer.places?.mark();
    this.rewrite.show(this.one());
  }

  /** The only word that is lit, of a finished picture's prompt; null if there is none. */
  one() {
    const { lens, viewer } = this;
    const chips = lens.view === "attention" ? viewer.maps()?.views.get("attention")?.chips : null;
    const chip = lens.selected.size === 1 ? chips?.[[...lens.selected][0]] : null;
    return viewer.picture?.state === "done" && chip?.part === "word" ? chip : null;
  }

  keys(event, button, chip) {
    const all = [...this.element.querySelectorAll(".word")];
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (by) {
      const next = all[(all.indexOf(button) + by + all.length) % all.length];
      button.tabIndex = -1;
      next.tabIndex = 0;
      next.focus();
      event.preventDefault();
    }
    const isPlain = !event.ctrlKey && !event.metaKey && !event.altKey;
    if (isPlain && this.one() === chip && this.rewrite.type(event.key)) event.preventDefault();
    if (isPlain && button.dataset.weighed && this.weights.key(button, chip, event.key))
      event.preventDefault();
  }
}
