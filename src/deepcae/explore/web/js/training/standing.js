// Where a run stands, what can be asked of it, and what it was warned of.
import { html, useEffect, useState } from '../../vendor/preact-htm.js';
import { figure } from '../palette.js';

const SURE = 5000; // milliseconds for which "Stop" waits to be confirmed

/** Seconds in words: 40 s, 12 min, 3 h 5 min. */
export function duration(seconds) {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** Where it stands, in words: [state, sentence]. */
function standing({ story, live, gone, away }, most) {
  const at = `iteration ${story.iteration.toLocaleString('en')}${most ? ` of ${most.toLocaleString('en')}` : ''}`;
  if (away) return ['lost', `The server does not answer; trying again. Last seen: ${at}`];
  if (gone) return ['lost', `The run has gone: ${gone}`];
  if (story.ended?.kind === 'failed') return ['failed', `Failed at ${at}`];
  if (live) {
    const left = story.pace && most > story.iteration ? ` · ${figure(story.pace)} s each · ${duration(story.pace * (most - story.iteration))} left` : '';
    return ['live', `Training: ${at}${left}`];
  }
  if (story.ended) return ['done', `${{ done: 'Done', stopped: 'Stopped', 'stopped early': 'Stopped early' }[story.ended.reason] ?? 'Ended'} at ${at}`];
  return story.loss.size ? ['lost', `Nobody trains there now; the records end at ${at}`] : ['done', 'There are no records yet'];
}

function Stop({ ask }) {
  const [sure, wait] = useState(false);
  useEffect(() => {
    const timer = sure && setTimeout(() => wait(false), SURE);
    return () => clearTimeout(timer);
  }, [sure]);
  const press = () => {
    wait(!sure);
    if (sure) ask('stop');
  };
  return html`<button type="button" class=${`button ${sure ? 'grave' : ''}`} title="Ends it after this iteration, with a snapshot to go on from"
    onClick=${press}>${sure ? 'Really stop?' : 'Stop'}</button>`;
}

/** The uppermost line: state, progress, buttons, scale, other runs. */
export function Standing({ view, log, setLog, ask, compare }) {
  const { story, most, stoppable, told, every } = view;
  const [state, words] = standing(view, most);
  const share = most ? Math.min(1, story.iteration / most) : 0;
  return html`<section class="panel standing" aria-label="The run">
    <div class="toolbar">
      <span class=${`dot ${state}`} aria-hidden="true"></span>
      <strong class=${`state ${state}`} role="status">${words}</strong>
      ${state === 'live' && html`<span class="bar" role="progressbar" aria-label="Progress" aria-valuenow=${Math.round(100 * share)}><i style=${{ width: `${100 * share}%` }}></i></span>`}
      <span class="soft small grow">${[state === 'live' && told, story.resumed && `resumed from ${story.resumed.split('/').pop()}`, every > 1 && `every ${every}th record is shown`].filter(Boolean).join(' · ')}</span>
      ${state === 'live' && stoppable && html`<button type="button" class="button" onClick=${() => ask('snapshot')}>Take a snapshot</button><${Stop} ask=${ask} />`}
      <button type="button" class="button" aria-pressed=${log} onClick=${() => setLog(!log)}>Log scale</button>
      ${compare}
    </div></section>`;
}

/** Other runs to be drawn over this one. */
export function Compare({ names, chosen, choose, colour }) {
  if (!names.length) return null;
  return html`<details class="compare"><summary class="button">Other runs${chosen.size ? `: ${chosen.size}` : ''}</summary>
    <div class="panel list" role="group" aria-label="Runs to draw over this one">${names.map((name) => html`<label key=${name}><input type="checkbox" checked=${chosen.has(name)}
      onChange=${() => choose(name)} /><i class="swatch" style=${{ background: chosen.has(name) ? colour(name) : 'transparent' }}></i> ${name}</label>`)}</div></details>`;
}

const KINDS = {
  failed: 'failed', saturated: 'saturated', constant: 'constant', dead: 'dead', gradients_gone: 'no gradients', overfitting: 'overfitting',
  targets: 'targets', unscaled: 'unscaled data', data: 'data', settings: 'settings', precision: 'precision', resumed: 'resumed', files: 'files', unwritten: 'unwritten',
};
const GRAVE = new Set(['failed', 'saturated', 'constant', 'dead', 'gradients_gone']);
export const grave = ({ kind }) => GRAVE.has(kind);

/** What the training said, the gravest first, each leading to its layer. */
export function Warnings({ warnings, open, look }) {
  if (!warnings.length) return null;
  const sorted = [...warnings].sort((one, other) => Number(grave(other)) - Number(grave(one)) || one.iteration - other.iteration);
  return html`<section class=${`panel warnings ${sorted.some(grave) ? 'grave' : ''}`} aria-label="What the training said">
    <header><h2>${sorted.length === 1 ? 'One warning' : `${sorted.length} warnings`} of the training</h2></header>
    <ol>${sorted.map((each) => html`<li class=${grave(each) ? 'grave' : ''}>
      <button type="button" class="plain at" title="Show the snapshot nearest to it" onClick=${() => look(each.iteration)}>${each.iteration.toLocaleString('en')}</button>
      <span class="kind">${KINDS[each.kind] ?? each.kind}</span><span class="message">${each.message}</span>
      ${each.layer && html`<button type="button" class="button" onClick=${() => open(each.layer)}>Show ${each.layer}</button>`}</li>`)}</ol></section>`;
}
