// Which image is looked at: step, type its number, see what it is called.
import { html, useEffect, useState } from '../vendor/preact-htm.js';
import { Picture } from './pictures.js';

/** The image of a row with all that is told of it, or null until it is there. */
export function useImage(app, row) {
  const [image, keep] = useState(null);
  useEffect(() => {
    let here = true;
    if (row === null || !app.about.image) return keep(null);
    app.image(row).then((found) => here && keep(found), app.problem);
    return () => {
      here = false;
    };
  }, [row, app.about]);
  return image;
}

/** A row within the images there are; they follow one another in a circle. */
export const around = (row, count) => ((row % count) + count) % count;

/** What an image shows, in words: its class where there is one, else what it is called. */
export function called(image, about) {
  if (!image) return '';
  const classes = about.columns.find((column) => column.kind === 'classes' && column.name in image.columns);
  const plain = String(image.called) === String(image.row) ? '' : String(image.called);
  const label = classes ? `${classes.name} ${classes.names?.[image.columns[classes.name]] ?? image.columns[classes.name]}` : '';
  return [plain, label].filter(Boolean).join(' · ');
}

/** Steps through the images. `choose(row)`; `title`: what is chosen here. */
export function PickRow({ app, row, choose, title = 'Image', small = true }) {
  const { count } = app.about;
  const image = useImage(app, row);
  const step = (by) => choose(around((row ?? 0) + by, count));
  const typed = (event) => {
    const wanted = Math.round(Number(event.target.value));
    if (event.target.value !== '' && wanted >= 0 && wanted < count) choose(wanted);
    else event.target.value = row ?? '';
  };
  return html`<div class="pickrow" role="group" aria-label=${title}>
    ${small && image && html`<span class="thumb"><${Picture} values=${image.arrays.image.values} about=${app.about.image} title=${`${title} ${row}`} /></span>`}
    <button type="button" class="button" aria-label="The image before" onClick=${() => step(-1)}>‹</button>
    <label class="field"><span>${title}</span><input type="number" min="0" max=${count - 1} value=${row ?? ''} onChange=${typed} /></label>
    <button type="button" class="button" aria-label="The next image" onClick=${() => step(1)}>›</button>
    <span class="soft name">${called(image, app.about)}</span>
  </div>`;
}
