// What the server is asked, and how its answers are read. See wire.py for the binary form.

/** What went wrong, in one sentence for the reader; `status` is HTTP's, 0 where nobody answered. */
export class Problem extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

const KINDS = { float32: Float32Array, int32: Int32Array, uint8: Uint8Array };
const AGAIN = 'This page is not let in any more: open the address that deepcae explore printed.';
/** Nobody answers. */
export const AWAY = 'The server does not answer. Was it stopped?';

/**
 * Reads a binary answer: uint32 LE n, n bytes of JSON, the arrays. They are views, nothing is copied.
 * @param {ArrayBuffer} buffer
 * @returns {{arrays: Object<string, {values: any, shape: number[]}>}} the JSON's fields, with the arrays by name
 */
export function unpack(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const told = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  const arrays = {};
  for (const [name, { dtype, shape, offset }] of Object.entries(told.arrays ?? {})) {
    const count = shape.reduce((product, size) => product * size, 1);
    arrays[name] = { values: new KINDS[dtype](buffer, 4 + length + offset, count), shape };
  }
  return { ...told, arrays };
}

const lanes = new Map(); // the request under way in each lane

/** A new request in a lane: what was asked there before is stale and ends. */
function lane(name) {
  lanes.get(name)?.abort();
  const control = new AbortController();
  lanes.set(name, control);
  return control.signal;
}

/** True for the error of a request that a newer one of its lane ended: nothing to tell. */
export const stale = (error) => error?.name === 'AbortError';

async function sentence(answer) {
  if (answer.status === 401 || answer.status === 403) return AGAIN;
  try {
    return (await answer.json()).error ?? `The server answered ${answer.status}.`;
  } catch {
    return `The server answered ${answer.status}.`;
  }
}

async function ask(path, init, options) {
  const signal = options.lane ? lane(options.lane) : undefined;
  let answer;
  try {
    answer = await fetch(path, { ...init, signal, credentials: 'same-origin', cache: 'no-store' });
  } catch (error) {
    throw stale(error) ? error : new Problem(AWAY, 0);
  }
  if (!answer.ok) throw new Problem(await sentence(answer), answer.status);
  if (options.raw) return answer;
  const type = answer.headers.get('content-type') ?? '';
  return type.startsWith('application/octet-stream') ? unpack(await answer.arrayBuffer()) : answer.json();
}

/**
 * GET: JSON, or the fields of a binary answer.
 * @param {string} path
 * @param {{lane?: string, raw?: boolean}} options  lane: a newer request of this name ends this one; raw: the Response itself
 */
export const get = (path, options = {}) => ask(path, {}, options);

/**
 * POST of an object as JSON, or of a Float32Array as its bytes; the answer as of `get`.
 * @param {string} path
 * @param {object|Float32Array} body
 */
export function post(path, body, options = {}) {
  const binary = ArrayBuffer.isView(body);
  const type = binary ? 'application/octet-stream' : 'application/json';
  const init = { method: 'POST', headers: { 'content-type': type }, body: binary ? body : JSON.stringify(body) };
  return ask(path, init, options);
}

/** Hands what was downloaded to the reader as a file, named as the server named it. */
export async function download(path, body, name) {
  const answer = await post(path, body, { raw: true });
  const named = /filename="?([^";]+)/.exec(answer.headers.get('content-disposition') ?? '');
  const link = document.createElement('a');
  link.href = URL.createObjectURL(await answer.blob());
  link.download = named ? named[1] : name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
