// The sheet of a picture: the picture, and then the light of each of its words.

import { lightOf, percent, wordsOf } from "../light.js";
import { blobOf, compose, save, sheet, sizeOf, write } from "./compose.js";

const TILE = 256;
const GAP = 16;
const CAPTION = 34;
const COLUMNS = 4;
const LARGEST = 1024;

/** The picture with the light that is on it. */
export async function saveOverlay(image, light, look, name) {
  const [width, height] = sizeOf(image, LARGEST);
  const [canvas, context] = sheet(width, height);
  compose(context, image, light, look, [0, 0, width, height]);
  save(await blobOf(canvas), name);
}

/** The lights of all words on one sheet, in the scale that is chosen. */
export async function saveSheet(picture, image, maps, look, name) {
  const view = maps.views.get(look.view);
  const words = wordsOf(view);
  const [width, height] = sizeOf(image, TILE);
  const columns = Math.min(COLUMNS, words.length + 1);
  const rows = Math.ceil((words.length + 1) / columns);
  const [wide, high] = [columns * (width + GAP) + GAP, rows * (height + CAPTION + GAP) + 2 * CAPTION + GAP];
  const [canvas, context] = sheet(wide, high);
  write(context, picture.prompt || "(an empty prompt)", [GAP, CAPTION], { size: 20, width: wide - 2 * GAP });
  const cells = [null, ...words];
  cells.forEach((word, i) => {
    const left = GAP + (i % columns) * (width + GAP);
    const top = 2 * CAPTION + Math.floor(i / columns) * (height + CAPTION + GAP);
    const light = word === null ? null : lightOf(maps, look, [word]);
    compose(context, image, light, look, [left, top, width, height]);
    const text = word === null ? `seed ${picture.seed}` : view.chips[word].text;
    write(context, text, [left, top + height + CAPTION / 2], { size: 16, width: width - 70 });
    if (light) {
      context.textAlign = "right";
      write(context, percent(light.top), [left + width, top + height + CAPTION / 2], {
        size: 13,
        colour: "#a9b6bb",
      });
      context.textAlign = "left";
    }
  });
  save(await blobOf(canvas), name);
}
