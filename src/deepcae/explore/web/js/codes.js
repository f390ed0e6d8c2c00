// The codes: every image as a point of a map.
import { html, render } from '../vendor/preact-htm.js';
import { get, stale } from './api.js';
import { classMark } from './palette.js';
import { name as called } from './codes/card.js';
import { colours } from './codes/colours.js';
import { Plot } from './codes/plot.js';
import { Side } from './codes/side.js';
import { Thumbs } from './codes/thumbs.js';
import { Bar, Buttons, Legend } from './codes/tools.js';

const AGAIN = 700; // milliseconds until a map that is being computed is asked for again
const LATE = 400; // milliseconds after which it is said that something is waited for
const ARROWS = { ArrowLeft: 'left', ArrowRight: 'right', ArrowUp: 'up', ArrowDown: 'down' };
const LABEL = 'Map of the codes. Arrow keys go to the next image, plus and minus zoom, 0 shows all, B and L select, Escape lets go.';

/** Shows the view in `main`; returns what ends it. */
export function mount(main, app) {
  const view = new Codes(main, app);
  return () => view.destroy();
}

class Codes {
  constructor(main, app) {
    this.app = app;
    this.now = { tool: 'move', images: false, x: 0, y: 1, turn: 0, ...app.codes?.now };
    this.alone = new Set(); // the classes that stand in front; empty: all
    this.rows = [...app.state.selection].sort((one, other) => one - other);
    const part = (tag, className) => main.appendChild(Object.assign(document.createElement(tag), { className }));
    this.parts = { bar: part('div', 'bar'), plot: part('div', 'plot'), below: part('div', 'below'), side: part('aside', 'side') };
    this.thumbs = new Thumbs(app);
    this.plot = this.makePlot(this.parts.plot);
    const key = (event) => this.key(event);
    addEventListener('keydown', key);
    this.ends = [
      () => removeEventListener('keydown', key),
      app.on('row', () => this.rowChanged()),
      app.on('selection', (selection) => this.selectionChanged(selection)),
      app.on('colour', () => this.loadColour()),
      app.on('map', () => this.loadMap()),
      app.on('theme', () => this.recolour()),
      app.on('weights', () => this.reload()),
    ];
    this.plot.setImages(this.now.images);
    this.show();
    this.reload();
  }

  /** What is looked at stays for when one comes back. */
  destroy() {
    const { map } = this.app.state;
    this.app.codes = { now: this.now, map, sight: this.plot.whole ? null : this.plot.plane.keep() };
    for (const end of this.ends) end();
    clearTimeout(this.later);
    this.plot.destroy();
    for (const part of Object.values(this.parts)) render(null, part);
  }

  makePlot(host) {
    host.tabIndex = 0;
    host.setAttribute('role', 'application');
    host.setAttribute('aria-label', LABEL);
    const plot = new Plot(host, this.app, this.thumbs, {
      tool: () => this.now.tool,
      choose: (row) => this.choose(row < 0 ? null : row),
      select: (rows, event) => this.select(rows, event),
    });
    const made = (className) => host.appendChild(Object.assign(document.createElement('div'), { className }));
    this.parts.buttons = made('buttons');
    this.parts.wait = made('wait');
    return plot;
  }

  /** Draws the panels; the map draws itself. */
  show() {
    const { app, now, plot, parts, colours: shown } = this;
    const set = (changes) => {
      Object.assign(this.now, changes);
      plot.setImages(this.now.images);
      this.show();
    };
    const does = {
      map: (map) => app.set({ map }),
      pair: (x, y) => {
        set({ x, y });
        this.loadMap();
      },
      colour: (colour) => app.set({ colour }),
      images: (images) => set({ images }),
      search: (text) => this.search(text),
      tool: (tool) => set({ tool }),
      nearer: () => plot.zoom(1.6),
      farther: () => plot.zoom(1 / 1.6),
      whole: () => plot.fit(),
    };
    this.does = does;
    parts.plot.dataset.tool = now.tool;
    const state = { ...now, map: app.state.map, colour: app.state.colour };
    render(html`<${Bar} about=${app.about} now=${state} does=${does} />`, parts.bar);
    render(html`<${Buttons} tool=${now.tool} does=${does} />`, parts.buttons);
    render(html`<${Legend} name=${app.state.colour} colours=${shown} counts=${shown?.counts} marks=${classMark}
      alone=${this.alone} toggle=${(at, more) => this.isolate(at, more)} />`, parts.below);
    render(html`<${Side} app=${app} thumbs=${this.thumbs} row=${app.state.row} rows=${this.rows} colours=${shown}
      choose=${(row) => this.choose(row, true)} />`, parts.side);
    render(this.waits && html`<p>${this.waits}</p><div class="progress endless"><i></i></div>`, parts.wait);
  }

  async reload() {
    this.thumbs.clear();
    await this.loadMap();
    await this.loadColour();
  }

  async loadMap() {
    clearTimeout(this.later);
    const { map } = this.app.state;
    const { x, y } = this.now;
    const pair = map === 'dims' ? `&x=${x}&y=${y}` : '';
    try {
      const told = await get(`/api/points?map=${map}${pair}`, { lane: 'points' });
      if (told.state === 'computing') return this.again(map, told.share);
      this.waits = null;
      const before = this.app.codes;
      this.app.codes = null;
      this.plot.setMap(told.arrays.xy.values, told.axes ?? ['', ''], before?.map === map ? before.sight : null);
      this.emphasise();
      if (this.colours) this.plot.setColours(this.colours);
    } catch (error) {
      this.fail(error);
    }
    return this.show();
  }

  /** A map that takes its time: asked for again, until another one is wanted. */
  again(map, share) {
    const { title } = this.app.about.maps.find(({ name }) => name === map);
    this.later = setTimeout(() => this.loadMap(), AGAIN);
    this.wait(`${title} is being computed${share ? `, ${Math.round(100 * share)} %` : ' …'}`);
  }

  wait(text) {
    this.waits = text;
    this.show();
  }

  fail(error) {
    if (stale(error)) return;
    this.waits = null;
    this.app.problem(error);
  }

  async loadColour() {
    const { app } = this;
    const { colour } = app.state;
    this.alone = new Set();
    const late = setTimeout(() => this.wait(`${colour} is being computed …`), LATE);
    try {
      const column = colour ? await app.column(colour) : null;
      clearTimeout(late);
      if (colour !== app.state.colour) return;
      this.waits = null;
      this.column = column;
      this.recolour();
      this.emphasise();
    } catch (error) {
      clearTimeout(late);
      this.fail(error);
      this.show();
    }
  }

  recolour() {
    if (this.column === undefined) return; // it is on its way
    this.colours = colours(this.column, this.app.about.count);
    if (this.plot.points.count === this.colours.ofRow.length) this.plot.setColours(this.colours);
    this.show();
  }

  /** In front stand the selected ones, of the classes that are looked at alone; only these classes can be pointed at. */
  emphasise() {
    const { alone, rows, colours: known, plot } = this;
    if (!plot.points.xy) return;
    const may = alone.size ? Uint8Array.from(known.classes, (each) => alone.has(each)) : null;
    if (!rows.length) return plot.setFront(may, may);
    const front = new Uint8Array(plot.points.count);
    for (const row of rows) front[row] = may ? may[row] : 1;
    return plot.setFront(front, may);
  }

  isolate(at, more) {
    const only = this.alone.size === 1 && this.alone.has(at);
    if (!more) this.alone = new Set(only ? [] : [at]);
    else if (!this.alone.delete(at)) this.alone.add(at);
    this.alone = new Set(this.alone);
    this.emphasise();
    this.show();
  }

  /** Chooses an image; `reach`: it is brought into sight. */
  choose(row, reach = false) {
    this.app.set({ row });
    if (row !== null && reach) this.plot.reach(row);
  }

  async rowChanged() {
    const { app } = this;
    const { row } = app.state;
    this.plot.soon();
    this.show();
    if (row === null) return;
    try {
      const image = await app.image(row);
      if (row === app.state.row) app.tell(`${called(image)} is chosen${this.classOf(row)}.`);
    } catch (error) {
      this.fail(error);
    }
  }

  classOf(row) {
    return this.colours?.names ? `, ${this.app.state.colour} ${this.colours.names[this.colours.classes[row]]}` : '';
  }

  /** What was drawn around: alone, added (Shift), or taken off (Alt). */
  select(rows, event) {
    const { selection: before } = this.app.state;
    let selection = new Set(rows);
    if (event.shiftKey) selection = new Set([...before, ...rows]);
    else if (event.altKey) selection = new Set([...before].filter((row) => !selection.has(row)));
    this.app.set({ selection });
    this.app.tell(selection.size ? `${selection.size.toLocaleString('en')} images are selected.` : 'Nothing is selected.');
  }

  selectionChanged(selection) {
    this.rows = [...selection].sort((one, other) => one - other);
    this.emphasise();
    this.show();
  }

  async search(text) {
    const { app } = this;
    if (!text) return app.set({ selection: new Set() });
    try {
      const { rows, total } = await get(`/api/search?text=${encodeURIComponent(text)}`, { lane: 'search' });
      app.set({ selection: new Set(rows.length > 1 ? rows : []) });
      if (rows.length === 1) this.choose(rows[0], true);
      const most = rows.length < total ? `; the first ${rows.length.toLocaleString('en')} are selected` : '';
      app.tell(total ? `${total.toLocaleString('en')} found for “${text}”${most}.` : `Nothing is found for “${text}”.`);
    } catch (error) {
      this.fail(error);
    }
    return undefined;
  }

  key(event) {
    if (event.target.closest('input, select, textarea') || event.ctrlKey || event.metaKey || event.altKey) return;
    const does = {
      '+': this.does.nearer, '=': this.does.nearer, '-': this.does.farther, 0: this.does.whole,
      b: () => this.does.tool('box'), l: () => this.does.tool('lasso'), v: () => this.does.tool('move'),
      Escape: () => this.escape(),
    }[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (does) does();
    else if (ARROWS[event.key] && this.plot.points.count) this.arrow(ARROWS[event.key]);
    else return;
    event.preventDefault();
  }

  arrow(direction) {
    const { row } = this.app.state;
    const to = row === null ? this.plot.points.order.at(-1) : this.plot.step(row, direction);
    if (to >= 0) this.choose(to, true);
  }

  /** First the selection, then the chosen image is let go. */
  escape() {
    if (this.now.tool !== 'move') this.does.tool('move');
    else if (this.rows.length || this.alone.size) {
      this.alone = new Set();
      this.now.turn++; // the search begins anew, too
      this.app.set({ selection: new Set() });
      this.emphasise();
      this.show();
    } else this.choose(null);
  }
}
