// Every layer at every snapshot, by one figure: where in the net and when something went wrong is one glance.
import { html, useState } from '../../vendor/preact-htm.js';
import { css, figure, isDark, NUMBERS, token } from '../palette.js';
import { Lines } from './chart.js';
import { MOST, spread } from './snapshots.js';

const STILL = 0.95; // share of values in the tails from which the guard calls a layer saturated

const percent = (share) => (share === null || share === undefined ? '' : `${(100 * share).toFixed(share > 0.995 && share < 1 ? 1 : 0)} %`);
const most = ({ min, max, size }) => size ?? (typeof min === 'number' ? Math.max(-min, max) : min);

/** What the layers are looked at by. `of`: the figure of a blob or a learned blob; `wrong`: whether that is a fault. */
const FIGURES = {
  values: {
    title: 'Values', hint: 'the largest |value| that the layer gives', live: 'the mean |value| that the layer gives', rows: 'blobs', log: true, of: most, text: figure,
    wrong: (row) => (row.not_finite || typeof most(row) === 'string' ? 'not finite' : row.constant ? 'the same for every image' : ''),
    lines: [['largest', (row) => row.max, '--accent'], ['mean', (row) => row.mean, '--soft'], ['least', (row) => row.min, '--accent'], ['mean |value|', (row) => row.size, '--accent']],
  },
  saturated: {
    title: 'Saturation', hint: 'the share of values where an activation is nearly flat, or of units that are dead', rows: 'blobs', log: false,
    of: (row) => ((row.saturated ?? row.dead ?? null) === null ? undefined : Math.max(row.saturated ?? 0, row.dead ?? 0)), text: percent,
    wrong: (row, last) => (row.dead === 1 ? 'dead' : row.saturated > STILL && !last ? 'saturated' : ''),
    lines: [['saturated', (row) => row.saturated, '--bad'], ['dead', (row) => row.dead, '--soft']],
  },
  gradients: {
    title: 'Gradients', hint: 'the mean |gradient| of the weights, on the first training batch', live: 'the mean |gradient| of the weights', rows: 'learned', log: true, of: (row) => row.gradient ?? undefined, text: figure,
    wrong: (row) => (typeof row.gradient === 'string' ? 'not finite' : row.gradient === 0 ? 'no gradient' : ''),
    lines: [['mean |gradient|', (row) => row.gradient, '--accent']],
  },
  updates: {
    title: 'Updates', hint: 'how far the weights have moved since the snapshot before, as a share of their size', live: 'the mean |update| as a share of the mean |weight|', rows: 'learned', log: true, of: (row) => row.moved ?? undefined, text: percent,
    wrong: (row) => (typeof row.moved === 'string' ? 'not finite' : ''),
    lines: [['moved', (row) => row.moved, '--accent']],
  },
  weights: {
    title: 'Weights', hint: 'the mean |weight|', rows: 'learned', log: true, of: (row) => row.size, text: figure,
    wrong: (row) => (typeof row.size === 'string' ? 'not finite' : ''),
    lines: [['largest', (row) => row.max, '--accent'], ['mean of |.|', (row) => row.size, '--soft'], ['least', (row) => row.min, '--accent']],
  },
};

/** The rows: {key, layer, name, type, cells} with a cell for each column, or undefined where it has none. */
function table(columns, { rows, of }) {
  const found = new Map();
  for (const [at, column] of columns.entries()) {
    for (const row of column[rows]) {
      if (rows === 'learned' && row.param) continue; // weights, without biases
      const key = rows === 'blobs' ? row.blob : row.layer;
      if (!found.has(key)) found.set(key, { key, layer: row.layer, name: row.layer, type: row.type, cells: [] });
      found.get(key).cells[at] = row;
    }
  }
  return [...found.values()].filter(({ cells }) => cells.some((cell) => cell && of(cell) !== undefined));
}

/** What `debug_info` told of displayed iterations, as columns: means of |.|, live. */
function means(story) {
  return spread([...story.debugged], MOST).map(([iteration, told]) => {
    const blobs = new Map();
    const learned = new Map();
    for (const { stage, layer, what, value, diff } of told) {
      const [, blob] = /^top blob (.*) data$/.exec(what) ?? [];
      if (stage === 'Forward' && blob !== undefined) blobs.set(blob, { blob, layer, size: value });
      const [, param] = /^param(?: blob)? (\d+) /.exec(what) ?? [];
      if (param === undefined || stage === 'Forward') continue;
      const key = `${layer} ${param}`;
      if (!learned.has(key)) learned.set(key, { layer, param: Number(param), size: null });
      Object.assign(learned.get(key), stage === 'Backward' ? { gradient: value } : { size: value, moved: value > 0 ? diff / value : undefined });
    }
    return { iteration, blobs: [...blobs.values()], learned: [...learned.values()] };
  });
}

/** Places of values between 0 and 1, on a logarithmic scale where they span more. */
function scale(values, log) {
  const known = values.filter((value) => typeof value === 'number' && (!log || value > 0));
  if (!log) return (value) => value;
  const [low, high] = [Math.log(Math.min(...known)), Math.log(Math.max(...known))];
  return (value) => (value > 0 && high > low ? (Math.log(value) - low) / (high - low) : 0);
}

function Cell({ row, shown, place, chosen, last, columns }) {
  const value = row && shown.of(row);
  if (value === undefined) return html`<td></td>`;
  const fault = shown.wrong(row, last);
  const level = typeof value === 'number' ? Math.round(255 * Math.max(0, Math.min(1, place(value)))) : 0;
  const step = Math.round(isDark() ? 30 + (225 * level) / 255 : level);
  const ground = css([0, 1, 2].map((part) => NUMBERS[3 * step + part]));
  const text = typeof value === 'string' ? value : shown.text(value);
  const style = fault ? {} : { background: ground, color: step > 150 ? '#10131a' : '#ffffff' };
  return html`<td class=${`${fault ? 'wrong' : ''} ${chosen ? 'chosen' : ''}`} style=${style} title=${fault ? `${text}: ${fault}` : text}>
    ${columns <= 14 ? text : html`<span class="unseen">${text}</span>`}${fault && html`<span class="unseen">, ${fault}</span>`}</td>`;
}

/** The chosen layer's figure over the iterations. */
function Course({ row, shown, columns, together, theme, pick }) {
  const x = columns.map(({ iteration }) => iteration);
  const plain = (value) => (typeof value === 'number' ? value : null);
  const lines = shown.lines
    .map(([label, of, colour]) => ({ label, colour: token(colour), x, y: x.map((_, at) => (row.cells[at] ? plain(of(row.cells[at])) : null)), points: true }))
    .filter(({ y }) => y.some((value) => value !== null));
  return html`<figure class="course"><figcaption><strong>${row.layer}</strong> <span class="soft">${row.type}</span></figcaption>
    <${Lines} title=${`${row.layer}, ${shown.title}`} lines=${lines} log=${false} height=${190} marks=${[]} together=${together} theme=${theme} pick=${pick} /></figure>`;
}

/**
 * @param {{moments: import('./snapshots.js').Moments, story: import('./story.js').Story, layer: string|null, choose: (layer: string) => void, open: (layer: string) => void}} props
 *   choose: looks at a layer here; open: goes to it in the network
 */
export function Layers({ moments, story, layer, choose, open, together, theme, pick }) {
  const [name, look] = useState('saturated');
  const [live, follow] = useState(false);
  const debugged = story.debugged.size > 0;
  const saved = moments.columns.filter((column, at, all) => all.findIndex(({ iteration }) => iteration === column.iteration) === at);
  const told = debugged && (live || !saved.length);
  const columns = told ? means(story) : saved;
  if (!columns.length) return null;
  const there = Object.entries(FIGURES).filter(([, each]) => table(columns, each).length);
  const [kind, shown] = there.find(([each]) => each === name) ?? there[0];
  const rows = table(columns, shown);
  const place = scale(rows.flatMap(({ cells }) => cells.map((cell) => cell && shown.of(cell))), shown.log);
  const row = rows.find((each) => each.layer === layer) ?? rows[0];
  const waits = !told && moments.list.length > columns.length && moments.busy;
  return html`<section class="panel over" aria-label="Layers over the training">
    <header><h2>Layers over the training</h2>
      <div class="segmented" role="group" aria-label="Figure">${there.map(([each, { title, hint }]) => html`<button type="button" class="button"
        aria-pressed=${each === kind} title=${hint} onClick=${() => look(each)}>${title}</button>`)}</div>
      ${debugged && saved.length > 0 && html`<label class="field"><input type="checkbox" checked=${live} onChange=${() => follow(!live)} /> as debug_info tells</label>`}
      <span class="soft small grow">${(told && shown.live) || shown.hint}${waits ? ' · computing …' : ''}</span></header>
    <div class="matrix"><div class="scroll" tabindex="0" role="region" aria-label="Table of layers and snapshots"><table>
      <thead><tr><th scope="col">layer</th>${columns.map(({ iteration }) => html`<th scope="col"><button type="button" class="plain"
        aria-label=${`Show the snapshot of iteration ${iteration}`} onClick=${() => pick(iteration)}>${figure(iteration)}</button></th>`)}</tr></thead>
      <tbody>${rows.map((each, at) => html`<tr class=${each === row ? 'chosen' : ''}><th scope="row"><button type="button" class="plain" aria-pressed=${each === row}
          onClick=${() => choose(each.layer)}>${each.name}</button></th>
        ${columns.map((column, place_) => html`<${Cell} row=${each.cells[place_]} shown=${shown} place=${place} columns=${columns.length}
          last=${at === rows.length - 1} chosen=${column.iteration === moments.now?.iteration} />`)}</tr>`)}</tbody></table></div>
      <div class="chosen"><${Course} row=${row} shown=${shown} columns=${columns} together=${together} theme=${theme} pick=${pick} />
        <button type="button" class="button" onClick=${() => open(row.layer)}>Show ${row.layer} in the network</button></div>
    </div></section>`;
}
