// A column to colours: the number of each row's colour, and what these colours are.
import { classColour, classMark, numbers, tokenRgb } from '../palette.js';

const STEPS = 254; // of a scale of numbers; 254 is for what is no number, 255 for points that stand back
export const NONE = 254;
const MOST_CLASSES = 250;

/**
 * @param {{kind: string, names: string[]|null, values: Float32Array|Int32Array}|null} column  null: all alike
 * @returns {{ofRow: Uint8Array, inks: number[][], names: string[]|null, classes?: Int32Array, counts?: number[], low?: number, high?: number,
 *   beyond?: number}} classes: the class of each row; low, high: between which nearly all numbers lie; beyond: how many do not
 */
export function colours(column, count) {
  if (!column) return { ofRow: new Uint8Array(count), inks: [classColour(0)], names: null, low: 0, high: 0, beyond: 0 };
  return column.kind === 'classes' ? classes(column) : scale(column.values);
}

function classes({ names, values }) {
  const ofRow = new Uint8Array(values.length);
  const counts = new Array(names.length).fill(0);
  for (let row = 0; row < values.length; row++) {
    ofRow[row] = values[row] % MOST_CLASSES;
    counts[values[row]]++;
  }
  return { ofRow, classes: values, names, counts, inks: names.slice(0, MOST_CLASSES).map((_, at) => classColour(at)) };
}

function scale(values) {
  const sorted = values.filter(Number.isFinite).sort();
  const at = (share) => sorted[Math.round(share * (sorted.length - 1))] ?? 0;
  // A few values far away must not leave one colour to all others.
  const [low, high] = at(0.98) - at(0.02) > 0.3 * (at(1) - at(0)) ? [at(0), at(1)] : [at(0.005), at(0.995)];
  const table = numbers();
  const ofRow = new Uint8Array(values.length);
  let beyond = 0;
  for (let row = 0; row < values.length; row++) {
    const share = (values[row] - low) / (high - low || 1);
    if (!(share === share)) ofRow[row] = NONE;
    else {
      if (values[row] < low || values[row] > high) beyond++;
      ofRow[row] = Math.max(0, Math.min(STEPS - 1, Math.floor(share * STEPS)));
    }
  }
  const inks = Array.from({ length: STEPS }, (_, step) => {
    const place = 3 * Math.round((step / (STEPS - 1)) * 255);
    return [...table.subarray(place, place + 3)];
  });
  return { ofRow, names: null, inks: [...inks, tokenRgb('--line')], low, high, beyond };
}

/** The colours as `Points.paint` takes them. */
export const inks = ({ inks: known, names }) => ({
  colours: known,
  dim: tokenRgb('--soft'),
  ground: tokenRgb('--surface'),
  shapes: names ? Array.from({ length: 256 }, (_, at) => (at < names.length ? classMark(at) : 'disc')) : undefined,
});
