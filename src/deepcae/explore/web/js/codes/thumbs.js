// Small pictures of images, as many as are in sight: asked for in heaps, kept on one canvas.
import { post } from '../api.js';

const ACROSS = 64; // of the canvas that keeps them: 64 x 64 pictures
const HEAP = 400; // asked for at a time

/** Small pictures of the rows; `heard` is called whenever some more are there. */
export class Thumbs {
  constructor(app) {
    this.app = app;
    const [height, width] = app.about.image.kind === 'curve' ? [24, 48] : app.about.image.shape.slice(-2);
    this.side = Math.max(16, Math.min(48, Math.max(height, width)));
    this.canvas = document.createElement('canvas');
    this.canvas.width = this.canvas.height = ACROSS * this.side;
    this.pen = this.canvas.getContext('2d');
    this.heard = new Set();
    this.clear();
  }

  clear() {
    this.slots = new Map(); // row -> number of its place
    this.owners = new Int32Array(ACROSS * ACROSS).fill(-1);
    this.next = 0;
    this.wanted = [];
    this.turn = (this.turn ?? 0) + 1;
  }

  /** Rows that are in sight now: those that are missing are asked for, the latest wish first. */
  want(rows) {
    this.wanted = rows.filter((row) => !this.slots.has(row));
    if (this.wanted.length && !this.busy) this.ask();
  }

  async ask() {
    this.busy = true;
    const { turn } = this;
    while (this.wanted.length) {
      const rows = this.wanted.splice(0, HEAP);
      try {
        const { arrays } = await post('/api/images', { rows, what: 'image', side: this.side });
        if (turn !== this.turn) break;
        this.keep(rows, arrays.pictures);
      } catch (error) {
        this.wanted = [];
        this.app.problem(error);
      }
    }
    this.busy = false;
    if (turn !== this.turn && this.wanted.length) this.ask();
  }

  keep(rows, { values, shape: [, height, width] }) {
    this.size = [width, height];
    const picture = new ImageData(width, height);
    for (let at = 0; at < rows.length; at++) {
      for (let pixel = 0, from = 3 * at * width * height; pixel < width * height; pixel++, from += 3) {
        picture.data[4 * pixel] = values[from];
        picture.data[4 * pixel + 1] = values[from + 1];
        picture.data[4 * pixel + 2] = values[from + 2];
        picture.data[4 * pixel + 3] = 255;
      }
      const slot = this.next++ % this.owners.length;
      if (this.owners[slot] >= 0) this.slots.delete(this.owners[slot]);
      this.owners[slot] = rows[at];
      this.slots.set(rows[at], slot);
      this.pen.putImageData(picture, ...this.place(slot));
    }
    this.wanted = this.wanted.filter((row) => !this.slots.has(row));
    for (const listener of this.heard) listener();
  }

  place(slot) {
    return [(slot % ACROSS) * this.side, Math.floor(slot / ACROSS) * this.side];
  }

  /** Draws a row's picture into a square of `side` at (left, top); false where it is not there yet. */
  draw(pen, row, left, top, side) {
    const slot = this.slots.get(row);
    if (slot === undefined) return false;
    const [width, height] = this.size;
    const scale = side / Math.max(width, height);
    const [wide, high] = [width * scale, height * scale];
    const place = [left + (side - wide) / 2, top + (side - high) / 2, wide, high];
    pen.imageSmoothingEnabled = scale < 1;
    pen.drawImage(this.canvas, ...this.place(slot), width, height, ...place);
    return true;
  }
}

/**
 * Which images stand for the points in sight: a grid of cells that moves with the map, one image for each cell that
 * holds points, always the same one at the same zoom.
 * @returns {{rows: Int32Array|number[], places: number[][], side: number}} places: [left, top] of each cell
 */
export function grid(points, plane, side) {
  points.arrange();
  const cell = side * 2 ** (Math.log2(plane.kx * 1e6) % 0.5); // grows a little until the next zoom
  const { xs, ys, count, order, back } = points;
  const { kx, ky, tx, ty, width, height } = plane;
  const [west, north] = [Math.floor(-tx / cell), Math.floor(-ty / cell)];
  const columns = Math.ceil(width / cell) + 2;
  const first = new Int32Array(columns * (Math.ceil(height / cell) + 2)).fill(-1);
  const rows = [];
  const places = [];
  for (let k = count - 1; k >= 0; k--) {
    if (k < back && back < count) break; // those that stand back have no picture
    const x = xs[k] * kx;
    const y = -ys[k] * ky;
    if (!(x + tx >= 0 && x + tx < width && y + ty >= 0 && y + ty < height)) continue;
    const [column, line] = [Math.floor(x / cell), Math.floor(y / cell)];
    const at = (line - north) * columns + column - west;
    if (first[at] >= 0) continue;
    first[at] = order[k];
    rows.push(order[k]);
    places.push([column * cell + tx, line * cell + ty]);
  }
  return { rows, places, side: cell - 3 };
}
