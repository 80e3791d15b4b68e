// A mask as records have it: levels in base64, on a grid as fine as the finest of attention.

const SIDE = 64; // of the longer side
const WIDTH = 0.06; // the brush's radius, as a part of the shorter side

/** A mask that a brush paints; `stored` is one to go on from. */
export class Brush {
  constructor(ratio, stored = null) {
    this.width = stored?.width ?? Math.max(1, Math.round(SIDE * Math.min(1, ratio)));
    this.height = stored?.height ?? Math.max(1, Math.round(SIDE * Math.min(1, 1 / ratio)));
    this.levels = stored ? levelsOf(stored) : new Uint8Array(this.width * this.height);
    this.last = null;
  }

  /** Paints from the last point to this one; x and y as parts of the picture. */
  to([x, y]) {
    const at = [x * this.width, y * this.height];
    const from = this.last ?? at;
    const steps = Math.max(1, Math.ceil(Math.hypot(at[0] - from[0], at[1] - from[1])));
    for (let i = 0; i <= steps; i++)
      this.dab(from[0] + ((at[0] - from[0]) * i) / steps, from[1] + ((at[1] - from[1]) * i) / steps);
    this.last = at;
  }

  dab(x, y) {
    const radius = Math.max(1, WIDTH * Math.min(this.width, this.height));
    for (let row = 0; row < this.height; row++)
      for (let column = 0; column < this.width; column++)
        if (Math.hypot(column + 0.5 - x, row + 0.5 - y) <= radius)
          this.levels[row * this.width + column] = 255;
  }

  get mask() {
    const levels = btoa(String.fromCharCode(...this.levels));
    return { width: this.width, height: this.height, levels };
  }
}

const levelsOf = ({ levels }) => Uint8Array.from(atob(levels), (letter) => letter.charCodeAt(0));

/** A mask in a colour, to be laid over the picture. */
export function layer(mask, colour) {
  const canvas = document.createElement("canvas");
  canvas.className = "mask";
  fill(canvas, mask.width, mask.height, levelsOf(mask), colour);
  return canvas;
}

export function fill(canvas, width, height, levels, colour) {
  [canvas.width, canvas.height] = [width, height];
  const image = canvas.getContext("2d").createImageData(width, height);
  const [red, green, blue] = colour.match(/[0-9a-f]{2}/gi).map((part) => Number.parseInt(part, 16));
  levels.forEach((level, i) => {
    image.data.set([red, green, blue, level * 0.6], 4 * i);
  });
  canvas.getContext("2d").putImageData(image, 0, 0);
}
