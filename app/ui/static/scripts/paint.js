// The light over a picture.

import { cubic } from "./maps.js";

const LONGEST = 1024; // pixels of the picture's canvas
const SIDE = 192; // of the light's: six for each position of a grid of 32

// The table of pipeline/results/overlay.py: a curve through OKLab whose lightness is a straight line.
const DARK = [0.2, 0.02, -0.11];
const MIDDLE = [0.585, -0.11, -0.015];
const LIGHT = [0.97, -0.06, 0.17];

function fromOklab([lightness, a, b]) {
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  const linear = [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ];
  return linear.map((value) => {
    const c = Math.min(1, Math.max(0, value));
    return Math.round(255 * (c <= 0.0031308 ? 12.92 * c : 1.055 * c ** (1 / 2.4) - 0.055));
  });
}

const curve = (t) =>
  DARK.map((dark, i) => (1 - t) ** 2 * dark + 2 * t * (1 - t) * MIDDLE[i] + t * t * LIGHT[i]);

/** 256 colours with opacity, from no attention to most. */
function table(colourOf) {
  const colours = new Uint8ClampedArray(256 * 4);
  for (let i = 0; i < 256; i++) colours.set(colourOf(i / 255), i * 4);
  return colours;
}

const smooth = (low, high, t) => {
  const u = Math.min(1, Math.max(0, (t - low) / (high - low)));
  return u * u * (3 - 2 * u);
};
// How much of the picture is seen under the spotlight.
const seen = (t) => smooth(0.2, 0.8, t);

const TABLES = {
  spotlight: table((t) => [5, 8, 16, 255 * (1 - seen(t))]),
  limelight: table((t) => [...fromOklab(curve(t)), 255]),
  grey: table((t) => [255 * t, 255 * t, 255 * t, 255]),
};

/** The colours of a legend. */
export function legend(canvas, name) {
  const context = canvas.getContext("2d");
  const { width, height } = canvas;
  const colours = name === "spotlight" ? table((t) => [...spotlit(t), 255]) : TABLES[name];
  const image = context.createImageData(width, height);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const level = Math.round((x / (width - 1)) * 255);
      image.data.set(colours.subarray(level * 4, level * 4 + 4), (y * width + x) * 4);
    }
  context.putImageData(image, 0, 0);
}

const spotlit = (t) => [5 + seen(t) * 230, 8 + seen(t) * 240, 16 + seen(t) * 130];

/** The light over a picture: a canvas of its own, which the browser smooths to the picture's size. */
export class Painter {
  /**
   * @param picture the canvas of the picture, drawn once for each
   * @param light the canvas that lies over it, drawn for each word
   */
  constructor(picture, light) {
    this.picture = picture;
    this.light = light;
    this.size(picture.width, picture.height);
  }

  /** Draws the picture, or nothing. */
  draw(image) {
    if (!image) {
      this.size(this.picture.width, this.picture.height);
      return;
    }
    const scale = LONGEST / Math.max(image.width, image.height);
    const [width, height] = [image.width, image.height].map((side) => Math.round(side * scale));
    if (this.picture.width !== width || this.picture.height !== height) this.size(width, height);
    const context = this.picture.getContext("2d");
    context.imageSmoothingQuality = "high";
    context.drawImage(image, 0, 0, width, height);
  }

  size(width, height) {
    const scale = SIDE / Math.max(width, height);
    [this.picture.width, this.picture.height] = [width, height];
    this.light.width = Math.max(1, Math.round(width * scale));
    this.light.height = Math.max(1, Math.round(height * scale));
  }

  /** Gives the light the colours of a field; `show` lets it be seen. */
  shine({ field, low, high }, table) {
    const { light } = this;
    fill(light, cubic(field, light.height, light.width), low, high, table);
  }

  show(opacity, table) {
    this.light.style.opacity = opacity;
    this.picture.style.filter = opacity && table !== "spotlight" ? "grayscale(1)" : "none";
  }
}

/** A field at its own size, for small multiples. */
export function tile(canvas, field, low, high) {
  canvas.width = field.width;
  canvas.height = field.height;
  fill(canvas, field.values, low, high, "limelight");
}

function fill(canvas, values, low, high, name) {
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, canvas.height);
  const colours = new Uint32Array(TABLES[name].buffer);
  const pixels = new Uint32Array(image.data.buffer);
  const unit = high > low ? 255 / (high - low) : 0;
  for (let i = 0; i < pixels.length; i++) {
    const level = (values[i] - low) * unit;
    pixels[i] = colours[level < 0 ? 0 : level > 255 ? 255 : level | 0];
  }
  context.putImageData(image, 0, 0);
}
