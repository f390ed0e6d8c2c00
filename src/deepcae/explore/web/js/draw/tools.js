// What is drawn with: ink, eraser, the pen's size, the slice of a volume.
import { html } from '../../vendor/preact-htm.js';
import { figure } from '../palette.js';

/** A slider with its value beside. */
export function Slider({ title, value, low, high, step, told, set }) {
  return html`<label class="field slider"><span>${title}</span><input type="range" min=${low} max=${high} step=${step} value=${value}
    onInput=${(event) => set(Number(event.target.value))} /><output>${told ?? figure(value)}</output></label>`;
}

/** Grey for images of one channel, a colour for those of three; and the eraser. */
export function Ink({ about, pen, set }) {
  const colours = about.shape[0] === 3;
  return html`<div class="toolbar ink">
    <div class="segmented" role="group" aria-label="Pen or eraser">${[[false, 'Pen'], [true, 'Eraser']].map(([erases, title]) => html`<button type="button" class="button"
      aria-pressed=${pen.erases === erases} title="E" onClick=${() => set({ ...pen, erases })}>${title}</button>`)}</div>
    ${colours ? html`<label class="field"><span>Colour</span><input type="color" value=${pen.colour} onInput=${(event) => set({ ...pen, colour: event.target.value, erases: false })} /></label>`
      : html`<${Slider} title="Grey" value=${pen.level} low="0" high="1" step="0.05" told=${figure(Number((about.low + pen.level * (about.high - about.low)).toPrecision(3)))}
        set=${(level) => set({ ...pen, level, erases: false })} />`}</div>`;
}

export function Size({ pen, set }) {
  return html`<${Slider} title="Size" value=${pen.radius} low="0.25" high="8" step="0.05" told=${`${(2 * pen.radius).toFixed(1)} px`} set=${(radius) => set({ ...pen, radius })} />`;
}

/** Which slice of a volume, or which line of several, is drawn on. */
export function Slice({ drawing, pen, set }) {
  const count = drawing.lines ?? drawing.slices;
  if (count < 2) return null;
  return html`<${Slider} title=${drawing.lines ? 'Curve' : 'Slice'} value=${Math.min(pen.slice, count - 1)} low="0" high=${count - 1} step="1" told=${`${pen.slice + 1} of ${count}`}
    set=${(slice) => set({ ...pen, slice })} />`;
}
