// Many decoded images on one canvas, side by side.
import { lines } from '../layers/blob.js';
import { token } from '../palette.js';
import { image, tiles } from '../pictures.js';

const WAVE = [72, 44]; // pixels of a waveform among others

/** A waveform into a part of a canvas. */
function wave(pen, values, [left, top], { shape, low, high }) {
  const [count, length] = lines(shape) ?? [1, values.length];
  const [wide, tall] = WAVE;
  pen.strokeStyle = token('--ink');
  for (let line = 0; line < count; line++) {
    pen.beginPath();
    for (let at = 0; at < length; at++) {
      const share = (values[line * length + at] - low) / (high - low || 1);
      pen.lineTo(left + 2 + (at / (length - 1)) * (wide - 4), top + 2 + (1 - share) * (tall - 4));
    }
    pen.stroke();
  }
}

/** Of a volume its middle slice, as (C,H,W); of all else the image itself. */
function middle(values, shape) {
  if (shape.length < 4) return [values, shape];
  const [channels, depth, height, width] = shape;
  const size = height * width;
  const slice = new Float32Array(channels * size);
  for (let channel = 0; channel < channels; channel++) {
    const from = (channel * depth + (depth >> 1)) * size;
    slice.set(values.subarray(from, from + size), channel * size);
  }
  return [slice, [channels, height, width]];
}

/**
 * `count` images (count × C·H·W values) in rows of `columns` on a canvas, which takes the size that they need.
 * @param {HTMLCanvasElement} canvas
 * @param {{shape: number[], kind: string, low: number, high: number}} about
 */
export function sheetOf(canvas, values, count, columns, about, gap = 0) {
  const each = values.length / count;
  const [, shape] = middle(values.subarray(0, each), about.shape);
  const grey = about.kind !== 'curve' && shape.length === 3 && shape[0] === 1 && about.shape.length === 3;
  const [wide, tall] = about.kind === 'curve' ? WAVE : shape.slice(-2).reverse();
  canvas.width = columns * (wide + gap) - gap;
  canvas.height = Math.ceil(count / columns) * (tall + gap) - gap;
  const pen = canvas.getContext('2d');
  if (grey) return pen.putImageData(tiles(values, [count, tall, wide], { columns, gap, scale: [about.low, about.high] }), 0, 0);
  for (let at = 0; at < count; at++) {
    const own = values.subarray(at * each, (at + 1) * each);
    const place = [(at % columns) * (wide + gap), Math.floor(at / columns) * (tall + gap)];
    if (about.kind === 'curve') wave(pen, own, place, about);
    else pen.putImageData(image(...middle(own, about.shape), about), ...place, 0, 0, wide, tall);
  }
  return undefined;
}
