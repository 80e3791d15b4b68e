// The film as a file: GIF, WebP or MP4, made in the browser.

import { lightOf, wordsOf } from "../light.js";
import { MEAN } from "../maps.js";
import { blobOf, compose, save, sheet, sizeOf, write } from "./compose.js";

const SIDE = 512; // pixels of the longer side
const CAPTION = 44;
const STEP = 160; // milliseconds
const HOLD = 1400; // for which the finished picture stays
const MOST_STEPS = 50; // of one word: more are thinned out
const BITS = 4_000_000; // a second, of a video
const CODECS = ["avc1.42001f", "vp09.00.31.08", "av01.0.04M.08"];

export { save };

export class NotMade extends Error {}

/** The frames of a film, one after the other: {canvas, milliseconds}. */
export function* framesOf(film, finished, maps, look, words) {
  const [width, height] = sizeOf(finished, SIDE);
  const steps = thinned(film.count);
  for (const chips of words) {
    const name = chips.map((i) => maps.views.get(look.view).chips[i].text).join(" + ");
    for (const step of [...steps, film.count + 1]) {
      const isLast = step > film.count;
      const frame = isLast ? MEAN : step - 1;
      const [canvas, context] = sheet(width, height + CAPTION);
      const light = lightOf(maps, { ...look, frame }, chips);
      const image = isLast ? finished : (film.at(step) ?? finished);
      compose(context, image, light, look, [0, 0, width, height]);
      write(context, name, [14, height + CAPTION / 2], { size: 22, width: width - 170 });
      context.textAlign = "right";
      const text = isLast ? "finished" : `step ${step} of ${film.count}`;
      write(context, text, [width - 14, height + CAPTION / 2], { size: 16, colour: "#a9b6bb" });
      yield { canvas, milliseconds: isLast ? HOLD : STEP };
    }
  }
}

/** Lists of chips that are lit one after the other. */
export function turns(maps, look, lit, isAll) {
  const view = maps.views.get(look.view);
  if (isAll) {
    const words = wordsOf(view);
    const long = words.filter((i) => view.chips[i].text.length > 2);
    return (long.length ? long : words).map((i) => [i]);
  }
  return [lit];
}

function thinned(count) {
  const every = Math.ceil(count / MOST_STEPS);
  return Array.from({ length: count }, (_, i) => i + 1).filter((step) => (count - step) % every === 0);
}

/** A film as a file. Raises NotMade where this browser cannot. */
export async function makeFilm(format, frames) {
  return { gif: asGif, webp: asWebp, mp4: asMp4 }[format](frames);
}

async function asGif(frames) {
  const { GIFEncoder, quantize, applyPalette } = await import("../../vendor/gifenc.js");
  const gif = GIFEncoder();
  for (const { canvas, milliseconds } of frames) {
    const { width, height } = canvas;
    const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
    const palette = quantize(data, 256);
    gif.writeFrame(applyPalette(data, palette), width, height, { palette, delay: milliseconds });
    await pause();
  }
  gif.finish();
  return new Blob([gif.bytes()], { type: "image/gif" });
}

async function asWebp(frames) {
  const { animated } = await import("./webp.js");
  const [stills, times] = [[], []];
  let size = [0, 0];
  for (const { canvas, milliseconds } of frames) {
    const still = await blobOf(canvas, "image/webp", 0.85);
    if (still.type !== "image/webp") throw new NotMade("This browser writes no WebP; save a GIF instead.");
    stills.push(still);
    times.push(milliseconds);
    size = [canvas.width, canvas.height];
  }
  return animated(stills, times, ...size);
}

async function asMp4(frames) {
  const { Muxer, ArrayBufferTarget } = await import("../../vendor/mp4-muxer.js");
  let [muxer, encoder, failed, at] = [null, null, null, 0];
  for (const { canvas, milliseconds } of frames) {
    if (!encoder) {
      const { width, height } = canvas;
      const codec = await codecFor(width, height);
      const kind = { avc1: "avc", vp09: "vp9", av01: "av1" }[codec.slice(0, 4)];
      muxer = new Muxer({
        target: new ArrayBufferTarget(),
        video: { codec: kind, width, height },
        fastStart: "in-memory",
      });
      encoder = new VideoEncoder({
        output: (part, about) => muxer.addVideoChunk(part, about),
        error: (error) => {
          failed = error;
        },
      });
      encoder.configure({ codec, width, height, bitrate: BITS });
    }
    // A long frame is written several times: players show the last frame as long as the one before it.
    const times = Math.round(milliseconds / STEP);
    for (let i = 0; i < times; i++) {
      const frame = new VideoFrame(canvas, { timestamp: 1000 * at, duration: (1000 * milliseconds) / times });
      encoder.encode(frame, { keyFrame: at === 0 });
      frame.close();
      at += milliseconds / times;
    }
    await pause();
  }
  await encoder.flush();
  if (failed)
    throw new NotMade(`This browser could not write the video (${failed.message}); save a GIF instead.`);
  muxer.finalize();
  return new Blob([muxer.target.buffer], { type: "video/mp4" });
}

async function codecFor(width, height) {
  if (typeof VideoEncoder === "undefined")
    throw new NotMade(
      "This browser writes no videos here (it does over https or on this machine); save a GIF instead.",
    );
  for (const codec of CODECS) {
    const { supported } = await VideoEncoder.isConfigSupported({ codec, width, height, bitrate: BITS });
    if (supported) return codec;
  }
  throw new NotMade("This browser writes no video; save a GIF instead.");
}

/** Gives the browser time for events between frames. */
const pause = () => new Promise((resolve) => setTimeout(resolve));
