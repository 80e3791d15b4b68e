// The picture with the light over it, and the inspector's numbers.

import { Film } from "./film/film.js";
import { chipsOf, lightOf, percent, shortSite, whereabouts } from "./light.js";
import { field, MEAN, placeField, rangeOf, valueAt } from "./maps.js";
import { legend, Painter } from "./paint.js";

const BARS = 7; // words at a point that are shown

const $ = (root, selector) => root.querySelector(selector);

export class Lens {
  constructor(element, viewer) {
    this.element = element;
    this.viewer = viewer;
    this.canvas = $(element, ".picture");
    this.painter = new Painter(this.canvas, $(element, ".light"));
    this.selected = new Set(); // of chips
    this.hovered = null;
    this.glow = null; // the light of a word of a description that is pointed at
    this.pinned = null; // that of one that was clicked
    this.place = null; // a clicked place, whose self-attention is shown
    this.view = "attention";
    this.image = null; // on the canvas: a preview, or the finished picture
    this.finished = null; // the finished picture
    this.film = new Film(element, viewer);
    this.listen();
  }

  /** Clears the selection; words that the next picture has too are selected there again. */
  reset() {
    const view = this.maps?.views.get(this.view);
    const chips = [...this.selected].map((i) => view?.chips[i]?.text).filter(Boolean);
    this.wanted = chips.length ? chips : (this.wanted ?? []);
    this.selected.clear();
    this.hovered = this.glow = this.pinned = null;
    this.place = null;
    this.pointed = null;
  }

  /** Drops the picture and its maps; the canvas keeps it until another picture comes. */
  forget() {
    this.reset();
    this.film.end();
    this.image = null;
    this.maps = null;
    this.picture = null;
    this.paint();
  }

  /** The choices of the inspector, and the film's frame: which maps are shown, and in which scale. */
  get look() {
    return {
      view: this.view,
      source: $(this.element, ".source").value || "best",
      head: Number($(this.element, ".head").value || MEAN),
      scale: $(this.element, ".scale").value,
      frame: this.film.frame,
    };
  }

  /** Colours of the light, and how much of it is seen, 0 to 1. */
  get colours() {
    return {
      table: $(this.element, ".table").value,
      opacity: Number($(this.element, ".opacity").value) / 100,
    };
  }

  get lit() {
    return this.hovered === null ? [...this.selected] : [this.hovered];
  }

  async show(picture, maps) {
    const isOther = this.picture?.id !== picture.id;
    this.picture = picture;
    this.maps = maps;
    $(this.element, ".frame").dataset.empty = !picture.image;
    const loading = this.film.load(picture, maps);
    const image = await this.viewer.image(picture.viewed ?? picture.image);
    if (this.picture !== picture) return; // another came meanwhile
    this.finished = image;
    if (image) $(this.element, ".frame").style.aspectRatio = `${image.width} / ${image.height}`;
    if (!maps?.views.has(this.view)) this.view = "attention";
    this.controls();
    if (maps && !this.selected.size && (isOther || this.wanted?.length)) this.selectAgain();
    if (!this.film.isWhole) await loading;
    if (this.picture === picture) this.turn();
  }

  /** Lights the words that were lit in the picture before. */
  selectAgain() {
    const found = chipsOf(this.maps, this.view, this.wanted ?? []);
    this.wanted = [];
    if (!found.length) return;
    this.selected = new Set(found);
    this.viewer.chips.mark();
  }

  /** Shows the step that the film is at. */
  turn() {
    const image = this.film.image ?? this.finished ?? null;
    if (image !== this.image) this.painter.draw(image);
    this.image = image;
    this.paint();
  }

  /** What is lit now: its numbers, their highest, and the range that its colours span. */
  light(chips = this.lit) {
    const { maps } = this;
    const glow = this.glow ?? (this.hovered === null ? this.pinned : null);
    if (glow) return glow;
    if (!maps) return null;
    if (this.place && maps.points && this.hovered === null) {
      const there = placeField(maps.points, ...this.place);
      const top = rangeOf(there.values)[1];
      return { field: there, low: 0, high: top, top, what: "what this place attends to" };
    }
    return lightOf(maps, this.look, chips);
  }

  paint() {
    const light = this.light();
    const { table, opacity } = this.colours;
    // With nothing lit, the first word's light is drawn invisibly, so that the first click is fast.
    const shown = light ?? this.light([0]);
    if (shown) this.painter.shine(shown, table);
    this.painter.show(light ? opacity : 0, table);
    this.describe(light, table);
    this.element.dispatchEvent(new CustomEvent("painted"));
  }

  describe(light, table) {
    const card = $(this.element, ".legend");
    const prompt = this.picture?.prompt ?? "";
    card.classList.toggle("faded", !light);
    $(this.element, ".crosshair").hidden = !this.place && !this.pointed;
    legend($(card, ".legend-bar"), table);
    $(card, ".legend-title").textContent = light?.what ?? "Nothing is lit";
    $(card, ".legend-most").textContent = light ? `at most ${percent(light.top)}` : "";
    $(card, ".legend-top").textContent = light ? percent(light.high) : "";
    $(card, ".legend-low").textContent = light ? percent(light.low).replace("0.0 %", "0") : "";
    const isBest = this.look.source === "best" && !this.place && this.view === "attention";
    const how = light?.how ?? (light && isBest ? (this.maps?.best ?? "") : "");
    $(card, ".legend-how").textContent = how && `${how[0].toUpperCase()}${how.slice(1)}`;
    const most = light && `most in the ${whereabouts(light.field)}, where it has ${percent(light.top)}`;
    const lit = light ? ` Lit: ${light.what}, ${most} of the attention.` : "";
    const label = `Picture: ${prompt}${lit && "."}${lit}`;
    this.canvas.setAttribute("aria-label", prompt || light ? label : "No picture yet");
  }

  /** Fits the controls to what was recorded. */
  controls() {
    const { maps, picture } = this;
    for (const card of [".controls", ".legend", ".bars"]) $(this.element, card).hidden = !maps;
    for (const part of [".hint", ".weighing"])
      $(this.element, part).hidden = !maps || picture.state !== "done";
    if (!maps) return;
    const view = maps.views.get(this.view) ?? [...maps.views.values()][0];
    const grids = view.layers.filter((layer) => layer.kind === "grid");
    const heads = view.layers.filter((layer) => layer.kind === "heads");
    options($(this.element, ".source"), [
      ["best", "The best heads"],
      ...grids.map((layer) => [layer.name, `Grid ${layer.name.replace("x", "×")}`]),
      ...heads.map((layer) => [layer.name, shortSite(layer.name)]),
    ]);
    const site = heads.find((layer) => layer.name === this.look.source);
    $(this.element, ".head").disabled = !site || site.frames.length < 2;
    options(
      $(this.element, ".head"),
      (site?.frames ?? [MEAN]).map((head) => [
        String(head),
        head === MEAN ? "all heads" : `head ${head + 1}`,
      ]),
    );
    const names = {
      attention: "Attention",
      values: "Contribution",
      refined: "Refined by self-attention",
      negative: "Negative prompt",
    };
    const views = [...maps.views.keys()];
    $(this.element, ".view").disabled = views.length < 2;
    options(
      $(this.element, ".view"),
      views.map((name) => [name, names[name]]),
    );
    $(this.element, ".view").value = this.view;
  }

  listen() {
    for (const selector of [".opacity", ".source", ".head", ".table", ".scale"])
      $(this.element, selector).addEventListener("input", () => {
        $(this.element, ".opacity-value").textContent = `${$(this.element, ".opacity").value} %`;
        this.controls();
        this.paint();
      });
    $(this.element, ".view").addEventListener("input", (event) => {
      this.view = event.target.value;
      this.selected.clear();
      this.viewer.render();
    });
    this.canvas.addEventListener("pointermove", (event) => this.bars(this.at(event)));
    this.canvas.addEventListener("pointerleave", () => this.bars(null));
    this.canvas.addEventListener("click", (event) => {
      if (!this.viewer.places?.isTaking) this.lookFrom(this.at(event));
    });
    this.canvas.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.place) this.lookFrom(null);
    });
  }

  at(event) {
    const box = this.canvas.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  }

  /** Lights up what a place attends to; the same place again, or none, switches that light off. */
  lookFrom(point) {
    if (!this.maps?.points) return;
    this.pinned = null;
    const there = point && placeField(this.maps.points, ...point).place;
    const again = there && this.place && there[0] === this.place[0] && there[1] === this.place[1];
    this.place = again ? null : there;
    const mark = $(this.element, ".crosshair");
    mark.hidden = !this.place;
    if (this.place) {
      mark.style.left = `${100 * this.place[0]}%`;
      mark.style.top = `${100 * this.place[1]}%`;
    }
    this.paint();
  }

  /** Marks a point, and lists the words that act there. */
  pointAt(point) {
    const mark = $(this.element, ".crosshair");
    this.pointed = point;
    mark.style.left = `${100 * point[0]}%`;
    mark.style.top = `${100 * point[1]}%`;
    this.bars(point);
  }

  /** The words that act at a point, most first: {text, value}. */
  shares(point) {
    const view = this.maps.views.get(this.view);
    const { source, frame, head } = this.look;
    return view.chips
      .map((chip, i) => ({ chip, field: field(view, source, frame, [i], head) }))
      .filter(({ chip, field: one }) => chip.part === "word" && one)
      .map(({ chip, field: one }) => ({ text: chip.text, value: valueAt(one, ...point) }))
      .sort((a, b) => b.value - a.value);
  }

  /** Shows which words act at a point. */
  bars(point) {
    const card = $(this.element, ".bars");
    card.classList.toggle("faded", !point);
    if (!point || !this.maps?.views.has(this.view)) return;
    if (this.pointed && point !== this.pointed) this.pointed = null;
    $(this.element, ".crosshair").hidden = !this.place && !this.pointed;
    const shares = this.shares(point).slice(0, BARS);
    const most = Math.max(...shares.map((share) => share.value), 1e-9);
    $(card, ".bar-list").replaceChildren(
      ...shares.map(({ text, value }) => {
        const item = document.createElement("li");
        const name = document.createElement("span");
        const bar = document.createElement("i");
        const number = document.createElement("b");
        name.textContent = text;
        number.textContent = percent(value);
        bar.style.setProperty("--part", value / most);
        item.append(name, bar, number);
        return item;
      }),
    );
  }
}

/** Sets a select's options; keeps the present choice if it is still offered. */
function options(select, pairs) {
  const { value } = select;
  const wanted = pairs.map(([key]) => key).join("\n");
  if (select.dataset.keys === wanted) return;
  select.dataset.keys = wanted;
  select.replaceChildren(...pairs.map(([key, text]) => new Option(text, key)));
  if (pairs.some(([key]) => key === value)) select.value = value;
}
