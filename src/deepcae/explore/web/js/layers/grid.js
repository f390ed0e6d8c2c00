// All blobs of one image as panels, one of them open beside: shared by what shows images and what draws them.
import { html } from '../../vendor/preact-htm.js';
import { Panel } from './panel.js';
import { Unit } from './unit.js';

/** Brings a blob into view, and lets it be seen which. */
export function show(number) {
  const panel = document.getElementById(`blob-${number}`);
  panel?.scrollIntoView({ block: 'center', behavior: matchMedia('(prefers-reduced-motion: reduce)').matches ? 'auto' : 'smooth' });
  panel?.focus({ preventScroll: true });
}

/**
 * @param {{app: object, told: object, found: object[], each: boolean, open: {at: number, unit: number}|null,
 *   look: (open: {at: number, unit: number}|null) => void, row: number|null, choose: (row: number) => void}} props
 *   told: an answer of /api/layers; found: of `judged`; open: the unit that is looked at
 */
export function Grid({ app, told, found, each, open, look, row, choose }) {
  const faults = new Map(found.map((one) => [one.at, one.faults]));
  const array = (blob) => told.arrays[blob.array];
  const blob = open && told.blobs[open.at];
  const close = () => {
    look(null);
    document.querySelector(`#blob-${open.at} .look`)?.focus();
  };
  return html`<div class=${`blobs ${blob ? 'beside' : ''}`}>
    <div class="panels">${told.blobs.map((one, at) => html`<${Panel} key=${one.blob} blob=${one} number=${at} values=${array(one).values}
      shape=${array(one).shape} faults=${faults.get(at) ?? []} each=${each} about=${app.about.image}
      chosen=${open?.at === at ? open.unit : null} open=${(unit) => look({ at, unit })} />`)}</div>
    ${blob && html`<${Unit} app=${app} blob=${blob} values=${array(blob).values} shape=${array(blob).shape} row=${row}
      unit=${open.unit} input=${open.at === 0} look=${(unit) => look({ at: open.at, unit })} close=${close} choose=${choose} />`}
  </div>`;
}
