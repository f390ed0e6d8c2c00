// Draws up to millions of points without a GPU: one loop over the points counts, for each pixel, how much of it they
// cover and which colour came last; one loop over the pixels makes colours of that. Nothing is allocated for a frame.
//
// A pixel is one integer: its low 8 bits are the colour that came last, the others how much lies on it, a whole mark
// being FULL. As points are drawn in a random order, the last one is a fair sample of those beneath, and neighbouring
// pixels show by their mixture what classes overlap; lightness tells how many do.

const FULL = 16;
const MARGIN = 16; // pixels around the picture, so that no mark has to be cut off
const LEVELS = 64; // of lightness
const DIM = 255; // the colour of points that stand back
const MOST = 1 << 16; // of what lies on a pixel; more looks the same

/** The numbers 0..count-1 in a random order, always the same one. */
function shuffled(count) {
  const order = new Int32Array(count);
  let state = 12345;
  for (let at = 0; at < count; at++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const other = Math.floor((state / 4294967296) * (at + 1));
    order[at] = order[other];
    order[other] = at;
  }
  return order;
}

const INSIDE = {
  disc: (x, y, radius) => Math.hypot(x, y) <= radius,
  square: (x, y, radius) => Math.max(Math.abs(x), Math.abs(y)) <= radius * 0.88,
  diamond: (x, y, radius) => Math.abs(x) + Math.abs(y) <= radius * 1.2,
  ring: (x, y, radius) => Math.hypot(x, y) <= radius && Math.hypot(x, y) >= radius * 0.5,
};

/** The pixels that a mark covers: their offsets in a picture `width` wide, and how much of each. */
function sprite(shape, size, width) {
  const inside = size < 3 ? () => true : size < 5 ? INSIDE.disc : INSIDE[shape];
  const offsets = [];
  const covers = [];
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      let cover = 0;
      for (let part = 0; part < FULL; part++) {
        const [right, down] = [x + ((part % 4) + 0.5) / 4, y + ((part >> 2) + 0.5) / 4];
        if (inside(right - size / 2, down - size / 2, size / 2)) cover++;
      }
      if (cover) {
        offsets.push(y * width + x);
        covers.push(cover);
      }
    }
  }
  return { offsets: Int32Array.from(offsets), covers: Int32Array.from(covers) };
}

/** The points of a map on a canvas. Rows are the numbers of the points as they were given. */
export class Points {
  constructor(canvas) {
    this.canvas = canvas;
    this.pen = canvas.getContext('2d', { alpha: false, willReadFrequently: true });
    this.count = 0;
    this.back = 0; // how many of the points, first in the order of drawing, stand back
    this.ratio = 1;
    this.table = new Uint32Array(LEVELS * 256);
    this.levels = new Uint8Array(MOST);
    this.shapes = new Array(256).fill('disc');
    this.sprites = { size: 0, width: 0 };
    this.inks = { colours: [[0, 0, 0]], dim: [128, 128, 128], ground: [255, 255, 255] };
    this.unsettled = true;
  }

  /** `xy`: (count, 2) float32; what is no number is not drawn. Of another number of points, colours and who stands back begin anew. */
  load(xy) {
    this.xy = xy;
    const count = xy.length / 2;
    if (count !== this.count) {
      this.count = count;
      this.shuffle = shuffled(count);
      this.order = new Int32Array(count);
      this.xs = new Float32Array(count);
      this.ys = new Float32Array(count);
      this.ink = new Uint8Array(count);
      this.ofRow = new Uint8Array(count);
      this.front = this.may = null;
    }
    this.arranged = false;
  }

  /**
   * @param {Uint8Array} ofRow  the number of each row's colour, below 255
   * @param {{colours: number[][], dim: number[], ground: number[], shapes?: string[]}} inks  as [red, green, blue]
   */
  paint(ofRow, inks) {
    this.ofRow = ofRow;
    this.inks = inks;
    for (let at = 0; at < 256; at++) this.shapes[at] = inks.shapes?.[at] ?? 'disc';
    this.sprites.size = 0;
    this.arranged = false;
  }

  /** Who stands in front, and who may be picked: 1 for those rows; null for all. */
  emphasise(front, may = front) {
    this.front = front;
    this.may = may;
    this.arranged = false;
  }

  /** Positions and colours in the order of drawing, those who stand back first; once for all that was changed. */
  arrange() {
    if (this.arranged) return;
    const { shuffle, order, front, count } = this;
    let at = 0;
    if (front) for (let k = 0; k < count; k++) if (!front[shuffle[k]]) order[at++] = shuffle[k];
    this.back = at;
    for (let k = 0; k < count; k++) if (!front || front[shuffle[k]]) order[at++] = shuffle[k];
    for (let k = 0; k < count; k++) {
      const row = order[k];
      this.xs[k] = this.xy[2 * row];
      this.ys[k] = this.xy[2 * row + 1];
      this.ink[k] = k < this.back ? DIM : this.ofRow[row];
    }
    this.arranged = this.unsettled = true;
  }

  /** On the way from other places to those of the map: `share` 0 is there, 1 is here. Nearest and next go by it, too. */
  blend(from, share) {
    this.arrange();
    const { xs, ys, xy, order, count } = this;
    for (let k = 0; k < count; k++) {
      const at = 2 * order[k];
      xs[k] = from[at] + share * (xy[at] - from[at]);
      ys[k] = from[at + 1] + share * (xy[at + 1] - from[at + 1]);
    }
  }

  resize(width, height, ratio) {
    this.ratio = ratio;
    this.width = this.canvas.width = Math.max(1, Math.round(width * ratio));
    this.height = this.canvas.height = Math.max(1, Math.round(height * ratio));
    this.stride = this.width + 2 * MARGIN;
    this.cells = new Int32Array(this.stride * (this.height + 2 * MARGIN));
    this.picture = new ImageData(this.width, this.height);
    this.pixels = new Uint32Array(this.picture.data.buffer);
    this.unsettled = true;
  }

  /** The side of a mark in CSS pixels: smaller the more points there are, larger the nearer one looks. */
  mark(plane) {
    const far = Math.max(0.9, 10.2 - 1.7 * Math.log10(this.count + 1));
    return Math.max(1, Math.min(9, far * Math.max(0.8, plane.zoomed) ** 0.3));
  }

  /**
   * Draws a frame.
   * @param {{down: number[], across: number[], ink: number[]}|null} lines  beneath the points, in CSS pixels
   * @param {boolean} bare  the ground and the lines alone
   */
  draw(plane, lines = null, bare = false) {
    if (!this.picture) return;
    this.arrange();
    const size = Math.max(1, Math.min(MARGIN, Math.round(this.mark(plane) * this.ratio)));
    this.cells.fill(0);
    if (bare) this.unsettled = true;
    else if (size === 1) this.count1(plane);
    else this.countMarks(plane, size);
    if (this.unsettled || this.zoomed !== plane.zoomed) this.settle();
    this.zoomed = plane.zoomed;
    this.unsettled = bare;
    this.colour();
    if (lines) this.rule(lines);
    this.pen.putImageData(this.picture, 0, 0);
  }

  /** Points of one pixel. */
  count1({ kx, ky, tx, ty }) {
    const { xs, ys, ink, cells, stride, ratio, count } = this;
    const [sx, sy, dx, dy] = [kx * ratio, -ky * ratio, tx * ratio + MARGIN, ty * ratio + MARGIN];
    const [right, bottom] = [stride, this.height + 2 * MARGIN];
    for (let k = 0; k < count; k++) {
      const x = xs[k] * sx + dx;
      const y = ys[k] * sy + dy;
      if (x >= 0 && x < right && y >= 0 && y < bottom) {
        const at = (y | 0) * stride + (x | 0);
        cells[at] = ((cells[at] & -256) + FULL * 256) | ink[k];
      }
    }
  }

  /** Larger marks. A colour is taken where the mark covers half of a pixel, or the first of it. */
  countMarks({ kx, ky, tx, ty }, size) {
    const { xs, ys, ink, cells, stride, ratio, count } = this;
    const sprites = this.spritesOf(size);
    const shift = MARGIN - size / 2 + 0.5;
    const [sx, sy, dx, dy] = [kx * ratio, -ky * ratio, tx * ratio + shift, ty * ratio + shift];
    const [right, bottom] = [stride - size, this.height + 2 * MARGIN - size];
    for (let k = 0; k < count; k++) {
      const x = xs[k] * sx + dx;
      const y = ys[k] * sy + dy;
      if (x >= 0 && x < right && y >= 0 && y < bottom) {
        const start = (y | 0) * stride + (x | 0);
        const colour = ink[k];
        const { offsets, covers } = sprites[colour];
        for (let part = 0; part < offsets.length; part++) {
          const at = start + offsets[part];
          const cell = cells[at];
          const taken = cell === 0 || covers[part] >= FULL / 2 ? colour : cell & 255;
          cells[at] = ((cell & -256) + covers[part] * 256) | taken;
        }
      }
    }
  }

  spritesOf(size) {
    if (this.sprites.size !== size || this.sprites.width !== this.stride) {
      const made = new Map();
      const of = (shape) => made.get(shape) ?? made.set(shape, sprite(shape, size, this.stride)).get(shape);
      this.sprites = { size, width: this.stride, all: this.shapes.map(of) };
    }
    return this.sprites.all;
  }

  /** Chooses the lightness of what lies on a pixel: the densest hundredth is darkest, a single mark light enough. */
  settle() {
    const { cells, levels, table } = this;
    const heaps = new Int32Array(32);
    let total = 0;
    for (let at = 0; at < cells.length; at += 3) {
      if (cells[at] !== 0) {
        heaps[Math.min(31, Math.floor(2 * Math.log2(Math.max(1, (cells[at] >>> 8) / FULL))))]++;
        total++;
      }
    }
    let top = 31;
    for (let above = heaps[31]; top > 0 && above < total / 100; above += heaps[top]) top--;
    const most = 2 ** ((top + 1) / 2);
    const single = Math.max(0.3, Math.min(0.92, 1.02 - 0.13 * Math.log2(most)));
    for (let lies = 0; lies < MOST; lies++) {
      const marks = lies / FULL;
      const share = marks <= 1 ? single * marks : single + ((1 - single) * Math.log(marks)) / Math.log(most);
      levels[lies] = Math.round(Math.min(1, share) * (LEVELS - 1));
    }
    const { colours, dim, ground } = this.inks;
    for (let level = 0; level < LEVELS; level++) {
      const share = level / (LEVELS - 1);
      for (let ink = 0; ink < 256; ink++) {
        const back = ink === DIM;
        const colour = back ? dim : colours[ink % colours.length];
        const part = back ? share * 0.45 : share;
        const [red, green, blue] = ground.map((value, at) => Math.round(value + part * (colour[at] - value)));
        table[level * 256 + ink] = (255 << 24) | (blue << 16) | (green << 8) | red;
      }
    }
  }

  /** What lies on each pixel to its colour. */
  colour() {
    const { cells, pixels, levels, table, width, height, stride } = this;
    const ground = table[0];
    for (let y = 0, to = 0; y < height; y++) {
      let from = (y + MARGIN) * stride + MARGIN;
      for (let x = 0; x < width; x++, from++, to++) {
        const cell = cells[from];
        if (cell === 0) pixels[to] = ground;
        else {
          const lies = cell >>> 8;
          pixels[to] = table[(lies < MOST ? levels[lies] << 8 : (LEVELS - 1) << 8) | (cell & 255)];
        }
      }
    }
  }

  /** Lines where no point lies. */
  rule({ down, across, ink: [red, green, blue] }) {
    const { cells, pixels, width, height, stride, ratio } = this;
    const ink = (255 << 24) | (blue << 16) | (green << 8) | red;
    for (const left of down) {
      const x = Math.round(left * ratio);
      if (x < 0 || x >= width) continue;
      for (let y = 0; y < height; y++) if (!cells[(y + MARGIN) * stride + MARGIN + x]) pixels[y * width + x] = ink;
    }
    for (const top of across) {
      const y = Math.round(top * ratio);
      if (y < 0 || y >= height) continue;
      for (let x = 0; x < width; x++) if (!cells[(y + MARGIN) * stride + MARGIN + x]) pixels[y * width + x] = ink;
    }
  }
}
