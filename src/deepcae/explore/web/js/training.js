// The training: losses, rate and gradients as they come, the layers over time, the net at each snapshot; stop and snapshot.
import { html, render, useEffect, useMemo, useRef, useState } from '../vendor/preact-htm.js';
import { get, post } from './api.js';
import { classColour, css, token } from './palette.js';
import { Lines, Together } from './training/chart.js';
import { Layers } from './training/matrix.js';
import { Moments, Snapshots } from './training/snapshots.js';
import { Compare, grave, Standing, Warnings } from './training/standing.js';
import { panels, spread, Story } from './training/story.js';

const PAUSE = 200; // milliseconds between two drawings of what comes

/** Shows the view in `main`; returns what ends it. */
export function mount(main, app) {
  if (!app.about.trains) {
    main.replaceChildren(Object.assign(document.createElement('p'), { className: 'empty', textContent: 'This is a network with weights, and no run: nothing is known of its training. `deepcae explore RUN` shows that of a run.' }));
    return () => {};
  }
  const view = new Training(app);
  const draw = () => render(html`<${Page} app=${app} view=${view} />`, main);
  view.start(draw);
  return () => {
    view.end();
    render(null, main);
  };
}

/** What is known of the run, as it comes. `draw` is called when there is something new. */
class Training {
  constructor(app) {
    Object.assign(this, { app, story: new Story(), live: false, stoppable: false, told: '', gone: '', away: false, every: 1, most: 0, names: [], others: new Map(), turn: 0 });
    this.moments = new Moments(app, () => this.changed());
    this.together = new Together();
  }

  start(draw) {
    this.draw = draw;
    this.ends = ['theme', 'weights'].map((name) => this.app.on(name, () => this.changed()));
    this.seen = () => (document.hidden ? this.close() : this.listen());
    document.addEventListener('visibilitychange', this.seen);
    this.draw();
    this.load().catch(this.app.problem);
    this.listen();
  }

  async load() {
    const told = await get('/api/training');
    Object.assign(this, { most: told.max_iter ?? 0, names: told.others });
    this.moments.set(told.snapshots);
  }

  /** The server's events. A browser opens it anew by itself when it breaks; then all records come again. */
  listen() {
    if (this.source || document.hidden) return;
    this.source = new EventSource('/api/training/events');
    const on = (name, take) => this.source.addEventListener(name, (event) => {
      take(JSON.parse(event.data));
      this.changed();
    });
    on('records', ({ records, every }) => Object.assign(this, { story: new Story(records), every, gone: '' }));
    on('record', (record) => this.story.add(record));
    on('live', (state) => Object.assign(this, state));
    on('snapshot', (list) => this.moments.set(list));
    on('gone', (gone) => Object.assign(this, { gone }));
    this.source.addEventListener('open', () => this.reached(true));
    this.source.addEventListener('error', () => this.reached(false));
  }

  reached(here) {
    this.away = !here;
    if (!here && this.source?.readyState === EventSource.CLOSED) {
      this.close();
      this.later = setTimeout(() => this.listen(), 3000);
    }
    this.changed();
  }

  close() {
    clearTimeout(this.later);
    this.source?.close();
    this.source = null;
  }

  /** Draws soon, and not more often than the eye follows. */
  changed() {
    this.waits ??= setTimeout(() => {
      this.waits = null;
      this.turn++;
      if (!this.ended) this.draw();
    }, PAUSE);
  }

  async ask(what) {
    const { told } = await post(`/api/training/${what}`, {});
    this.app.tell(told);
  }

  async compare(name) {
    if (!this.others.delete(name)) {
      this.others.set(name, new Story());
      this.others.set(name, new Story((await get(`/api/training/other?name=${encodeURIComponent(name)}`)).records));
    }
    this.changed();
  }

  async show(name) {
    await post('/api/show', { iteration: name });
    await this.app.renew();
  }

  end() {
    this.ended = true;
    this.close();
    this.moments.end();
    clearTimeout(this.waits);
    document.removeEventListener('visibilitychange', this.seen);
    for (const end of this.ends) end();
  }
}

/** Goes to a layer in the network. */
const open = (layer) => (location.hash = `network/${encodeURIComponent(layer)}`);

/** The lines of a panel: of this run train and test, of others in a colour each. */
function lines(panel, colour) {
  const found = [];
  for (const { run, raw, smooth, tests } of panel.of) {
    const own = !run.name;
    const called = own ? '' : `${run.name}: `;
    const train = own ? token('--train') : colour(run.name);
    const apart = smooth && smooth !== raw && smooth.y.some((value, at) => value !== raw.y[at]);
    if (raw.x.length && apart) found.push({ ...raw, label: `${called}each`, colour: train, thin: true });
    if (raw.x.length) found.push({ ...(smooth ?? raw), label: called + (smooth ? `train${apart ? ', smoothed' : ''}` : panel.title), colour: train, dash: own || !smooth ? undefined : [5, 3] });
    tests.forEach(([name, test], at) => found.push({ ...test, label: called + name, colour: own ? token('--test') : colour(run.name), points: test.x.length <= 40, dash: [undefined, [6, 3], [2, 2]][at % 3] }));
  }
  return found;
}

function marks(view) {
  const { story, moments } = view;
  const found = story.warnings.map((each) => ({ at: each.iteration, colour: grave(each) ? '--bad' : '--warn', sign: '▲', open: each.layer ? () => open(each.layer) : undefined }));
  if (story.best !== null) found.push({ at: story.best, colour: '--test', sign: '★', dash: [1, 2] });
  const shown = moments.list[moments.at];
  if (shown) found.push({ at: shown.iteration, colour: '--soft', sign: '▼', dash: [] });
  return found;
}

function Page({ app, view }) {
  const [asked, ask] = useState(null); // the scale: as the reader wants it, or as the values have it
  const theme = useRef({ name: '', turn: 0 });
  const dark = token('--ink');
  if (theme.current.name !== dark) theme.current = { name: dark, turn: theme.current.turn + 1 };
  const colours = useMemo(() => new Map(), []);
  const colour = (name) => css(classColour(2 + [...colours.set(name, colours.get(name) ?? colours.size).keys()].indexOf(name)));
  const { story, others, together, moments, turn } = view;
  const drawn = useMemo(() => {
    const found = panels([{ name: '', story }, ...[...others].map(([name, other]) => ({ name, story: other }))]);
    return found.map((panel) => ({ ...panel, lines: lines(panel, colour) }));
  }, [turn, theme.current.turn]);
  const signs = useMemo(() => marks(view), [turn, theme.current.turn]);
  const losses = drawn.filter(({ kind }) => kind === 'loss');
  const log = asked ?? (losses.length > 0 && spread(losses[0]));
  const pick = (iteration) => moments.near(iteration);
  const chart = (panel) => html`<section class=${`panel curve ${panel.kind}`} key=${panel.key} aria-label=${panel.title}>
    <h2>${panel.title} <span class="soft">${panel.hint}</span></h2>
    <${Lines} title=${panel.title} lines=${panel.lines} log=${log && panel.lines.every(({ y }) => y.every((v) => v === null || v > 0))}
      height=${panel.kind === 'loss' ? 210 : losses.length % 2 ? 88 : 150} marks=${signs} together=${together} pick=${pick} theme=${theme.current.turn} /></section>`;
  const doing = (what) => view.ask(what).catch(app.problem);
  return html`<div class="page">
    <${Standing} view=${view} log=${log} setLog=${ask} ask=${doing}
      compare=${html`<${Compare} names=${view.names} chosen=${others} choose=${(name) => view.compare(name).catch(app.problem)} colour=${colour} />`} />
    <${Warnings} warnings=${story.warnings} open=${open} look=${pick} />
    <div class="curves">${losses.map(chart)}
      <div class=${`smalls ${losses.length % 2 ? '' : 'wide'}`}>${drawn.filter(({ kind }) => kind === 'small').map(chart)}</div>${!drawn.length && html`<p class="panel empty">No iteration has been recorded yet.</p>`}</div>
    <${Snapshots} moments=${moments} about=${app.about.image} theme=${theme.current.turn} shown=${app.about.iteration}
      show=${(name) => view.show(name).catch(app.problem)} />
    <${Layers} moments=${moments} story=${story} layer=${app.state.layer} choose=${(layer) => {
      app.set({ layer });
      view.changed();
    }} open=${open} together=${together} theme=${theme.current.turn} pick=${pick} />
  </div>`;
}
