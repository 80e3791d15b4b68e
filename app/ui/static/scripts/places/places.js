// Painted words, and regions with prompts of their own: boxes on the picture, and a list of them.

import { nounOf } from "../light.js";
import { layer } from "./brush.js";
import { Drawing } from "./drawing.js";
import { row } from "./row.js";

const COLOURS = ["#ff6b6b", "#4dabf7", "#ffd43b", "#69db7c", "#da77f2", "#ffa94d", "#63e6be", "#f783ac"];
const START = [0.25, 0.25, 0.75, 0.75]; // a box that is set by numbers
const MOST = 8; // as the server takes

const $ = (root, selector) => root.querySelector(selector);
const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

/** The list: each place is {kind: "paint" or "regions", item: as a record has it}. */
export class Places {
  constructor(element, viewer) {
    this.element = element;
    this.viewer = viewer;
    this.list = [];
    this.heads = []; // are kept as they come
    this.past = []; // lists before each change
    this.target = null; // what the next box on the picture is for
    this.drawing = new Drawing($(element, ".frame"), (place) => this.drawn(place));
    $(element, ".place-shape").addEventListener("input", () => this.aim(this.target));
    $(element, ".undo-place").addEventListener("click", () => this.undo());
    $(element, ".draw-again").addEventListener("click", () => this.drawAgain());
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.aim(null);
    });
    this.render();
  }

  /** Whether a press on the picture begins a box. */
  get isTaking() {
    return this.target !== null || this.drawing.isFresh;
  }

  /** The places as the server takes them; null if there are none. */
  get value() {
    const of = (kind) => this.list.filter((place) => place.kind === kind).map(({ item }) => item);
    const value = { paint: of("paint"), regions: of("regions"), heads: this.heads };
    return Object.values(value).some((each) => each.length) ? value : null;
  }

  /** Takes what the form holds: the settings of a picture of the history, or of a file. */
  take(value) {
    if (same(value, this.value)) return;
    const places = (kind) => (value?.[kind] ?? []).map((item) => ({ kind, item }));
    this.past.push([...this.list]);
    this.list = [...places("paint"), ...places("regions")];
    this.heads = value?.heads ?? [];
    this.render();
  }

  /** Takes the picture that is shown, whose words can be painted. */
  show(picture) {
    this.picture = picture;
    this.mark();
  }

  get word() {
    const { lens } = this.viewer;
    const view = this.viewer.maps()?.views.get("attention");
    if (!view) return null;
    const chosen = [...lens.selected].find((i) => view.chips[i]?.part === "word");
    return view.chips[chosen ?? nounOf(view, this.viewer.picture.unknown)].text;
  }

  begin(button, event) {
    const isKey = event.detail === 0; // a key, not a pointer: the box is set by numbers
    if (button.classList.contains("place-region")) {
      this.add({ kind: "regions", item: { prompt: "", box: START } });
      $(this.element, ".places-list li:last-child .place-prompt").focus();
      this.aim(this.list.length - 1);
    } else if (this.target !== null) this.aim(null);
    else if (this.word === null)
      this.viewer.say("Draw a picture with maps first; then its words can be placed.");
    else if (isKey) {
      this.add({ kind: "paint", item: { word: this.word, box: START } });
      $(this.element, ".places-list li:last-child input").focus();
    } else this.aim({ word: this.word });
  }

  /** Sets the target of the next box on the picture: a word, a place of the list, or nothing. */
  aim(target) {
    if (target !== null && this.list.length >= MOST && typeof target === "object") {
      this.viewer.say(`There are ${MOST} places; remove one first.`);
      return;
    }
    this.target = target;
    this.drawing.isBrush = $(this.element, ".place-shape").value === "brush";
    this.drawing.stored = typeof target === "number" ? this.list[target].item.mask : null;
    this.drawing.isOn = target !== null;
    this.mark();
  }

  /** Takes a box or a mask that was drawn; the brush stays, to go on with. */
  drawn(place) {
    const { target } = this;
    if (typeof target !== "number") this.add({ kind: "paint", item: { word: target.word, ...place } });
    else {
      const { box, mask, ...rest } = this.list[target].item;
      if (this.list[target].kind === "regions") delete rest.word; // the box replaces the word as its place
      this.change(target, { ...rest, ...place });
    }
    const last = typeof target === "number" ? target : this.list.length - 1;
    this.aim(place.mask ? last : null);
  }

  add(place) {
    this.set([...this.list, place]);
  }

  change(i, item) {
    this.set(this.list.map((place, k) => (k === i ? { ...place, item } : place)));
  }

  remove(i) {
    this.aim(null);
    this.set(this.list.filter((_, k) => k !== i));
  }

  set(list) {
    this.past.push(this.list);
    this.list = list;
    this.changed();
  }

  undo() {
    this.aim(null);
    this.list = this.past.pop() ?? [];
    this.changed();
  }

  changed() {
    document.dispatchEvent(new CustomEvent("places-set", { detail: this.value }));
    this.render();
  }

  drawAgain() {
    this.aim(null);
    const empty = this.list.findIndex(({ item }) => item.prompt?.trim() === "");
    if (empty >= 0) {
      this.viewer.say("A region has no prompt yet: say what it shows, or remove it.", "error");
      this.element.querySelectorAll(".places-list li")[empty].querySelector("input").focus();
      return;
    }
    this.viewer.again({ places: this.value ?? { paint: [], regions: [], heads: [] } });
  }

  colour(i) {
    return COLOURS[i % COLOURS.length];
  }

  render() {
    const focus = document.activeElement?.dataset?.key;
    const list = $(this.element, ".places-list");
    list.replaceChildren(...this.list.map((place, i) => row(place, i, this)));
    if (focus) list.querySelector(`[data-key="${focus}"]`)?.focus();
    $(this.element, ".boxes").replaceChildren(
      ...this.list.map((place, i) => box(place, this.colour(i))).filter(Boolean),
    );
    $(this.element, ".undo-place").hidden = !this.past.length;
    $(this.element, ".draw-again").hidden = !this.list.length && !this.past.length;
    this.mark();
  }

  /** Shows on words and buttons what is painted, and what will be. */
  mark() {
    const button = $(this.element, ".place-word");
    const isOn = this.target !== null;
    button.setAttribute("aria-pressed", isOn);
    const what = this.target?.word ?? this.word;
    const name = what === null ? "a word" : `“${what}”`;
    const how = this.drawing.isBrush
      ? "Paint on the picture; press here to end"
      : "Drag a box on the picture";
    button.textContent = isOn ? how : `Paint where ${name} goes`;
    const colours = new Map(
      this.list.flatMap(({ kind, item }, i) => (kind === "paint" ? [[item.word, this.colour(i)]] : [])),
    );
    for (const word of this.element.querySelectorAll("#pane-picture .word")) {
      const colour = colours.get(word.firstChild.textContent);
      word.style.boxShadow = colour ? `inset 0 -4px 0 ${colour}` : "";
    }
  }
}

/** A place on the picture. */
function box({ kind, item }, colour) {
  if (item.mask) return layer(item.mask, colour);
  if (!item.box) return null;
  const [left, top, right, bottom] = item.box.map((part) => `${100 * part}%`);
  const shape = document.createElement("div");
  shape.className = "box";
  shape.style.setProperty("--colour", colour);
  shape.style.inset = `${top} calc(100% - ${right}) calc(100% - ${bottom}) ${left}`;
  const name = document.createElement("span");
  name.textContent = kind === "paint" ? item.word : item.prompt;
  shape.append(name);
  return shape;
}
