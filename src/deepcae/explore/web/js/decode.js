// Decode: any code, and the image that the decoder makes of it, while it is dragged.
import { html, render } from '../vendor/preact-htm.js';
import { get, post, stale } from './api.js';
import { Field } from './decode/field.js';
import { Decoded, FRAMES, Sliders, Tools, Walk } from './decode/panels.js';
import { between, Space } from './decode/space.js';
import { newest, settled } from './newest.js';

const MOST = 1024; // codes that are decoded at a time
const MOST_BYTES = 24e6; // of decoded images in one answer
const SECONDS = 4; // that a walk takes
const SIDES = [8, 12, 16, 24, 32];

/** Shows the view in `main`; returns what ends it. */
export function mount(main, app) {
  const view = new Decode(main, app);
  return () => view.destroy();
}

/** Asks which image's code is nearest, not too often: the decoder goes first. */
async function rested(code) {
  await new Promise((done) => setTimeout(done, 120));
  return post('/api/nearest', code);
}

class Decode {
  constructor(main, app) {
    const values = app.about.image.shape.reduce((all, side) => all * side, 1);
    this.most = Math.max(1, Math.min(MOST, Math.floor(MOST_BYTES / (4 * values))));
    const sizes = SIDES.filter((k, at) => at === 0 || k * k <= this.most);
    this.app = app;
    this.dims = app.about.code.dims;
    this.now = { shows: 'points', directions: this.dims > 2, k: sizes.includes(16) ? 16 : sizes.at(-1), sizes, all: false, took: null };
    this.pair = [0, Math.min(1, this.dims - 1)];
    this.walk = { rows: [app.state.row ?? 0, Math.min(1, app.about.count - 1)], at: 0, frames: null, count: 0, plays: false };
    const part = (tag, className) => main.appendChild(Object.assign(document.createElement(tag), { className }));
    this.parts = { tools: part('div', 'tools toolbar'), decoding: part('div', `decoding ${this.dims > 1 ? '' : 'line'}`) };
    this.field = this.dims > 1 ? this.makeField() : null;
    this.parts.panels = this.parts.decoding.appendChild(Object.assign(document.createElement('div'), { className: 'asides' }));
    this.live = newest(({ code }) => post('/api/decode', code), (answer, given) => this.came(answer, given), app.problem);
    this.near = newest((code) => rested(code), (told) => this.look(told), app.problem);
    this.strips = settled(() => this.film(), 180);
    this.tiles = settled(() => this.cover(), 120);
    this.ends = [app.on('row', (row) => row === null || this.from(row)), app.on('theme', () => this.themed()), app.on('weights', () => this.open())];
    this.open();
  }

  makeField() {
    const host = this.parts.decoding.appendChild(Object.assign(document.createElement('div'), { className: 'field-of-codes' }));
    const field = new Field(host, { moved: (place) => this.moved(place), seen: () => this.tiles?.ask() });
    const buttons = host.appendChild(Object.assign(document.createElement('div'), { className: 'buttons' }));
    const button = (title, label, factor) => html`<button type="button" class="button" aria-label=${label} title=${label} onClick=${() => field.zoom(factor)}>${title}</button>`;
    render(html`${button('+', 'Nearer', 1.5)}${button('−', 'Farther', 1 / 1.5)}${button('⤢', 'All of it', 0)}`, buttons);
    return field;
  }

  destroy() {
    this.gone = true;
    cancelAnimationFrame(this.frame);
    for (const end of this.ends) end();
    for (const line of [this.live, this.near, this.strips, this.tiles]) line.end();
    this.field?.destroy();
    render(null, this.parts.tools);
    render(null, this.parts.panels);
  }

  /** Asks anew for all that depends on the weights. */
  async open() {
    try {
      const told = await get('/api/directions');
      this.space = new Space(told.arrays);
      await this.from(this.app.state.row ?? 0);
      await this.map();
      await this.way();
    } catch (error) {
      if (!stale(error)) this.app.problem(error);
    }
  }

  themed() {
    if (this.field?.points.xy) this.field.paint();
    this.show();
  }

  /** Of an image its code. */
  async codeOf(row) {
    const told = await get(`/api/code?row=${row}`);
    return Float32Array.from(told.arrays.code.values);
  }

  async from(row) {
    try {
      const code = await this.codeOf(row);
      if (!this.gone) this.set(code);
    } catch (error) {
      this.app.problem(error);
    }
  }

  /** The codes of all images under the plane. */
  async map() {
    if (!this.field) return;
    const { directions } = this.now;
    const [x, y] = directions ? [0, 1] : this.pair;
    const told = await get(directions ? '/api/points?map=pca' : `/api/points?map=dims&x=${x}&y=${y}`, { lane: 'decode-map' });
    if (this.gone) return;
    const [[left, right], [bottom, top]] = [x, y].map((axis) => this.space.limits(axis, directions));
    const titles = [x, y].map((axis) => `${directions ? 'direction' : 'number'} ${axis + 1}`);
    this.axes = [x, y];
    this.field.load(told.arrays.xy.values, [left, bottom, right, top], titles);
    this.handle();
  }

  /** Another code: it is decoded, and everything that shows it follows. */
  set(code, walks = false) {
    this.code = code;
    if (!walks) this.pause();
    this.live.ask({ code, asked: performance.now() });
    this.after();
  }

  /** What follows the code when it rests. */
  after() {
    this.handle();
    this.near.ask(this.code);
    this.strips.ask();
    if (this.dims > 2) this.tiles.ask();
    this.show();
  }

  place(code) {
    const now = this.space.along(code, this.now.directions);
    return [now[this.axes[0]], now[this.axes[1]]];
  }

  handle() {
    if (!this.field || !this.axes || !this.code) return;
    this.field.put(this.place(this.code), this.walk.ends ? this.walk.ends.map((code) => this.place(code)) : null);
  }

  moved(place) {
    if (!this.code || !this.axes) return;
    this.set(this.space.moved(this.code, this.now.directions, this.axes.map((axis, at) => [axis, place[at]])));
  }

  /** A decoded image came. */
  came(answer, { asked }) {
    this.restored = answer.arrays.restored.values;
    this.show();
    this.now.took = performance.now() - asked;
    performance.measure('decode', { start: asked, end: performance.now() });
  }

  /** Which image's code is nearest. */
  look(told) {
    this.nearest = told;
    this.show();
  }

  /** What is decoded along each slider, the other numbers as they are. */
  async film() {
    const { directions, all } = this.now;
    const shown = Math.min(all ? this.dims : 12, this.dims, Math.floor(this.most / FRAMES));
    const codes = new Float32Array(shown * FRAMES * this.dims);
    for (let axis = 0; axis < shown; axis++) {
      const [low, high] = this.space.limits(axis, directions);
      for (let k = 0; k < FRAMES; k++) codes.set(this.space.moved(this.code, directions, [[axis, low + (k / (FRAMES - 1)) * (high - low)]]), (axis * FRAMES + k) * this.dims);
    }
    const told = await post('/api/decode', codes, { lane: 'film' }).catch((error) => this.app.problem(error));
    if (!told || this.gone) return;
    const { values } = told.arrays.restored;
    this.made = Array.from({ length: shown }, (_, axis) => values.subarray((axis * values.length) / shown, ((axis + 1) * values.length) / shown));
    this.show();
  }

  /** The sheet: what is decoded at each place of the plane, the other numbers as they are. */
  async cover() {
    const { field, now } = this;
    if (!field || !this.code || !this.axes) return;
    field.host.dataset.shows = now.shows;
    if (now.shows === 'points') return;
    const [tall, wide] = this.app.about.image.kind === 'curve' ? [44, 72] : this.app.about.image.shape.slice(-2);
    const rows = Math.min(field.rows(now.k, wide / tall), Math.floor(this.most / now.k) || 1);
    const places = field.cells(now.k, rows);
    const codes = new Float32Array(places.length * this.dims);
    places.forEach((place, at) => codes.set(this.space.moved(this.code, now.directions, this.axes.map((axis, side) => [axis, place[side]])), at * this.dims));
    const told = await post('/api/decode', codes, { lane: 'cover' }).catch((error) => this.app.problem(error));
    if (told && !this.gone) field.fill(told.arrays.restored.values, now.k, rows, this.app.about.image);
  }

  /** The walk between its two images, decoded in one go. */
  async way() {
    const [one, other] = await Promise.all(this.walk.rows.map((row) => this.codeOf(row)));
    const count = Math.min(SECONDS * 30 + 1, this.most);
    const told = await post('/api/decode', between(one, other, count), { lane: 'walk' });
    if (this.gone) return;
    Object.assign(this.walk, { ends: [one, other], frames: told.arrays.restored.values, count });
    this.handle();
    this.show();
  }

  /** Goes to a place of the walk, from 0 to 1; its image is decoded already. */
  along(at) {
    const { ends: [one, other], frames, count } = this.walk;
    const each = frames.length / count;
    const frame = Math.round(at * (count - 1));
    this.walk.at = at;
    this.code = one.map((value, place) => value + at * (other[place] - value));
    this.restored = frames.subarray(frame * each, (frame + 1) * each);
    this.after();
  }

  play() {
    if (this.walk.plays) return this.pause();
    this.walk.plays = true;
    let [before, way] = [performance.now(), this.walk.at >= 1 ? -1 : 1];
    const step = (time) => {
      const at = this.walk.at + (way * (time - before)) / (1000 * SECONDS);
      before = time;
      if (at >= 1 || at <= 0) way = at >= 1 ? -1 : 1;
      this.along(Math.max(0, Math.min(1, at)));
      this.frame = requestAnimationFrame(step);
    };
    this.frame = requestAnimationFrame(step);
    return this.show();
  }

  pause() {
    cancelAnimationFrame(this.frame);
    this.walk.plays = false;
  }

  change(changes) {
    Object.assign(this.now, changes);
    this.show();
  }

  show() {
    if (this.gone || !this.space || !this.code) return;
    const { app, now, pair, dims, space, code, walk } = this;
    const problem = (promise) => promise.catch(app.problem);
    const does = {
      row: (row) => (app.state.row === row ? this.from(row) : app.set({ row })),
      shows: (shows) => this.change({ shows }) ?? this.tiles.ask(),
      k: (k) => this.change({ k }) ?? this.tiles.ask(),
      pair: (at, axis) => (pair[at] = axis) ?? problem(this.map()),
      directions: (directions) => this.change({ directions }) ?? this.strips.ask() ?? problem(this.map()),
      all: () => this.change({ all: true }) ?? this.strips.ask(),
      mean: () => this.set(Float32Array.from(space.mean)),
      move: (axis, value) => this.set(space.moved(this.code, now.directions, [[axis, value]])),
      walk: (rows) => (Object.assign(walk, { rows, at: 0 }), this.pause(), problem(this.way())),
      along: (at) => (this.pause(), this.along(at)),
      play: () => this.play(),
    };
    render(html`<${Tools} app=${app} row=${app.state.row ?? 0} now=${now} pair=${pair} dims=${dims} does=${does} />`, this.parts.tools);
    render(html`<${Decoded} app=${app} restored=${this.restored} near=${this.nearest} go=${(row) => does.row(row)} />
      <${Sliders} app=${app} space=${space} code=${code} directions=${now.directions} all=${now.all} strips=${this.made} does=${does} />
      <${Walk} app=${app} walk=${walk} does=${does} />`, this.parts.panels);
  }
}
