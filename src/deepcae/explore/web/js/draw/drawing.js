// An image that is being drawn: its values, what the pen does to them, and what can be taken back.
import { lines } from '../layers/blob.js';

const MOST_BACK = 200;

/** How far (x, y) is from the line between two points. */
function apart(x, y, [x0, y0], [x1, y1]) {
  const [right, down] = [x1 - x0, y1 - y0];
  const along = Math.max(0, Math.min(1, ((x - x0) * right + (y - y0) * down) / (right * right + down * down || 1)));
  return Math.hypot(x - x0 - along * right, y - y0 - along * down);
}

/** `values` (C,H,W), or (C,D,H,W) of a volume, or waveforms, from `low` (where nothing is drawn) to `high`. */
export class Drawing {
  constructor({ shape, kind, low, high }) {
    Object.assign(this, { shape, low, high, back: [], forth: [] });
    this.blank = kind === 'curve' && low < 0 && high > 0 ? 0 : low;
    this.values = new Float32Array(shape.reduce((all, side) => all * side, 1)).fill(this.blank);
    if (kind === 'curve') [this.lines, this.length] = lines(shape) ?? [1, this.values.length];
    else [this.height, this.width] = shape.slice(-2);
    this.channels = shape[0];
    this.slices = shape.length === 4 ? shape[1] : 1;
  }

  /** Before something changes: it can be taken back to here. */
  keep() {
    this.back.push(this.values.slice());
    if (this.back.length > MOST_BACK) this.back.shift();
    this.forth = [];
  }

  /** A step back, or forth again. */
  undo() {
    this.swap(this.back, this.forth);
  }

  redo() {
    this.swap(this.forth, this.back);
  }

  swap(from, to) {
    if (!from.length) return;
    to.push(this.values);
    this.values = from.pop();
  }

  set(values) {
    this.keep();
    this.values = Float32Array.from(values);
  }

  clear() {
    this.set(new Float32Array(this.values.length).fill(this.blank));
  }

  invert() {
    this.set(this.values.map((value) => this.low + this.high - value));
  }

  /** The pen touches down. Within one stroke no place takes ink twice. */
  begin() {
    this.keep();
    this.covers = new Float32Array(this.height * this.width);
    this.start = this.values.slice();
  }

  /**
   * The pen moves in a straight line; places in pixels of the image, [x, y] from its upper left corner.
   * @param {number} radius
   * @param {number[]} ink  the value of each channel
   * @param {number} slice  of a volume
   */
  stroke(from, to, radius, ink, slice = 0) {
    const { height, width, covers, start, values } = this;
    const edge = radius + 1;
    const clip = (value, most) => Math.max(0, Math.min(most - 1, Math.floor(value)));
    const [top, bottom] = [clip(Math.min(from[1], to[1]) - edge, height), clip(Math.max(from[1], to[1]) + edge, height)];
    const [left, right] = [clip(Math.min(from[0], to[0]) - edge, width), clip(Math.max(from[0], to[0]) + edge, width)];
    for (let y = top; y <= bottom; y++) {
      for (let x = left; x <= right; x++) {
        const cover = Math.max(0, Math.min(1, radius + 0.5 - apart(x + 0.5, y + 0.5, from, to)));
        const at = y * width + x;
        if (cover <= covers[at]) continue;
        covers[at] = cover;
        for (let channel = 0; channel < this.channels; channel++) {
          const place = (channel * this.slices + slice) * height * width + at;
          values[place] = start[place] + cover * (ink[channel] - start[place]);
        }
      }
    }
  }

  /** Where in `values` a moment of a waveform is: the long axis may be any. */
  moment(line, time) {
    const axis = this.shape.indexOf(this.length);
    const rest = this.shape.slice(axis + 1).reduce((all, side) => all * side, 1);
    return (Math.floor(line / rest) * this.length + time) * rest + (line % rest);
  }

  /** A waveform is drawn from one moment [time, value] to another. */
  trace(from, to, line = 0) {
    const [first, last] = from[0] <= to[0] ? [from, to] : [to, from];
    for (let time = Math.max(0, first[0]); time <= Math.min(this.length - 1, last[0]); time++) {
      const part = last[0] > first[0] ? (time - first[0]) / (last[0] - first[0]) : 1;
      const value = first[1] + part * (last[1] - first[1]);
      this.values[this.moment(line, time)] = Math.max(this.low, Math.min(this.high, value));
    }
  }

  /** One slice of a volume, or all of an image, as (C,H,W). */
  plane(slice = 0) {
    if (this.slices === 1) return this.values;
    const size = this.height * this.width;
    const plane = new Float32Array(this.channels * size);
    for (let channel = 0; channel < this.channels; channel++) {
      const from = (channel * this.slices + slice) * size;
      plane.set(this.values.subarray(from, from + size), channel * size);
    }
    return plane;
  }

  /** Puts a plane (C,H,W) in its place. */
  place(plane, slice = 0) {
    this.keep();
    this.values = this.values.slice();
    const size = this.height * this.width;
    for (let channel = 0; channel < this.channels; channel++) {
      this.values.set(plane.subarray(channel * size, (channel + 1) * size), (channel * this.slices + slice) * size);
    }
  }
}
