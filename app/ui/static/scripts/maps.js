// Unpacks the maps that the server sends as bytes, each with its largest value.

export const MEAN = -1;

const bytesOf = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
const floatsOf = (text) => new Float32Array(bytesOf(text).buffer);

/** Unpacks a message's maps. */
export function unpack(packed) {
  const views = new Map();
  for (const view of packed.views) {
    const layers = view.layers.map((layer) => ({
      ...layer,
      index: new Map(layer.frames.map((frame, i) => [frame, i])),
      tops: floatsOf(layer.tops),
      data: bytesOf(layer.data),
    }));
    views.set(view.name, { name: view.name, chips: view.chips, layers });
  }
  const places = packed.points && {
    ...packed.points,
    tops: floatsOf(packed.points.tops),
    data: bytesOf(packed.points.data),
  };
  return { width: packed.width, height: packed.height, best: packed.best, views, points: places };
}

/** The sum of some chips' maps in one frame of a layer; null where the layer has no such frame. */
function sumOf(view, layer, frame, chips) {
  const at = layer.index.get(frame);
  if (at === undefined) return null;
  const [height, width] = layer.grid;
  const size = height * width;
  const values = new Float32Array(size);
  for (const chip of chips) {
    const map = at * view.chips.length + chip;
    const unit = layer.tops[map] / 255;
    const start = map * size;
    for (let i = 0; i < size; i++) values[i] += unit * layer.data[start + i];
  }
  return { values, height, width };
}

/**
 * The summed maps of some chips, as numbers on a grid.
 * @param source "best" for the heads whose maps fit things best, or a layer's name
 * @param frame a step, or MEAN; of a site's heads with `head`, the head, or MEAN
 */
export function field(view, source, frame, chips, head = MEAN) {
  if (source === "best") {
    // Pictures from an older version have no such layer; their finest grid replaces it.
    const best = view.layers.find((layer) => layer.kind === "best") ?? view.layers[0];
    return best ? sumOf(view, best, frame, chips) : null;
  }
  const kind = (k) => view.layers.find((layer) => layer.name === source && layer.kind === k);
  const layer = kind("grid") ?? (frame === MEAN || head !== MEAN ? kind("heads") : kind("steps"));
  return layer ? sumOf(view, layer, layer.kind === "heads" ? head : frame, chips) : null;
}

/** The self-attention map of the point nearest to (x, y), as parts of the picture's width and height. */
export function placeField(points, x, y) {
  let best = 0;
  let least = Infinity;
  points.places.forEach(([px, py], i) => {
    const distance = (px - x) ** 2 + (py - y) ** 2;
    if (distance < least) [least, best] = [distance, i];
  });
  const [height, width] = points.grid;
  const size = height * width;
  const unit = points.tops[best] / 255;
  const values = Float32Array.from(
    points.data.subarray(best * size, (best + 1) * size),
    (level) => level * unit,
  );
  return { values, height, width, place: points.places[best] };
}

/** The value of a field at a point, x and y as parts of its width and height. */
export function valueAt(field, x, y) {
  const column = Math.min(field.width - 1, Math.floor(x * field.width));
  const row = Math.min(field.height - 1, Math.floor(y * field.height));
  return field.values[row * field.width + column];
}

export function rangeOf(values) {
  let low = Infinity;
  let high = 0;
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, high];
}

/** 1 minus the entropy of a map over that of an even one. */
export function concentration(values) {
  const total = values.reduce((sum, value) => sum + value, 0);
  if (!total || values.length < 2) return 0;
  let entropy = 0;
  for (const value of values) if (value > 0) entropy -= (value / total) * Math.log(value / total);
  return 1 - entropy / Math.log(values.length);
}

// Keys' cubic with a = -0.75, as torch interpolates: the browser shows the numbers that Python gives.
const A = -0.75;
const near = (t) => ((A + 2) * t - (A + 3)) * t * t + 1;
const far = (t) => ((A * t - 5 * A) * t + 8 * A) * t - 4 * A;
const cubicWeights = (t) => [far(1 + t), near(t), near(1 - t), far(2 - t)];

/** Enlarges a field by cubic interpolation. */
export function cubic(field, height, width) {
  return resize(field, height, width, 4, cubicWeights);
}

/** For each of `to` places along `from` values: the indices of the `count` values around it, and their weights. */
function taps(from, to, count, weightsOf) {
  const places = new Int32Array(to * count);
  const weights = new Float32Array(to * count);
  for (let i = 0; i < to; i++) {
    const centre = ((i + 0.5) * from) / to - 0.5;
    const first = Math.floor(centre);
    weights.set(weightsOf(centre - first), i * count);
    for (let k = 0; k < count; k++)
      places[i * count + k] = Math.min(from - 1, Math.max(0, first + 1 - count / 2 + k));
  }
  return { places, weights };
}

function resize({ values, height, width }, newHeight, newWidth, count, weightsOf) {
  const across = taps(width, newWidth, count, weightsOf);
  const down = taps(height, newHeight, count, weightsOf);
  const wide = new Float32Array(height * newWidth);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < newWidth; x++) {
      let sum = 0;
      for (let k = x * count; k < (x + 1) * count; k++)
        sum += across.weights[k] * values[y * width + across.places[k]];
      wide[y * newWidth + x] = sum;
    }
  const out = new Float32Array(newHeight * newWidth);
  for (let y = 0; y < newHeight; y++)
    for (let k = y * count; k < (y + 1) * count; k++) {
      const weight = down.weights[k];
      const start = down.places[k] * newWidth;
      for (let x = 0; x < newWidth; x++) out[y * newWidth + x] += weight * wide[start + x];
    }
  return out;
}
