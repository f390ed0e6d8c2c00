// What lies over the points: the numbers of the scales, rings around single points, the path of a lasso.
import { figure, token, tokenRgb } from '../palette.js';

const FONT = '11px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';

/** Round numbers between two ends, about `apart` pixels from each other. */
export function ticks(low, high, pixels, apart = 90) {
  const rough = ((high - low) * apart) / Math.max(1, pixels);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough);
  if (!Number.isFinite(step) || step <= 0) return [];
  const found = [];
  for (let at = Math.ceil(low / step) * step; at <= high; at += step) found.push(Math.round(at / step) * step);
  return found;
}

/** A canvas over the plot, drawn anew with each frame. */
export class Overlay {
  constructor(canvas) {
    this.canvas = canvas;
    this.pen = canvas.getContext('2d');
  }

  resize(width, height, ratio) {
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    this.pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    Object.assign(this, { width, height });
  }

  clear() {
    this.pen.clearRect(0, 0, this.width, this.height);
  }

  /** The round numbers in sight: {across: [[x, left]], up: [[y, top]]}. `axes`: what they are; without, as in t-SNE, none. */
  rule(plane, axes) {
    if (!axes[0] && !axes[1]) return { across: [], up: [] };
    const [[left, top], [right, bottom]] = [plane.from(0, 0), plane.from(plane.width, plane.height)];
    const across = ticks(left, right, plane.width, 110).map((x) => [x, plane.at(x, 0)[0]]);
    return { across, up: ticks(bottom, top, plane.height, 80).map((y) => [y, plane.at(0, y)[1]]) };
  }

  /** Where lines lie beneath the points: {down, across} in CSS pixels, and their colour. */
  lines(plane, axes) {
    const { across, up } = this.rule(plane, axes);
    return { down: across.map(([, at]) => at), across: up.map(([, at]) => at), ink: tokenRgb('--grid') };
  }

  /** The numbers at the edges. */
  scales(plane, axes) {
    const { pen, width, height } = this;
    const { across, up } = this.rule(plane, axes);
    if (!across.length && !up.length) return;
    pen.font = FONT;
    pen.fillStyle = token('--soft');
    pen.textAlign = 'center';
    for (const [x, at] of across) if (at > 40 && at < width - 110) this.word(figure(x), at, height - 7);
    pen.textAlign = 'left';
    for (const [y, at] of up) if (at > 34 && at < height - 24) this.word(figure(y), 7, at + 4);
    this.word(`↑ ${axes[1]}`, 7, 18);
    pen.textAlign = 'right';
    this.word(`${axes[0]} →`, width - 9, height - 7);
  }

  /** A word on the ground's colour, so that it can be read over points. */
  word(text, x, y) {
    const { pen } = this;
    pen.strokeStyle = token('--surface');
    pen.lineWidth = 3.5;
    pen.lineJoin = 'round';
    pen.strokeText(text, x, y);
    pen.fillText(text, x, y);
  }

  ring([x, y], radius, colour, width) {
    const { pen } = this;
    for (const [ink, wide] of [[token('--surface'), width + 2.5], [colour, width]]) {
      pen.beginPath();
      pen.arc(x, y, radius, 0, 2 * Math.PI);
      pen.strokeStyle = ink;
      pen.lineWidth = wide;
      pen.stroke();
    }
  }

  /** What is drawn to choose points; a lasso's or a box's corners. */
  path(corners) {
    if (!corners || corners.length < 2) return;
    const { pen } = this;
    pen.beginPath();
    for (const [x, y] of corners) pen.lineTo(x, y);
    pen.closePath();
    pen.fillStyle = token('--accent');
    pen.globalAlpha = 0.1;
    pen.fill();
    pen.globalAlpha = 1;
    pen.strokeStyle = token('--accent');
    pen.lineWidth = 1.5;
    pen.stroke();
  }
}
