// The words under the picture: buttons that light up, and that are dragged to change a word's weight.

import { Rewrite } from "./rewrite.js";

const $ = (root, selector) => root.querySelector(selector);
const PIXELS = 120; // of dragging, for one unit of weight
const PATIENCE = 700; // milliseconds after the last key before a weight counts
const [LEAST, MOST] = [0, 2.5];

export class Chips {
  constructor(element, viewer) {
    this.element = element;
    this.viewer = viewer;
    this.key = "";
    this.rewrite = new Rewrite(element, viewer);
    for (const selector of [".sum", ".special"])
      $(element, selector).addEventListener("change", () => {
        this.key = "";
        viewer.render();
      });
  }

  get lens() {
    return this.viewer.lens;
  }

  render(picture, maps) {
    const box = $(this.element, ".words");
    const view = maps?.views.get(this.lens.view);
    const special = $(this.element, ".special").checked;
    const key = JSON.stringify([
      picture.prompt,
      view?.chips ?? null,
      picture.unknown ?? null,
      special,
      picture.state === "done",
      this.lens.view,
    ]);
    if (key !== this.key) {
      this.key = key;
      box.classList.toggle("is-negative", this.lens.view === "negative");
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
    const badge = document.createElement("small");
    badge.textContent = chip.weight === 1 ? "" : `×${trim(chip.weight)}`;
    button.append(name, badge);
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
    if (chip.part === "word" && picture.state === "done" && this.lens.view !== "negative")
      this.drag(button, chip, badge);
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
    this.lens.hovered = null;
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
    const more = { "+": 0.1, "=": 0.1, "-": -0.1 }[event.key];
    if (more && button.dataset.weight !== undefined) this.nudge(button, chip, more);
  }

  nudge(button, chip, by) {
    const weight = clamp(Number(button.dataset.weight) + by);
    this.weight(button, weight);
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => this.viewer.weigh(chip, weight), PATIENCE);
  }

  weight(button, weight) {
    button.dataset.weight = weight;
    $(button, "small").textContent = `×${trim(weight)}`;
  }

  drag(button, chip) {
    button.dataset.weight = chip.weight;
    button.addEventListener("pointerdown", (down) => {
      if (down.button !== 0) return;
      let weight = chip.weight;
      let moved = false;
      const move = (event) => {
        const by = event.clientX - down.clientX;
        if (!moved && Math.abs(by) < 6) return;
        if (!moved) button.setPointerCapture(down.pointerId);
        moved = true;
        button.classList.add("dragged");
        weight = clamp(chip.weight + by / PIXELS);
        this.weight(button, weight);
      };
      const up = () => {
        button.removeEventListener("pointermove", move);
        button.removeEventListener("pointerup", up);
        button.removeEventListener("pointercancel", up);
        button.classList.remove("dragged");
        this.dragged = moved;
        if (moved && weight !== chip.weight) this.viewer.weigh(chip, weight);
      };
      button.addEventListener("pointermove", move);
      button.addEventListener("pointerup", up);
      button.addEventListener("pointercancel", up);
    });
  }
}

const clamp = (weight) => Math.round(20 * Math.min(MOST, Math.max(LEAST, weight))) / 20;
const trim = (weight) => String(Math.round(weight * 100) / 100);
