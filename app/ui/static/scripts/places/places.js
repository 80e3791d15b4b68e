// Where words shall be, and regions with a prompt of their own: boxes on the picture, and a list of them.

import { nounOf } from "../light.js";
import { Drawing } from "./drawing.js";
import { heading, row } from "./row.js";

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
    this.drawing = new Drawing($(element, ".frame"), (box) => this.drawn(box));
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

  /** As the server takes them; null where there are none. */
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

  /** The picture that is shown: its words are what can be painted. */
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

  /** Says for what the next box on the picture is: a word, a place of the list, or nothing. */
  aim(target) {
    if (target !== null && this.list.length >= MOST && typeof target === "object") {
      this.viewer.say(`There are ${MOST} places; remove one first.`);
      return;
    }
    this.target = target;
    this.drawing.isOn = target !== null;
    this.mark();
  }

  drawn(box) {
    const { target } = this;
    if (typeof target === "number") this.change(target, { ...this.list[target].item, box });
    else this.add({ kind: "paint", item: { word: target.word, box } });
    this.aim(null);
  }

  add(place) {
    this.set([...this.list, place]);
  }

  change(i, item) {
    const { mask, ...rest } = item; // a box takes the place of a mask, and of a word to lie on
    if (item.box && this.list[i].kind === "regions") delete rest.word;
    this.set(this.list.map((place, k) => (k === i ? { ...place, item: item.box ? rest : item } : place)));
  }

  remove(i) {
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
      this.element
        .querySelectorAll(".places-list li:not(.places-heading)")
        [empty].querySelector("input")
        .focus();
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
    if (this.list.length) list.prepend(heading());
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
    button.textContent = isOn ? "Drag a box on the picture" : `Paint where ${name} goes`;
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
