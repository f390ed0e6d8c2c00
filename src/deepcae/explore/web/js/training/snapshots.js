// The net as it was at each snapshot: asked for one after the other, kept, and stepped through.
import { html, useEffect, useRef, useState } from '../../vendor/preact-htm.js';
import { get } from '../api.js';
import { classColour, css, token } from '../palette.js';
import { Canvas, Picture, put, signed } from '../pictures.js';

export const MOST = 24; // snapshots of which figures are shown beside one another
const STEP = 700; // milliseconds between two while they are played

/** So many of a list, evenly from the first to the last. */
export function spread(list, most) {
  if (list.length <= most) return list;
  return Array.from({ length: most }, (_, at) => list[Math.round((at * (list.length - 1)) / (most - 1))]);
}

const key = ({ name, iteration }) => `${name} ${iteration}`;

/** The answers of /api/training/at, each asked for once; what is looked at first. */
export class Moments {
  constructor(app, changed) {
    Object.assign(this, { app, changed, list: [], known: new Map(), chosen: null, busy: false, follows: true });
  }

  /** The snapshots that there are now. Whoever looked at the newest goes on to the new one. */
  set(list) {
    this.list = list.filter(({ name, iteration }) => name !== 'best' || !list.some((each) => each.iteration === iteration && each.name !== 'best'));
    if (this.follows || !this.list.some((each) => key(each) === this.chosen)) this.choose(this.list.length - 1, true);
    this.load();
    this.changed();
  }

  get at() {
    return this.list.findIndex((each) => key(each) === this.chosen);
  }

  choose(at, follows = at === this.list.length - 1) {
    this.follows = follows;
    this.chosen = this.list[at] ? key(this.list[at]) : null;
    this.load();
    this.changed();
  }

  /** The snapshot nearest to an iteration. */
  near(iteration) {
    const apart = this.list.map((each) => Math.abs(each.iteration - iteration));
    if (apart.length) this.choose(apart.indexOf(Math.min(...apart)));
  }

  answer(each) {
    return this.known.get(key(each));
  }

  get now() {
    return this.known.get(this.chosen);
  }

  /** Those that are shown beside one another, and are here. */
  get columns() {
    return spread(this.list, MOST).map((each) => this.answer(each)).filter(Boolean);
  }

  next() {
    const wanted = [this.list[this.at], ...spread(this.list, MOST).toReversed()].filter(Boolean);
    return wanted.find((each) => !this.known.has(key(each)));
  }

  async load() {
    if (this.busy || this.ended) return;
    this.busy = true;
    for (let each = this.next(); each && !this.ended; each = this.next()) {
      const before = this.list[this.list.indexOf(each) - 1];
      const asked = `which=${each.name}${before ? `&before=${before.name}` : ''}`;
      try {
        this.known.set(key(each), await get(`/api/training/at?${asked}`));
      } catch (error) {
        this.known.set(key(each), null); // a damaged one, or it is gone
        this.app.problem(error);
      }
      if (!this.ended) this.changed();
    }
    this.busy = false;
  }

  end() {
    this.ended = true;
  }
}

/** Points of two numbers each, coloured by their class, within the canvas. */
function scatter(canvas, { codes, labels }) {
  const ratio = devicePixelRatio || 1;
  const [width, height] = [Math.max(120, canvas.clientWidth), Math.max(120, canvas.clientHeight)];
  Object.assign(canvas, { width: width * ratio, height: height * ratio });
  const pen = canvas.getContext('2d');
  pen.scale(ratio, ratio);
  const { values } = codes;
  const ends = [0, 1].map((axis) => {
    let [low, high] = [Infinity, -Infinity];
    for (let at = axis; at < values.length; at += 2) [low, high] = [Math.min(low, values[at]), Math.max(high, values[at])];
    return [low, high > low ? high - low : 1];
  });
  for (let row = 0; 2 * row < values.length; row++) {
    const x = 5 + ((values[2 * row] - ends[0][0]) / ends[0][1]) * (width - 10);
    const y = height - 5 - ((values[2 * row + 1] - ends[1][0]) / ends[1][1]) * (height - 10);
    pen.fillStyle = labels ? css(classColour(labels.values[row])) : token('--accent');
    pen.beginPath();
    pen.arc(x, y, 2.2, 0, 7);
    pen.fill();
  }
}

function Codes({ moment, theme }) {
  const { codes, labels } = moment.arrays;
  if (!codes) return null;
  const { dims } = moment.code;
  const what = dims > 2 ? `codes, first two principal directions of ${dims}` : 'codes';
  const title = `${what}, ${codes.shape[0]} images${labels ? ', coloured by class' : ''}`;
  return html`<figure><${Canvas} draw=${(canvas) => scatter(canvas, { codes, labels })} on=${[moment, theme]} title=${title} kind="scatter" />
    <figcaption class="caption">${title}</figcaption></figure>`;
}

function Filters({ moment }) {
  const { filters } = moment.arrays;
  if (!filters) return null;
  const { layer, total } = moment.filters;
  const shown = filters.shape[0];
  const title = `filters of ${layer}${shown < total ? `, ${shown} of ${total}` : ''}`;
  const columns = Math.min(shown, shown <= 16 ? 8 : 12);
  const draw = (canvas) => put(canvas, signed(filters.values, filters.shape, { columns }));
  return html`<figure><${Canvas} draw=${draw} on=${[moment]} title=${title} /><figcaption class="caption">${title}: blue below zero, red above</figcaption></figure>`;
}

function Restored({ moment, about }) {
  const { images, restored } = moment.arrays;
  if (!images || !about) return null;
  const size = images.values.length / images.shape[0];
  const each = (array) => Array.from({ length: images.shape[0] }, (_, at) => array.values.subarray(at * size, (at + 1) * size));
  const row = (array, word) => each(array).map((values, at) => html`<${Picture} key=${word + at} values=${values} about=${about} title=${`${word} ${at + 1}`} />`);
  return html`<figure><div class="pairs" style=${{ gridTemplateColumns: `repeat(${images.shape[0]}, minmax(0, 1fr))` }}>${row(images, 'image')}${row(restored, 'restored')}</div>
    <figcaption class="caption">images, and what is restored of them</figcaption></figure>`;
}

/** Plays the snapshots, the first after the last. */
function usePlay(moments) {
  const [plays, play] = useState(false);
  const now = useRef(moments);
  now.current = moments;
  useEffect(() => {
    if (!plays) return undefined;
    const timer = setInterval(() => now.current.now !== undefined && now.current.choose((now.current.at + 1) % now.current.list.length, false), STEP);
    return () => clearInterval(timer);
  }, [plays]);
  return [plays, () => play(!plays)];
}

/** The snapshots, one at a time. `show`: takes its weights for all views. */
export function Snapshots({ moments, about, theme, shown, show }) {
  const [plays, play] = usePlay(moments);
  const { list, at, now: moment } = moments;
  if (!list.length) {
    return html`<section class="panel moments" aria-label="Snapshots"><header><h2>Snapshots</h2></header>
      <p class="body soft">There is none yet. Each shows filters, codes and restored images as they were.</p></section>`;
  }
  const { iteration, name } = list[at] ?? {};
  const words = `iteration ${iteration?.toLocaleString('en')}${name === 'best' ? ', the best test' : ''}`;
  return html`<section class="panel moments" aria-label="Snapshots">
    <header><h2>Snapshot of ${words}</h2><span class="soft small">${at + 1} of ${list.length}</span></header>
    <div class="body">
      <div class="toolbar stepper">
        <button type="button" class="button" aria-label="The snapshot before" disabled=${at <= 0} onClick=${() => moments.choose(at - 1)}>‹</button>
        <input type="range" min="0" max=${list.length - 1} value=${at} aria-label="Snapshot" aria-valuetext=${words}
          onInput=${(event) => moments.choose(Number(event.target.value))} />
        <button type="button" class="button" aria-label="The next snapshot" disabled=${at >= list.length - 1} onClick=${() => moments.choose(at + 1)}>›</button>
        <button type="button" class="button" aria-pressed=${plays} disabled=${list.length < 2} onClick=${play}>${plays ? 'Pause' : 'Play'}</button>
        <button type="button" class="button" disabled=${shown === iteration} title="Codes, Layers, Draw and Decode take the weights of this snapshot"
          onClick=${() => show(name)}>${shown === iteration ? 'Shown in all views' : 'Show in all views'}</button>
      </div>
      ${moment === undefined && html`<p class="soft">Computing …</p>`}
      ${moment === null && html`<p class="soft">This snapshot cannot be read.</p>`}
      ${moment && html`<${Filters} moment=${moment} /><${Codes} moment=${moment} theme=${theme} /><${Restored} moment=${moment} about=${about} />
        ${moment.missing.map((why) => html`<p class="soft small">Missing: ${why}</p>`)}`}
    </div></section>`;
}
