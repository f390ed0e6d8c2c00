// The sheet that is drawn on, with mouse, touch, pen, or keys.
import { html, useEffect, useRef, useState } from '../../vendor/preact-htm.js';
import { curve, image, put } from '../pictures.js';

const HINT = 'Drawing sheet. Arrow keys move the pen, Shift moves it farther, Space puts it down or lifts it, E erases, brackets change its size.';

/** Draws what was drawn. */
function paint(canvas, drawing, about, slice) {
  if (about.kind === 'curve') {
    const line = (number) => Float32Array.from({ length: drawing.length }, (_, time) => drawing.values[drawing.moment(number, time)]);
    curve(canvas, Array.from({ length: drawing.lines }, (_, number) => line(number)), about);
  } else put(canvas, image(drawing.plane(slice), [drawing.channels, drawing.height, drawing.width], about));
}

/**
 * @param {{drawing: object, about: object, pen: {radius: number, ink: number[], slice: number}, turn: number,
 *   changed: () => void, keys: (event: KeyboardEvent) => boolean}} props
 *   turn: changes whenever the drawing did; changed: called after each stroke's move; keys: what other keys do
 */
export function Pad({ drawing, about, pen, turn, changed, keys }) {
  const canvas = useRef(null);
  const [at, move] = useState(null); // where the pen is, in pixels of the image
  const last = useRef(null); // its place before, while it is down
  const waves = about.kind === 'curve';
  const [wide, high] = waves ? [drawing.length, 1] : [drawing.width, drawing.height];
  useEffect(() => paint(canvas.current, drawing, about, pen.slice), [drawing, turn, pen.slice, about]);

  const place = (event) => {
    const box = canvas.current.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * wide, ((event.clientY - box.top) / box.height) * high];
  };
  const moment = ([x, y]) => [Math.round(x), about.high - y * (about.high - about.low)];
  const draw = (to, pressure = 0.5) => {
    const from = last.current ?? to;
    last.current = to;
    if (waves) drawing.trace(moment(from), moment(to), pen.slice);
    else drawing.stroke(from, to, pen.radius * (0.5 + pressure), pen.ink, pen.slice);
    changed();
  };
  const begin = (to, pressure) => {
    if (waves) drawing.keep();
    else drawing.begin();
    last.current = null;
    draw(to, pressure);
  };
  const force = (event) => (event.pointerType === 'pen' && event.pressure ? event.pressure : 0.5);

  const down = (event) => {
    if (event.button > 0) return;
    event.currentTarget.setPointerCapture(event.pointerId);
    move(place(event));
    begin(place(event), force(event));
  };
  const over = (event) => {
    move(place(event));
    if (!event.currentTarget.hasPointerCapture(event.pointerId)) return;
    for (const each of event.getCoalescedEvents?.() ?? []) draw(place(each), force(each));
    draw(place(event), force(event));
  };
  const up = () => {
    last.current = null;
  };
  const press = (event) => {
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const here = at ?? [wide / 2, high / 2];
    const step = steps[event.key];
    if (step) {
      const far = (event.shiftKey ? 4 : 1) * (waves ? wide / 100 : 1);
      const to = [here[0] + step[0] * far, here[1] + step[1] * far * (waves ? 0.02 / (wide / 100) : 1)];
      const inside = [Math.max(0, Math.min(wide, to[0])), Math.max(0, Math.min(high, to[1]))];
      move(inside);
      if (last.current) draw(inside);
    } else if (event.key === ' ') {
      move(here);
      if (last.current) up();
      else begin(here);
    } else if (!keys(event)) return;
    event.preventDefault();
  };
  const ring = at && !waves && { left: `${(100 * at[0]) / wide}%`, top: `${(100 * at[1]) / high}%`,
    width: `${(200 * pen.radius) / wide}%`, height: `${(200 * pen.radius) / high}%` };
  return html`<div class=${`sheet-of-paper ${waves ? 'waves' : ''}`} role="application" aria-label=${HINT} tabindex="0" onKeyDown=${press}
      onPointerDown=${down} onPointerMove=${over} onPointerUp=${up} onPointerCancel=${up} onPointerLeave=${() => last.current || move(null)}>
    <canvas ref=${canvas} class=${waves ? 'wave' : 'pixels'}></canvas>${ring && html`<i class="pen" style=${ring}></i>`}</div>`;
}
