// Animated WebP: stills as the browser writes them, in one container.
// Source: developers.google.com/speed/webp/docs/riff_container

const ANIMATED = 0x02;
const NO_BLENDING = 0x02;

/**
 * @param stills WebP files, each of one image without transparency
 * @param milliseconds for which each is shown
 */
export async function animated(stills, milliseconds, width, height) {
  const chunks = [chunk("VP8X", [ANIMATED, 0, 0, 0, ...int24(width - 1), ...int24(height - 1)])];
  chunks.push(chunk("ANIM", [255, 0, 0, 0, 0, 0])); // background, and no end of repeats
  for (const [i, still] of stills.entries()) {
    const image = bitstream(new Uint8Array(await still.arrayBuffer()));
    const head = [
      ...int24(0),
      ...int24(0),
      ...int24(width - 1),
      ...int24(height - 1),
      ...int24(milliseconds[i]),
      NO_BLENDING,
    ];
    const body = new Uint8Array(head.length + image.length);
    body.set(head);
    body.set(image, head.length);
    chunks.push(chunk("ANMF", body));
  }
  const size = chunks.reduce((sum, each) => sum + each.length, 4);
  return new Blob([ascii("RIFF"), int32(size), ascii("WEBP"), ...chunks], { type: "image/webp" });
}

/** The chunk with the pixels of a still. */
function bitstream(file) {
  const view = new DataView(file.buffer);
  for (let at = 12; at + 8 <= file.length; ) {
    const name = String.fromCharCode(...file.subarray(at, at + 4));
    const size = view.getUint32(at + 4, true);
    const end = at + 8 + size + (size % 2);
    if (name === "VP8 " || name === "VP8L") return file.subarray(at, end);
    at = end;
  }
  throw new Error("This browser writes no WebP; save a GIF instead.");
}

function chunk(name, data) {
  const whole = new Uint8Array(8 + data.length + (data.length % 2));
  whole.set(ascii(name));
  whole.set(int32(data.length), 4);
  whole.set(data, 8);
  return whole;
}

const ascii = (text) => Uint8Array.from(text, (letter) => letter.charCodeAt(0));
const int24 = (number) => [number & 255, (number >> 8) & 255, (number >> 16) & 255];
const int32 = (number) => Uint8Array.from([...int24(number), (number >>> 24) & 255]);
