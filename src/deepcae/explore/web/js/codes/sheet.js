// A sheet of many images of which only those in sight are drawn; click or arrow keys choose one.
import { html, useEffect, useRef } from '../../vendor/preact-htm.js';
import { token } from '../palette.js';

const GAP = 2;
const KEYS = { ArrowLeft: -1, ArrowRight: 1 };

/**
 * @param {{rows: number[], thumbs: import('./thumbs.js').Thumbs, chosen: number|null, choose: (row: number) => void,
 *   side?: number, title: string}} props
 */
export function Sheet({ rows, thumbs, chosen, choose, side = 36, title }) {
  const box = useRef(null);
  const canvas = useRef(null);
  const filler = useRef(null);

  useEffect(() => {
    const columns = () => Math.max(1, Math.floor((box.current.clientWidth + GAP) / (side + GAP)));
    const cellOf = () => (box.current.clientWidth + GAP) / columns(); // the whole width is used
    let frame = 0;
    const draw = () => {
      frame = 0;
      if (!box.current) return;
      const [across, cell] = [columns(), cellOf()];
      const whole = Math.ceil(rows.length / across) * cell - GAP;
      filler.current.style.height = `${whole}px`;
      const [wide, high] = [box.current.clientWidth, Math.min(whole, box.current.clientHeight)];
      const size = cell - GAP;
      const ratio = devicePixelRatio || 1;
      canvas.current.width = wide * ratio;
      canvas.current.height = high * ratio;
      canvas.current.style.height = `${high}px`;
      const pen = canvas.current.getContext('2d');
      pen.scale(ratio, ratio);
      const { scrollTop } = box.current;
      const first = Math.floor(scrollTop / cell) * across;
      const last = Math.min(rows.length, Math.ceil((scrollTop + high) / cell) * across);
      thumbs.want(rows.slice(first, last + 3 * across));
      for (let at = first; at < last; at++) {
        const [left, top] = [(at % across) * cell, Math.floor(at / across) * cell - scrollTop];
        pen.fillStyle = token('--sunken');
        pen.fillRect(left, top, size, size);
        thumbs.draw(pen, rows[at], left, top, size);
        if (rows[at] !== chosen) continue;
        pen.strokeStyle = token('--accent');
        pen.lineWidth = 3;
        pen.strokeRect(left + 1.5, top + 1.5, size - 3, size - 3);
      }
    };
    const soon = () => (frame ||= requestAnimationFrame(draw));
    const at = (event) => {
      const around = box.current.getBoundingClientRect();
      const cell = cellOf();
      const column = Math.floor((event.clientX - around.left) / cell);
      const place = Math.floor((event.clientY - around.top + box.current.scrollTop) / cell) * columns() + column;
      return column < columns() ? rows[place] : undefined;
    };
    const click = (event) => at(event) !== undefined && choose(at(event));
    const key = (event) => {
      const step = KEYS[event.key] ?? { ArrowUp: -columns(), ArrowDown: columns() }[event.key];
      if (!step) return;
      event.preventDefault();
      event.stopPropagation();
      const now = rows.indexOf(chosen);
      const to = Math.max(0, Math.min(rows.length - 1, now < 0 ? 0 : now + step));
      const cell = cellOf();
      const top = Math.floor(to / columns()) * cell;
      if (top < box.current.scrollTop) box.current.scrollTop = top;
      if (top + cell > box.current.scrollTop + box.current.clientHeight) {
        box.current.scrollTop = top + cell - box.current.clientHeight;
      }
      choose(rows[to]);
    };
    const heard = [[box.current, 'scroll', soon], [box.current, 'click', click], [box.current, 'keydown', key]];
    for (const [element, name, listener] of heard) element.addEventListener(name, listener);
    const watch = new ResizeObserver(soon);
    watch.observe(box.current);
    thumbs.heard.add(soon);
    draw();
    return () => {
      for (const [element, name, listener] of heard) element.removeEventListener(name, listener);
      watch.disconnect();
      thumbs.heard.delete(soon);
      cancelAnimationFrame(frame);
    };
  }, [rows, chosen, side, thumbs]);

  useEffect(() => {
    box.current.scrollTop = 0;
  }, [rows]);

  return html`<div class="sheet" ref=${box} tabindex="0" role="group" aria-label=${title}>
    <div ref=${filler}><canvas ref=${canvas} role="img" aria-label=${title} /></div></div>`;
}
