// One blob of one image: what it looks like, how large it is, what its numbers come to.
import { html } from '../../vendor/preact-htm.js';
import { figure } from '../palette.js';
import { Canvas, curve, put } from '../pictures.js';
import { layout, picture, size, unitAt, units } from './blob.js';
import { lost } from './judge.js';

/** How often which values occur: bars over the range, their heights by the square root so that rare ones are seen. */
export function Histogram({ told }) {
  if (!told) return html`<svg class="histogram" viewBox="0 0 32 10" aria-hidden="true"></svg>`;
  const most = Math.sqrt(Math.max(1, ...told.counts));
  const bars = told.counts.map((count, at) => `M${at} 10v${(-10 * Math.sqrt(count)) / most}h1V10z`).join('');
  return html`<svg class="histogram" viewBox=${`0 0 ${told.counts.length} 10`} preserveAspectRatio="none" role="img"
    aria-label="How often which values occur"><path d=${bars} /></svg>`;
}

/** Up to forty values as bars from zero, with their numbers below where there is room. */
export function Bars({ values, title }) {
  const finite = Array.from(values, (value) => (Number.isFinite(value) ? value : 0));
  const [low, high] = [Math.min(0, ...finite), Math.max(0, ...finite)];
  const part = (value) => (100 * value) / (high - low || 1);
  const [wide, floor] = [100 / values.length, part(high)];
  return html`<span class="bars" role="img" aria-label=${title}>
    <svg viewBox="0 0 100 100" preserveAspectRatio="none" aria-hidden="true">
      ${finite.map((value, at) => html`<rect x=${(at + 0.12) * wide} width=${0.76 * wide} y=${Math.min(floor, floor - part(value))}
        height=${Math.abs(part(value))} class=${value < 0 ? 'below' : ''} />`)}
      <path d=${`M0 ${floor}H100`} /></svg>
    ${values.length <= 6 && html`<span class="values">${Array.from(values, (value) => html`<span>${figure(value)}</span>`)}</span>`}
  </span>`;
}

/** The picture of a blob, whatever it is. */
export function View({ values, laid, each, about, title }) {
  if (laid.kind === 'bars') return html`<${Bars} values=${values} title=${title} />`;
  const lines = () => Array.from({ length: laid.count }, (_, at) => values.subarray(at * laid.width, (at + 1) * laid.width));
  const draw = (canvas) => (laid.kind === 'curves' ? curve(canvas, lines()) : put(canvas, picture(values, laid, { each, about })));
  return html`<${Canvas} draw=${draw} on=${[values, each, about]} title=${title} kind=${laid.kind === 'curves' ? 'wave' : 'pixels'} />`;
}

function Share({ name, part, many }) {
  return html`<div class="share"><span title=${`of its ${many}`}>${name}</span><i class="gauge"><b style=${{ width: `${100 * part}%` }}></b></i>
    <span class="number">${part > 0 && part < 0.01 ? '<1' : Math.round(100 * part)} %</span></div>`;
}

const words = (blob) => [blob.type, size(blob.shape)].filter(Boolean).join(' · ');
const few = (value) => (value === null ? '–' : figure(Number(value.toPrecision(3))));

/** What a blob's numbers come to. */
export function Numbers({ blob }) {
  const { saturated, dead } = blob;
  return html`<${Histogram} told=${blob.histogram} />
    <div class="ends"><span title="the least value">${few(blob.min)}</span>
      <span class="soft" title="the mean">mean ${few(blob.mean)}</span><span title="the greatest value">${few(blob.max)}</span></div>
    ${blob.not_finite > 0 && html`<p class="lost small">${lost(blob.not_finite)}</p>`}
    ${saturated !== null && html`<${Share} name="saturated" part=${saturated} many="values" />`}
    ${dead !== null && html`<${Share} name="dead" part=${dead} many="units" />`}`;
}

/** The badges of what is wrong. */
export function Badges({ faults }) {
  return faults.map((fault) => html`<span class=${`badge ${fault.grave > 1 ? 'grave' : ''}`} title=${`${fault.means} (${fault.of})`}>${fault.badge}</span>`);
}

/**
 * @param {{blob: object, values: Float32Array, shape: number[], number: number, faults: object[], each: boolean,
 *   about: object, chosen: number|null, open: (unit: number) => void}} props
 *   chosen: the unit that is looked at; open: called with a unit to look at
 */
export function Panel({ blob, values, shape, number, faults, each, about, chosen, open }) {
  const laid = layout(shape, about);
  const shown = units(laid);
  const more = shape.length > 2 && blob.shape[0] > shown ? `the first ${shown} of ${blob.shape[0]} maps` : '';
  const what = laid.kind === 'maps' ? 'map' : laid.kind === 'colours' ? 'picture' : 'unit';
  const title = `${blob.blob}: ${words(blob)}. ${shown > 1 ? `Enter looks at one ${what}.` : 'Enter enlarges it.'}`;
  const click = (event) => {
    const box = event.currentTarget.getBoundingClientRect();
    const at = event.detail ? unitAt(laid, (event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height) : (chosen ?? 0);
    if (at >= 0) open(at);
  };
  const grave = faults.some((fault) => fault.grave > 1) ? 'grave' : faults.length ? 'light' : 'none';
  const rows = Math.ceil(laid.count / laid.columns);
  const mark = chosen !== null && laid.kind !== 'colours' && shown > 1 && laid.kind !== 'curves' && (laid.slices ?? 1) === 1;
  const box = mark && { left: `${(100 * (chosen % laid.columns)) / laid.columns}%`, top: `${(100 * Math.floor(chosen / laid.columns)) / rows}%`,
    width: `${100 / laid.columns}%`, height: `${100 / rows}%` };
  return html`<article class="panel blob" data-faults=${grave} data-blob=${blob.blob} id=${`blob-${number}`} tabindex="-1">
    <header><h3><span class="soft">${String(number + 1).padStart(2, '0')}</span> ${blob.blob}</h3></header>
    <p class="soft small kind">${words(blob)}</p>
    <button type="button" class=${`look ${blob.not_finite ? 'lost' : ''}`} title=${title} onClick=${click}>
      <${View} values=${values} laid=${laid} each=${each} about=${about} title=${`${blob.blob}: click a ${what}`} />
      ${mark && html`<i class="mark" style=${box}></i>`}
      ${faults.length > 0 && html`<span class="badges"><${Badges} faults=${faults} /></span>`}</button>
    ${more && html`<p class="caption">${more}</p>`}
    <${Numbers} blob=${blob} />
  </article>`;
}
