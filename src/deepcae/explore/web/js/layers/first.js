// What to look at first: the layers at fault, the gravest on top, and beside them how all layers are along the way.
import { html } from '../../vendor/preact-htm.js';
import { lost } from './judge.js';
import { Badges } from './panel.js';

/** The share of values that are lost, in the tails, or dead: what a column of the way shows. */
const ill = (blob) => (blob.not_finite ? 1 : Math.max(blob.saturated ?? 0, blob.dead ?? 0));

function words(blob) {
  if (blob.not_finite) return lost(blob.not_finite);
  const parts = ['saturated', 'dead'].filter((name) => blob[name] !== null).map((name) => `${Math.round(100 * blob[name])} % ${name}`);
  return parts.join(', ') || 'nothing that could saturate or die';
}

/** A column for each blob, in the order of the way; as high as the share of it that is ill. */
export function Way({ blobs, found, go }) {
  const grave = new Map(found.map(({ at, faults }) => [at, faults.some((fault) => fault.grave > 1) ? 'grave' : 'light']));
  const first = found[0]?.faults.some((fault) => fault.grave > 1) ? found[0].at : -1;
  return html`<div class="way"><p class="caption">How much of each layer is saturated, dead or not finite</p>
    <div class="columns" role="group" aria-label="All layers, from the image to what is restored">
    ${blobs.map((blob, at) => html`<button type="button" data-faults=${grave.get(at) ?? 'none'} aria-current=${at === first ? 'true' : null}
      title=${`${blob.blob}: ${words(blob)}`} aria-label=${`${at + 1}, ${blob.blob}: ${words(blob)}`} onClick=${() => go(at)}>
      <i><b style=${{ height: `${100 * ill(blob)}%` }}></b></i><span>${at + 1}</span></button>`)}</div></div>`;
}

/**
 * @param {{blobs: object[], found: object[], images: number|null, go: (at: number) => void}} props
 *   found: of `judged`; images: how many the server looked at, null until it has; go: shows a blob
 */
export function First({ blobs, found, images, go }) {
  const grave = found.filter(({ faults }) => faults.some((fault) => fault.grave > 1));
  const light = found.filter((each) => !grave.includes(each));
  const entry = ({ at, blob, faults }, place) => html`<li><button type="button" class="culprit" data-first=${place === 0 && grave.length > 0}
    onClick=${() => go(at)}><span class="order">${place + 1}</span><span class="what"><strong>${blob.blob}</strong>
      <span class="soft">${blob.type}</span> <${Badges} faults=${faults} /></span>
    <span class="means">${faults[0].means} <span class="soft">${faults[0].of}</span></span></button></li>`;
  const none = images === null ? 'Looking at the layers …' : `Nothing stands out: in ${images} images, no layer is saturated, dead, constant or not finite.`;
  return html`<section class=${`panel first ${grave.length ? 'grave' : ''}`} aria-label="Look here first" aria-live="polite">
    <div class="list">${grave.length ? html`<h2>Look here first</h2><ol>${grave.slice(0, 4).map(entry)}</ol>
        ${grave.length > 4 && html`<p class="soft small">and ${grave.length - 4} more, marked below</p>`}`
      : html`<h2 class="well">${images === null ? '' : '✓ '}${none}</h2>`}
      ${light.length > 0 && html`<p class="soft small">In this image alone: ${light.slice(0, 5).map(({ at, blob, faults }, place) => html`${place > 0 && ', '}<button
        type="button" class="link" onClick=${() => go(at)}>${blob.blob}</button> ${faults[0].badge}`)}${light.length > 5 && ' …'}</p>`}
    </div>
    <${Way} blobs=${blobs} found=${found} go=${go} />
  </section>`;
}
