// Lines over iterations: a chart that zooms, follows the others' cursor, and carries marks. By mouse and by keyboard.
import { html, useEffect, useRef } from '../../vendor/preact-htm.js';
import { figure, token } from '../palette.js';

const { uPlot } = globalThis; // of vendor/uplot.js, a script and no module

const SYNC = 'training';
const NEAR = 10; // pixels from a mark within which a click means it

/** Charts that are zoomed together. */
export class Together {
  constructor() {
    this.charts = new Set();
    this.range = null;
  }

  zoom(from, range) {
    this.range = range;
    for (const chart of this.charts) if (chart !== from) chart.show(range);
  }
}

/** Round numbers between two, for a logarithmic axis: 1, 2 and 5 of each power of ten, or even steps of a short way. */
export function splits(low, high, most = 9) {
  const found = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) {
    for (const digit of [1, 2, 5]) found.push(digit * 10 ** power);
  }
  const inside = found.filter((value) => value >= low && value <= high);
  if (inside.length >= 3) return inside.length > most ? inside.filter((value) => /^1/.test(value.toExponential())) : inside;
  const size = 10 ** Math.floor(Math.log10((high - low) / 3));
  const step = [1, 2, 5, 10].map((digit) => digit * size).find((each) => (high - low) / each <= Math.min(5, most));
  const even = [];
  for (let value = Math.ceil(low / step) * step; value <= high; value += step) even.push(Number(value.toPrecision(6)));
  return even;
}

/** The nearest place with a value: series have theirs at other iterations. */
function nearest(plot, series, at) {
  const values = plot.data[series];
  for (let away = 0; away < values.length; away++) {
    for (const found of [at - away, at + away]) if (values[found] !== null && values[found] !== undefined) return found;
  }
  return at;
}

const last = (values) => {
  for (let at = values.length - 1; at >= 0; at--) if (values[at] !== null && values[at] !== undefined) return values[at];
  return null;
};

const fade = (colour, part) => `color-mix(in srgb, ${colour} ${100 * part}%, transparent)`;

class Chart {
  constructor(host, props) {
    this.host = host;
    this.props = props;
    this.plot = new uPlot(this.options(), this.data(), host);
    props.together.charts.add(this);
    this.show(props.together.range);
    this.listen();
    this.watch = new ResizeObserver(() => this.plot.setSize(this.size()));
    this.watch.observe(host);
  }

  end() {
    this.watch.disconnect();
    this.props.together.charts.delete(this);
    this.plot.destroy();
  }

  size() {
    return { width: Math.max(160, this.host.clientWidth), height: this.props.height };
  }

  data() {
    const lines = this.props.lines.map(({ x, y }) => [x, this.props.log ? y.map((v) => (v > 0 ? v : null)) : y]);
    const some = lines.some(([x]) => x.length);
    return some ? uPlot.join(lines) : [[], ...lines.map(() => [])];
  }

  options() {
    const { lines, log } = this.props;
    const axis = { stroke: token('--soft'), grid: { stroke: token('--line'), width: 1 }, ticks: { show: false }, font: '11px system-ui, sans-serif' };
    const logarithmic = { distr: 3, range: (plot, low, high) => (low > 0 ? [low / 1.06, high * 1.06] : [0.1, 1]) };
    const y = log ? { ...axis, splits: (plot, index, low, high) => splits(low, high, this.props.height / 25), filter: (plot, all) => all } : axis;
    return {
      ...this.size(),
      padding: [12, 20, 0, 0],
      scales: { x: { time: false }, y: log ? logarithmic : {} },
      axes: [{ ...axis, size: 26, space: 60 }, { ...y, size: 52, values: (plot, all) => all.map((v) => (v === null ? '' : figure(v))) }],
      series: [{ label: 'iteration', value: (plot, v, series, at) => figure(at === null ? last(plot.data[0]) : v) }, ...lines.map((each) => this.series(each))],
      cursor: {
        sync: { key: SYNC, setSeries: false }, drag: { x: true, y: false, setScale: true }, points: { size: 6 },
        dataIdx: (plot, series, at) => (series ? nearest(plot, series, at) : at),
      },
      legend: { live: true },
      hooks: {
        draw: [(plot) => this.marks(plot)],
        setScale: [(plot, key) => key === 'x' && this.zoomed(plot)],
      },
    };
  }

  series({ label, colour, width = 1.5, thin = false, dash, points = false }) {
    return {
      label, stroke: thin ? fade(colour, 0.4) : colour, width: thin ? 1 : width, dash, spanGaps: true,
      points: { show: points, size: 5, fill: colour, stroke: colour },
      value: (plot, v, series, at) => figure(at === null ? last(plot.data[series]) : v),
    };
  }

  /** What the reader has zoomed to, told to the others. uPlot tells it of every change, later. */
  zoomed(plot) {
    const { min, max } = plot.scales.x;
    const all = plot.data[0];
    if (!all.length || min === null) return;
    const known = this.props.together.range;
    const whole = min <= all[0] && max >= all[all.length - 1];
    if (whole ? known : known?.min !== min || known?.max !== max) this.props.together.zoom(this, whole ? null : { min, max });
  }

  show(range) {
    const all = this.plot.data[0];
    const { min, max } = range ?? { min: all[0], max: all[all.length - 1] };
    if (min < max) this.plot.setScale('x', { min, max });
  }

  update(props) {
    this.props = props;
    this.plot.setData(this.data(), true);
    this.show(props.together.range);
  }

  marks(plot) {
    const pen = plot.ctx;
    const { left, top, width, height } = plot.bbox;
    const ratio = devicePixelRatio || 1;
    for (const { at, colour, sign, dash = [4, 3] } of this.props.marks) {
      const x = plot.valToPos(at, 'x', true);
      if (!(x >= left - 1 && x <= left + width + 1)) continue;
      pen.save();
      pen.strokeStyle = pen.fillStyle = token(colour);
      pen.lineWidth = ratio;
      pen.setLineDash(dash.map((each) => each * ratio));
      pen.beginPath();
      pen.moveTo(x, top);
      pen.lineTo(x, top + height);
      pen.stroke();
      pen.font = `${11 * ratio}px system-ui, sans-serif`;
      pen.textAlign = 'center';
      if (sign) pen.fillText(sign, x, top - 2 * ratio);
      pen.restore();
    }
  }

  /** The iteration at a place, and the mark there. */
  meant(left) {
    const { marks } = this.props;
    const near = marks.filter((mark) => Math.abs(this.plot.valToPos(mark.at, 'x') - left) <= NEAR && mark.open);
    return { mark: near[0], at: this.plot.posToVal(left, 'x') };
  }

  listen() {
    let pressed = null;
    const { over } = this.plot;
    over.addEventListener('mousedown', (event) => (pressed = event.clientX));
    over.addEventListener('mouseup', (event) => {
      if (pressed === null || Math.abs(event.clientX - pressed) > 3) return;
      const { mark, at } = this.meant(this.plot.cursor.left);
      if (mark) mark.open();
      else this.props.pick(at);
    });
    over.addEventListener('dblclick', () => {
      this.props.together.zoom(null, null);
    });
  }

  /** The cursor by keys; what it is on, in words. */
  key(event) {
    const xs = this.plot.data[0];
    if (!xs.length) return null;
    const { min, max } = this.plot.scales.x;
    const at = this.plot.cursor.idx ?? xs.length - 1;
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: xs.length - 1 }[event.key];
    const zoom = { '+': 0.5, '=': 0.5, '-': 2, 0: Infinity }[event.key];
    if (event.key === 'Enter') this.props.pick(xs[at]);
    else if (zoom) this.around(xs[at], ((max - min) * zoom) / 2);
    else if (to === undefined) return null;
    const now = Math.max(0, Math.min(xs.length - 1, to ?? at));
    this.plot.setCursor({ left: this.plot.valToPos(xs[now], 'x'), top: this.plot.over.clientHeight / 2 });
    event.preventDefault();
    return this.words(now);
  }

  around(middle, half) {
    const xs = this.plot.data[0];
    const [first, end] = [xs[0], xs[xs.length - 1]];
    const range = half >= end - first ? null : { min: Math.max(first, middle - half), max: Math.min(end, middle + half) };
    this.props.together.zoom(null, range);
  }

  words(at) {
    const values = this.props.lines.filter(({ thin }) => !thin).map(({ label }) => {
      const series = this.props.lines.findIndex((each) => each.label === label) + 1;
      return `${label} ${figure(this.plot.data[series][nearest(this.plot, series, at)])}`;
    });
    return `iteration ${figure(this.plot.data[0][at])}: ${values.join(', ')}`;
  }
}

/** What a chart shows, for those who do not see it. */
function summary(title, lines) {
  const parts = lines.filter(({ thin, y }) => !thin && y.length).map(({ label, y }) => `${label} from ${figure(y.find((v) => v !== null))} to ${figure(last(y))}`);
  return `${title}: ${parts.join('; ') || 'no values yet'}. Arrow keys read the values, plus and minus zoom, 0 shows all, Enter shows the snapshot there.`;
}

/**
 * @param {{title: string, lines: {label: string, x: number[], y: (number|null)[], colour: string}[], log: boolean,
 *   height: number, marks: {at: number, colour: string, sign?: string, open?: () => void}[], together: Together,
 *   pick: (iteration: number) => void, theme: number}} props
 */
export function Lines(props) {
  const host = useRef(null);
  const said = useRef(null);
  const chart = useRef(null);
  const shape = [props.log, props.theme, props.height, ...props.lines.map(({ label, colour }) => label + colour)].join('|');
  useEffect(() => {
    chart.current = new Chart(host.current, props);
    return () => chart.current.end();
  }, [shape]);
  useEffect(() => chart.current.update(props), [props.lines, props.marks]);
  const key = (event) => {
    const words = event.ctrlKey || event.metaKey || event.altKey ? null : chart.current.key(event);
    if (words) said.current.textContent = words;
  };
  return html`<div class="chart" role="group" tabindex="0" aria-label=${summary(props.title, props.lines)} onKeyDown=${key}>
    <div ref=${host} aria-hidden="true"></div><span class="unseen" ref=${said} aria-live="polite"></span></div>`;
}
