// A box that is dragged on the picture, by mouse or finger.

const LEAST = 0.04; // of the picture's side: less is a slip of the hand
const STEP = 0.01; // whole percents, as the numbers of the list show them

export class Drawing {
  /**
   * @param frame around the picture
   * @param done takes [left, top, right, bottom], as parts of the picture
   */
  constructor(frame, done) {
    this.frame = frame;
    this.done = done;
    this.from = null;
    this.isFresh = false; // a box has just been drawn, and its click is still to come
    this.shape = document.createElement("div");
    this.shape.className = "box rubber";
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
    this.frame.append(this.shape);
    this.move(event);
  }

  move(event) {
    if (!this.from) return;
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
    if (box[2] - box[0] >= LEAST && box[3] - box[1] >= LEAST) this.done(box);
  }

  end() {
    this.from = null;
    this.shape.remove();
  }

  at(event) {
    const box = this.frame.getBoundingClientRect();
    const part = (value, start, size) =>
      Math.min(1, Math.max(0, Math.round((value - start) / size / STEP) * STEP));
    return [part(event.clientX, box.left, box.width), part(event.clientY, box.top, box.height)];
  }

  box(event) {
    const [[ax, ay], [bx, by]] = [this.from, this.at(event)];
    const box = [Math.min(ax, bx), Math.min(ay, by), Math.max(ax, bx), Math.max(ay, by)];
    return box.map((part) => Math.round(100 * part) / 100);
  }
}
