// What is wrong with which layer: said by the server of many images, seen here in the numbers of the one on show.

const STILL = 0.95; // share of values in the tails, or of dead units, from where it is told of one image

/** What a kind of fault is called, what it does, and how grave it is: 2 stops a network, 1 may be of this image alone. */
const WORDS = {
  not_finite: ['not finite', 'NaN or infinite: whatever is computed from it is lost.'],
  saturated: ['saturated', 'Its outputs lie in the flat tails: hardly any gradient reaches the layers before it.'],
  dead: ['dead', 'Its units are off for every image and pass no gradient: they learn no more.'],
  constant: ['constant', 'The same for every image: nothing of the image gets past it.'],
};

const share = (part) => `${part >= 0.9995 ? 100 : (100 * part).toFixed(part > 0.99 ? 1 : 0)} %`;

/** A fault as the server told it, of all the images that it looked at. */
function told({ kind, facts = {}, message = '', iteration }, images) {
  const [word, means] = WORDS[kind] ?? [kind.replaceAll('_', ' '), message];
  const of = iteration === undefined ? `in ${images} images` : `in the training, iteration ${iteration}`;
  const badge = facts.share === undefined ? word : `${word} ${share(facts.share)}`;
  return { kind, badge, means, of, grave: iteration === undefined ? 2 : 1.5 };
}

/** How many values are not finite, in words. */
export const lost = (count) => `${count.toLocaleString('en')} ${count === 1 ? 'value is' : 'values are'} not finite`;

/** The faults of a blob that its own numbers show, for this image alone. `last`: it is the restored image. */
export function own(blob, last = false) {
  const count = blob.shape.reduce((all, side) => all * side, 1);
  const of = 'in this image';
  const found = [];
  if (blob.not_finite) {
    const badge = blob.not_finite === count ? 'not finite' : `not finite ${share(blob.not_finite / count)}`;
    found.push({ kind: 'not_finite', badge, means: WORDS.not_finite[1], of, grave: 2 });
  }
  if (last) return found; // black and white images lie in the tails, and may be of one grey
  if (blob.saturated >= STILL) {
    found.push({ kind: 'saturated', badge: `saturated ${share(blob.saturated)}`, means: WORDS.saturated[1], of, grave: 1 });
  }
  if (blob.dead >= STILL) {
    found.push({ kind: 'dead', badge: `dead ${share(blob.dead)}`, means: 'Nearly all its units are off.', of, grave: 1 });
  }
  if (count > 1 && blob.min !== null && blob.min === blob.max) {
    found.push({ kind: 'constant', badge: 'one value', means: 'All its values are the same.', of, grave: 1 });
  }
  return found;
}

/**
 * The blobs at fault, the gravest first; of those that are equally grave, the one that comes first on the image's way.
 * @param {object[]} blobs  of /api/layers, in the order of the way
 * @param {{images: number, findings: {kind: string, blob: string, layer: string, facts: object}[]}|null} health  of /api/health
 * @param {{kind: string, layer: string, message: string, iteration: number}[]} warnings  of the training
 * @returns {{at: number, blob: object, faults: {kind: string, badge: string, means: string, of: string, grave: number}[]}[]}
 */
export function judged(blobs, health, warnings = []) {
  const found = blobs.map((blob, at) => {
    const says = (health?.findings ?? []).filter((each) => each.blob === blob.blob || each.layer === blob.layer);
    const faults = says.map((each) => told(each, health.images));
    const add = (more) => more.forEach((fault) => faults.some(({ kind }) => kind === fault.kind) || faults.push(fault));
    add(own(blob, at === blobs.length - 1));
    add(warnings.filter((each) => each.kind in WORDS && each.layer === blob.layer).map((each) => told(each, 0)));
    return { at, blob, faults };
  });
  const grave = ({ faults }) => Math.max(...faults.map((fault) => fault.grave));
  const first = found.findIndex(({ faults }) => faults.some(({ kind }) => kind === 'not_finite'));
  return found
    .filter(({ faults, at }) => faults.length && (first < 0 || at <= first)) // behind what is lost, all is
    .sort((one, other) => Number(other.at === first) - Number(one.at === first) || grave(other) - grave(one) || one.at - other.at);
}
