// The layers: one image on its way through the network, from the input to what is restored (the paper's Fig. 7), live.
import { html, render, useEffect, useRef, useState } from '../vendor/preact-htm.js';
import { get } from './api.js';
import { layout, units } from './layers/blob.js';
import { First } from './layers/first.js';
import { Grid, show } from './layers/grid.js';
import { judged } from './layers/judge.js';
import { newest } from './newest.js';
import { around, PickRow } from './pickrow.js';

/** Shows the view in `main`; returns what ends it. */
export function mount(main, app) {
  render(html`<${Layers} app=${app} />`, main);
  return () => render(null, main);
}

/** A part of the shared state, as it is now. */
export function useShared(app, name) {
  const [value, keep] = useState(app.state[name]);
  useEffect(() => app.on(name, keep), []);
  return value;
}

/** How many times other weights or another theme came: what was asked or drawn before is stale. */
export function useTurns(app, name) {
  const [turn, next] = useState(0);
  useEffect(() => app.on(name, () => next((before) => before + 1)), []);
  return turn;
}

/** What the server found wrong in many images, and the training told; null until it has answered. */
export function useHealth(app, weights) {
  const [health, keep] = useState(null);
  useEffect(() => {
    let here = true;
    const warned = get('/api/network').then((network) => network.warnings ?? [], () => []);
    Promise.all([app.about.count ? get('/api/health') : { images: 0, findings: [] }, warned]).then(
      ([told, warnings]) => here && keep({ told, warnings }), app.problem);
    return () => {
      here = false;
    };
  }, [weights]);
  return health;
}

/** The blobs of a row: the newest answer, the one before it until then. */
function useLayers(app, row, weights) {
  const [told, keep] = useState(null);
  const line = useRef(null);
  useEffect(() => {
    line.current = newest((of) => get(`/api/layers?row=${of}`), (answer, of) => keep({ ...answer, row: of }), app.problem);
    return () => line.current.end();
  }, []);
  useEffect(() => line.current.ask(row), [row, weights]);
  return told;
}

function useKeys(keys) {
  const now = useRef(keys);
  now.current = keys;
  useEffect(() => {
    const press = (event) => {
      if (event.target.closest('input, select, textarea') || event.ctrlKey || event.metaKey || event.altKey) return;
      if (now.current[event.key]?.(event) !== undefined) event.preventDefault();
    };
    addEventListener('keydown', press);
    return () => removeEventListener('keydown', press);
  }, []);
}

function Layers({ app }) {
  const row = useShared(app, 'row') ?? 0;
  const weights = useTurns(app, 'weights');
  useTurns(app, 'theme');
  const [each, setEach] = useState(false);
  const [open, look] = useState(null);
  const health = useHealth(app, weights);
  const told = useLayers(app, row, weights);
  const choose = (to) => app.set({ row: to });
  const turn = (by) => {
    if (!open || !document.activeElement?.closest('.unit')) return undefined;
    const count = units(layout(told.arrays[told.blobs[open.at].array].shape, app.about.image));
    look({ at: open.at, unit: around(open.unit + by, count) });
    return true;
  };
  const step = (by) => choose(around(row + by, app.about.count)) ?? true;
  useKeys({ ArrowLeft: () => step(-1), ArrowRight: () => step(1), ArrowUp: () => turn(-1), ArrowDown: () => turn(1),
    Escape: () => (open ? look(null) ?? true : undefined) });
  if (!app.about.count) return html`<p class="empty">There are no images to send through the network: give --data, or draw one under Draw.</p>`;
  if (!told) return html`<p class="empty">Computing the layers …</p>`;
  const found = judged(told.blobs, health?.told, health?.warnings);
  return html`<div class="tools toolbar"><${PickRow} app=${app} row=${row} choose=${choose} />
      <div class="segmented" role="group" aria-label="Black and white">
        ${[[false, 'each panel', 'Black is the least value of a panel, white its greatest'], [true, 'each map', 'Every map has its own black and white']].map(([value, name, hint]) => html`<button
          type="button" class="button" title=${hint} aria-pressed=${each === value} onClick=${() => setEach(value)}>${name}</button>`)}</div>
      <span class="soft small hint">← → other images · click a map to enlarge it</span></div>
    <${First} blobs=${told.blobs} found=${found} images=${health?.told.images ?? null} go=${show} />
    <${Grid} app=${app} told=${told} found=${found} each=${each} open=${open} look=${look} row=${told.row} choose=${choose} />`;
}
