// The film of a picture's steps: the preview and the light of each.

import { stepsOf } from "../light.js";
import { MEAN } from "../maps.js";

const RATE = 6; // steps a second, at normal speed

const $ = (root, selector) => root.querySelector(selector);

/** Which step is shown; its last position is the finished picture with the light of all steps together. */
export class Film {
  constructor(element, viewer) {
    this.element = element;
    this.viewer = viewer;
    this.slider = $(element, ".step");
    this.picture = null;
    this.images = new Map(); // step -> loaded preview
    this.count = 0;
    this.timer = null;
    this.slider.addEventListener("input", () => {
      this.pause();
      this.turn();
    });
    $(element, ".play").addEventListener("click", () => (this.isPlaying ? this.pause() : this.play()));
  }

  get isPlaying() {
    return this.timer !== null;
  }

  get isWhole() {
    return !this.count || Number(this.slider.value) > this.count;
  }

  /** The frame of the maps that is shown. */
  get frame() {
    return this.isWhole ? MEAN : Number(this.slider.value) - 1;
  }

  /** The preview of the step that is shown; null for the finished picture. */
  get image() {
    return this.isWhole ? null : this.at(Number(this.slider.value));
  }

  /** The preview of a step, or of the last one before it that there is. */
  at(step) {
    for (let each = step; each > 0; each--) if (this.images.has(each)) return this.images.get(each);
    return null;
  }

  /** Takes a picture; its film begins at its end. The step is kept where it has as many as the one before. */
  async load(picture, maps) {
    const isOver = picture.state === "done";
    const parts = picture.is_whole === false ? picture.count : 0; // the example's film is loaded later
    const count = isOver ? Math.max(stepsOf(maps), picture.film?.at(-1)?.index ?? 0, parts) : 0;
    const bar = $(this.element, ".film");
    bar.hidden = isOver && count < 2;
    bar.inert = !isOver; // it stays visible while the next picture is drawn
    if (this.picture?.id === picture.id && this.picture?.film === picture.film && this.count === count)
      return;
    const step = this.isWhole || count !== this.count ? count + 1 : Number(this.slider.value);
    this.pause();
    this.picture = picture;
    this.count = count;
    this.slider.max = count + 1;
    this.slider.value = step;
    this.images = new Map();
    this.say();
    this.loaded = Promise.all((isOver ? (picture.film ?? []) : []).map((each) => this.take(each)));
    await this.loaded;
  }

  async take({ index, image: url }) {
    const { images } = this;
    const image = new Image();
    image.src = url;
    await image.decode();
    images.set(index, image);
  }

  /** Goes to the end. */
  end() {
    this.pause();
    this.slider.value = this.slider.max;
    this.say();
  }

  play() {
    if (this.isWhole) this.slider.value = 0; // the browser makes it the first step
    this.mark(true);
    const next = () => {
      this.turn();
      const speed = Number($(this.element, ".speed").value);
      this.timer = this.isWhole ? null : setTimeout(next, 1000 / (RATE * speed));
      if (this.isWhole) this.mark(false);
      else this.slider.value = Number(this.slider.value) + 1;
    };
    next();
  }

  pause() {
    clearTimeout(this.timer);
    this.timer = null;
    this.mark(false);
  }

  mark(is) {
    const button = $(this.element, ".play");
    button.textContent = is ? "❚❚" : "▶";
    button.setAttribute("aria-label", is ? "Pause" : "Play");
  }

  turn() {
    this.say();
    this.viewer.lens.turn();
  }

  say() {
    const text = this.isWhole ? "finished" : `${this.slider.value} of ${this.count}`;
    $(this.element, ".step-value").textContent = text;
    this.slider.setAttribute("aria-valuetext", this.isWhole ? "finished picture" : `step ${text}`);
  }
}
