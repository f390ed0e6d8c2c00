// The network: its graph, its text, its table; a layer that is chosen in one is marked in all; what is wrong with which.
import { html, render, useEffect, useMemo, useRef, useState } from '../vendor/preact-htm.js';
import { get } from './api.js';
import { Graph } from './network/graph.js';
import { Text } from './network/text.js';

const ZOOMS = [0.5, 0.65, 0.8, 1, 1.25, 1.6, 2];
const WORDS = { not_finite: 'not finite', gradients_gone: 'no gradients', failed: 'the training failed here' };

/** Shows the view in `main`; returns what ends it. */
export function mount(main, app) {
  render(html`<${Network} app=${app} />`, main);
  return () => render(null, main);
}

/** The layer that the address names: #network/conv1. */
const named = () => {
  const [, layer] = location.hash.split('/');
  try {
    return layer ? decodeURIComponent(layer) : null;
  } catch {
    return null;
  }
};

const size = (shape) => (shape === null ? '?' : shape.length ? shape.join('×') : 'one number');

/** What is wrong, of these weights and as the training said: [{layer, kind, message, when}], the present first. */
function useFaults(app, warnings, turn) {
  const [found, keep] = useState([]);
  useEffect(() => {
    let here = true;
    if (!app.about.count) return undefined;
    get('/api/health').then((health) => here && keep(health.findings), () => {});
    return () => {
      here = false;
    };
  }, [turn]);
  return useMemo(() => [
    ...found.map((each) => ({ ...each, when: 'now, with the weights that are shown' })),
    ...(warnings ?? []).map((each) => ({ ...each, when: `in the training, iteration ${each.iteration.toLocaleString('en')}` })),
  ], [found, warnings]);
}

/** Shows the layer's maps: its blob's panel among the layers, once that view is there. */
function maps(app, layer) {
  const at = app.about.path.findIndex((each) => each.layer === layer);
  app.go('layers');
  const until = performance.now() + 5000;
  const look = () => {
    const panel = document.getElementById(`blob-${at}`);
    if (panel) {
      panel.scrollIntoView({ block: 'center' });
      panel.focus({ preventScroll: true });
    } else if (performance.now() < until) setTimeout(look, 100);
  };
  look();
}

function Faults({ faults, choose }) {
  if (!faults.length) return null;
  return html`<section class="panel faults" aria-label="What is wrong">
    <ol>${faults.map(({ layer, kind, message, when }) => html`<li><span class="kind">${WORDS[kind] ?? kind}</span>
      <span class="message">${message} <span class="soft small">${when}</span></span>
      ${layer && html`<button type="button" class="button" onClick=${() => choose(layer)}>Show ${layer}</button>`}</li>`)}</ol></section>`;
}

function Chosen({ app, layer, faults, network }) {
  if (!layer) {
    return html`<section class="panel chosen" aria-label="The network"><header><h2>${network.name || 'network'}</h2></header>
      <dl class="body facts">${Object.entries(network.facts).map(([name, words]) => html`<dt>${name}</dt><dd>${words}</dd>`)}
        <dt></dt><dd class="soft">Choose a layer in the graph, the text or the table.</dd></dl></section>`;
  }
  const flow = (names, shapes) => names.map((name, at) => html`<div>${name} <span class="soft">${size(shapes[at] ?? null)}</span></div>`);
  const own = faults.filter((each) => each.layer === layer.name);
  const on = app.about.path.some((each) => each.layer === layer.name);
  return html`<section class="panel chosen" aria-label="The chosen layer" aria-live="polite">
    <header><h2>${layer.name} <span class="soft">${layer.type}</span></h2><div class="toolbar">
      ${on && html`<button type="button" class="button" onClick=${() => maps(app, layer.name)}>Its maps</button>`}
      ${app.about.trains && html`<button type="button" class="button" onClick=${() => {
        app.set({ layer: layer.name });
        app.go('training');
      }}>Over the training</button>`}</div></header>
    <dl class="body facts">
      ${layer.bottoms.length > 0 && html`<dt>reads</dt><dd>${flow(layer.bottoms, layer.reads)}</dd>`}
      <dt>makes</dt><dd>${flow(layer.tops, layer.shapes)}</dd>
      <dt>parameters</dt><dd>${layer.parameters.toLocaleString('en')}</dd>
      ${layer.line > 0 && html`<dt>lines</dt><dd>${layer.line} to ${layer.last}</dd>`}
      ${own.map(({ kind, message, when }) => html`<dt class="wrong">${WORDS[kind] ?? kind}</dt><dd>${message} <span class="soft">${when}</span></dd>`)}
    </dl></section>`;
}

function Table({ layers, layer, faults, choose }) {
  const host = useRef(null);
  useEffect(() => {
    const row = host.current.querySelector('tr.chosen');
    if (row && (row.offsetTop < host.current.scrollTop + 30 || row.offsetTop + 30 > host.current.scrollTop + host.current.clientHeight)) {
      host.current.scrollTop = row.offsetTop - host.current.clientHeight / 2;
    }
  }, [layer]);
  const total = layers.reduce((sum, { parameters }) => sum + parameters, 0);
  return html`<div class="scroll" ref=${host} tabindex="0" role="region" aria-label="Table of layers"><table class="table"><thead><tr><th scope="col">layer</th><th scope="col">type</th>
      <th scope="col">shape</th><th scope="col" class="number">parameters</th></tr></thead>
    <tbody>${layers.map((each) => html`<tr class=${each === layer ? 'chosen' : ''}>
      <th scope="row"><button type="button" class="plain" aria-pressed=${each === layer} onClick=${() => choose(each.name)}>${each.name}</button>
        ${faults.has(each.name) && html` <span class="kind">${faults.get(each.name)}</span>`}</th>
      <td>${each.type}</td><td>${each.shapes.map(size).join(', ')}</td>
      <td class="number">${each.parameters ? each.parameters.toLocaleString('en') : ''}</td></tr>`)}</tbody>
    <tfoot><tr><th scope="row" colspan="3">all</th><td class="number">${total.toLocaleString('en')}</td></tr></tfoot></table></div>`;
}

function useTurn(app, name) {
  const [turn, next] = useState(0);
  useEffect(() => app.on(name, () => next((before) => before + 1)), []);
  return turn;
}

function Network({ app }) {
  const turn = useTurn(app, 'weights');
  const [network, keep] = useState(null);
  const [name, look] = useState(named() ?? app.state.layer ?? null);
  const [zoom, enlarge] = useState(3);
  useEffect(() => {
    get('/api/network').then(keep, app.problem);
  }, [turn]);
  const choose = (layer) => {
    look(layer);
    app.set({ layer });
    history.replaceState(null, '', layer ? `#network/${encodeURIComponent(layer)}` : '#network');
  };
  useEffect(() => {
    const hash = () => location.hash.startsWith('#network') && named() && choose(named());
    const key = (event) => event.key === 'Escape' && !event.target.closest('input, select') && choose(null);
    addEventListener('hashchange', hash);
    addEventListener('keydown', key);
    return () => {
      removeEventListener('hashchange', hash);
      removeEventListener('keydown', key);
    };
  }, []);
  const faults = useFaults(app, network?.warnings, turn);
  const at = useMemo(() => new Map([...faults].reverse().filter(({ layer }) => layer).map(({ layer, kind }) => [layer, WORDS[kind] ?? kind])), [faults]);
  if (!network) return html`<p class="empty">Drawing the network …</p>`;
  const layer = network.layers.find((each) => each.name === name) ?? null;
  const scale = (by) => enlarge(Math.max(0, Math.min(ZOOMS.length - 1, zoom + by)));
  return html`<div class=${`page ${faults.length ? 'ill' : ''}`}>
    <${Faults} faults=${faults} choose=${choose} />
    <section class="panel graph" aria-label="Graph"><header><h2>Graph</h2><div class="toolbar">
        <button type="button" class="button" aria-label="Smaller" disabled=${zoom === 0} onClick=${() => scale(-1)}>−</button>
        <button type="button" class="button" aria-label="Larger" disabled=${zoom === ZOOMS.length - 1} onClick=${() => scale(1)}>+</button></div></header>
      ${network.svg ? html`<${Graph} text=${network.svg} layers=${network.layers} faults=${at} layer=${name} zoom=${ZOOMS[zoom]} choose=${choose} />` : html`<p class="empty">There is no drawing of it.</p>`}</section>
    <${Chosen} app=${app} layer=${layer} faults=${faults} network=${network} />
    <section class="panel source" aria-label="Text"><header><h2>Text</h2><span class="soft small file" title=${network.file}>${network.file.split('/').pop()}</span></header>
      <${Text} text=${network.text} file=${network.file} layers=${network.layers} layer=${layer} choose=${choose} /></section>
    <section class="panel summary" aria-label="Layers"><header><h2>${network.layers.length} layers</h2></header>
      <${Table} layers=${network.layers} layer=${layer} faults=${at} choose=${choose} /></section>
  </div>`;
}
