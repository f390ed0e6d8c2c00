// The state that all views share, and what they all ask for.
import { get, Problem, stale } from './api.js';

/** The last `most` answers, by key; an answer is a promise, so that two who ask at once share one request. */
export class Kept {
  constructor(most, load) {
    this.most = most;
    this.load = load;
    this.answers = new Map();
  }

  get(key) {
    let answer = this.answers.get(key);
    if (answer) this.answers.delete(key); // to the end: used last
    else {
      answer = this.load(key);
      answer.then(
        (value) => (answer.value = value),
        () => this.answers.delete(key),
      );
    }
    this.answers.set(key, answer);
    if (this.answers.size > this.most) this.answers.delete(this.answers.keys().next().value);
    return answer;
  }

  /** The answer if it is here already, else undefined. */
  now(key) {
    return this.answers.get(key)?.value;
  }

  clear() {
    this.answers.clear();
  }
}

/**
 * What all views share.
 *
 * `state.row` is the chosen image (or null), `state.selection` a Set of rows, `state.colour` the name of a column,
 * `state.map` the name of a map, `state.tab` the view on show. `set` changes some of them and tells who listens:
 * `on('row', f)` calls f(value, app) after each change and returns the function that ends it. Beside the names of the
 * state there is 'weights': other weights are shown now, and what was drawn of the old ones is stale; and 'theme'.
 */
export class App {
  constructor(about) {
    this.about = about;
    this.state = {
      row: null, selection: new Set(), colour: about.colour ?? about.columns[0]?.name ?? null,
      map: about.maps[0]?.name ?? null, tab: null,
    };
    this.codes = null; // what the map of codes showed when it was left
    this.listeners = new Map();
    this.images = new Kept(400, (row) => get(`/api/image?row=${row}`));
    this.columns = new Kept(12, (name) => get(`/api/column?name=${encodeURIComponent(name)}`));
  }

  on(name, listener) {
    if (!this.listeners.has(name)) this.listeners.set(name, new Set());
    this.listeners.get(name).add(listener);
    return () => this.listeners.get(name).delete(listener);
  }

  emit(name, value) {
    for (const listener of [...(this.listeners.get(name) ?? [])]) listener(value, this);
  }

  set(changes) {
    const changed = Object.entries(changes).filter(([name, value]) => this.state[name] !== value);
    Object.assign(this.state, changes);
    for (const [name, value] of changed) this.emit(name, value);
  }

  /** The image of a row: arrays.image, arrays.restored (C,H,W), called, label, error, columns. */
  image(row) {
    return this.images.get(row);
  }

  /** A column: {kind, names|null, values}. */
  async column(name) {
    const { kind, names } = this.about.columns.find((column) => column.name === name);
    const told = await this.columns.get(name);
    return { kind, names: told.names ?? names ?? null, values: told.arrays.values.values };
  }

  /** The line at the foot. A problem stays until something else is told. */
  tell(text, kind = 'note') {
    this.emit('told', { text, kind });
  }

  /** For `catch`: says what went wrong; a request that a newer one ended is no problem. */
  problem = (error) => {
    if (stale(error)) return;
    if (!(error instanceof Problem)) console.error(error);
    this.tell(error.message, 'problem');
  };

  /** Asks anew what the server shows, after other weights were chosen or a training moved on. */
  async renew() {
    this.about = await get('/api/about');
    this.images.clear();
    this.columns.clear();
    this.emit('weights', this.about.iteration);
  }

  /** Opens a view: 'codes', 'layers', … */
  go(tab) {
    location.hash = tab;
  }
}
