// Draw an image, or drop one, and watch all layers and what is restored respond.
import { html, render, useEffect, useMemo, useRef, useState } from '../vendor/preact-htm.js';
import { post } from './api.js';
import { Drawing } from './draw/drawing.js';
import { Pad } from './draw/pad.js';
import { fitted, opened, rim } from './draw/picturefile.js';
import { Ink, Size, Slice } from './draw/tools.js';
import { Grid } from './layers/grid.js';
import { judged } from './layers/judge.js';
import { useHealth, useTurns } from './layers.js';
import { newest } from './newest.js';
import { figure } from './palette.js';
import { PickRow } from './pickrow.js';
import { Picture } from './pictures.js';

/** Shows the view in `main`; returns what ends it. The drawing stays until the page is closed. */
export function mount(main, app) {
  if (app.about.image) render(html`<${Draw} app=${app} />`, main);
  else main.replaceChildren(Object.assign(document.createElement('p'), { className: 'empty', textContent: 'This network tells no shape of images.' }));
  return () => render(null, main);
}

const count = (shape) => shape.reduce((all, side) => all * side, 1);

/** What is restored: the last blob that has the image's size. */
export function restoredOf(told, shape) {
  const last = told.blobs.findLast((blob, at) => at > 0 && count(blob.shape) === count(shape));
  const values = last && told.arrays[last.array].values;
  return values?.length === count(shape) ? values : null;
}

/** Half the squared error, as the losses and the column `error` have it. */
const error = (image, restored) => image.reduce((sum, value, at) => sum + (value - restored[at]) ** 2, 0) / 2;

/** All layers of what is drawn, always of the newest drawing that was answered. */
function useLive(app, weights) {
  const [told, keep] = useState(null);
  const line = useRef(null);
  useEffect(() => {
    line.current = newest((values) => post('/api/layers', values), (answer, values, took) => keep({ ...answer, values, took }), app.problem);
    return () => line.current.end();
  }, [weights]);
  return [told, (values) => line.current.ask(values)];
}

/** What is restored of the drawing, under it. */
function Answer({ app, told }) {
  const about = app.about.image;
  const restored = told && restoredOf(told, about.shape);
  if (told && !restored) return null; // a network that restores nothing
  const wrong = restored && figure(Number(error(told.values, restored).toPrecision(4)));
  return html`<div class="answer" role="group" aria-label="What is restored of the drawing" data-took=${told ? told.took.toFixed(1) : null}>
    <figure>${restored ? html`<${Picture} values=${restored} about=${about} title="What is restored of the drawing" />` : html`<div class="nothing"></div>`}
      <figcaption class="caption">restored</figcaption></figure>
    <figure>${restored ? html`<${Picture} values=${restored} against=${told.values} about=${about} title="Restored less the drawing: blue is too dark, red too bright" />` : html`<div class="nothing"></div>`}
      <figcaption class="caption" title="Half the squared difference, as the losses have it">difference${restored && html`: <strong>${wrong}</strong>`}</figcaption></figure></div>`;
}

/** Where nothing is drawn: how it is done. */
const Empty = () => html`<div class="empty invitation"><h2>Draw on the sheet</h2>
  <p>Or drop a picture on it, paste one, or begin with one of the images. All layers and what is restored follow the pen.</p></div>`;

/** Opens picture files, wherever they come from, and puts them on the sheet. */
function usePictures(app, drawing, slice, changed) {
  const [picture, keep] = useState(null); // {bitmap, whole, name}
  const put = async (bitmap, whole, name) => {
    const { shape, low, high } = app.about.image;
    const plane = [shape[0], ...shape.slice(-2)];
    let values = fitted(bitmap, plane, whole);
    const first = app.about.count ? (await app.image(app.state.row ?? 0)).arrays.image.values : null;
    const ours = first && (rim(first, plane) - low) / (high - low);
    const turned = ours !== null && Math.abs(ours - rim(values, plane)) > 0.6;
    if (turned) values = values.map((value) => 1 - value);
    drawing.place(values.map((value) => low + value * (high - low)), slice);
    keep({ bitmap, whole, name });
    changed();
    app.tell(`${name}: ${bitmap.width} × ${bitmap.height} pixels, fitted into ${plane.at(-1)} × ${plane.at(-2)}${turned ? '; inverted, as the images here are' : ''}`);
  };
  const open = async (file) => {
    if (!file) return;
    if (app.about.image.kind === 'curve') app.tell('This network reads waveforms: draw one, or begin with an image.', 'problem');
    else await opened(file).then((bitmap) => put(bitmap, picture?.whole ?? true, file.name || 'the picture'), (wrong) => app.tell(wrong.message, 'problem'));
  };
  const latest = useRef(open);
  latest.current = open;
  useEffect(() => {
    const paste = (event) => latest.current([...event.clipboardData.files][0]);
    addEventListener('paste', paste);
    return () => removeEventListener('paste', paste);
  }, []);
  return { picture, open, fit: (whole) => put(picture.bitmap, whole, picture.name), forget: () => keep(null) };
}

let kept = null; // the drawing, while other views are looked at

function Draw({ app }) {
  const about = app.about.image;
  const drawing = useMemo(() => (kept = kept?.shape.join() === about.shape.join() ? kept : new Drawing(about)), [about.shape.join()]);
  const weights = useTurns(app, 'weights');
  useTurns(app, 'theme');
  const [turn, next] = useState(0);
  const [pen, set] = useState({ radius: Math.max(0.5, Math.min(...about.shape.slice(-2)) / 22), level: 1, colour: '#ffffff', erases: false, slice: Math.floor(drawing.slices / 2) });
  const [open, look] = useState(null);
  const [over, hover] = useState(false);
  const health = useHealth(app, weights);
  const [told, ask] = useLive(app, weights);
  const changed = () => {
    next((before) => before + 1);
    ask(drawing.values.slice());
  };
  useEffect(() => drawing.back.length && changed(), [weights]);
  const pictures = usePictures(app, drawing, pen.slice, changed);
  const does = (act) => () => {
    act();
    pictures.forget();
    changed();
  };
  const start = async (row) => {
    app.set({ row });
    const image = await app.image(row).catch(app.problem);
    if (image) does(() => drawing.set(image.arrays.image.values))();
  };
  const undo = does(() => drawing.undo());
  const redo = does(() => drawing.redo());
  const keys = (event) => {
    const command = event.ctrlKey || event.metaKey;
    if (command && event.key.toLowerCase() === 'z') return (event.shiftKey ? redo : undo)() ?? true;
    if (command) return false;
    if (event.key === 'e') return set({ ...pen, erases: !pen.erases }) ?? true;
    const by = { '[': 1 / 1.25, ']': 1.25 }[event.key];
    return by ? set({ ...pen, radius: Math.max(0.25, Math.min(12, pen.radius * by)) }) ?? true : false;
  };
  const value = (share) => about.low + share * (about.high - about.low);
  const hues = [1, 3, 5].map((at) => parseInt(pen.colour.slice(at, at + 2), 16) / 255);
  const shares = about.shape[0] === 3 ? hues : Array(about.shape[0]).fill(pen.level);
  const ink = pen.erases ? shares.map(() => drawing.blank) : shares.map(value);
  const drop = (event) => {
    event.preventDefault();
    hover(false);
    pictures.open([...event.dataTransfer.files][0]);
  };
  const drawn = drawing.back.length > 0;
  const button = (title, act, on, hint) => html`<button type="button" class="button" disabled=${!on} title=${hint} onClick=${act}>${title}</button>`;
  return html`<div class="drawing">
    <div class="desk">
      <section class=${`panel easel ${over ? 'over' : ''}`} aria-label="The sheet" onDragOver=${(event) => event.preventDefault() ?? hover(true)} onDragLeave=${() => hover(false)} onDrop=${drop}>
        <div class="body"><h2 class="unseen">The sheet</h2>
          <${Pad} drawing=${drawing} about=${about} pen=${{ ...pen, ink }} turn=${turn} changed=${changed} keys=${keys} />
          <${Answer} app=${app} told=${drawn ? told : null} />
          ${about.kind !== 'curve' && html`<${Ink} about=${about} pen=${pen} set=${set} /><${Size} pen=${pen} set=${set} />`}
          <${Slice} drawing=${drawing} pen=${pen} set=${set} />
          <div class="toolbar">
            ${button('Undo', undo, drawing.back.length, 'Ctrl Z')}${button('Redo', redo, drawing.forth.length, 'Ctrl Shift Z')}
            ${button('Clear', does(() => drawing.clear()), drawn)}${button('Invert', does(() => drawing.invert()), true, 'Bright becomes dark')}
          </div>
          ${app.about.count > 0 && html`<${PickRow} app=${app} row=${app.state.row} choose=${start} title="From image" small=${false} />`}
          ${about.kind !== 'curve' && html`<div class="toolbar"><label class="button file">Open a picture …<input type="file" accept="image/*" class="unseen" onChange=${(event) => {
            pictures.open(event.target.files[0]);
            event.target.value = '';
          }} /></label>${pictures.picture ? html`<div class="segmented" role="group" aria-label="How it is fitted">${[[true, 'all of it'], [false, 'fill']].map(([whole, title]) => html`<button
            type="button" class="button" aria-pressed=${pictures.picture.whole === whole} onClick=${() => pictures.fit(whole)}>${title}</button>`)}</div>`
            : html`<span class="soft small">or drop or paste one</span>`}</div>`}
        </div></section>
    </div>
    ${told && drawn ? html`<${Grid} app=${app} told=${told} found=${judged(told.blobs, health?.told, health?.warnings)} each=${false} open=${open} look=${look} row=${null} choose=${start} />` : html`<${Empty} />`}
  </div>`;
}
