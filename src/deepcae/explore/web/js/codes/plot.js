// The map itself: points or images, the pointer, the keys.
import { around, bounds, corners, nearest, next, within } from '../pick.js';
import { gestures, Plane } from '../plane.js';
import { Points } from '../points.js';
import { css, token } from '../palette.js';
import { HoverCard } from './card.js';
import { inks } from './colours.js';
import { Overlay } from './overlay.js';
import { grid } from './thumbs.js';
import { timing } from './timing.js';

const CATCH = 14; // pixels from the pointer to the mark that it means
const GLIDE = 450; // milliseconds from one map to the next
const MOST_GLIDING = 200000;
const UNEQUAL = 4; // axes whose ranges differ more than that have scales of their own
const SIDES = [[40, 84], [150, 56], [Infinity, 28]]; // up to so many points in sight: the side of their images

const element = (name, className, host) => {
  const made = document.createElement(name);
  made.className = className;
  host.append(made);
  return made;
};

/** `does`: choose(row), select(rows, event), tool(). */
export class Plot {
  constructor(host, app, thumbs, does) {
    Object.assign(this, { host, app, thumbs, does, plane: new Plane(), axes: ['', ''], images: false, marks: null });
    this.points = new Points(element('canvas', 'points', host));
    this.over = new Overlay(element('canvas', 'over', host));
    this.card = new HoverCard(element('div', 'card', host), app);
    this.hover = -1;
    this.pointer = null;
    this.watch = new ResizeObserver(() => this.resize());
    this.watch.observe(host);
    this.leave = gestures(host, this.plane, {
      tool: () => does.tool(),
      moved: () => this.refresh(),
      over: (left, top, since) => this.point(left, top, since),
      out: () => this.held || this.point(null),
      click: (left, top, event) => this.click(left, top, event),
      drawn: (path, _, kind) => this.draw(path, kind),
      closed: (path, event, kind) => this.close(path, kind, event),
    });
    const heard = () => this.images && this.refresh();
    thumbs.heard.add(heard);
    this.end = () => thumbs.heard.delete(heard);
  }

  destroy() {
    cancelAnimationFrame(this.frame);
    clearTimeout(this.rest);
    this.watch.disconnect();
    this.leave();
    this.end();
    this.card.end();
  }

  resize() {
    const { clientWidth: width, clientHeight: height } = this.host;
    if (!width || !height) return;
    const ratio = Math.min(2, devicePixelRatio || 1);
    const first = this.plane.width === 1;
    this.plane.resize(width, height);
    this.points.resize(width, height, ratio);
    this.over.resize(width, height, ratio);
    if (first || this.whole) this.fit();
    this.stale = true;
    cancelAnimationFrame(this.frame);
    this.show(performance.now()); // at once: a canvas that has changed its size is empty
  }

  fit() {
    const [left, bottom, right, top] = this.bounds ?? [0, 0, 1, 1];
    const [wide, high] = [right - left || 1, top - bottom || 1];
    this.plane.fit([left, bottom, right, top], Math.max(wide / high, high / wide) > UNEQUAL);
    this.refresh();
    this.whole = true;
  }

  zoom(factor) {
    this.plane.zoom(factor);
    this.refresh();
  }

  /** Other places of the same images; they glide there where that can be drawn fast enough. `kept`: what is in sight. */
  setMap(xy, axes, kept = null) {
    const { points, plane } = this;
    const before = points.count * 2 === xy.length && points.xy !== xy ? [points.xy, plane.copy()] : null;
    this.axes = axes;
    this.bounds = bounds(xy);
    points.load(xy);
    this.fit();
    if (kept) this.plane.take(kept);
    this.whole = !kept;
    this.glide = null;
    const still = matchMedia('(prefers-reduced-motion: reduce)').matches;
    if (before && points.count <= MOST_GLIDING && !still) {
      const [old, { kx, ky, tx, ty }] = before;
      const from = new Float32Array(xy.length);
      for (let at = 0; at < xy.length; at += 2) {
        from[at] = (old[at] * kx + tx - plane.tx) / plane.kx;
        from[at + 1] = (plane.ty - ty + old[at + 1] * ky) / plane.ky;
      }
      this.glide = { from, start: performance.now() };
    }
  }

  setColours(colours) {
    this.colours = colours;
    this.points.paint(colours.ofRow, inks(colours));
    this.refresh();
  }

  setFront(front, may) {
    this.points.emphasise(front, may);
    this.refresh();
  }

  setImages(images) {
    this.images = images;
    this.refresh();
  }

  /** Brings a row into sight. */
  reach(row) {
    const { xy } = this.points;
    if (this.plane.reach(xy[2 * row], xy[2 * row + 1])) this.refresh();
  }

  step(row, direction) {
    return next(this.points, this.plane, row, direction);
  }

  refresh() {
    this.whole = false;
    this.stale = true;
    this.soon();
  }

  /** Another frame; the points are drawn anew only after `refresh`. */
  soon() {
    this.frame ||= requestAnimationFrame((now) => this.show(now));
  }

  show(now) {
    this.frame = 0;
    if (!this.points.picture || !this.points.xy) return;
    if (this.glide) this.blend(now);
    if (this.stale) {
      this.stale = false;
      const start = performance.now();
      this.points.draw(this.plane, this.over.lines(this.plane, this.axes), this.images);
      timing.draws.add(performance.now() - start);
      if (this.before && now - this.before < 1000) timing.frames.add(now - this.before);
      this.before = now;
      this.marks = null;
      this.hovering();
    } else this.before = 0;
    if (this.moved) this.hovering();
    this.paintOver();
    if (this.glide) this.refresh();
    else if (this.before) this.soon(); // one more frame tells whether the map has come to rest
  }

  blend(now) {
    const share = Math.min(1, (now - this.glide.start) / GLIDE);
    this.points.blend(this.glide.from, share < 0.5 ? 4 * share ** 3 : 1 - (2 - 2 * share) ** 3 / 2);
    if (share === 1) this.glide = null;
  }

  paintOver() {
    const { over, plane, points, app } = this;
    over.clear();
    over.scales(plane, this.axes);
    if (this.images) this.paintImages();
    if (!this.glide) {
      const radius = points.mark(plane) / 2 + 4;
      const at = (row) => plane.at(points.xy[2 * row], points.xy[2 * row + 1]);
      if (this.hover >= 0 && !this.images) over.ring(at(this.hover), radius - 1, token('--ink'), 1.25);
      if (app.state.row !== null && app.state.row < points.count) over.ring(at(app.state.row), radius + 1, token('--ink'), 2.25);
    }
    over.path(this.path);
  }

  /** The images in place of points; their frames have the points' colours. */
  paintImages() {
    const { over: { pen }, thumbs, colours, app } = this;
    const marks = this.layout();
    thumbs.want(marks.rows);
    for (let at = 0; at < marks.rows.length; at++) {
      const row = marks.rows[at];
      const [left, top] = marks.places[at];
      const chosen = row === app.state.row || row === this.hover;
      pen.fillStyle = chosen ? token('--ink') : css(colours.inks[colours.ofRow[row] % colours.inks.length]);
      pen.fillRect(left, top, marks.side, marks.side);
      const edge = chosen ? 3 : 2;
      pen.fillStyle = token('--sunken');
      pen.fillRect(left + edge, top + edge, marks.side - 2 * edge, marks.side - 2 * edge);
      thumbs.draw(pen, row, left + edge, top + edge, marks.side - 2 * edge);
    }
  }

  layout() {
    if (this.marks) return this.marks;
    const { points, plane } = this;
    let seen = 0;
    for (let k = points.back; k < points.count; k++) {
      const [left, top] = [points.xs[k] * plane.kx + plane.tx, plane.ty - points.ys[k] * plane.ky];
      if (left >= 0 && left < plane.width && top >= 0 && top < plane.height) seen++;
    }
    this.marks = grid(points, plane, SIDES.find(([most]) => seen <= most)[1]);
    return this.marks;
  }

  point(left, top, since) {
    this.held = false;
    this.pointer = left === null ? null : [left, top];
    this.since = since;
    this.moved = true;
    this.soon();
  }

  /** The row at a place: of the nearest mark, or of the image that lies there. */
  at([left, top]) {
    if (!this.images) return nearest(this.points, this.plane, left, top, CATCH);
    const { rows, places, side } = this.layout();
    return rows[places.findIndex(([x, y]) => left >= x && left < x + side && top >= y && top < y + side)] ?? -1;
  }

  hovering() {
    this.moved = false;
    const { pointer, plane, points } = this;
    this.hover = pointer && !this.glide && !this.path && points.xy ? this.at(pointer) : -1;
    const since = this.since;
    this.card.show(this.hover, pointer ?? [0, 0], plane, () => timing.hovers.add(performance.now() - since));
    this.host.classList.toggle('pointing', this.hover >= 0);
    clearTimeout(this.rest);
    if (this.hover >= 0) this.rest = setTimeout(() => this.foresee(pointer), 150);
  }

  /** The pointer rests: what it may point at next is asked for already. */
  async foresee([left, top]) {
    for (const row of around(this.points, this.plane, left, top, 40, 4)) {
      if (this.pointer?.[0] !== left) return;
      await this.app.image(row).catch(() => {});
    }
  }

  click(left, top, event) {
    if (event.pointerType === 'touch') {
      this.point(left, top, event.timeStamp);
      this.held = true; // a finger that is lifted leaves the card where it is
    }
    this.does.choose(this.at([left, top]));
  }

  draw(path, kind) {
    this.path = path && kind === 'box' ? corners(path) : path;
    this.soon();
  }

  close(path, kind, event) {
    this.path = null;
    this.does.select(within(this.points, this.plane, kind === 'box' ? corners(path) : path), event);
    this.soon();
  }
}
