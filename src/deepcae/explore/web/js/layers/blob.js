// How one blob of one image is drawn: maps as tiles, short rows as bars, long ones as cells, waveforms as curves.
import { across, image, range, tiles } from '../pictures.js';

export const BARS_UP_TO = 40; // values that can still be read as bars
const LINES = 4; // curves in one panel; more channels are drawn as stripes, one above the other
const PIXELS = 480; // of a picture's side, about

/** The paper's way to write a size: height × width × maps, or the number of values. */
export function size(shape) {
  const [maps, ...plane] = shape;
  if (plane.every((side) => side === 1)) return String(maps ?? 1);
  return [...plane, ...(maps > 1 ? [maps] : [])].join('×');
}

const product = (shape) => shape.reduce((all, side) => all * side, 1);

/** [lines, length of each] of an array with one long axis, as waveforms are; null where it is a picture. */
export function lines(shape) {
  const longest = Math.max(...shape);
  const count = product(shape) / longest;
  return longest >= 8 * count && longest > BARS_UP_TO ? [count, longest] : null;
}

/**
 * How a blob is laid out.
 * @param {number[]} shape  of its array
 * @param {{shape: number[], kind: string}|null} about  of the image: a blob of its size is drawn as it is
 * @returns {{kind: 'maps'|'colours'|'bars'|'cells'|'curves', count: number, height: number, width: number, columns: number}}
 *   `count` tiles of `height` × `width` values, `columns` side by side. A unit is a bar, a cell, a curve or a map, which
 *   is one tile, and of volumes as many as it has `slices`.
 */
export function layout(shape, about = null) {
  const total = product(shape);
  const wave = about?.kind === 'curve' && (shape.length > 1 || total === product(about.shape)) && lines(shape);
  if (wave && wave[0] <= LINES) return { kind: 'curves', count: wave[0], height: 1, width: wave[1], columns: 1 };
  if (wave) return { kind: 'maps', count: wave[0], height: 1, width: wave[1], columns: 1 }; // stripes
  if (shape.slice(1).every((side) => side === 1)) {
    const columns = total <= BARS_UP_TO ? total : Math.ceil(Math.sqrt(total));
    return { kind: total <= BARS_UP_TO ? 'bars' : 'cells', count: total, height: 1, width: 1, columns };
  }
  const [height, width] = shape.slice(-2);
  const count = total / (height * width);
  const whole = about && shape.length === 3 && shape.join() === about.shape.join();
  if (whole && shape[0] === 3) return { kind: 'colours', count: 1, height, width, columns: 1 };
  const slices = shape.length === 4 ? shape[1] : 1;
  const columns = slices > 1 && shape[0] > 1 ? slices : across(count, [height, width]);
  return { kind: 'maps', count, height, width, columns, slices };
}

/** Which unit lies at (x, y), both from 0 to 1 over the picture; -1 where none does. */
export function unitAt({ count, columns, slices = 1 }, x, y) {
  const rows = Math.ceil(count / columns);
  const place = (share, places) => Math.min(places - 1, Math.max(0, Math.floor(share * places)));
  const tile = place(y, rows) * columns + place(x, columns);
  return tile < count ? Math.floor(tile / slices) : -1;
}

/** How many units a layout has. */
export const units = ({ count, slices = 1 }) => count / slices;

/**
 * The picture of a blob that is no bars and no curves.
 * @param {Float32Array} values
 * @param {object} laid  of `layout`
 * @param {{each?: boolean, about?: object}} options  each: every map has its own black and white
 * @returns {ImageData}
 */
export function picture(values, laid, { each = false, about = null } = {}) {
  if (laid.kind === 'colours') return image(values, [3, laid.height, laid.width], about);
  if (laid.kind === 'cells') {
    const rows = Math.ceil(laid.count / laid.columns);
    const cells = new Float32Array(rows * laid.columns).fill(NaN);
    cells.set(values);
    return tiles(cells, [1, rows, laid.columns], { scale: range(values), zoom: zoomed(laid.columns, rows) });
  }
  const [wide, high] = [laid.columns * laid.width, Math.ceil(laid.count / laid.columns) * laid.height];
  const zoom = zoomed(wide, high);
  const gap = laid.count > 1 && laid.height > 1 ? Math.max(1, Math.round((Math.max(wide, high) * zoom) / 120)) : 0;
  return tiles(values, [laid.count, laid.height, laid.width], { columns: laid.columns, each, zoom, gap });
}

const zoomed = (wide, high) => Math.max(1, Math.floor(PIXELS / Math.max(wide, high)));

/** The values of a unit as they were told, and their shape: a map, the slices of one, a line, or one number. */
export function unitOf(values, laid, unit) {
  const { height, width, slices = 1 } = laid;
  const length = slices * height * width;
  return { values: values.subarray(unit * length, (unit + 1) * length), shape: [slices, height, width] };
}
