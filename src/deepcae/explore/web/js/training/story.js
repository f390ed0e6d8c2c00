// What a run's records tell: series of numbers by iteration, where it stands, what it was warned of. No page, no drawing.

/** A number of a record; null for "nan" and "inf", which leave a gap. */
const number = (value) => (typeof value === 'number' && Number.isFinite(value) ? value : null);

const put = (map, key, make) => map.get(key) ?? map.set(key, make()).get(key);

/** The records of one run, as they come. After a resume an iteration may stand twice: the later record counts. */
export class Story {
  constructor(records = []) {
    this.clear();
    for (const record of records) this.add(record);
  }

  clear() {
    this.train = new Map(); // output -> Map(iteration -> value)
    this.tests = new Map(); // 'output' or 'output, net 1' -> the same
    this.loss = new Map();
    this.smoothed = new Map();
    this.testLoss = new Map();
    this.rate = new Map();
    this.gradient = new Map();
    this.weighted = new Map(); // output -> its loss weight
    this.debugged = new Map(); // iteration -> means
    this.warnings = [];
    this.saved = []; // iterations of snapshots
    this.best = null;
    this.ended = null; // the record of the end: finished or failed
    this.iteration = 0;
    this.pace = null; // seconds of an iteration
    this.name = '';
    this.resumed = '';
  }

  add(record) {
    this.iteration = Math.max(this.iteration, record.iteration);
    this[`_${record.kind}`]?.(record);
  }

  _started(record) {
    Object.assign(this, { name: record.name, ended: null, iteration: record.iteration, resumed: record.resumed_from });
  }

  _train(record) {
    const at = record.iteration;
    this._outputs(record, this.train);
    this.loss.set(at, number(record.loss));
    this.smoothed.set(at, number(record.smoothed_loss));
    this.rate.set(at, number(record.lr));
    this.gradient.set(at, number(record.gradient_norm));
    if (record.iterations) this.pace = record.seconds / record.iterations;
  }

  _last_pass(record) {
    this._outputs(record, this.train);
    this.loss.set(record.iteration, number(record.loss));
  }

  _outputs(record, into, suffix = '') {
    for (const [name, value] of Object.entries(record.outputs ?? {})) {
      if (!Array.isArray(value)) put(into, name + suffix, () => new Map()).set(record.iteration, number(value));
    }
    for (const [name, weight] of Object.entries(record.weights ?? {})) this.weighted.set(name, weight);
  }

  _test(record) {
    this._outputs(record, this.tests, record.net_index ? `, net ${record.net_index}` : '');
    if (!record.net_index) this.testLoss.set(record.iteration, number(record.loss));
  }

  _debugged(record) {
    this.debugged.set(record.iteration, record.means);
  }

  _warned(record) {
    this.warnings.push({ ...record, kind: record.warning ?? 'warned' });
  }

  _failed(record) {
    this.ended = record;
    this.warnings.push({ ...record, kind: 'failed' });
  }

  _finished(record) {
    this.ended = record;
  }

  _snapshotted(record) {
    this.saved.push(record.iteration);
  }

  _kept(record) {
    this.best = record.iteration;
  }
}

/** A series as {x, y}, by iteration. */
export function line(map) {
  const x = [...map.keys()].sort((one, other) => one - other);
  return { x, y: x.map((at) => map.get(at)) };
}

/** The mean over a window, to each side a twenty-fifth of the curve; gaps stay gaps. As in the pictures of a report. */
export function smoothed({ x, y }) {
  const window = Math.floor(y.length / 25);
  if (!window) return { x, y };
  const sums = [0];
  const counts = [0];
  y.forEach((value, at) => {
    sums.push(sums[at] + (value ?? 0));
    counts.push(counts[at] + (value !== null));
  });
  const mean = (value, at) => {
    const [from, to] = [Math.max(at - window, 0), Math.min(at + window + 1, y.length)];
    return value === null ? null : (sums[to] - sums[from]) / Math.max(1, counts[to] - counts[from]);
  };
  return { x, y: y.map(mean) };
}

/** Whether the sum of all losses says more than the one output that it is made of. */
function sums(story) {
  const weights = [...story.weighted.values()].filter((weight) => weight !== 0);
  return weights.length !== 1 || weights[0] !== 1;
}

/** What is drawn of several runs: [{key, title, kind, of: [{run, raw, smooth, tests}]}], a panel each. */
export function panels(runs) {
  const names = new Set();
  for (const { story } of runs) {
    for (const name of [...story.train.keys(), ...story.tests.keys()]) names.add(name.replace(/, net \d+$/, ''));
  }
  const found = [];
  const total = runs.some(({ story }) => sums(story) && story.loss.size);
  if (total) found.push({ key: 'loss', title: 'loss', hint: 'all outputs by their weights', kind: 'loss', of: runs.map(whole) });
  for (const name of names) {
    found.push({ key: `output ${name}`, title: name, hint: unit(name), kind: 'loss', of: runs.map((run) => output(run, name)) });
  }
  found.push({ key: 'gradient', title: 'gradient norm', hint: 'before clipping', kind: 'small', of: runs.map(plain('gradient')) });
  found.push({ key: 'rate', title: 'learning rate', hint: 'of the update', kind: 'small', of: runs.map(plain('rate')) });
  return found.filter(({ of }) => of.some(({ raw, tests }) => raw.x.length || tests.some(([, test]) => test.x.length)));
}

function whole(run) {
  const raw = line(run.story.loss);
  const told = line(run.story.smoothed);
  const own = told.y.some((value, at) => value !== raw.y[at]); // the solver's own mean, over average_loss iterations
  const test = line(run.story.testLoss);
  return { run, raw, smooth: own ? told : smoothed(raw), tests: test.x.length ? [['test', test]] : [] };
}

function output(run, name) {
  const raw = line(run.story.train.get(name) ?? new Map());
  const tests = [...run.story.tests].filter(([key]) => key === name || key.startsWith(`${name}, net `));
  return { run, raw, smooth: smoothed(raw), tests: tests.map(([key, map]) => [`test${key.slice(name.length)}`, line(map)]) };
}

const plain = (what) => (run) => ({ run, raw: line(run.story[what]), smooth: null, tests: [] });

/** What a value of a loss counts, as far as its name tells; the paper's networks use these names. */
export function unit(name) {
  const low = name.toLowerCase();
  if (low.includes('entropy')) return 'nats per image';
  if (['l2', 'euclid', 'squared', 'mse'].some((word) => low.includes(word))) return '½·squared error per image';
  return low.includes('accuracy') ? 'share correct' : '';
}

/** Whether values differ so much that a logarithmic scale shows more: the largest is three times the least. */
export function spread(found) {
  let [low, high] = [Infinity, 0];
  for (const { raw, tests } of found.of) {
    for (const value of [raw, ...tests.map(([, test]) => test)].flatMap(({ y }) => y)) {
      if (value === null) continue;
      if (value <= 0) return false;
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
  }
  return high >= 3 * low;
}
