// The card beside the pointer: the image, what is restored of it, the difference, and what is known of it.
import { html, render } from '../../vendor/preact-htm.js';
import { newest } from '../newest.js';
import { figure } from '../palette.js';
import { Picture } from '../pictures.js';

const WIDTH = 268;
const APART = 18; // from the pointer
const MOST = 6; // columns that it names

/** Of a class its name, of a number the number. */
export const told = (value) => (typeof value === 'number' ? figure(value) : String(value ?? '–'));

/** How an image is called, in a few words: by its file, or its number. */
export const name = ({ called, row }) => (/^\d*$/.test(called ?? '') ? `Image ${called || row}` : String(called));

/** Image, restored and difference, as far as there are any. */
export function Trio({ image, about }) {
  const { image: original, restored } = image.arrays;
  return html`<div class="trio">
    <figure><${Picture} values=${original.values} about=${about} title="The image" /><figcaption>image</figcaption></figure>
    ${restored && html`<figure><${Picture} values=${restored.values} about=${about} title="Restored" />
      <figcaption>restored</figcaption></figure>`}
    ${restored && html`<figure><${Picture} values=${restored.values} against=${original.values} about=${about}
      title="Restored less the image: blue is too dark, red too bright" /><figcaption>difference</figcaption></figure>`}
  </div>`;
}

function Card({ image, about, columns }) {
  const words = Object.entries(image.columns).filter(([column]) => columns.includes(column)).slice(0, MOST);
  return html`<h2>${name(image)}</h2><${Trio} image=${image} about=${about.image} />
    <dl class="facts small">${words.map(([column, value]) => html`<dt>${column}</dt><dd>${told(value)}</dd>`)}</dl>`;
}

/** A card in a host element of its own, which follows the pointer. */
export class HoverCard {
  constructor(host, app) {
    Object.assign(this, { host, app, row: -1 });
    host.className = 'card';
    host.hidden = true;
    const draw = (image) => image.row === this.row && this.draw(image);
    const fail = (error) => {
      app.problem(error);
      this.hide();
    };
    this.images = newest((row) => app.image(row), draw, fail);
  }

  /** Shows a row's card beside a place of the plot; -1: none. `done` is called once it is there. */
  show(row, [left, top], plane, done) {
    if (row < 0) return this.hide();
    this.place = [left, top, plane.width, plane.height];
    if (row === this.row) return undefined;
    this.row = row;
    this.done = done;
    const image = this.app.images.now(row);
    return image ? this.draw(image) : this.images.ask(row);
  }

  draw(image) {
    const { about } = this.app;
    const columns = about.columns.map((column) => column.name);
    render(html`<${Card} image=${image} about=${about} columns=${columns} />`, this.host);
    this.host.hidden = false;
    const [left, top, width, height] = this.place;
    const high = this.host.offsetHeight;
    const within = (at, most) => `${Math.max(4, Math.min(most - 4, at))}px`;
    const beside = left + APART + WIDTH < width ? left + APART : left - APART - WIDTH;
    const narrow = beside < 0; // neither side has room: above or below
    const over = top - APART - high > 0 ? top - APART - high : top + APART;
    this.host.style.left = within(narrow ? left - WIDTH / 2 : beside, width - WIDTH);
    this.host.style.top = within(narrow ? over : top - high / 2, height - high);
    this.done();
  }

  hide() {
    this.row = -1;
    this.host.hidden = true;
  }

  end() {
    this.images.end();
    render(null, this.host);
  }
}
