// The network's text with line numbers; the chosen layer's lines are marked, a click on others chooses theirs.
import { html, useEffect, useRef } from '../../vendor/preact-htm.js';

/** The text in three parts, so that however long it is, few elements hold it. */
function parts(lines, first, last) {
  if (!first) return [lines.join('\n'), '', ''];
  const end = (some) => (some.length ? `${some.join('\n')}\n` : '');
  return [end(lines.slice(0, first - 1)), end(lines.slice(first - 1, last)), lines.slice(last).join('\n')];
}

/** @param {{text: string, file: string, layers: object[], layer: object|null, choose: (layer: string) => void}} props */
export function Text({ text, file, layers, layer, choose }) {
  const host = useRef(null);
  const mark = useRef(null);
  const lines = text.replace(/\n$/, '').split('\n');
  const [before, chosen, behind] = parts(lines, layer?.line, layer?.last);
  useEffect(() => {
    if (!chosen) return;
    const [box, at] = [host.current, mark.current];
    const top = at.offsetTop;
    if (top < box.scrollTop || top + Math.min(at.offsetHeight, 60) > box.scrollTop + box.clientHeight) {
      box.scrollTop = Math.max(0, top - Math.max(20, (box.clientHeight - at.offsetHeight) / 2));
    }
  }, [layer?.line]);
  const click = (event) => {
    if (!getSelection().isCollapsed) return;
    const code = host.current.querySelector('code');
    const line = 1 + Math.floor((event.clientY - code.getBoundingClientRect().top) / (code.offsetHeight / lines.length));
    const found = layers.find((each) => each.line && line >= each.line && line <= each.last);
    if (found) choose(found.name);
  };
  return html`<div class="text" ref=${host} tabindex="0" role="region" aria-label=${`The text, ${file}`} onClick=${click}>
    <pre class="numbers" aria-hidden="true">${lines.map((_, at) => at + 1).join('\n')}</pre>
    <pre><code>${before}${chosen && html`<mark ref=${mark}>${chosen}</mark>`}${behind}</code></pre></div>`;
}
