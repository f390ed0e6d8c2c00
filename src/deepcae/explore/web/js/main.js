// The page's frame: tabs by location.hash, one view at a time, light or dark, the line at the foot.
import { AWAY, get, stale } from './api.js';
import { App } from './app.js';
import { forget } from './palette.js';

const VIEWS = [
  ['codes', 'Codes'], ['layers', 'Layers'], ['draw', 'Draw'],
  ['decode', 'Decode'], ['training', 'Training'], ['network', 'Network'],
];
const PULSE = 10000; // milliseconds
const id = (name) => document.getElementById(name);
const wanted = () => location.hash.slice(1).split('/')[0];

/** The views that this run can show: without code or decoder some have nothing to say. */
function offered({ code, decodes, path }) {
  const without = { codes: !code, decode: !decodes, layers: !path.length, draw: !path.length };
  return VIEWS.filter(([name]) => !without[name]);
}

function tabs(app, views) {
  for (const [name, title] of views) {
    const link = document.createElement('a');
    link.href = `#${name}`;
    link.textContent = title;
    id('tabs').append(link);
    app.on('tab', (tab) => {
      if (tab === name) link.setAttribute('aria-current', 'page');
      else link.removeAttribute('aria-current');
      if (tab === name) link.scrollIntoView({ block: 'nearest', inline: 'nearest' });
    });
  }
}

/** Shows the view that the address names. A view that comes too late is not mounted any more. */
function views(app, offer) {
  let unmount = () => {};
  let turn = 0;
  async function show() {
    const name = offer.find(([view]) => view === wanted())?.[0] ?? offer[0][0];
    if (name === app.state.tab) return;
    app.set({ tab: name });
    const mine = ++turn;
    unmount();
    unmount = () => {};
    const main = id('view');
    main.className = name;
    main.replaceChildren();
    document.title = `${offer.find(([view]) => view === name)[1]} · ${app.about.title}`;
    try {
      const view = await import(`./${name}.js`);
      if (mine === turn) unmount = view.mount(main, app) ?? unmount;
    } catch (error) {
      app.problem(error);
    }
  }
  addEventListener('hashchange', show);
  return show();
}

function theme(app) {
  const root = document.documentElement;
  const dark = matchMedia('(prefers-color-scheme: dark)');
  const now = () => root.dataset.theme ?? (dark.matches ? 'dark' : 'light');
  const button = id('theme');
  const shown = () => {
    button.textContent = now() === 'dark' ? '☀' : '☾';
    button.title = now() === 'dark' ? 'Show the page light' : 'Show the page dark';
    forget();
    app.emit('theme', now());
  };
  button.addEventListener('click', () => {
    root.dataset.theme = now() === 'dark' ? 'light' : 'dark';
    try {
      localStorage.setItem('deepcae.theme', root.dataset.theme);
    } catch {
      // It holds for this page only.
    }
    shown();
  });
  dark.addEventListener('change', shown);
  shown();
}

/** The line at the foot: the last thing told, and what is open. */
function foot(app) {
  const facts = () => {
    const { count, code, iteration, told } = app.about;
    const parts = [told, `${count.toLocaleString('en')} images`];
    if (code) parts.push(`${code.dims} ${code.dims === 1 ? 'number' : 'numbers'} each`);
    if (iteration !== null && iteration !== undefined) parts.push(`iteration ${iteration.toLocaleString('en')}`);
    id('facts').textContent = parts.filter(Boolean).join(' · ');
  };
  app.on('told', ({ text, kind }) => {
    id('told').textContent = text;
    id('told').dataset.kind = kind;
    id('told').title = text;
  });
  app.on('weights', facts);
  facts();
}

/** What is to be said of this run, behind a button of the header. */
function notes({ about: { warnings = [] } }) {
  const told = warnings.map((warning) => Object.assign(document.createElement('li'), { textContent: warning.message ?? warning }));
  id('notes').hidden = !told.length;
  id('notes').querySelector('summary').textContent = told.length === 1 ? '1 note' : `${told.length} notes`;
  id('notes').querySelector('ul').replaceChildren(...told);
}

/** Says when the server has gone, and when it is there again. */
function watch(app) {
  let gone = false;
  setInterval(async () => {
    if (document.hidden) return;
    const there = await fetch('/static/js/theme.js', { method: 'HEAD', cache: 'no-store' }).catch(() => null);
    if (!there) app.tell(AWAY, 'problem');
    else if (gone) app.tell('The server answers again.');
    gone = !there;
  }, PULSE);
}

/** Keys 1 to 6 open the tabs, unless something is being typed. */
function keys(offer) {
  addEventListener('keydown', (event) => {
    if (event.target.closest('input, select, textarea') || event.ctrlKey || event.metaKey || event.altKey) return;
    const view = offer[Number(event.key) - 1];
    if (view) location.hash = view[0];
  });
}

async function start() {
  let about;
  try {
    about = await get('/api/about');
  } catch (error) {
    if (stale(error)) return;
    id('view').firstElementChild.textContent = error.message;
    return;
  }
  const app = new App(about);
  id('title').textContent = about.title;
  id('title').title = about.origin ?? '';
  const offer = offered(about);
  tabs(app, offer);
  theme(app);
  foot(app);
  keys(offer);
  watch(app);
  notes(app);
  app.on('weights', () => notes(app));
  await views(app, offer);
}

start();
