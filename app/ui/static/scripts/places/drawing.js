// A box that is dragged, or a mask that is painted, on the picture, by mouse or finger.

import { Brush, fill } from "./brush.js";

const LEAST = 0.04; // of the picture's side: a smaller box is a slip of the hand
const WHITE = "#ffffff";

export class Drawing {
  /**
   * @param frame around the picture
   * @param done takes {box: [left, top, right, bottom]}, as parts of the picture, or {mask}, as records have it
   */
  constructor(frame, done) {
    this.frame = frame;
    this.done = done;
    this.from = null;
    this.isBrush = false;
    this.stored = null; // a mask that the brush goes on with
    this.isFresh = false; // something has just been drawn, and its click is still to come
    this.shape = document.createElement("div");
    this.shape.className = "box rubber";
    this.canvas = document.createElement("canvas");
    this.canvas.className = "mask rubber";
    frame.addEventListener("pointerdown", (event) => this.down(event));
    frame.addEventListener("pointermove", (event) => this.move(event));
    frame.addEventListener("pointerup", (event) => this.up(event));
    frame.addEventListener("pointercancel", () => this.end());
  }

  set isOn(is) {
    this.frame.dataset.placing = is;
  }

  get isOn() {
    return this.frame.dataset.placing === "true";
  }

  down(event) {
    if (!this.isOn || event.button !== 0) return;
    event.preventDefault();
    this.frame.setPointerCapture(event.pointerId);
    this.from = this.at(event);
    const { width, height } = this.frame.getBoundingClientRect();
    if (this.isBrush) this.brush = new Brush(width / height, this.stored);
    this.frame.append(this.isBrush ? this.canvas : this.shape);
    this.move(event);
  }

  move(event) {
    if (!this.from) return;
    if (this.isBrush) {
      for (const each of event.getCoalescedEvents?.() ?? []) this.brush.to(this.at(each));
      this.brush.to(this.at(event));
      fill(this.canvas, this.brush.width, this.brush.height, this.brush.levels, WHITE);
      return;
    }
    const [left, top, right, bottom] = this.box(event).map((part) => `${100 * part}%`);
    this.shape.style.inset = `${top} calc(100% - ${right}) calc(100% - ${bottom}) ${left}`;
  }

  up(event) {
    if (!this.from) return;
    const box = this.box(event);
    this.end();
    this.isFresh = true;
    setTimeout(() => {
      this.isFresh = false;
    });
    if (this.isBrush) this.done({ mask: this.brush.mask });
    else if (box[2] - box[0] >= LEAST && box[3] - box[1] >= LEAST) this.done({ box });
  }

  end() {
    this.from = null;
    this.shape.remove();
    this.canvas.remove();
  }

  at(event) {
    const box = this.frame.getBoundingClientRect();
    const part = (value, start, size) => Math.min(1, Math.max(0, (value - start) / size));
    return [part(event.clientX, box.left, box.width), part(event.clientY, box.top, box.height)];
  }

  /** In whole percents, as the numbers of the list show them. */
  box(event) {
    const [[ax, ay], [bx, by]] = [this.from, this.at(event)];
    const box = [Math.min(ax, bx), Math.min(ay, by), Math.max(ax, bx), Math.max(ay, by)];
    return box.map((part) => Math.round(100 * part) / 100);
  }
}
