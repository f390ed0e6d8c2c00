// The plane of a map in a part of the screen: x grows to the right, y upwards; moved and zoomed by pointer, wheel and keys.

const FARTHEST = 0.4; // of the whole map's scale
const NEAREST = 5000;

/** Where a point of the map lies on the screen: left = x * kx + tx, top = ty - y * ky, in CSS pixels. */
export class Plane {
  constructor() {
    Object.assign(this, { width: 1, height: 1, kx: 1, ky: 1, tx: 0, ty: 0, home: 1, bounds: [0, 0, 1, 1] });
  }

  /** The screen's part has another size: the middle stays the middle. */
  resize(width, height) {
    this.tx += (width - this.width) / 2;
    this.ty += (height - this.height) / 2;
    Object.assign(this, { width, height });
  }

  /** Shows all of [left, bottom, right, top] with a margin; `free`: each axis has its own scale. */
  fit(bounds, free = false, margin = 34) {
    const [left, bottom, right, top] = bounds;
    const wide = right - left || 1;
    const high = top - bottom || 1;
    this.kx = Math.max(1, this.width - 2 * margin) / wide;
    this.ky = Math.max(1, this.height - 2 * margin) / high;
    if (!free) this.kx = this.ky = Math.min(this.kx, this.ky);
    this.tx = this.width / 2 - ((left + right) / 2) * this.kx;
    this.ty = this.height / 2 + ((bottom + top) / 2) * this.ky;
    this.bounds = bounds;
    this.home = this.kx;
  }

  /** How much nearer than the whole map. */
  get zoomed() {
    return this.kx / this.home;
  }

  move(right, down) {
    this.tx += right;
    this.ty += down;
  }

  /** Zooms by a factor; what lies at (left, top) stays there. */
  zoom(factor, left = this.width / 2, top = this.height / 2) {
    const to = Math.max(FARTHEST, Math.min(NEAREST, this.zoomed * factor)) / this.zoomed;
    this.kx *= to;
    this.ky *= to;
    this.tx = left - (left - this.tx) * to;
    this.ty = top - (top - this.ty) * to;
  }

  /** Moves so that a point lies in the middle, if it is not well in view already. */
  reach(x, y, margin = 40) {
    const [left, top] = this.at(x, y);
    if (left > margin && left < this.width - margin && top > margin && top < this.height - margin) return false;
    this.move(this.width / 2 - left, this.height / 2 - top);
    return true;
  }

  /** Of a point of the map: [left, top]. */
  at(x, y) {
    return [x * this.kx + this.tx, this.ty - y * this.ky];
  }

  /** Of a place on the screen: [x, y]. */
  from(left, top) {
    return [(left - this.tx) / this.kx, (this.ty - top) / this.ky];
  }

  /** What is in sight: the middle, and how near. */
  keep() {
    return { middle: this.from(this.width / 2, this.height / 2), zoomed: this.zoomed };
  }

  /** After `fit`: what was kept is in sight again. */
  take({ middle, zoomed }) {
    this.zoom(zoomed);
    const [left, top] = this.at(...middle);
    this.move(this.width / 2 - left, this.height / 2 - top);
  }

  copy() {
    return Object.assign(new Plane(), this);
  }
}

const CLICK = 4; // pixels that a pointer may move between down and up of a click

/**
 * Listens to an element. `does` is told: moved(): the plane changed; over(left, top, touch) and out(): a pointer above;
 * click(left, top, event); drawn(path, event, kind) while a box or lasso is drawn, and closed(path, event, kind) at its
 * end; `tool()` says which: 'move', 'box' or 'lasso'. Returns the function that ends it.
 */
export function gestures(element, plane, does) {
  const down = new Map(); // pointers that touch, by their id
  let path = null; // of what is being drawn, or of a click
  let kind = null;
  const place = (event) => {
    const box = element.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };

  function begin(event) {
    if (event.button > 0 || event.target.closest('button')) return;
    element.setPointerCapture(event.pointerId);
    down.set(event.pointerId, place(event));
    path = down.size === 1 ? [place(event)] : null;
    kind = does.tool();
  }

  function pinch(event) {
    const other = [...down].find(([id]) => id !== event.pointerId)[1];
    const [before, after] = [down.get(event.pointerId), place(event)];
    const apart = ([x, y]) => Math.hypot(x - other[0], y - other[1]) || 1;
    plane.move((after[0] - before[0]) / 2, (after[1] - before[1]) / 2);
    plane.zoom(apart(after) / apart(before), (after[0] + other[0]) / 2, (after[1] + other[1]) / 2);
    does.moved();
  }

  function move(event) {
    const to = place(event);
    if (!down.has(event.pointerId)) return does.over(...to, event.timeStamp);
    if (down.size === 2) pinch(event);
    else if (path) {
      const from = down.get(event.pointerId);
      if (path.length > 1 || Math.hypot(to[0] - path[0][0], to[1] - path[0][1]) > CLICK) {
        if (kind === 'box') path = [path[0], to];
        else path.push(to);
        if (kind === 'move') {
          const start = path.length === 2 ? path[0] : from;
          plane.move(to[0] - start[0], to[1] - start[1]);
          does.moved();
        } else does.drawn(path, event, kind);
      }
    }
    down.set(event.pointerId, to);
    return undefined;
  }

  function end(event) {
    if (!down.delete(event.pointerId)) return;
    const drawn = path;
    path = null;
    if (!drawn || event.type === 'pointercancel') return does.drawn(null, event, kind);
    if (drawn.length === 1) does.click(...drawn[0], event);
    else if (kind !== 'move') does.closed(drawn, event, kind);
    return undefined;
  }

  function wheel(event) {
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 16 : 1;
    plane.zoom(Math.exp(-event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.0016)), ...place(event));
    does.moved();
  }

  function twice(event) {
    if (event.target.closest('button') || does.tool() !== 'move') return;
    plane.zoom(2, ...place(event));
    does.moved();
  }

  const heard = {
    pointerdown: begin, pointermove: move, pointerup: end, pointercancel: end, pointerleave: () => does.out(),
    wheel, dblclick: twice,
  };
  for (const [name, listener] of Object.entries(heard)) element.addEventListener(name, listener, { passive: false });
  return () => {
    for (const [name, listener] of Object.entries(heard)) element.removeEventListener(name, listener);
  };
}
