// The tab "Attention": one word at every site and step, the heads of a site, and the backends.

import { nounOf, percent, shortSite } from "../light.js";
import { concentration, field, MEAN, rangeOf } from "../maps.js";
import { tile } from "../paint.js";

const COLUMNS = 9;
const NOTHING = 0.001; // of the attention of a place: a row whose most is less stays dark

export class Attention {
  constructor(element, viewer) {
    this.element = element;
    this.viewer = viewer;
    this.site = null;
  }

  refresh() {
    if (!this.element.hidden && this.viewer.picture) this.render(this.viewer.picture, this.viewer.maps());
  }

  render(picture, maps) {
    const view = maps?.views.get("attention");
    const sites = view?.layers.filter((layer) => layer.kind === "heads") ?? [];
    if (picture.state !== "done" || !sites.length) {
      this.element.replaceChildren(note("Draw a picture with maps of sites to see them here."));
      return;
    }
    const words = view.chips.map((chip, i) => ({ ...chip, i })).filter((chip) => chip.part === "word");
    const chosen = [...this.viewer.lens.selected].filter((i) => i < view.chips.length);
    const chips = chosen.length ? chosen : [nounOf(view, picture.unknown)];
    if (!sites.some((layer) => layer.name === this.site)) this.site = sites.at(-1).name;
    this.element.replaceChildren(
      this.choose(words, chips),
      this.steps(view, sites, chips),
      this.heads(view, sites, chips),
      this.plan(picture),
    );
  }

  choose(words, chips) {
    const row = document.createElement("div");
    row.className = "words";
    row.setAttribute("role", "toolbar");
    row.setAttribute("aria-label", "Word that is shown");
    row.append(
      ...words.map((word) => {
        const button = document.createElement("button");
        button.type = "button";
        button.className = "word";
        button.textContent = word.text;
        button.setAttribute("aria-pressed", chips.includes(word.i));
        button.addEventListener("click", () => {
          this.viewer.lens.selected = new Set([word.i]);
          this.viewer.chips.mark();
          this.viewer.lens.paint();
          this.refresh();
        });
        return button;
      }),
    );
    return row;
  }

  steps(view, sites, chips) {
    const section = part(
      "Sites and steps",
      "Every row is a cross-attention site, in the order in which they run; every column is a step. In each row, the darkest colour is no attention, and the brightest is the row's highest value.",
    );
    const count = Math.max(...view.layers.find((layer) => layer.kind === "grid").frames) + 1;
    const shown = columns(count);
    const table = document.createElement("div");
    table.className = "multiples";
    table.style.setProperty("--columns", shown.length + 1);
    table.append(label("step"), ...shown.map((step) => label(step + 1)), label("all"));
    for (const { name } of sites) {
      const row = document.createElement("button");
      row.type = "button";
      row.className = "site-name";
      row.textContent = shortSite(name);
      row.title = name;
      row.setAttribute("aria-pressed", name === this.site);
      row.addEventListener("click", () => {
        this.site = name;
        this.refresh();
      });
      const fields = [...shown, MEAN].map((frame) => field(view, name, frame, chips));
      const most = Math.max(0, ...fields.map((one) => (one ? rangeOf(one.values)[1] : 0)));
      const scale = document.createElement("small");
      scale.textContent = most < NOTHING ? "under 0.1 %" : `up to ${percent(most)}`;
      row.append(scale);
      table.append(row, ...fields.map((one) => this.tile(one, Math.max(most, NOTHING))));
    }
    section.append(table);
    return section;
  }

  heads(view, sites, chips) {
    const layer = sites.find((each) => each.name === this.site);
    const section = part(
      `Heads of ${shortSite(this.site)}`,
      "The word's map in each head. The number says how concentrated it is: 0.00 is the same everywhere, 1.00 is a single position. Switch a head off to see what it did.",
    );
    const row = document.createElement("div");
    row.className = "head-tiles";
    for (const head of layer.frames.filter((frame) => frame !== MEAN)) {
      const one = field(view, this.site, MEAN, chips, head);
      const figure = document.createElement("figure");
      const caption = document.createElement("figcaption");
      caption.textContent = `Head ${head + 1} · ${concentration(one.values).toFixed(2)}`;
      figure.append(this.tile(one, rangeOf(one.values)[1]), caption, this.off(head));
      row.append(figure);
    }
    section.append(row);
    return section;
  }

  /** Draws the picture again without a head, and compares. */
  off(head) {
    const { paint = [], regions = [], heads = [] } = this.viewer.picture.settings;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "button";
    const isOff = heads.some((each) => each.site === this.site && each.head === head);
    button.disabled = isOff;
    button.textContent = isOff ? "is off" : "Switch off";
    button.setAttribute("aria-label", `Switch head ${head + 1} off, and draw again`);
    button.addEventListener("click", () =>
      this.viewer.again({
        places: { paint, regions, heads: [...heads, { site: this.site, head, scale: 0 }] },
      }),
    );
    return button;
  }

  tile(one, most) {
    const canvas = document.createElement("canvas");
    canvas.className = "tile";
    if (one) tile(canvas, one, 0, most);
    return canvas;
  }

  plan(picture) {
    const section = part(
      "Backends",
      "The backend of each site, and how long one of its calls takes by itself on this machine.",
    );
    const table = document.createElement("table");
    const head = document.createElement("tr");
    for (const text of ["Site", "Kind", "Positions", "Heads", "Backend", "Kernel", "Time"])
      head.append(cell("th", text));
    table.append(head);
    for (const site of picture.sites ?? []) {
      const row = document.createElement("tr");
      const time = site.milliseconds === null ? "" : `${site.milliseconds.toFixed(2)} ms`;
      for (const text of [
        shortSite(site.name),
        site.kind,
        site.positions,
        site.heads,
        site.backend,
        site.kernel,
        time,
      ])
        row.append(cell("td", String(text)));
      row.title = site.name;
      table.append(row);
    }
    const scroll = document.createElement("div");
    scroll.className = "scroll";
    scroll.tabIndex = 0; // wider than a phone: the arrow keys move it
    scroll.setAttribute("role", "region");
    scroll.setAttribute("aria-label", "Table of backends");
    scroll.append(table);
    section.append(scroll);
    return section;
  }
}

function columns(count) {
  const most = Math.min(COLUMNS, count);
  return [
    ...new Set(Array.from({ length: most }, (_, i) => Math.round((i * (count - 1)) / Math.max(1, most - 1)))),
  ];
}

function part(title, text) {
  const section = document.createElement("section");
  const heading = document.createElement("h2");
  heading.textContent = title;
  section.append(heading, note(text));
  return section;
}

function note(text) {
  const line = document.createElement("p");
  line.className = "note";
  line.textContent = text;
  return line;
}

function label(text) {
  const span = document.createElement("span");
  span.className = "column-name";
  span.textContent = text;
  return span;
}

function cell(kind, text) {
  const one = document.createElement(kind);
  one.textContent = text;
  return one;
}
