// A picture with a light over it, as one image.

import { Painter } from "../paint.js";

/**
 * Draws a picture and its light onto a part of a canvas.
 * @param context of the canvas
 * @param image the picture
 * @param light {field, low, high}, or null
 * @param look {table, opacity}: colours, and how much of the light is seen, 0 to 1
 * @param box [left, top, width, height] in pixels
 */
export function compose(context, image, light, { table, opacity }, [left, top, width, height]) {
  const shine = document.createElement("canvas");
  context.save();
  context.imageSmoothingQuality = "high";
  context.drawImage(image, left, top, width, height);
  if (light && opacity) {
    if (table !== "spotlight") {
      context.globalCompositeOperation = "saturation";
      context.fillStyle = "#808080";
      context.fillRect(left, top, width, height);
      context.globalCompositeOperation = "source-over";
    }
    const holder = document.createElement("canvas");
    [holder.width, holder.height] = [Math.round(width), Math.round(height)];
    new Painter(holder, shine).shine(light, table);
    context.globalAlpha = opacity;
    context.drawImage(shine, left, top, width, height);
  }
  context.restore();
}

/** Width and height of an image whose longer side becomes `longest` pixels; both even, as videos need. */
export function sizeOf(image, longest) {
  const scale = longest / Math.max(image.width, image.height);
  return [image.width, image.height].map((side) => Math.max(2, 2 * Math.round((side * scale) / 2)));
}

/** A canvas filled with the colour of the stage. */
export function sheet(width, height) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillStyle = "#0b0f14";
  context.fillRect(0, 0, width, height);
  return [canvas, context];
}

export const FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif";

/** A line of text, shortened where it does not fit. */
export function write(context, text, [left, base], { size = 18, width = Infinity, colour = "#eef3ee" } = {}) {
  context.font = `500 ${size}px ${FONT}`;
  context.fillStyle = colour;
  context.textBaseline = "middle";
  let shown = text;
  while (shown.length > 1 && context.measureText(shown).width > width)
    shown = `${shown.slice(0, -2).trimEnd()}…`;
  context.fillText(shown, left, base);
}

/** Lets the browser save a file. */
export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

export const blobOf = (canvas, type = "image/png", quality = undefined) =>
  new Promise((resolve) => canvas.toBlob(resolve, type, quality));
