// Which points lie where. A loop over all of them: 3 ms for a million, less than the time to build and keep an index.
// `points.may` says of each row whether it may be picked; null: all may.

/** The row nearest to a place on the screen, at most `radius` CSS pixels away; -1 for none. */
export function nearest(points, plane, left, top, radius) {
  points.arrange();
  const { xs, ys, count, order, may } = points;
  const { kx, ky, tx, ty } = plane;
  let found = -1;
  let least = radius * radius;
  for (let k = 0; k < count; k++) {
    const right = xs[k] * kx + tx - left;
    const down = ty - ys[k] * ky - top;
    const apart = right * right + down * down;
    if (apart <= least && (!may || may[order[k]])) {
      least = apart;
      found = k;
    }
  }
  return found < 0 ? -1 : order[found];
}

/** Up to `most` rows within `radius` CSS pixels of a place. */
export function around(points, plane, left, top, radius, most) {
  points.arrange();
  const { xs, ys, count, order, may } = points;
  const rows = [];
  for (let k = count - 1; k >= 0 && rows.length < most; k--) {
    const [right, down] = [xs[k] * plane.kx + plane.tx - left, plane.ty - ys[k] * plane.ky - top];
    if (may && !may[order[k]]) continue;
    if (right * right + down * down <= radius * radius) rows.push(order[k]);
  }
  return rows;
}

/** The next row from a row in a direction, 'left', 'right', 'up' or 'down': near, and not far off the way. -1 for none. */
export function next(points, plane, row, direction) {
  points.arrange();
  const { xs, ys, count, xy, order, may } = points;
  const [x, y] = [xy[2 * row] * plane.kx, xy[2 * row + 1] * plane.ky];
  const [ahead, up] = { left: [-1, 0], right: [1, 0], up: [0, 1], down: [0, -1] }[direction];
  let found = -1;
  let least = Infinity;
  for (let k = 0; k < count; k++) {
    if (may && !may[order[k]]) continue;
    const [right, above] = [xs[k] * plane.kx - x, ys[k] * plane.ky - y];
    const along = right * ahead + above * up;
    const aside = Math.abs(right * up) + Math.abs(above * ahead);
    if (along > 0.01 && aside <= along && along + 2 * aside < least && order[k] !== row) {
      least = along + 2 * aside;
      found = k;
    }
  }
  return found < 0 ? -1 : order[found];
}

/** True for each place that lies within a path on the screen, as a function of (left, top). */
export function inside(path) {
  const [lefts, tops] = [path.map(([left]) => left), path.map(([, top]) => top)];
  const [west, east, north, south] = [Math.min(...lefts), Math.max(...lefts), Math.min(...tops), Math.max(...tops)];
  return (left, top) => {
    if (!(left >= west && left <= east && top >= north && top <= south)) return false;
    let within = false;
    for (let at = 0, before = path.length - 1; at < path.length; before = at++) {
      if (tops[at] > top === tops[before] > top) continue;
      const crossing = lefts[at] + ((top - tops[at]) * (lefts[before] - lefts[at])) / (tops[before] - tops[at]);
      if (left < crossing) within = !within;
    }
    return within;
  };
}

/** The corners of a box from two of them. */
export const corners = ([[left, top], [right, bottom]]) => [[left, top], [right, top], [right, bottom], [left, bottom]];

/** The rows that lie within a path on the screen, in their order. */
export function within(points, plane, path) {
  points.arrange();
  const { xs, ys, order, count, may } = points;
  const holds = inside(path);
  const rows = [];
  for (let k = 0; k < count; k++) {
    if (may && !may[order[k]]) continue;
    if (holds(xs[k] * plane.kx + plane.tx, plane.ty - ys[k] * plane.ky)) rows.push(order[k]);
  }
  return rows.sort((one, other) => one - other);
}

/** Least and largest x and y of all points that are numbers: [left, bottom, right, top]. */
export function bounds(xy) {
  const found = [Infinity, Infinity, -Infinity, -Infinity];
  for (let at = 0; at < xy.length; at += 2) {
    const [x, y] = [xy[at], xy[at + 1]];
    if (!(Number.isFinite(x) && Number.isFinite(y))) continue;
    if (x < found[0]) found[0] = x;
    if (y < found[1]) found[1] = y;
    if (x > found[2]) found[2] = x;
    if (y > found[3]) found[3] = y;
  }
  return found[0] <= found[2] ? found : [0, 0, 1, 1];
}
