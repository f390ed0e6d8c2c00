// Arrays to pictures: images, differences, maps, filters, waveforms, volumes, sheets. Everything is drawn on a canvas of
// the array's own size, which the style sheet shows larger (`.pixels`), but for curves, which are drawn as lines.
import { html, useEffect, useRef } from '../vendor/preact-htm.js';
import { NUMBERS, SIGNED, token } from './palette.js';

/** The least and the largest finite value, as [low, high]; of nothing [0, 1]. */
export function range(values) {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (value < low && value !== -Infinity) low = value;
    if (value > high && value !== Infinity) high = value;
  }
  return low <= high ? [low, high] : [0, 1];
}

const blank = (width, height) => new ImageData(Math.max(1, width), Math.max(1, height));

/**
 * One plane of values (h×w from `start`) into a picture at (left, top). `table` is 256 × 3, or null for greys; each value
 * becomes a square of `zoom` pixels. Where all values are the same, they are neither black nor white.
 */
function plane(picture, values, start, [height, width], [top, left], [low, high], table, zoom = 1) {
  const scale = high > low ? 255 / (high - low) : 0;
  const { data } = picture;
  const line = 4 * picture.width;
  for (let y = 0, from = start; y < height; y++) {
    const first = line * (top + y * zoom) + 4 * left;
    for (let x = 0, to = first; x < width; x++, from++) {
      const value = values[from];
      const level = scale ? Math.max(0, Math.min(255, Math.round((value - low) * scale))) : 128;
      for (let part = 0; part < zoom; part++, to += 4) {
        data[to] = table ? table[3 * level] : level;
        data[to + 1] = table ? table[3 * level + 1] : level;
        data[to + 2] = table ? table[3 * level + 2] : level;
        data[to + 3] = value === value ? 255 : 0; // what is no number stays see-through
      }
    }
    for (let part = 1; part < zoom; part++) data.copyWithin(first + part * line, first, first + 4 * width * zoom);
  }
}

/** Three planes as red, green and blue. */
function colours(values, [height, width], [low, high]) {
  const picture = blank(width, height);
  const scale = 255 / (high - low || 1);
  const size = height * width;
  for (let at = 0; at < size; at++) {
    for (let part = 0; part < 3; part++) picture.data[4 * at + part] = (values[part * size + at] - low) * scale;
    picture.data[4 * at + 3] = 255;
  }
  return picture;
}

/** How many of `count` tiles of h×w stand side by side so that the whole is about as wide as high (times `stretch`). */
export function across(count, [height, width], stretch = 1) {
  return Math.max(1, Math.min(count, Math.round(Math.sqrt((count * height * stretch) / width))));
}

/**
 * (C,h,w) values as C tiles with gaps between.
 * @param {Float32Array} values
 * @param {number[]} shape  [C,h,w]
 * @param {{columns?: number, table?: Uint8Array|null, scale?: number[], each?: boolean, zoom?: number, gap?: number}} options
 *   scale: [low, high] of all tiles; each: every tile has its own; zoom: pixels of a value's side; gap: pixels between
 * @returns {ImageData}
 */
export function tiles(values, [count, height, width], { columns, table = null, scale, each = false, zoom = 1, gap = 1 } = {}) {
  const wide = columns ?? across(count, [height, width]);
  const [down, right] = [height * zoom + gap, width * zoom + gap];
  const picture = blank(wide * right - gap, Math.ceil(count / wide) * down - gap);
  const whole = scale ?? range(values);
  const size = height * width;
  for (let tile = 0; tile < count; tile++) {
    const at = [Math.floor(tile / wide) * down, (tile % wide) * right];
    const own = each ? range(values.subarray(tile * size, (tile + 1) * size)) : whole;
    plane(picture, values, tile * size, [height, width], at, own, table, zoom);
  }
  return picture;
}

/** (h,w) values by a table of colours (NUMBERS, SIGNED) or in greys. */
export function map(values, [height, width], { table = null, scale } = {}) {
  const picture = blank(width, height);
  plane(picture, values, 0, [height, width], [0, 0], scale ?? range(values), table);
  return picture;
}

/** Filters (I,kh,kw), or any values around zero: blue, white, red, with zero white. `others`: of `tiles`. */
export function signed(values, shape, { most, ...others } = {}) {
  const [low, high] = range(values);
  const end = most ?? (Math.max(-low, high) || 1);
  return tiles(values, shape, { ...others, table: SIGNED, scale: [-end, end] });
}

/** An image (C,H,W) as `about.image` describes it: grey, colour, or the slices of a volume side by side. */
export function image(values, shape, { low, high }) {
  const [height, width] = shape.slice(-2);
  const count = values.length / (height * width);
  if (shape.length === 3 && shape[0] === 3) return colours(values, [height, width], [low, high]);
  return tiles(values, [count, height, width], { scale: [low, high] });
}

/** The restored image less the image, summed up over the channels of a colour image: blue, white, red. */
export function difference(original, restored, shape, { low, high }) {
  const [height, width] = shape.slice(-2);
  const size = height * width;
  const count = shape.length === 3 && shape[0] === 3 ? 1 : original.length / size;
  const values = new Float32Array(count * size);
  const share = (count * size) / original.length;
  for (let at = 0; at < original.length; at++) values[at % values.length] += share * (restored[at] - original[at]);
  return signed(values, [count, height, width], { most: (high - low) / 2 });
}

/** Pictures (k,h,w,3) of bytes as one sheet. */
export function sheet(bytes, [count, height, width], columns) {
  const wide = Math.min(count, columns ?? across(count, [height, width]));
  const picture = blank(wide * (width + 1) - 1, Math.ceil(count / wide) * (height + 1) - 1);
  for (let tile = 0, from = 0; tile < count; tile++) {
    for (let y = 0; y < height; y++) {
      let to = 4 * ((Math.floor(tile / wide) * (height + 1) + y) * picture.width + (tile % wide) * (width + 1));
      for (let x = 0; x < width; x++, from += 3, to += 4) {
        picture.data[to] = bytes[from];
        picture.data[to + 1] = bytes[from + 1];
        picture.data[to + 2] = bytes[from + 2];
        picture.data[to + 3] = 255;
      }
    }
  }
  return picture;
}

/** Puts a picture on a canvas, which takes the picture's size. */
export function put(canvas, picture) {
  canvas.width = picture.width;
  canvas.height = picture.height;
  canvas.getContext('2d').putImageData(picture, 0, 0);
}

/**
 * Waveforms: each of `lines` (arrays of values of one length) as a line over the whole width; the first is drawn last.
 * The canvas takes the size at which it is shown.
 */
export function curve(canvas, lines, { low, high, colours: inks = ['--ink', '--accent', '--bad'] } = {}) {
  const ratio = devicePixelRatio || 1;
  const width = Math.max(40, canvas.clientWidth || 160);
  const height = Math.max(24, canvas.clientHeight || 64);
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  const pen = canvas.getContext('2d');
  pen.scale(ratio, ratio);
  const ends = lines.map(range);
  const [bottom, top] = [low ?? Math.min(...ends.map(([end]) => end)), high ?? Math.max(...ends.map(([, end]) => end))];
  for (let line = lines.length - 1; line >= 0; line--) {
    const values = lines[line];
    pen.beginPath();
    for (let at = 0; at < values.length; at++) {
      const x = 1 + (at / Math.max(1, values.length - 1)) * (width - 2);
      pen.lineTo(x, height - 2 - ((values[at] - bottom) / (top - bottom || 1)) * (height - 4));
    }
    pen.lineWidth = 1.25;
    pen.strokeStyle = token(inks[line % inks.length]);
    pen.stroke();
  }
}

/**
 * A canvas that `draw(canvas)` fills whenever one of `on` changes.
 * @param {{draw: (canvas: HTMLCanvasElement) => void, on: any[], title: string, kind?: string}} props
 *   title: what is seen, for those who do not see it; kind: further classes
 */
export function Canvas({ draw, on, title, kind = 'pixels', ...others }) {
  const canvas = useRef(null);
  useEffect(() => draw(canvas.current), on);
  return html`<canvas ref=${canvas} class=${kind} role="img" aria-label=${title} title=${title} ...${others} />`;
}

/**
 * An image as the run has them, whatever it is: picture, waveform or slices.
 * @param {{values: Float32Array, about: {shape: number[], kind: string, low: number, high: number}, title: string,
 *   against?: Float32Array}} props  against: the image, where `values` is what was restored and the difference is shown
 */
export function Picture({ values, about, title, against = null }) {
  const draw = (canvas) => {
    if (about.kind === 'curve') return curve(canvas, against ? [difference1(against, values)] : [values], against ? {} : about);
    return put(canvas, against ? difference(against, values, about.shape, about) : image(values, about.shape, about));
  };
  return html`<${Canvas} draw=${draw} on=${[values, against, about]} title=${title}
    kind=${about.kind === 'curve' ? 'wave' : 'pixels'} />`;
}

const difference1 = (original, restored) => restored.map((value, at) => value - original[at]);

export { NUMBERS, SIGNED };
