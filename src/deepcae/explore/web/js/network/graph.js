// The drawing of the graph, which the server makes: its layers can be chosen, by mouse and by keyboard.
import { html, useEffect, useRef } from '../../vendor/preact-htm.js';

/** The drawing as elements of this page. It is parsed as a file of its own, in which nothing runs. */
function parsed(text) {
  const svg = new DOMParser().parseFromString(text, 'image/svg+xml').documentElement;
  return svg.localName === 'svg' ? document.importNode(svg, true) : null;
}

const FORWARD = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 };

/** The group of a layer; of several layers with one name the first. */
const group = (host, layer) => [...host.querySelectorAll('g[data-layer]')].find(({ dataset }) => dataset.layer === layer);

/** Makes the drawing's layers buttons, its blobs lead to who makes them. */
function equip(svg, layers, faults) {
  svg.setAttribute('role', 'group');
  svg.setAttribute('aria-label', 'The graph of layers. Arrow keys go from layer to layer.');
  svg.querySelector('title')?.remove();
  const makers = new Map(layers.flatMap(({ name, tops }) => tops.map((top) => [top, name])));
  for (const each of svg.querySelectorAll('g[data-layer]')) {
    const { name, type, parameters } = layers.find((layer) => layer.name === each.dataset.layer) ?? { name: each.dataset.layer, type: '', parameters: 0 };
    each.setAttribute('role', 'button');
    each.setAttribute('tabindex', '-1');
    const fault = faults.get(name);
    const seen = [...each.querySelectorAll('text')].map((words) => words.textContent.trim()).join(' '); // what is named has to begin so
    each.setAttribute('aria-label', [seen, parameters ? `${parameters.toLocaleString('en')} parameters` : '', fault && `at fault: ${fault}`].filter(Boolean).join(', '));
    if (fault) each.classList.add('fault');
  }
  for (const each of svg.querySelectorAll('g[data-blob]')) each.dataset.of = makers.get(each.dataset.blob) ?? '';
}

/** Brings a group into the middle of its host, if it is not in sight. */
function bring(host, each, smooth) {
  const [inner, outer] = [each.getBoundingClientRect(), host.getBoundingClientRect()];
  if (inner.top >= outer.top && inner.bottom <= outer.bottom && inner.left >= outer.left && inner.right <= outer.right) return;
  host.scrollBy({
    top: inner.top + inner.height / 2 - outer.top - outer.height / 2, left: inner.left + inner.width / 2 - outer.left - outer.width / 2,
    behavior: smooth ? 'smooth' : 'auto',
  });
}

/**
 * @param {{text: string, layers: object[], faults: Map<string, string>, layer: string|null, zoom: number, choose: (layer: string) => void}} props
 *   text: an SVG whose groups have `data-layer` or `data-blob`; faults: what is wrong with which layer
 */
export function Graph({ text, layers, faults, layer, zoom, choose }) {
  const host = useRef(null);
  const size = useRef(0);
  useEffect(() => {
    const svg = parsed(text);
    if (!svg) return;
    size.current = parseFloat(svg.getAttribute('width')) * (96 / 72); // it is in points
    svg.removeAttribute('height');
    equip(svg, layers, faults);
    host.current.replaceChildren(svg);
  }, [text, faults]);
  useEffect(() => {
    const svg = host.current.firstElementChild;
    if (svg) svg.setAttribute('width', Math.round(size.current * zoom));
  }, [text, zoom, faults]);
  useEffect(() => {
    for (const each of host.current.querySelectorAll('g[data-layer]')) {
      each.classList.toggle('chosen', each.dataset.layer === layer);
      each.setAttribute('aria-pressed', String(each.dataset.layer === layer));
      each.setAttribute('tabindex', '-1');
    }
    const chosen = (layer && group(host.current, layer)) || host.current.querySelector('g[data-layer]');
    chosen?.setAttribute('tabindex', '0'); // one stop of the tab key; arrow keys go on from there
    if (layer && chosen) bring(host.current, chosen, !matchMedia('(prefers-reduced-motion: reduce)').matches);
  }, [layer, text, zoom, faults]);
  const click = (event) => {
    const each = event.target.closest('g[data-layer], g[data-blob]');
    const name = each?.dataset.layer ?? each?.dataset.of;
    if (name) choose(name);
  };
  const key = (event) => {
    const each = event.target.closest('g[data-layer]');
    if (!each) return;
    if (event.key === 'Enter' || event.key === ' ') choose(each.dataset.layer);
    else if (event.key in FORWARD) {
      const names = layers.map(({ name }) => name);
      const next = names[names.indexOf(each.dataset.layer) + FORWARD[event.key]];
      if (next === undefined) return;
      choose(next);
      group(host.current, next)?.focus({ preventScroll: true });
    } else return;
    event.preventDefault();
  };
  return html`<div class="graphic" ref=${host} onClick=${click} onKeyDown=${key}></div>`;
}
