// The bar above the map: which map, coloured by what, points or images, search; the buttons upon it; the legend below.
import { html, useEffect, useRef, useState } from '../../vendor/preact-htm.js';
import { css, figure } from '../palette.js';
import { Canvas, put } from '../pictures.js';

const ICONS = {
  move: 'M8 2v12M2 8h12M8 2 6 4M8 2l2 2M8 14l-2-2M8 14l2-2M2 8l2-2M2 8l2 2M14 8l-2-2M14 8l-2 2',
  box: 'M3 3h2M7 3h2M11 3h2v2M13 7v2M13 11v2h-2M9 13H7M5 13H3v-2M3 9V7M3 5V3',
  lasso: 'M5.5 11.2C3.4 10.6 2 9.2 2 7.4 2 4.9 4.7 3 8 3s6 1.9 6 4.4-2.7 4.4-6 4.4c-.9 0-1.700-.1-2.500-.6M5.500 9.500a1.300 1.300 0 1 0 .1 2.600c.9 0 1.200-1.700.3-2.400M5.800 12c.3 1.200-.4 2-1.600 2.200',
  nearer: 'M8 3v10M3 8h10',
  farther: 'M3 8h10',
  whole: 'M3 6V3h3M10 3h3v3M13 10v3h-3M6 13H3v-3',
};
const Icon = ({ name }) => html`<svg viewBox="0 0 16 16" width="16" height="16" fill="none" stroke="currentColor"
  stroke-width="1.4" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true"><path d=${ICONS[name]} /></svg>`;

const Choice = ({ label, value, options, change }) => html`<label class="field">${label}
  <select value=${value} onChange=${(event) => change(event.target.value)}>
    ${options.map(([name, title]) => html`<option value=${name} selected=${String(name) === String(value)}>${title}</option>`)}
  </select></label>`;

/** Columns in the order of use: what is known, the code's numbers, what the blobs hold. */
function Columns({ columns, value, change }) {
  const group = ({ name }) => (/^code \d+$/.test(name) ? 'The code' : / of /.test(name) ? 'Blobs' : 'The images');
  const groups = ['The images', 'The code', 'Blobs'].map((title) => [title, columns.filter((each) => group(each) === title)]);
  return html`<label class="field">Colour
    <select value=${value} onChange=${(event) => change(event.target.value)}>
      ${groups.map(([title, some]) => some.length > 0 && html`<optgroup label=${title}>
        ${some.map(({ name }) => html`<option value=${name} selected=${name === value}>${name}</option>`)}</optgroup>`)}
    </select></label>`;
}

function Search({ search }) {
  const [text, write] = useState('');
  const asked = useRef('');
  useEffect(() => {
    const wait = setTimeout(() => {
      if (text.trim() !== asked.current) search((asked.current = text.trim()));
    }, 300);
    return () => clearTimeout(wait);
  }, [text]);
  const now = (event) => {
    if (event.key === 'Escape') write('');
    if (event.key === 'Enter') search((asked.current = text.trim()));
  };
  return html`<label class="field search"><span class="unseen">Search by class, name or number</span>
    <input type="search" placeholder="Search: class, name, number" value=${text} onKeyDown=${now}
      onInput=${(event) => write(event.target.value)} /></label>`;
}

const Kind = ({ images, change }) => html`<div class="segmented" role="group" aria-label="Marks">
  ${[[false, 'Points'], [true, 'Images']].map(([value, title]) => html`<button type="button" class="button"
    aria-pressed=${String(images === value)} onClick=${() => change(value)}>${title}</button>`)}</div>`;

/** The bar. `now`: {map, x, y, colour, images}; `does`: what is called with a new value of each, and `search`. */
export function Bar({ about, now, does }) {
  const dims = Array.from({ length: about.code?.dims ?? 0 }, (_, at) => [at, `code ${at + 1}`]);
  return html`<div class="toolbar">
    <${Choice} label="Map" value=${now.map} options=${about.maps.map(({ name, title }) => [name, title])} change=${does.map} />
    ${now.map === 'dims' && html`<${Choice} label="→" value=${now.x} options=${dims} change=${(x) => does.pair(Number(x), now.y)} />
      <${Choice} label="↑" value=${now.y} options=${dims} change=${(y) => does.pair(now.x, Number(y))} />`}
    ${about.columns.length > 0 && html`<${Columns} columns=${about.columns} value=${now.colour} change=${does.colour} />`}
    <${Kind} images=${now.images} change=${does.images} />
    <${Search} key=${now.turn} search=${does.search} />
  </div>`;
}

/** The buttons upon the map. */
export function Buttons({ tool, does }) {
  const tools = [['move', 'Move the map (V)'], ['box', 'Choose with a box (B)'], ['lasso', 'Choose with a lasso (L)']];
  const views = [['nearer', 'Nearer (+)'], ['farther', 'Farther (−)'], ['whole', 'The whole map (0)']];
  return html`<div class="pile" role="group" aria-label="What a drag does">${tools.map(([name, title]) => html`<button
      type="button" class="button" title=${title} aria-label=${title} aria-pressed=${String(tool === name)}
      onClick=${() => does.tool(name)}><${Icon} name=${name} /></button>`)}</div>
    <div class="pile" role="group" aria-label="Zoom">${views.map(([name, title]) => html`<button type="button"
      class="button" title=${title} aria-label=${title} onClick=${() => does[name]()}><${Icon} name=${name} /></button>`)}</div>`;
}

function Classes({ name, colours, marks, counts, alone, toggle }) {
  return html`<div class=${`legend ${alone.size ? 'isolated' : ''}`} role="group" aria-label=${`Classes of ${name}`}>
    ${colours.names.map((title, at) => html`<button type="button" aria-pressed=${String(alone.has(at))}
      title=${`${counts[at].toLocaleString('en')} images; click: this class alone; with Shift: this one too`}
      onClick=${(event) => toggle(at, event.shiftKey || event.ctrlKey || event.metaKey)}>
      <i class=${`swatch ${marks(at)}`} style=${{ background: css(colours.inks[at % colours.inks.length]) }}></i>${title}</button>`)}
  </div>`;
}

function Scale({ name, colours }) {
  const draw = (canvas) => {
    const picture = new ImageData(256, 1);
    for (let at = 0; at < 256; at++) picture.data.set([...colours.inks[Math.min(at, 253)], 255], 4 * at);
    put(canvas, picture);
  };
  return html`<div class="scale"><span>${figure(colours.low)}</span>
    <${Canvas} draw=${draw} on=${[colours]} title=${`${name}: from ${figure(colours.low)} to ${figure(colours.high)}`} />
    <span>${figure(colours.high)}</span><span class="soft">${name}</span>
    ${colours.beyond > 0 && html`<span class="soft">${colours.beyond.toLocaleString('en')} beyond, shown as the ends</span>`}</div>`;
}

/** What the colours mean. `colours`: as colours.js makes them. */
export const Legend = (props) => props.colours?.inks.length > 1 && (props.colours.names ? html`<${Classes} ...${props} />` : html`<${Scale} ...${props} />`);
