// Two pictures, one over the other with a slider between them or side by side, with the light of a word on
// both, step by step.

import { compose, sizeOf } from "../film/compose.js";
import { chipsOf, lightOf, percent, stepsOf, wordsOf } from "../light.js";
import { MEAN, unpack } from "../maps.js";
import { wholeExample } from "../tour.js";
import { caption } from "./captions.js";

const LONGEST = 640; // pixels of a picture
const HINT =
  "Choose two pictures of the history, one after the other. Type another word under a picture, or drag one to another weight, to compare with that.";

export class Compare {
  constructor(element, viewer) {
    this.element = element;
    this.viewer = viewer;
    this.sides = [null, null];
    this.next = 0;
    this.word = null; // the one that is lit
    this.cut = 50; // percent of the left picture that is shown
    this.isSide = false; // side by side
    this.step = null; // of both; null is the finished pictures
  }

  /**
   * Compares two pictures.
   * @param undo takes back what made the right one out of the left one; null if nothing did
   */
  set(left, right, undo = null) {
    this.sides = [left, right];
    this.undo = undo;
    this.step = null;
    if (right.settings.edit_of) this.isSide = true;
  }

  /** Puts a picture on the side whose turn it is. */
  put(picture) {
    this.sides[this.next] = picture;
    this.next = 1 - this.next;
    this.undo = null;
    this.step = null;
    this.render();
  }

  async render() {
    const [left, right] = this.sides;
    if (!left || !right) {
      this.element.replaceChildren(note(HINT), ...[left, right].filter(Boolean).map((each) => figure(each)));
      return;
    }
    this.maps = this.sides.map((picture) => picture.maps && unpack(picture.maps));
    this.films = null; // loaded when a step is asked for
    const frame = this.frame(left);
    const captions = document.createElement("div");
    captions.className = "compare-captions";
    captions.append(caption(left, right), caption(right, left));
    this.legend = note("");
    this.legend.setAttribute("role", "status");
    const steps = this.steps();
    this.element.replaceChildren(
      this.bar(),
      frame,
      ...steps,
      this.words(),
      this.legend,
      captions,
      note(HINT),
    );
    this.images = await Promise.all(
      this.sides.map((picture) => this.viewer.image(picture.viewed ?? picture.image)),
    );
    this.paint();
  }

  frame(left) {
    const frame = document.createElement("div");
    frame.className = "compare-frame";
    this.element.classList.toggle("is-side", this.isSide);
    frame.style.setProperty("--shape", `${left.settings.width} / ${left.settings.height}`);
    frame.style.setProperty("--cut", `${this.cut}%`);
    this.canvases = this.sides.map((picture, i) => {
      const canvas = document.createElement("canvas");
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", `${i ? "Right" : "Left"}: ${picture.prompt}`);
      if (!i) canvas.className = "over";
      return canvas;
    });
    const line = document.createElement("i");
    const slider = document.createElement("input");
    Object.assign(slider, { type: "range", min: 0, max: 100, value: this.cut });
    slider.className = "cut";
    slider.setAttribute("aria-label", "How much of the left picture is shown");
    slider.addEventListener("input", () => {
      this.cut = slider.value;
      frame.style.setProperty("--cut", `${slider.value}%`);
    });
    frame.append(this.canvases[1], this.canvases[0], line, slider);
    return frame;
  }

  /** How the pictures lie, and the way back from a change. */
  bar() {
    const bar = document.createElement("div");
    bar.className = "buttons";
    const side = button("Side by side", () => {
      this.isSide = !this.isSide;
      this.element.classList.toggle("is-side", this.isSide);
      side.setAttribute("aria-pressed", this.isSide);
    });
    side.setAttribute("aria-pressed", this.isSide);
    bar.append(side);
    if (this.undo) bar.append(button("Undo the change", this.undo));
    return bar;
  }

  /** A slider through the steps of both pictures; nothing where they have none. */
  steps() {
    const counts = this.sides.map((picture, i) => Math.max(stepsOf(this.maps[i]), filmOf(picture)));
    const count = Math.max(...counts);
    if (count < 2) return [];
    const row = document.createElement("label");
    row.className = "compare-steps";
    const slider = document.createElement("input");
    const value = document.createElement("output");
    Object.assign(slider, { type: "range", min: 1, max: count + 1, value: this.step ?? count + 1 });
    slider.setAttribute("aria-label", "Step of both pictures");
    const say = () => {
      value.textContent = this.step === null ? "finished" : `step ${this.step} of ${count}`;
      slider.setAttribute("aria-valuetext", value.textContent);
    };
    slider.addEventListener("input", async () => {
      this.step = Number(slider.value) > count ? null : Number(slider.value);
      this.count = count;
      say();
      const { sides } = this;
      const films = this.films ?? (await Promise.all(sides.map(loadFilm)));
      if (sides !== this.sides) return; // others came meanwhile
      this.films = films;
      this.paint();
    });
    this.count = count;
    say();
    row.append(slider, value);
    return [row];
  }

  /** The step of one side, and the picture then; of the finished picture where no step is chosen. */
  at(i) {
    const film = this.films?.[i];
    const own = film?.size ? Math.max(...film.keys()) : stepsOf(this.maps[i]);
    if (this.step === null || !own) return { frame: MEAN, image: this.images[i] };
    const step = Math.max(1, Math.round((this.step * own) / this.count));
    const frame = Math.min(step, Math.max(1, stepsOf(this.maps[i]))) - 1;
    return { frame, image: film?.get(step) ?? this.images[i] };
  }

  /** The words of both pictures: each lights what it lit in either. */
  words() {
    const row = document.createElement("div");
    row.className = "words";
    row.setAttribute("role", "group");
    row.setAttribute("aria-label", "Words: light one up in both pictures");
    const all = pairsOf(this.sides, this.maps);
    if (!all.has(this.word)) this.word = null;
    this.pairs = all;
    row.append(
      ...[...all.keys()].map((text) => {
        const made = button(text, () => {
          this.word = text === this.word ? null : text;
          for (const each of row.children) each.setAttribute("aria-pressed", each.textContent === this.word);
          this.paint();
        });
        made.className = "word";
        made.setAttribute("aria-pressed", text === this.word);
        return made;
      }),
    );
    return row;
  }

  paint() {
    const { lens } = this.viewer;
    const look = { ...lens.look, view: "attention" };
    const now = this.sides.map((_, i) => this.at(i));
    const lights = this.maps.map((maps, i) =>
      this.word === null
        ? null
        : lightOf(
            maps,
            { ...look, frame: now[i].frame },
            chipsOf(maps, "attention", [this.pairs.get(this.word)[i]]),
          ),
    );
    if (look.scale === "shared") {
      const most = Math.max(...lights.map((light) => light?.high ?? 0)); // one scale for both pictures
      for (const light of lights) if (light) light.high = most;
    }
    now.forEach(({ image }, i) => {
      const canvas = this.canvases[i];
      [canvas.width, canvas.height] = sizeOf(image, LONGEST);
      compose(canvas.getContext("2d"), image, lights[i], lens.colours, [0, 0, canvas.width, canvas.height]);
    });
    const [left, right] = lights.map((light) => (light ? `up to ${percent(light.top)}` : "none"));
    this.legend.textContent =
      this.word === null
        ? "Choose a word to see its light on both sides."
        : `“${this.word}” has ${left} of the attention on the left, ${right} on the right.`;
  }
}

/** What can be lit: the name of a word -> the word on each side. An edit's new words stand for the old ones. */
function pairsOf(sides, maps) {
  const [left, right] = maps.map((each) => {
    const view = each?.views.get("attention");
    return view ? wordsOf(view).map((i) => view.chips[i].text) : [];
  });
  const isEdit = sides[1].settings.edit_of && left.length === right.length;
  const pair = (old, text) => (old === text ? [text, [text, text]] : [`${old} → ${text}`, [old, text]]);
  if (isEdit) return new Map(right.map((text, i) => pair(left[i], text)));
  return new Map([...left, ...right].map((text) => [text, [text, text]]));
}

/** How many steps a picture's film has. */
const filmOf = (picture) => picture.film?.at(-1)?.index ?? 0;

/** Step -> loaded preview. */
async function loadFilm(picture) {
  const { film } = picture.is_whole === false ? ((await wholeExample()) ?? picture) : picture;
  const load = async ({ index, image: url }) => {
    const image = new Image();
    image.src = url;
    await image.decode();
    return [index, image];
  };
  return new Map(await Promise.all((film ?? []).map(load)));
}

function button(text, act) {
  const made = document.createElement("button");
  made.type = "button";
  made.className = "button";
  made.textContent = text;
  made.addEventListener("click", act);
  return made;
}

function note(text) {
  const line = document.createElement("p");
  line.className = "hint";
  line.textContent = text;
  return line;
}

function figure(picture) {
  const image = new Image();
  image.src = picture.viewed ?? picture.image;
  image.alt = picture.prompt;
  image.className = "compare-single";
  return image;
}
