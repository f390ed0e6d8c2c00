// Beside the map: the chosen image with its neighbours, and what was selected.
import { html, useEffect, useState } from '../../vendor/preact-htm.js';
import { download, get, post, stale } from '../api.js';
import { css, figure } from '../palette.js';
import { Picture } from '../pictures.js';
import { name, told, Trio } from './card.js';
import { Sheet } from './sheet.js';

const MOST_MEAN = 5000; // images whose mean is made at once
const NEIGHBOURS = 12;

/** What `load()` gives, or null until it is there; asked anew when one of `on` changes. */
function useAnswer(load, on, app) {
  const [answer, keep] = useState(null);
  useEffect(() => {
    let here = true;
    Promise.resolve(load()).then(
      (value) => here && keep(value),
      (error) => here && !stale(error) && app.problem(error),
    );
    return () => {
      here = false;
    };
  }, on);
  return answer;
}

function Neighbours({ app, thumbs, row, choose }) {
  const found = useAnswer(() => get(`/api/neighbours?row=${row}&most=${NEIGHBOURS}`, { lane: 'neighbours' }), [row, app.about], app);
  if (!found) return html`<div class="sheet strip" />`;
  const [near, far] = [found.distances[0], found.distances.at(-1)];
  return html`<div><h3>Nearest in code space</h3>
    <${Sheet} rows=${found.rows} thumbs=${thumbs} chosen=${null} choose=${choose} side=${44}
      title=${`The ${found.rows.length} images whose codes are nearest`} />
    <p class="caption">${found.rows.length} images, at distances of ${figure(near)} to ${figure(far)}</p></div>`;
}

/** The chosen image. */
function Chosen({ app, thumbs, row, choose }) {
  const image = useAnswer(() => (row === null ? null : app.image(row)), [row, app.about], app);
  if (row === null) return null;
  if (!image) return html`<section class="panel"><header><h2>Image ${row}</h2></header></section>`;
  const facts = Object.entries(image.columns);
  return html`<section class="panel" aria-label="The chosen image"><header><h2>${name(image)}</h2>
      <div><button type="button" class="button quiet" onClick=${() => app.go('layers')}>Its layers</button>
      <button type="button" class="button quiet" aria-label="Let go of the chosen image" onClick=${() => choose(null)}>✕</button></div></header>
    <div class="body"><${Trio} image=${image} about=${app.about.image} />
      <dl class="facts">${facts.map(([column, value]) => html`<dt>${column}</dt><dd>${told(value)}</dd>`)}</dl>
      <${Neighbours} app=${app} thumbs=${thumbs} row=${row} choose=${choose} /></div></section>`;
}

/** How many of the selected images are of each class, as bars. */
function Shares({ rows, colours }) {
  const counts = new Map();
  for (const row of rows) counts.set(colours.classes[row], (counts.get(colours.classes[row]) ?? 0) + 1);
  const most = Math.max(...counts.values());
  const sorted = [...counts].sort((one, other) => other[1] - one[1]).slice(0, 6);
  return html`<dl class="shares">${sorted.map(([at, count]) => html`<dt>${colours.names[at]}</dt>
    <dd><i style=${{ width: `${(100 * count) / most}%`, background: css(colours.inks[at % colours.inks.length]) }}></i>
    <span>${count.toLocaleString('en')}</span></dd>`)}</dl>`;
}

function Mean({ app, rows }) {
  const some = rows.length <= MOST_MEAN ? rows : rows.filter((_, at) => at % Math.ceil(rows.length / MOST_MEAN) === 0);
  const mean = useAnswer(() => post('/api/mean', { rows: some }, { lane: 'mean' }), [rows, app.about], app);
  if (!mean) return html`<div class="trio" />`;
  const { image, restored } = mean.arrays;
  const of = some.length < rows.length ? ` of ${some.length.toLocaleString('en')} of them` : '';
  return html`<div class="trio">
    <figure><${Picture} values=${image.values} about=${app.about.image} title="The mean image" /><figcaption>mean${of}</figcaption></figure>
    ${restored && html`<figure><${Picture} values=${restored.values} about=${app.about.image} title="The mean of what is restored" />
      <figcaption>mean restored</figcaption></figure>`}
    ${restored && html`<figure><${Picture} values=${restored.values} against=${image.values} about=${app.about.image}
      title="The mean restored less the mean image" /><figcaption>difference</figcaption></figure>`}</div>`;
}

const FILES = [['csv', 'CSV', 'Codes and columns as a table'], ['npz', 'NPZ', 'Codes and images for NumPy'],
  ['sheet', 'Sheet', 'The images as one picture']];

function Selection({ app, thumbs, rows, row, colours, choose }) {
  if (!rows.length) return null;
  const save = (kind) => download('/api/export', { rows, kind }, `selection.${kind}`).catch(app.problem);
  return html`<section class="panel" aria-label="The selection"><header>
      <h2>${rows.length.toLocaleString('en')} ${rows.length === 1 ? 'image' : 'images'} selected</h2>
      <button type="button" class="button quiet" onClick=${() => app.set({ selection: new Set() })}>Clear</button></header>
    <div class="body">
      ${colours?.names && html`<${Shares} rows=${rows} colours=${colours} />`}
      <${Mean} app=${app} rows=${rows} />
      <${Sheet} rows=${rows} thumbs=${thumbs} chosen=${row} choose=${choose} title="The selected images" />
      <div class="toolbar"><span class="soft">Take away</span><div class="segmented">${FILES.map(([kind, title, hint]) => html`<button
        type="button" class="button" title=${hint} onClick=${() => save(kind)}>${title}</button>`)}</div></div>
    </div></section>`;
}

const HELP = [
  ['Point', 'its image, what is restored, and the difference'], ['Click', 'keeps the image here'],
  ['← ↑ → ↓', 'on to the next image'], ['L  B', 'lasso or box: selects; with Shift more, with Alt less'],
  ['Drag  + −  0', 'moves, zooms, shows all'], ['Esc', 'lets go'],
];

/** What the map answers to, while nothing is chosen. */
const Help = () => html`<section class="panel"><header><h2>On the map</h2></header><div class="body">
  <dl class="facts keys">${HELP.map(([key, does]) => html`<dt>${key}</dt><dd>${does}</dd>`)}</dl></div></section>`;

/** The panels of what is chosen and of what is selected. */
export function Side(props) {
  if (props.row === null && !props.rows.length) return html`<${Help} />`;
  return html`<${Chosen} ...${props} /><${Selection} ...${props} />`;
}
