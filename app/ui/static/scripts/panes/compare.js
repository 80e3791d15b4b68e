// Two pictures, one over the other, with a slider between them, and the light of a word on both.

import { compose, sizeOf } from "../film/compose.js";
import { chipsOf, lightOf, percent, shortSite, wordsOf } from "../light.js";
import { MEAN, unpack } from "../maps.js";

const LONGEST = 640; // pixels of a picture
const HINT =
  "Choose two pictures of the history, one after the other. Drag a word under a picture to compare it with another weight.";

export class Compare {
  constructor(element, viewer) {
    this.element = element;
    this.viewer = viewer;
    this.sides = [null, null];
    this.next = 0;
    this.word = null; // the one that is lit
    this.cut = 50; // percent of the left picture that is shown
  }

  set(left, right) {
    this.sides = [left, right];
  }

  /** Puts a picture on the side whose turn it is. */
  put(picture) {
    this.sides[this.next] = picture;
    this.next = 1 - this.next;
    this.render();
  }

  async render() {
    const [left, right] = this.sides;
    if (!left || !right) {
      this.element.replaceChildren(note(HINT), ...[left, right].filter(Boolean).map((each) => figure(each)));
      return;
    }
    this.maps = this.sides.map((picture) => picture.maps && unpack(picture.maps));
    const frame = this.frame(left);
    const captions = document.createElement("div");
    captions.className = "compare-captions";
    captions.append(caption(left, right), caption(right, left));
    this.legend = note("");
    this.legend.setAttribute("role", "status");
    this.element.replaceChildren(frame, this.words(), this.legend, captions, note(HINT));
    this.images = await Promise.all(this.sides.map((picture) => this.viewer.image(picture.image)));
    this.paint();
  }

  frame(left) {
    const frame = document.createElement("div");
    frame.className = "compare-frame";
    frame.style.aspectRatio = `${left.settings.width} / ${left.settings.height}`;
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
    slider.setAttribute("aria-label", "How much of the left picture is shown");
    slider.addEventListener("input", () => {
      this.cut = slider.value;
      frame.style.setProperty("--cut", `${slider.value}%`);
    });
    frame.append(this.canvases[1], this.canvases[0], line, slider);
    return frame;
  }

  /** The words of both pictures: each lights what it lit in either. */
  words() {
    const row = document.createElement("div");
    row.className = "words";
    row.setAttribute("role", "group");
    row.setAttribute("aria-label", "Words: light one up in both pictures");
    const texts = this.maps.flatMap((maps) => {
      const view = maps?.views.get("attention");
      return view ? wordsOf(view).map((i) => view.chips[i].text) : [];
    });
    const all = [...new Set(texts)];
    if (!all.includes(this.word)) this.word = null;
    row.append(
      ...all.map((text) => {
        const button = document.createElement("button");
        button.type = "button";
        button.className = "word";
        button.textContent = text;
        button.setAttribute("aria-pressed", text === this.word);
        button.addEventListener("click", () => {
          this.word = text === this.word ? null : text;
          for (const each of row.children) each.setAttribute("aria-pressed", each.textContent === this.word);
          this.paint();
        });
        return button;
      }),
    );
    return row;
  }

  paint() {
    const { lens } = this.viewer;
    const look = { ...lens.look, view: "attention", frame: MEAN };
    const lights = this.maps.map((maps) =>
      this.word === null ? null : lightOf(maps, look, chipsOf(maps, "attention", [this.word])),
    );
    if (look.scale === "shared") {
      const most = Math.max(...lights.map((light) => light?.high ?? 0)); // one scale for both pictures
      for (const light of lights) if (light) light.high = most;
    }
    this.images.forEach((image, i) => {
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

function note(text) {
  const line = document.createElement("p");
  line.className = "hint";
  line.textContent = text;
  return line;
}

function figure(picture) {
  const image = new Image();
  image.src = picture.image;
  image.alt = picture.prompt;
  image.className = "compare-single";
  return image;
}

/** The prompt of a picture, and its settings that differ from the other's. */
function caption(picture, other) {
  const box = document.createElement("div");
  const prompt = document.createElement("p");
  prompt.textContent = picture.prompt;
  const differences = document.createElement("p");
  const names = Object.keys(picture.settings).filter(
    (name) =>
      name !== "prompt" && JSON.stringify(picture.settings[name]) !== JSON.stringify(other.settings[name]),
  );
  const about = names.map((name) => `${name.replaceAll("_", " ")} ${shown(picture.settings[name])}`);
  differences.textContent = [...about, ...backends(picture, other)].join(" · ") || `seed ${picture.seed}`;
  box.append(prompt, differences);
  return box;
}

/** A setting in short. */
function shown(value) {
  if (value === null) return "none";
  if (Array.isArray(value))
    return value.length
      ? value
          .map(
            (each) =>
              each.prompt ?? each.word ?? (each.site ? `${shortSite(each.site)}:${each.head + 1}` : each),
          )
          .join(", ")
      : "none";
  return typeof value === "object" ? "another" : value;
}

function backends(picture, other) {
  const [mine, theirs] = [picture, other].map((each) => JSON.stringify(each.attention));
  return mine === theirs
    ? []
    : Object.entries(picture.attention).map(([kind, names]) => `${kind} ${names.join(", ")}`);
}
