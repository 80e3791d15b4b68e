// The picture with the light over it, and what the inspector says of it.

import { field, MEAN, placeField, rangeOf, valueAt } from "./maps.js";
import { legend, Painter } from "./paint.js";

const $ = (root, selector) => root.querySelector(selector);
export const percent = (value) => `${(100 * value).toFixed(value < 0.0995 ? 1 : 0)} %`;

export class Lens {
  constructor(element, viewer) {
    this.element = element;
    this.viewer = viewer;
    this.canvas = $(element, ".picture");
    this.painter = new Painter(this.canvas, $(element, ".light"));
    this.selected = new Set(); // of chips
    this.hovered = null;
    this.place = null; // a clicked place: where it looks
    this.view = "attention";
    this.image = null;
    this.listen();
  }

  reset() {
    this.selected.clear();
    this.hovered = null;
    this.place = null;
    this.view = "attention";
    $(this.element, ".step").value = 0;
  }

  /** Takes what is shown for nothing, until another picture is there; it stays to be seen. */
  forget() {
    this.reset();
    this.image = null;
    this.maps = null;
    this.picture = null;
    this.paint();
  }

  get frame() {
    const step = Number($(this.element, ".step").value);
    return step === 0 ? MEAN : step - 1;
  }

  get head() {
    return Number($(this.element, ".head").value || MEAN);
  }

  get source() {
    return $(this.element, ".source").value || "best";
  }

  get lit() {
    return this.hovered === null ? [...this.selected] : [this.hovered];
  }

  async show(picture, maps) {
    this.picture = picture;
    this.maps = maps;
    $(this.element, ".frame").dataset.empty = !picture.image;
    const image = await this.viewer.image(picture.image);
    if (this.picture !== picture) return; // another came meanwhile
    if (image !== this.image) this.painter.draw(image);
    if (image) $(this.element, ".frame").style.aspectRatio = `${image.width} / ${image.height}`;
    this.image = image;
    this.controls();
    this.paint();
  }

  /** What is lit now: its numbers, and the range that its colours span. */
  light(chips = this.lit) {
    const { maps } = this;
    if (!maps) return null;
    if (this.place && maps.points && this.hovered === null) {
      const there = placeField(maps.points, ...this.place);
      return { field: there, low: 0, high: rangeOf(there.values)[1], what: "where this place looks" };
    }
    const view = maps.views.get(this.view);
    if (!view || !chips.length) return null;
    const one = field(view, this.source, this.frame, chips, this.head);
    if (!one) return null;
    const [low, high] = rangeOf(one.values);
    const scale = $(this.element, ".scale").value;
    const names = chips.map((i) => view.chips[i].text).join(" + ");
    if (scale === "stretched") return { field: one, low, high, what: names };
    return { field: one, low: 0, high: scale === "shared" ? this.shared(view) : high, what: names };
  }

  /** The most that any word has here. */
  shared(view) {
    const words = view.chips.map((chip, i) => [chip, i]).filter(([chip]) => chip.part === "word");
    const tops = words.map(([, i]) => field(view, this.source, this.frame, [i], this.head));
    return Math.max(...tops.map((each) => (each ? rangeOf(each.values)[1] : 0)));
  }

  paint() {
    const light = this.light();
    const table = $(this.element, ".table").value;
    const opacity = light ? Number($(this.element, ".opacity").value) / 100 : 0;
    // Where nothing is lit, the first word shines unseen: the browser has compiled all that a click needs.
    const shown = light ?? this.light([0]);
    if (shown) this.painter.shine(shown, table);
    this.painter.show(opacity, table);
    this.describe(light, table);
    this.element.dispatchEvent(new CustomEvent("painted"));
  }

  describe(light, table) {
    const card = $(this.element, ".legend");
    card.hidden = !light;
    const prompt = this.picture?.prompt ?? "";
    if (!light) {
      this.canvas.setAttribute("aria-label", prompt ? `Picture: ${prompt}` : "No picture yet");
      return;
    }
    legend($(card, ".legend-bar"), table);
    $(card, ".legend-title").textContent = light.what;
    $(card, ".legend-top").textContent = percent(light.high);
    const how = this.source === "best" && !this.place && this.view === "attention" ? this.maps?.best : "";
    $(card, ".legend-how").textContent = how ? `${how[0].toUpperCase()}${how.slice(1)}` : "";
    const where = whereabouts(light.field);
    this.canvas.setAttribute(
      "aria-label",
      `Picture: ${prompt}. Lit: ${light.what}, most in the ${where}, where it has ${percent(light.high)} of the attention.`,
    );
    $(this.element, ".crosshair").hidden = !this.place;
  }

  /** Fits the controls to what was recorded. */
  controls() {
    const { maps, picture } = this;
    $(this.element, ".controls").hidden = !maps;
    $(this.element, ".hint").hidden = !maps || picture.state !== "done";
    if (!maps) return;
    const view = maps.views.get(this.view) ?? [...maps.views.values()][0];
    const grids = view.layers.filter((layer) => layer.kind === "grid");
    const heads = view.layers.filter((layer) => layer.kind === "heads");
    const last = Math.max(...(grids[0]?.frames ?? [MEAN])) + 1;
    const step = $(this.element, ".step");
    step.max = last;
    $(this.element, ".step-value").textContent = step.value === "0" ? "all" : `${step.value} of ${last}`;
    options($(this.element, ".source"), [
      ["best", "The best heads"],
      ...grids.map((layer) => [layer.name, `Grid ${layer.name.replace("x", "×")}`]),
      ...heads.map((layer) => [layer.name, shortSite(layer.name)]),
    ]);
    const site = heads.find((layer) => layer.name === this.source);
    $(this.element, ".head-row").hidden = !site || site.frames.length < 2;
    options(
      $(this.element, ".head"),
      (site?.frames ?? [MEAN]).map((head) => [
        String(head),
        head === MEAN ? "All heads" : `Head ${head + 1}`,
      ]),
    );
    const names = {
      attention: "Attention",
      values: "Contribution",
      refined: "Refined by self-attention",
      negative: "Negative prompt",
    };
    const views = [...maps.views.keys()];
    $(this.element, ".view-row").hidden = views.length < 2;
    options(
      $(this.element, ".view"),
      views.map((name) => [name, names[name]]),
    );
    $(this.element, ".view").value = this.view;
  }

  listen() {
    for (const selector of [".step", ".opacity", ".source", ".head", ".table", ".scale"])
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
    this.canvas.addEventListener("click", (event) => this.look(this.at(event)));
    this.canvas.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.place) this.look(null);
    });
  }

  at(event) {
    const box = this.canvas.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  }

  /** Lights up where a place looks; the same place again, or none, puts that light out. */
  look(point) {
    if (!this.maps?.points) return;
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

  /** Which words act at a point. */
  bars(point) {
    const view = this.maps?.views.get(this.view);
    const card = $(this.element, ".bars");
    if (!point || !view) {
      card.classList.add("faded");
      return;
    }
    card.hidden = false;
    card.classList.remove("faded");
    const shares = view.chips
      .map((chip, i) => ({ chip, field: field(view, this.source, this.frame, [i], this.head) }))
      .filter(({ chip, field: one }) => chip.part === "word" && one)
      .map(({ chip, field: one }) => ({ text: chip.text, value: valueAt(one, ...point) }))
      .sort((a, b) => b.value - a.value)
      .slice(0, 7);
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

/** Sets a select's options, keeping what is chosen where it is still there. */
function options(select, pairs) {
  const { value } = select;
  const wanted = pairs.map(([key]) => key).join("\n");
  if (select.dataset.keys === wanted) return;
  select.dataset.keys = wanted;
  select.replaceChildren(...pairs.map(([key, text]) => new Option(text, key)));
  if (pairs.some(([key]) => key === value)) select.value = value;
}

/** A site's name for people: "down 1 · block 1". */
export function shortSite(name) {
  const part = /^(down|up)_blocks\.(\d+)\.attentions\.(\d+)\.transformer_blocks\.(\d+)/.exec(name);
  if (part)
    return `${part[1] === "down" ? "Down" : "Up"} ${part[2]} · layer ${part[3]}${part[4] === "0" ? "" : `.${part[4]}`}`;
  return name.startsWith("mid_block") ? "Middle" : name;
}

/** Where most of a field lies, in words. */
function whereabouts({ values, height, width }) {
  let best = 0;
  values.forEach((value, i) => {
    if (value > values[best]) best = i;
  });
  const third = (value, size, names) => names[Math.min(2, Math.floor((3 * value) / size))];
  const down = third(Math.floor(best / width), height, ["upper", "middle", "lower"]);
  const across = third(best % width, width, ["left", "middle", "right"]);
  return down === "middle" && across === "middle" ? "middle" : down === across ? down : `${down} ${across}`;
}
