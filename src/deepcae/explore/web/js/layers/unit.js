// One map or neuron: enlarged, with its filter, the images that excite it most, and the part of them that it looks at.
import { html, useEffect, useRef, useState } from '../../vendor/preact-htm.js';
import { get, post, stale } from '../api.js';
import { figure } from '../palette.js';
import { Canvas, curve, image, map, put, signed, tiles } from '../pictures.js';
import { layout, unitOf, units } from './blob.js';

const SIDE = 64; // pixels of a small picture

/** What `load()` gives, null until it is there; `on`: what it depends on. A question that is refused leaves null. */
function useLoaded(load, on, problem) {
  const [found, keep] = useState(null);
  useEffect(() => {
    let here = true;
    keep(null);
    load().then((answer) => here && keep(answer), (error) => here && !stale(error) && problem(error));
    return () => {
      here = false;
    };
  }, on);
  return found;
}

/** The enlarged map; below it the value at the pointer. */
function Large({ values, shape, laid, about, title }) {
  const [at, point] = useState(null);
  const [slices, height, width] = shape;
  const draw = (canvas) => {
    if (laid.kind === 'colours') return put(canvas, image(values, about.shape, about));
    if (laid.kind === 'curves') return curve(canvas, [values]);
    return put(canvas, slices > 1 ? tiles(values, shape) : map(values, [height, width]));
  };
  const over = (event) => {
    const box = event.currentTarget.getBoundingClientRect();
    const place = (share, count) => Math.min(count - 1, Math.max(0, Math.floor(share * count)));
    const [y, x] = [place((event.clientY - box.top) / box.height, height), place((event.clientX - box.left) / box.width, width)];
    point(laid.kind === 'maps' && slices === 1 ? [y, x] : null);
  };
  return html`<figure onPointerMove=${over} onPointerLeave=${() => point(null)}>
    <${Canvas} draw=${draw} on=${[values, laid, about]} title=${title} kind=${laid.kind === 'curves' ? 'wave' : 'pixels large'} />
    <figcaption class="caption">${at ? `row ${at[0]}, column ${at[1]}: ${figure(Number(values[at[0] * width + at[1]].toPrecision(4)))}`
      : `${[...(slices > 1 ? [slices] : []), height, width].join('×')}${laid.kind === 'curves' ? '' : ', from black (least) to white (greatest)'}`}</figcaption></figure>`;
}

/** A filter: of maps a picture each, of a row stripes; blue below zero, red above. */
function Filter({ found }) {
  const { values, shape } = found.arrays.filter;
  const shaped = shape.length === 3 ? shape : shape.length === 4 ? [shape[0] * shape[1], ...shape.slice(2)] : [1, ...near(values.length)];
  const cells = new Float32Array(shaped.reduce((all, side) => all * side, 1)).fill(NaN);
  cells.set(values);
  const [count, height, width] = shaped;
  const draw = (canvas) => put(canvas, signed(cells, shaped, { zoom: Math.max(1, Math.floor(160 / Math.max(height, width))), gap: 4 }));
  return html`<figure class="filter"><${Canvas} draw=${draw} on=${[values]} title=${`The weights of ${found.layer}`} />
    <figcaption class="caption">${shape.length === 3 && count > 1 ? `${count} × ` : ''}${shape.length === 1 ? `${shape[0]} weights` : `${height}×${width}`} of${' '}
      ${found.layer} (${found.type}); blue below zero, red above</figcaption></figure>`;
}

/** The sides of a picture that a row of values is laid in. */
const near = (count) => [Math.ceil(count / Math.ceil(Math.sqrt(count))), Math.ceil(Math.sqrt(count))];

/** An image that excites the unit, with the part that it looks at outlined. */
function Exciting({ app, each, pictures, at, choose }) {
  const { values, shape } = pictures;
  const length = shape[1] * shape[2] * 3;
  const draw = (canvas) => {
    const picture = new ImageData(shape[2], shape[1]);
    for (let from = at * length, to = 0; from < (at + 1) * length; from += 3, to += 4) {
      picture.data.set([values[from], values[from + 1], values[from + 2], 255], to);
    }
    put(canvas, picture);
  };
  const [height, width] = app.about.image.shape.slice(-2);
  const told = figure(Number(each.value.toPrecision(3)));
  const box = each.patch && { y: each.patch[0], x: each.patch[1], height: each.patch[2], width: each.patch[3] };
  const part = box && (box.height < height || box.width < width);
  const where = part ? `, which looks at rows ${box.y} to ${box.y + box.height - 1}, columns ${box.x} to ${box.x + box.width - 1}` : '';
  return html`<button type="button" onClick=${() => choose(each.row)} title=${`Image ${each.row}${where}`} aria-label=${`Image ${each.row}: ${told}${where}`}>
    <span class="framed"><${Canvas} draw=${draw} on=${[values, at]} title="" aria-hidden="true" />
      ${part && app.about.image.kind === 'image' && html`<svg viewBox=${`0 0 ${width} ${height}`} preserveAspectRatio="none" aria-hidden="true">
        <rect class="under" ...${box} /><rect ...${box} /></svg>`}</span>
    <span class="caption">${told}</span></button>`;
}

function Best({ app, blob, unit, choose }) {
  const found = useLoaded(async () => {
    const told = await get(`/api/unit?blob=${encodeURIComponent(blob.blob)}&map=${unit}`, { lane: 'unit' });
    const rows = told.best.map((each) => each.row);
    const answer = rows.length ? await post('/api/images', { rows, side: SIDE }, { lane: 'unit-images' }) : null;
    return { ...told, pictures: answer?.arrays.pictures };
  }, [blob.blob, unit, app.about], app.problem);
  if (!found) return html`<p class="soft">Looking for the images that excite it most …</p>`;
  const part = found.best.some((each) => each.patch);
  return html`${found.arrays.filter && html`<div><h3>Its filter</h3><${Filter} found=${found} /></div>`}
    ${found.pictures && html`<div><h3>Images that excite it most</h3>
      <div class="best">${found.best.map((each, at) => html`<${Exciting} key=${each.row} app=${app} each=${each} pictures=${found.pictures} at=${at} choose=${choose} />`)}</div>
      <p class="caption">${part ? 'Outlined: the part that it looks at. ' : ''}Of ${found.searched.toLocaleString('en')} images.</p></div>`}`;
}

/** A map in full size, where the one at hand is reduced. */
function useWhole(app, row, blob, unit, shown) {
  const [whole, keep] = useState(null);
  useEffect(() => {
    let here = true;
    keep(null);
    if (!blob.reduced || row === null || blob.shape.length < 3) return undefined;
    get(`/api/map?row=${row}&blob=${encodeURIComponent(blob.blob)}&map=${unit}`, { lane: 'map' }).then(
      ({ arrays: { map: found } }) => here && keep({ values: found.values, shape: [1, ...found.shape].slice(-3) }), app.problem);
    return () => {
      here = false;
    };
  }, [blob.blob, row, unit, shown]);
  return whole;
}

/**
 * @param {{app: object, blob: object, values: Float32Array, shape: number[], row: number|null, unit: number, input: boolean,
 *   look: (unit: number) => void, close: () => void, choose: (row: number) => void}} props
 *   row: of the image, null of one that was drawn; input: the blob is the image itself
 */
export function Unit({ app, blob, values, shape, row, unit, input, look, close, choose }) {
  const laid = layout(shape, app.about.image);
  const own = laid.kind === 'colours' ? { values, shape: [1, laid.height, laid.width] } : unitOf(values, laid, unit);
  const whole = useWhole(app, row, blob, unit, values);
  const shown = whole ?? own;
  const panel = useRef(null);
  useEffect(() => panel.current.focus({ preventScroll: true }), [blob.blob]);
  const count = units(laid);
  const name = laid.kind === 'maps' ? 'Map' : laid.kind === 'curves' ? 'Curve' : laid.kind === 'colours' ? 'Picture' : 'Unit';
  const single = shown.values.length === 1;
  return html`<aside class="panel unit" ref=${panel} tabindex="-1" aria-label=${`${blob.blob}, ${name} ${unit + 1}`}>
    <header><h2>${blob.blob} <span class="soft">${count > 1 ? `${name.toLowerCase()} ${unit + 1} of ${count}` : name.toLowerCase()}</span></h2>
      <div class="toolbar">${count > 1 && html`<button type="button" class="button" aria-label=${`The ${name.toLowerCase()} before`} onClick=${() => look((unit - 1 + count) % count)}>↑</button>
        <button type="button" class="button" aria-label=${`The next ${name.toLowerCase()}`} onClick=${() => look((unit + 1) % count)}>↓</button>`}
        <button type="button" class="button quiet" aria-label="Close" onClick=${close}>✕</button></div></header>
    <div class="body">
      ${single ? html`<p class="value">${figure(Number(shown.values[0].toPrecision(5)))}</p>`
        : html`<${Large} values=${shown.values} shape=${shown.shape} laid=${laid} about=${app.about.image} title=${`${blob.blob}, ${name.toLowerCase()} ${unit + 1}, enlarged`} />`}
      ${!input && app.about.count > 0 && laid.kind !== 'colours' && html`<${Best} app=${app} blob=${blob} unit=${unit} choose=${choose} />`}
    </div></aside>`;
}
