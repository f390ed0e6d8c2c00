"""Slow references in numpy: loops as in the formulas, float64, nothing shared with the package."""

from __future__ import annotations

from itertools import product

import numpy as np

LOWEST = -3.4028234663852886e38


def convolve(x, w, b, stride, pad, dilation, groups):
    """Sums over every pixel of every window; a window begins wherever Caffe's output size says so."""
    num, channels, *sizes = x.shape
    outputs, _, *kernel = w.shape
    extents = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    out_sizes = [
        int((n + 2 * p - e) / s) + 1 for n, p, e, s in zip(sizes, pad, extents, stride, strict=True)
    ]  # C truncates
    y = np.zeros((num, outputs, *out_sizes)) + (0 if b is None else b.reshape(-1, *[1] * len(sizes)))
    per_group = outputs // groups
    for place in product(*map(range, out_sizes)):
        for tap in product(*map(range, kernel)):
            spot = [i * s - p + t * d for i, s, p, t, d in zip(place, stride, pad, tap, dilation, strict=True)]
            if all(0 <= at < n for at, n in zip(spot, sizes, strict=True)):
                for group in range(groups):
                    mine = slice(group * per_group, (group + 1) * per_group)
                    inputs = x[
                        (slice(None), slice(group * channels // groups, (group + 1) * channels // groups), *spot)
                    ]
                    y[(slice(None), mine, *place)] += inputs @ w[(mine, slice(None), *tap)].T
    return y


def deconvolve(x, w, b, stride, pad, dilation, groups):
    """Each input pixel stamps its kernel onto the output."""
    num, channels, *sizes = x.shape
    per_group, kernel = w.shape[1], w.shape[2:]
    out_sizes = [
        s * (n - 1) + d * (k - 1) + 1 - 2 * p
        for n, s, k, p, d in zip(sizes, stride, kernel, pad, dilation, strict=True)
    ]
    y = np.zeros((num, per_group * groups, *out_sizes)) + (0 if b is None else b.reshape(-1, *[1] * len(sizes)))
    for place in product(*map(range, sizes)):
        for tap in product(*map(range, kernel)):
            spot = [i * s - p + t * d for i, s, p, t, d in zip(place, stride, pad, tap, dilation, strict=True)]
            if all(0 <= at < n for at, n in zip(spot, out_sizes, strict=True)):
                for group in range(groups):
                    from_ = slice(group * channels // groups, (group + 1) * channels // groups)
                    onto = slice(group * per_group, (group + 1) * per_group)
                    y[(slice(None), onto, *spot)] += x[(slice(None), from_, *place)] @ w[(from_, slice(None), *tap)]
    return y


def pooled_size(size, kernel, stride, pad, any_pad, ceil=True):
    """Caffe's rule for one axis; `any_pad`: whether either axis is padded."""
    out = int((np.ceil if ceil else np.floor)((size + 2 * pad - kernel) / stride)) + 1
    return out - 1 if any_pad and (out - 1) * stride >= size + pad else out


def _windows(x, kernel, stride, pad, out_hw):
    for i, j in product(range(out_hw[0]), range(out_hw[1])):
        starts = i * stride[0] - pad[0], j * stride[1] - pad[1]
        ends = starts[0] + kernel[0], starts[1] + kernel[1]
        rows = range(max(starts[0], 0), min(ends[0], x.shape[2]))
        columns = range(max(starts[1], 0), min(ends[1], x.shape[3]))
        area = [min(end, size + p) - start for start, end, size, p in zip(starts, ends, x.shape[2:], pad, strict=True)]
        yield i, j, rows, columns, area[0] * area[1]


def max_pool(x, kernel, stride, pad, out_hw):
    y, mask = np.full((*x.shape[:2], *out_hw), LOWEST), np.full((*x.shape[:2], *out_hw), -1.0)
    for i, j, rows, columns, _ in _windows(x, kernel, stride, pad, out_hw):
        for n, c in product(range(x.shape[0]), range(x.shape[1])):
            for h, w in product(rows, columns):
                if x[n, c, h, w] > y[n, c, i, j]:
                    y[n, c, i, j], mask[n, c, i, j] = x[n, c, h, w], h * x.shape[3] + w
    return y, mask


def average_pool(x, kernel, stride, pad, out_hw):
    y = np.zeros((*x.shape[:2], *out_hw))
    for i, j, rows, columns, area in _windows(x, kernel, stride, pad, out_hw):
        for h, w in product(rows, columns):
            y[:, :, i, j] += x[:, :, h, w] / area
    return y


def stochastic_pool(x, kernel, stride, out_hw, u):
    """TRAIN (with the draws u in (0, 1]): values and where they stood, (row, column) or None; TEST (u None): Σx²/Σx."""
    y, chosen = np.zeros((*x.shape[:2], *out_hw)), {}
    for i, j, rows, columns, _ in _windows(x, kernel, stride, (0, 0), out_hw):
        for n, c in product(range(x.shape[0]), range(x.shape[1])):
            window = [(h, w) for h in rows for w in columns]
            total = sum(x[n, c, h, w] for h, w in window)
            if u is None:
                y[n, c, i, j] = sum(x[n, c, h, w] ** 2 for h, w in window) / total if total > 0 else 0
                continue
            running = 0.0
            for h, w in window:
                running += x[n, c, h, w]
                if running >= u[n, c, i, j] * total:
                    y[n, c, i, j], chosen[n, c, i, j] = x[n, c, h, w], (h, w)
                    break
    return y, chosen


def routed(shape, chosen, upper):
    """Each output's gradient at the place that it was taken from."""
    gradient = np.zeros(shape)
    for (n, c, i, j), (h, w) in chosen.items():
        gradient[n, c, h, w] += upper[n, c, i, j]
    return gradient


def unpool(x, how, mask, kernel, stride, out_hw):
    """`how`: "max", "average" or "tile"."""
    y = np.zeros((*x.shape[:2], *out_hw))
    for n, c, i, j in np.ndindex(*x.shape):
        top, left = i * stride[0], j * stride[1]
        if how == "max":
            corner = min(top, out_hw[0] - 1) * out_hw[1] + min(left, out_hw[1] - 1)
            y[n, c].reshape(-1)[corner if mask is None else int(mask[n, c, i, j])] = x[n, c, i, j]
            continue
        rows, columns = range(top, min(top + kernel[0], out_hw[0])), range(left, min(left + kernel[1], out_hw[1]))
        for h, w in product(rows, columns):
            y[n, c, h, w] += x[n, c, i, j] / (len(rows) * len(columns) if how == "average" else 1)
    return y


def normalise_locally(x, size, alpha, beta, k, within):
    """LRN: over `size` channels, or over size x size pixels (then k counts as 1)."""
    y, half = np.zeros(x.shape), size // 2
    for n, c, h, w in np.ndindex(*x.shape):
        if within:
            near = x[n, c, max(h - half, 0) : h + half + 1, max(w - half, 0) : w + half + 1]
            scale = 1 + alpha / size**2 * (near**2).sum()
        else:
            scale = k + alpha / size * (x[n, max(c - half, 0) : c + half + 1, h, w] ** 2).sum()
        y[n, c, h, w] = x[n, c, h, w] * scale**-beta
    return y


def columns(x, kernel, stride, pad, dilation):
    """Im2col: channel and tap become one axis, channels first."""
    num, channels, *sizes = x.shape
    out_sizes = [
        int((n + 2 * p - (d * (k - 1) + 1)) / s) + 1
        for n, k, s, p, d in zip(sizes, kernel, stride, pad, dilation, strict=True)
    ]
    taps = list(product(*map(range, kernel)))
    y = np.zeros((num, channels, len(taps), *out_sizes))
    for place in product(*map(range, out_sizes)):
        for number, tap in enumerate(taps):
            spot = [i * s - p + t * d for i, s, p, t, d in zip(place, stride, pad, tap, dilation, strict=True)]
            if all(0 <= at < n for at, n in zip(spot, sizes, strict=True)):
                y[(slice(None), slice(None), number, *place)] = x[(slice(None), slice(None), *spot)]
    return y.reshape(num, -1, *out_sizes)


def greatest(row, top_k):
    """ArgMax: (value, index) pairs in descending order, so of equal values the greater index first."""
    return sorted(((value, index) for index, value in enumerate(row)), reverse=True)[:top_k]
