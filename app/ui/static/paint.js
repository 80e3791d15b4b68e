// The light over a picture.

import { cubic } from "./maps.js";

const SIDE = 384; // of the light's own canvas, in pixels; the browser smooths it to the picture's size

// The table of pipeline/colours.py: a curve through OKLab whose lightness is a straight line.
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

/** 256 colours with opacity: what lies over the picture from no attention to most. */
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

/** Paints a picture and the light over it. */
export class Painter {
  constructor(canvas) {
    this.canvas = canvas;
    this.light = document.createElement("canvas");
  }

  /**
   * @param image a loaded image, or null
   * @param lit {field, low, high, table, opacity}, or null for the picture alone
   */
  paint(image, lit) {
    const { canvas } = this;
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.imageSmoothingEnabled = true;
    context.imageSmoothingQuality = "high";
    if (image) {
      context.filter = lit && lit.table !== "spotlight" ? "grayscale(1)" : "none";
      context.drawImage(image, 0, 0, canvas.width, canvas.height);
      context.filter = "none";
    }
    if (lit) {
      this.shine(lit);
      context.globalAlpha = lit.opacity;
      context.drawImage(this.light, 0, 0, canvas.width, canvas.height);
      context.globalAlpha = 1;
    }
  }

  shine({ field, low, high, table: name }) {
    const scale = SIDE / Math.max(this.canvas.width, this.canvas.height);
    const width = Math.max(1, Math.round(this.canvas.width * scale));
    const height = Math.max(1, Math.round(this.canvas.height * scale));
    this.light.width = width;
    this.light.height = height;
    fill(this.light, cubic(field, height, width), low, high, name);
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
