// The space of codes, along single numbers or along the principal directions of the images' codes.

const SPREADS = 3; // deviations from the mean that a slider of a direction reaches
const BEYOND = 0.15; // of the range in which nearly all images lie: so much farther reaches a slider of a number

/** `told`: the arrays of /api/directions. A code's coordinates are its numbers, or (code - mean) along each direction. */
export class Space {
  constructor({ mean, low, high, axes, spread }) {
    Object.assign(this, { mean: mean.values, low: low.values, high: high.values, axes: axes.values, spread: spread.values });
    this.dims = this.mean.length;
  }

  /** The coordinates of a code. */
  along(code, directions) {
    if (!directions) return code;
    const { axes, mean, dims } = this;
    return Float32Array.from({ length: dims }, (_, axis) => {
      let sum = 0;
      for (let at = 0; at < dims; at++) sum += axes[axis * dims + at] * (code[at] - mean[at]);
      return sum;
    });
  }

  /** The code with other values of some coordinates: [[number, value], …]. */
  moved(code, directions, changes) {
    const made = Float32Array.from(code);
    if (!directions) for (const [axis, value] of changes) made[axis] = value;
    else {
      const now = this.along(code, true);
      for (const [axis, value] of changes) {
        for (let at = 0; at < this.dims; at++) made[at] += (value - now[axis]) * this.axes[axis * this.dims + at];
      }
    }
    return made;
  }

  /** From where to where a slider goes: [low, high]. */
  limits(axis, directions) {
    if (directions) return [-SPREADS * this.spread[axis] || -1, SPREADS * this.spread[axis] || 1];
    const [low, high] = [this.low[axis], this.high[axis]];
    const more = BEYOND * (high - low) || 1;
    return [low - more, high + more];
  }

  /** The share of the codes' variance along a direction. */
  share(axis) {
    const all = this.spread.reduce((sum, spread) => sum + spread ** 2, 0);
    return all ? this.spread[axis] ** 2 / all : 0;
  }
}

/** `count` codes in a straight line from one to another, one after the other in one array. */
export function between(one, other, count) {
  const made = new Float32Array(count * one.length);
  for (let at = 0; at < made.length; at++) {
    const part = Math.floor(at / one.length) / Math.max(1, count - 1);
    const place = at % one.length;
    made[at] = one[place] + part * (other[place] - one[place]);
  }
  return made;
}
