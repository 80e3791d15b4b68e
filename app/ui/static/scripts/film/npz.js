// Maps as numbers for NumPy: a ZIP of arrays, made here, so that every picture of the history has them.
// Sources: numpy.org/doc/stable/reference/generated/numpy.lib.format.html; APPNOTE.TXT of the ZIP format

import { field, MEAN } from "../maps.js";
import { save } from "./export.js";

/**
 * Saves `words`, their `maps` (words, h, w) as the model's best heads see them, `steps` (steps, words, h, w) of
 * the same heads with their `frames`, and `record`, the settings as JSON.
 */
export function saveNumbers(picture, maps, name) {
  const view = maps.views.get("attention");
  const words = view.chips.flatMap((chip, i) => (chip.part === "word" ? [i] : []));
  const layer = view.layers.find(({ kind }) => kind === "best") ?? view.layers[0];
  const [height, width] = layer.grid;
  const frames = layer.frames.filter((frame) => frame !== MEAN);
  const of = (frame) => words.flatMap((word) => [...field(view, "best", frame, [word]).values]);
  const record = JSON.stringify({ prompt: picture.prompt, seed: picture.seed, settings: picture.settings });
  const arrays = {
    words: texts(words.map((word) => view.chips[word].text)),
    maps: array("<f4", [words.length, height, width], Float32Array.from(of(MEAN))),
    steps: array("<f4", [frames.length, words.length, height, width], Float32Array.from(frames.flatMap(of))),
    frames: array("<i4", [frames.length], Int32Array.from(frames)),
    record: texts([record], []),
  };
  save(zip(arrays), name);
}

/** Texts as NumPy has them: all of one length, four bytes a character. */
function texts(some, shape = [some.length]) {
  const points = some.map((text) => [...text].map((letter) => letter.codePointAt(0)));
  const length = Math.max(1, ...points.map((each) => each.length));
  const numbers = new Uint32Array(some.length * length);
  for (const [i, each] of points.entries()) numbers.set(each, i * length);
  return array(`<U${length}`, shape, numbers);
}

function array(type, shape, numbers) {
  const sides = shape.map((side) => `${side},`).join(" ");
  const head = `{'descr': '${type}', 'fortran_order': False, 'shape': (${sides}), }`;
  const padded = `${head.padEnd(Math.ceil((head.length + 11) / 64) * 64 - 11)}\n`;
  const start = [0x93, ...ascii("NUMPY"), 1, 0, ...int16(padded.length), ...ascii(padded)];
  return joined([Uint8Array.from(start), new Uint8Array(numbers.buffer)]);
}

/** A ZIP of uncompressed files. */
function zip(arrays) {
  const files = [];
  const entries = [];
  let at = 0;
  for (const [name, data] of Object.entries(arrays)) {
    const path = ascii(`${name}.npy`);
    const about = [
      ...[20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0], // version 2.0, no flags, stored, 1980-01-01
      ...[...int32(crc(data)), ...int32(data.length), ...int32(data.length)],
      ...[...int16(path.length), ...int16(0)],
    ];
    files.push(Uint8Array.from([...ascii("PK\x03\x04"), ...about, ...path]), data);
    const rest = [...int16(0), ...int16(0), ...int16(0), ...int32(0), ...int32(at)];
    entries.push(Uint8Array.from([...ascii("PK\x01\x02"), 20, 0, ...about, ...rest, ...path]));
    at += 30 + path.length + data.length;
  }
  const size = entries.reduce((sum, each) => sum + each.length, 0);
  const count = int16(entries.length);
  const end = [...ascii("PK\x05\x06"), 0, 0, 0, 0, ...count, ...count, ...int32(size), ...int32(at), 0, 0];
  return new Blob([...files, ...entries, Uint8Array.from(end)], { type: "application/octet-stream" });
}

/** CRC-32, as ISO 3309 defines it. */
function crc(data) {
  let sum = ~0;
  for (const byte of data) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit++) sum = (sum >>> 1) ^ (0xedb88320 & -(sum & 1));
  }
  return ~sum >>> 0;
}

function joined(parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

const ascii = (text) => [...text].map((letter) => letter.charCodeAt(0));
const int16 = (number) => [number & 255, (number >> 8) & 255];
const int32 = (number) => [...int16(number), ...int16(number >>> 16)];
