// The plane of codes: the images' codes in grey, or decoded images in their place, and a handle that is dragged over it.
import { tokenRgb } from '../palette.js';
import { Plane } from '../plane.js';
import { Points } from '../points.js';
import { sheetOf } from './sheet.js';

const STEPS = 120; // of an arrow key, from one side of the plane to the other
const LABEL = 'Plane of codes. Arrow keys move the handle, Shift moves it farther, plus and minus zoom, 0 shows all.';

function part(host, tag, className) {
  return host.appendChild(Object.assign(document.createElement(tag), { className }));
}

/** Draws in `host`; `does.moved([x, y])`: the handle was moved there; `does.seen()`: another part of the plane is seen. */
export class Field {
  constructor(host, does) {
    Object.assign(this, { host, does, plane: new Plane(), handle: null, walk: null, whole: null });
    host.tabIndex = 0;
    host.setAttribute('role', 'application');
    host.setAttribute('aria-label', LABEL);
    this.points = new Points(part(host, 'canvas', 'points'));
    this.sheet = part(host, 'canvas', 'decoded');
    this.lines = part(host, 'canvas', 'lines');
    this.mark = part(host, 'i', 'handle');
    this.titles = [part(host, 'span', 'axis x'), part(host, 'span', 'axis y')];
    const heard = { pointerdown: (event) => this.down(event), pointermove: (event) => this.over(event), keydown: (event) => this.key(event), wheel: (event) => this.wheel(event) };
    for (const [name, listener] of Object.entries(heard)) host.addEventListener(name, listener, { passive: false });
    this.watch = new ResizeObserver(() => this.resize());
    this.watch.observe(host);
    this.resize();
  }

  destroy() {
    this.watch.disconnect();
    cancelAnimationFrame(this.frame);
    this.host.replaceChildren();
  }

  resize() {
    const [width, height] = [this.host.clientWidth, this.host.clientHeight];
    if (!width || !height) return;
    this.plane.resize(width, height);
    this.points.resize(width, height, devicePixelRatio || 1);
    Object.assign(this.lines, { width: width * devicePixelRatio, height: height * devicePixelRatio });
    if (this.whole) this.plane.fit(this.whole, true, 14);
    this.seen();
  }

  /** `xy`: of all images; `whole`: [left, bottom, right, top] that is shown at first. */
  load(xy, whole, titles) {
    this.whole = whole;
    this.points.load(xy);
    this.paint();
    this.titles.forEach((title, at) => (title.textContent = titles[at]));
    this.plane.fit(whole, true, 14);
    this.seen();
  }

  /** The page's colours, as they are now. */
  paint() {
    this.points.paint(new Uint8Array(this.points.count), { colours: [tokenRgb('--soft')], dim: tokenRgb('--line'), ground: tokenRgb('--surface') });
    this.draw();
  }

  /** Another part is seen: what is decoded lies elsewhere. */
  seen() {
    this.draw();
    this.does.seen();
  }

  draw() {
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => {
      if (this.points.xy) this.points.draw(this.plane);
      this.place();
    });
  }

  /** The handle and the walk's line, without the points. */
  place() {
    const pen = this.lines.getContext('2d');
    pen.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    pen.clearRect(0, 0, this.lines.width, this.lines.height);
    if (this.walk) {
      const ends = this.walk.map((end) => this.plane.at(...end));
      for (const [ink, width] of [['rgb(255 255 255 / 80%)', 5], ['#c2410c', 2]]) {
        pen.strokeStyle = pen.fillStyle = ink;
        pen.lineWidth = width;
        pen.beginPath();
        ends.forEach((end) => pen.lineTo(...end));
        pen.stroke();
        for (const end of ends) {
          pen.beginPath();
          pen.arc(...end, width + 2, 0, 7);
          pen.fill();
        }
      }
    }
    this.mark.hidden = !this.handle;
    if (!this.handle) return;
    const [left, top] = this.plane.at(...this.handle);
    const clip = (value, most) => Math.max(0, Math.min(most, value));
    this.mark.style.left = `${clip(left, this.plane.width)}px`;
    this.mark.style.top = `${clip(top, this.plane.height)}px`;
  }

  put(handle, walk = this.walk) {
    Object.assign(this, { handle, walk });
    this.place();
  }

  /** How many cells of the shape of an image (`stretch`: its width over its height) lie `across` and one above another. */
  rows(across, stretch) {
    return Math.max(1, Math.round((across * this.plane.height * stretch) / this.plane.width));
  }

  /** The coordinates of the middles of the cells, the top row first. */
  cells(across, rows) {
    const { width, height } = this.plane;
    const middle = (at) => [(((at % across) + 0.5) / across) * width, ((Math.floor(at / across) + 0.5) / rows) * height];
    return Array.from({ length: across * rows }, (_, at) => this.plane.from(...middle(at)));
  }

  /** Decoded images in the places of `cells`. */
  fill(values, across, rows, about) {
    sheetOf(this.sheet, values, across * rows, across, about);
  }

  to(event) {
    const box = this.host.getBoundingClientRect();
    this.does.moved(this.plane.from(event.clientX - box.left, event.clientY - box.top));
  }

  down(event) {
    if (event.button > 0 || event.target.closest('button')) return;
    this.host.setPointerCapture(event.pointerId);
    this.to(event);
  }

  over(event) {
    if (this.host.hasPointerCapture(event.pointerId)) this.to(event);
  }

  wheel(event) {
    event.preventDefault();
    const box = this.host.getBoundingClientRect();
    this.plane.zoom(Math.exp(-event.deltaY * (event.deltaMode === 1 ? 16 : 1) * 0.0016), event.clientX - box.left, event.clientY - box.top);
    this.seen();
  }

  zoom(factor) {
    if (factor) this.plane.zoom(factor, ...(this.handle ? this.plane.at(...this.handle) : []));
    else this.plane.fit(this.whole, true, 14);
    this.seen();
  }

  key(event) {
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const zooms = { '+': 1.5, '=': 1.5, '-': 1 / 1.5, 0: 0 };
    const step = steps[event.key];
    if (step && this.handle) {
      const far = (event.shiftKey ? 6 : 1) / STEPS;
      const [left, top] = this.plane.at(...this.handle);
      this.does.moved(this.plane.from(left + step[0] * far * this.plane.width, top + step[1] * far * this.plane.height));
    } else if (event.key in zooms) this.zoom(zooms[event.key]);
    else return;
    event.preventDefault();
  }
}
