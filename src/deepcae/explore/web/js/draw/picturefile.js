// A picture file of anyone's as an image of the network's size. Its size is read before it is decoded.

const MOST_BYTES = 32e6;
const MOST_PIXELS = 64e6; // decoded, they take four bytes each
const HEAD = 65536; // bytes in which a JPEG tells its size

const text = (bytes, from, length) => String.fromCharCode(...bytes.subarray(from, from + length));

/** Walks through a JPEG's segments to the one that tells its size. */
function jpeg(view) {
  for (let at = 2; at + 9 < view.byteLength;) {
    if (view.getUint8(at) !== 0xff) return null;
    const mark = view.getUint8(at + 1);
    if (mark >= 0xc0 && mark <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(mark)) return [view.getUint16(at + 7), view.getUint16(at + 5)];
    at += 2 + (mark === 0xff ? -1 : view.getUint16(at + 2));
  }
  return null;
}

function webp(view, bytes) {
  const kind = text(bytes, 12, 4);
  const three = (at) => view.getUint16(at, true) + 65536 * view.getUint8(at + 2);
  if (kind === 'VP8X') return [three(24) + 1, three(27) + 1];
  if (kind === 'VP8 ') return [view.getUint16(26, true) & 0x3fff, view.getUint16(28, true) & 0x3fff];
  const bits = view.getUint32(21, true);
  return kind === 'VP8L' ? [(bits & 0x3fff) + 1, ((bits >> 14) & 0x3fff) + 1] : null;
}

/**
 * [width, height] of a PNG, JPEG, GIF, WebP or BMP by its first bytes; null of anything else.
 * @param {Uint8Array} bytes
 */
export function sides(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 30) return null;
  if (text(bytes, 1, 3) === 'PNG') return [view.getUint32(16), view.getUint32(20)];
  if (text(bytes, 0, 3) === 'GIF') return [view.getUint16(6, true), view.getUint16(8, true)];
  if (text(bytes, 0, 2) === 'BM') return [view.getInt32(18, true), Math.abs(view.getInt32(22, true))];
  if (view.getUint16(0) === 0xffd8) return jpeg(view);
  return text(bytes, 0, 4) === 'RIFF' && text(bytes, 8, 4) === 'WEBP' ? webp(view, bytes) : null;
}

/** Decodes a file. An Error with a sentence for the reader where it is none, or too large. */
export async function opened(file) {
  if (file.size > MOST_BYTES) throw new Error(`${file.name}: ${Math.ceil(file.size / 1e6)} MB; at most ${MOST_BYTES / 1e6} are opened here`);
  const found = sides(new Uint8Array(await file.slice(0, HEAD).arrayBuffer()));
  if (!found) throw new Error(`${file.name}: no PNG, JPEG, GIF, WebP or BMP`);
  const [width, height] = found;
  if (!(width > 0 && height > 0) || width * height > MOST_PIXELS) {
    throw new Error(`${file.name}: ${width} × ${height} pixels; at most ${MOST_PIXELS / 1e6} million are opened here`);
  }
  try {
    return await createImageBitmap(file);
  } catch {
    throw new Error(`${file.name}: is damaged`);
  }
}

function surface(width, height) {
  const made = Object.assign(document.createElement('canvas'), { width, height });
  const pen = made.getContext('2d', { willReadFrequently: true });
  pen.imageSmoothingQuality = 'high';
  return [made, pen];
}

/** Halves a picture until it is less than twice as large as wanted: each pixel counts. */
function halved(picture, wide, high) {
  let small = picture;
  while (small.width >= 2 * wide && small.height >= 2 * high) {
    const [canvas, pen] = surface(Math.ceil(small.width / 2), Math.ceil(small.height / 2));
    pen.drawImage(small, 0, 0, canvas.width, canvas.height);
    small = canvas;
  }
  return small;
}

/** The usual colour along a picture's edge, 'rgb(…)'; what is see-through counts as white. */
function edge(picture) {
  const [, pen] = surface(8, 8);
  pen.fillStyle = '#fff';
  pen.fillRect(0, 0, 8, 8);
  pen.drawImage(picture, 0, 0, 8, 8);
  const { data } = pen.getImageData(0, 0, 8, 8);
  const rim = Array.from({ length: 64 }, (_, at) => at).filter((at) => at % 8 % 7 === 0 || at < 8 || at > 55);
  const median = (part) => rim.map((at) => data[4 * at + part]).sort((one, other) => one - other)[rim.length >> 1];
  return `rgb(${median(0)} ${median(1)} ${median(2)})`;
}

/**
 * A picture as values (C,H,W) from 0 to 1: grey for any other number of channels than three.
 * @param {ImageBitmap|HTMLCanvasElement} picture
 * @param {number[]} shape  [C,H,W]
 * @param {boolean} whole  true: all of it is seen, with an edge of its own edge's colour; false: it fills the image
 */
export function fitted(picture, [channels, height, width], whole) {
  const scale = (whole ? Math.min : Math.max)(width / picture.width, height / picture.height);
  const [wide, high] = [picture.width * scale, picture.height * scale];
  const small = halved(picture, wide, high);
  const [, pen] = surface(width, height);
  pen.fillStyle = edge(small);
  pen.fillRect(0, 0, width, height);
  pen.drawImage(small, (width - wide) / 2, (height - high) / 2, wide, high);
  const { data } = pen.getImageData(0, 0, width, height);
  const size = height * width;
  const values = new Float32Array(channels * size);
  for (let at = 0; at < size; at++) {
    const [red, green, blue] = data.subarray(4 * at, 4 * at + 3);
    const grey = (0.299 * red + 0.587 * green + 0.114 * blue) / 255;
    for (let part = 0; part < channels; part++) values[part * size + at] = channels === 3 ? data[4 * at + part] / 255 : grey;
  }
  return values;
}

/** The mean along the edge of (C,H,W) values. */
export function rim(values, [, height, width]) {
  let [sum, count] = [0, 0];
  for (let at = 0; at < values.length; at++) {
    const [y, x] = [Math.floor(at / width) % height, at % width];
    if (y === 0 || x === 0 || y === height - 1 || x === width - 1) [sum, count] = [sum + values[at], count + 1];
  }
  return sum / count;
}
