// Colours: of classes, of numbers, of values around zero; and those of the page, for what is drawn on a canvas.

/** The colours of classes, as in every picture of deepcae (viz/style.py); told apart by the colour-blind too. */
export const CLASS_COLOURS = [
  '#6271F0', '#F47C55', '#8037B0', '#F4BF17', '#326F09', '#4F2E0D', '#BA4A79', '#26BCA2', '#B990EF', '#8D145E',
];
/** Class 10 has the colour of class 0 and another mark. */
export const MARKS = ['disc', 'square', 'diamond', 'ring'];

const VIRIDIS = [
  '#440154', '#482878', '#3e4989', '#31688e', '#26828e', '#1f9e89', '#35b779', '#6ece58', '#b5de2b', '#fde725',
];
const BLUE_WHITE_RED = [
  '#053061', '#2166ac', '#4393c3', '#92c5de', '#d1e5f0', '#f7f7f7', '#fddbc7', '#f4a582', '#d6604d', '#b2182b',
  '#67001f',
];

/** '#6271F0' -> [98, 113, 240] */
export const rgb = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
/** [98, 113, 240] -> 'rgb(98 113 240)' */
export const css = (colour) => `rgb(${colour.map(Math.round).join(' ')})`;

/** 256 colours between those given, evenly spaced from share `from` to share `to`: a Uint8Array of 256 × 3. */
function steps(hexes, from = 0, to = 1) {
  const stops = hexes.map(rgb);
  const table = new Uint8Array(768);
  for (let step = 0; step < 256; step++) {
    const at = (from + ((to - from) * step) / 255) * (stops.length - 1);
    const left = Math.min(Math.floor(at), stops.length - 2);
    for (let part = 0; part < 3; part++) {
      table[3 * step + part] = Math.round(stops[left][part] + (at - left) * (stops[left + 1][part] - stops[left][part]));
    }
  }
  return table;
}

/** Values around zero: blue below, white, red above; 256 × 3. */
export const SIGNED = steps(BLUE_WHITE_RED);
/** The whole scale of numbers, for maps of values; 256 × 3. */
export const NUMBERS = steps(VIRIDIS);

export const isDark = () => {
  const { theme } = document.documentElement.dataset;
  return theme ? theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
};

/** The scale of numbers for points, without the end that the page's ground would swallow; 256 × 3. */
export const numbers = () => (isDark() ? steps(VIRIDIS, 0.16, 1) : steps(VIRIDIS, 0, 0.93));

/** Those that dark ground would swallow, as they are there. */
const ON_DARK = { 4: '#5FA52E', 5: '#B08A62', 9: '#EE7FC4' };

/** The colour of a class on the page's ground: [red, green, blue]. */
export function classColour(index) {
  const at = index % CLASS_COLOURS.length;
  return rgb((isDark() && ON_DARK[at]) || CLASS_COLOURS[at]);
}

/** The mark of a class: a disc for the first ten. */
export const classMark = (index) => MARKS[Math.floor(index / CLASS_COLOURS.length) % MARKS.length];

let probe = null;
let known = new Map();

/** A colour of the page's style, such as '--ink', as it is now: 'rgb(…)', for a canvas. */
export function token(name) {
  if (!known.has(name)) {
    probe ??= document.body.appendChild(Object.assign(document.createElement('span'), { hidden: true }));
    probe.style.color = `var(${name})`;
    known.set(name, getComputedStyle(probe).color);
  }
  return known.get(name);
}

/** The theme changed: the page's colours are looked up anew. */
export const forget = () => (known = new Map());

/** A token as [red, green, blue]. */
export const tokenRgb = (name) => token(name).match(/[\d.]+/g).slice(0, 3).map(Number);

/** A number for people: three or four figures, no more. */
export function figure(value) {
  if (typeof value === 'string') return value; // "nan", "inf"
  if (value === null || value === undefined || Number.isNaN(value)) return '–';
  if (!Number.isFinite(value)) return value > 0 ? '∞' : '−∞';
  if (Number.isInteger(value) && Math.abs(value) < 1e6) return String(value).replace('-', '−');
  const size = Math.abs(value);
  const text = size !== 0 && (size < 1e-3 || size >= 1e5) ? value.toExponential(2) : value.toPrecision(4).replace(/\.?0+$/, '');
  return text.replace('-', '−');
}
