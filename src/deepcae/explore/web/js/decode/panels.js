// Beside the plane of codes: the decoded image, how near it is to the data, sliders, and the walk.
import { html } from '../../vendor/preact-htm.js';
import { figure } from '../palette.js';
import { PickRow, useImage } from '../pickrow.js';
import { Canvas, Picture } from '../pictures.js';
import { sheetOf } from './sheet.js';

export const FRAMES = 7; // decoded images along a slider
const FEW = 12; // sliders that are shown at first

const round = (value) => figure(Number(value.toPrecision(3)));

/** How far the nearest image's code is, in words and beside what is usual between neighbours. */
function words({ distances, usual }) {
  const part = usual ? distances[0] / usual : 0;
  if (part <= 2.5) return ['near', 'among the images'];
  return part <= 10 ? ['edge', 'at the edge of the images'] : ['far', 'far from every image'];
}

/** The decoded image, and the image whose code is nearest. */
export function Decoded({ app, restored, near, go }) {
  const about = app.about.image;
  const image = useImage(app, near?.rows[0] ?? null);
  const [kind, told] = near ? words(near) : ['', ''];
  return html`<section class="panel" aria-label="The decoded image"><div class="body">
    <div class="two"><figure class="live">${restored ? html`<${Picture} values=${restored} about=${about} title="Decoded from the code" />` : html`<div class="nothing"></div>`}
        <figcaption class="caption">decoded</figcaption></figure>
      <figure>${image ? html`<${Picture} values=${image.arrays.image.values} about=${about} title=${`Image ${image.row}, whose code is nearest`} />` : html`<div class="nothing"></div>`}
        <figcaption class="caption">nearest image${image && html`: <button type="button" class="link" onClick=${() => go(image.row)}>${image.row}</button>`}</figcaption></figure></div>
    ${near && html`<p class="distance" data-kind=${kind} title="The distance to the nearest image's code, and what is usual between an image and its nearest neighbour">
      <i></i><strong>${told}</strong><span class="soft small">distance ${round(near.distances[0])}${near.usual ? `, usual ${round(near.usual)}` : ''}</span></p>`}
  </div></section>`;
}

function Slider({ axis, title, note, value, limits, strip, about, move }) {
  const [low, high] = [Math.min(limits[0], value), Math.max(limits[1], value)];
  const draw = (canvas) => strip && sheetOf(canvas, strip, FRAMES, FRAMES, about, 2);
  return html`<div class="along"><label><span class="title">${title}</span>${note && html`<span class="soft small">${note}</span>`}<output>${round(value)}</output>
      <input type="range" min=${low} max=${high} step=${(high - low) / 400} value=${value} aria-label=${title} aria-valuetext=${round(value)} onInput=${(event) => move(axis, Number(event.target.value))} /></label>
    ${strip && html`<${Canvas} draw=${draw} on=${[strip, about]} title=${`What is decoded along ${title}, from its least to its greatest value`} kind="pixels strip" />`}</div>`;
}

/** A slider for each coordinate, with what is decoded along it. */
export function Sliders({ app, space, code, directions, all, strips, does }) {
  const now = space.along(code, directions);
  const shown = all ? space.dims : Math.min(space.dims, FEW);
  return html`<section class="panel" aria-label="The code's numbers"><header><h2>The code</h2>
      ${space.dims > 1 && html`<div class="segmented" role="group" aria-label="What the sliders move">${[[true, 'principal directions', 'First along what tells the images apart most'], [false, 'single numbers', 'Each number of the code by itself']].map(([value, title, hint]) => html`<button
        type="button" class="button" title=${hint} aria-pressed=${directions === value} onClick=${() => does.directions(value)}>${title}</button>`)}</div>`}</header>
    <div class="body sliders">${Array.from({ length: shown }, (_, axis) => html`<${Slider} key=${`${directions} ${axis}`} axis=${axis} title=${directions ? `direction ${axis + 1}` : `number ${axis + 1}`}
        note=${directions ? `${Math.round(100 * space.share(axis))} % of the differences` : ''} value=${now[axis]} limits=${space.limits(axis, directions)}
        strip=${strips?.[axis]} about=${app.about.image} move=${does.move} />`)}
      <div class="toolbar">${shown < space.dims && html`<button type="button" class="button" onClick=${does.all}>All ${space.dims}</button>`}
        <button type="button" class="button" onClick=${does.mean} title="The mean of all codes">Mean code</button></div></div></section>`;
}

/** From one image to another, in a straight line through the space of codes. */
export function Walk({ app, walk, does }) {
  const { rows, at, frames, count, plays } = walk;
  const draw = (canvas) => {
    const each = frames.length / count;
    const shown = 9;
    const some = new Float32Array(shown * each);
    for (let k = 0; k < shown; k++) some.set(frames.subarray(Math.round((k * (count - 1)) / (shown - 1)) * each).subarray(0, each), k * each);
    sheetOf(canvas, some, shown, shown, app.about.image, 2);
  };
  return html`<section class="panel" aria-label="A walk between two images"><header><h2>Walk</h2>
      <span class="soft small">in a straight line between two codes</span></header>
    <div class="body walk">
      <${PickRow} app=${app} row=${rows[0]} choose=${(row) => does.walk([row, rows[1]])} title="From" />
      <${PickRow} app=${app} row=${rows[1]} choose=${(row) => does.walk([rows[0], row])} title="To" />
      ${frames && html`<${Canvas} draw=${draw} on=${[frames]} title="What is decoded along the walk" kind="pixels strip" />`}
      <div class="toolbar"><button type="button" class="button primary" onClick=${does.play} disabled=${!frames}>${plays ? 'Pause' : 'Play'}</button>
        <input type="range" min="0" max="1" step="0.005" value=${at} aria-label="How far along the walk" aria-valuetext=${`${Math.round(100 * at)} %`} onInput=${(event) => does.along(Number(event.target.value))} disabled=${!frames} /></div>
    </div></section>`;
}

/** What lies on the plane, and where one looks. */
export function Tools({ app, row, now, pair, dims, does }) {
  const shows = [['points', 'Points', 'The codes of all images'], ['images', 'Images', 'What is decoded at each place'], ['both', 'Both', 'Decoded images over the codes']];
  const select = (at) => html`<select aria-label=${at ? 'Upwards' : 'To the right'} value=${pair[at]} onChange=${(event) => does.pair(at, Number(event.target.value))}>${Array.from(
    { length: dims }, (_, axis) => html`<option value=${axis}>${axis + 1}</option>`)}</select>`;
  return html`<${PickRow} app=${app} row=${row} choose=${does.row} title="Start from image" />
    ${dims > 1 && html`<div class="segmented" role="group" aria-label="What lies on the plane">${shows.map(([name, title, hint]) => html`<button type="button" class="button" title=${hint}
        aria-pressed=${now.shows === name} onClick=${() => does.shows(name)}>${title}</button>`)}</div>
      ${now.shows !== 'points' && html`<label class="field"><span>a side</span><select value=${now.k} onChange=${(event) => does.k(Number(event.target.value))}>${now.sizes.map((k) => html`<option value=${k}>${k}</option>`)}</select></label>`}
      ${!now.directions && dims > 2 && html`<div class="field"><span>numbers</span>${select(0)}${select(1)}</div>`}`}
    <span class="soft small took" data-took=${now.took?.toFixed(1)}>${now.took ? `${Math.max(1, Math.round(now.took))} ms to decode and show` : ''}</span>`;
}
