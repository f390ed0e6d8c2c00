// How long frames and hovers take, for whoever measures: window.deepcae.

const MOST = 240; // the last ones

class Ring {
  constructor() {
    this.values = new Float32Array(MOST);
    this.count = 0;
  }

  add(value) {
    this.values[this.count++ % MOST] = value;
  }

  list() {
    return [...this.values.subarray(0, Math.min(this.count, MOST))];
  }

  clear() {
    this.count = 0;
  }
}

/** `draws`: milliseconds that the points of a frame took; `frames`: from one frame to the next while the map moves;
 * `hovers`: from the pointer's move to its card. */
export const timing = { draws: new Ring(), frames: new Ring(), hovers: new Ring() };

window.deepcae = {
  get draws() {
    return timing.draws.list();
  },
  get frames() {
    return timing.frames.list();
  },
  get hovers() {
    return timing.hovers.list();
  },
  reset() {
    for (const ring of Object.values(timing)) ring.clear();
  },
};
