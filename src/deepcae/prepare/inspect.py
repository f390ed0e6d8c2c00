"""`inspect`: what lies under some paths, and what `prepare` would make of it. Nothing is written."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..data.folder import shortlist
from ..data.heldout import enough
from ..data.named import Named
from ..data.scaling import VALUES
from ..errors import DataError
from .costly import sample_of_chunks
from .images import ArrayImages, PictureImages
from .labels import read_label_file
from .looked import channels_alike, sample_of, scaling_of, title_of
from .options import Options, Size
from .patches import fitting, uncovered
from .paths import KINDS
from .plan import Plan, Planned, stands_as_it_is
from .series import classes_of, is_volume, lines_of, series
from .sources import LISTED, Source, open_sources
from .split import Split, given_split, named_split, share_of, split_images
from .steps import Steps
from .understood import Understood

UNCOVERED = 0.02  # of the pixels in no patch is told
MOST_CLASSES = 1000  # whole numbers of which there are more are no classes


@dataclass
class Looked:
    """All that `prepare` needs: the plan, the labels (images, ...) or None, and what was understood."""

    plan: Plan
    labels: np.ndarray | None
    understood: Understood


def inspect(sources: Any, options: Options | None = None, kind: str | None = None) -> Understood:
    """What is understood of `sources`: a path, or several, of files and folders. DataError where they do not fit.

    `kind`: `images`, `tiff`, `nwb`, `npy`, `zarr` or `video`, where nothing else may be there.
    """
    looked = look(sources, options or Options(), kind)
    for source in looked.plan.sources:
        source.close()
    return looked.understood


def look(sources: Any, options: Options, kind: str | None = None) -> Looked:
    """`inspect`, with the plan."""
    paths = [sources] if isinstance(sources, str | Path) else list(sources)
    opened = open_sources(paths, options, kind)
    shape, dtype = _one_size(opened, options), _one_type(opened)
    items, skipped = _items(opened, options)
    labels, told_labels = _labels(opened, items, options)
    plan = Plan(opened, items, Split("none", np.zeros(len(items), bool), ""), options, shape, dtype)
    plan.split = _ready_split(plan) or _split(plan, classes_of(labels))
    rows = {name: plan.part(name) for name in ("train", "test")}
    if not rows["train"].shape[0] or not (rows["test"].shape[0] or plan.split.kind == "none"):
        raise DataError(f"{opened[0].path}: {len(items)} images give no rows to train or to test with; see --split")
    values = _sample(opened, rows["train"], options)
    counts = {name: part.shape[0] for name, part in rows.items() if part.shape[0]}
    stored = sum(counts.values()) * math.prod(plan.row) * plan.dtype.itemsize
    is_listed = stands_as_it_is(plan, labels is not None, bool(skipped))
    understood = Understood(
        sources=tuple(_facts(source) for source in opened),
        count=len(items),
        rows=counts,
        shape=plan.row,
        dtype=str(plan.dtype),
        range=(float(values.min()), float(values.max())),
        scaling=scaling_of(values, plan.dtype, options),
        split={"kind": plan.split.kind, "why": plan.split.why},
        labels=told_labels,
        notes=tuple(_notes(opened, plan, values)),
        skipped=tuple(skipped),
        options=options.to_json(),
        bytes=stored,
        copied=0 if is_listed else stored + sum(source.cost.total for source in opened if source.cost),
    )
    return Looked(plan, labels, understood)


def _split(plan: Plan, classes: np.ndarray | None) -> Split:
    files, options = plan.items[:, 0], plan.options
    return split_images(
        files, *series(plan, classes), options, _classes_of_files(plan.sources), all(map(is_volume, plan.sources)),
        enough(math.prod(plan.image)), lines_of(files, classes, share_of(options)),
    )  # fmt: skip


def _ready_split(plan: Plan) -> Split | None:
    """The split that somebody made: by folders, or by the names of files of arrays."""
    names = [source.path.name if source.kind in KINDS["npy"] else "" for source in plan.sources]
    of_folders = given_split([source.is_test for source in plan.sources], plan.items, plan.options)
    return of_folders or named_split(names, plan.items, plan.options)


def _classes_of_files(sources: Sequence[Source]) -> list[str] | None:
    """The class of each file, where files have one: their subfolder's."""
    if not sources[0].classes:
        return None
    found = [np.unique(source.labels).tolist() if source.labels is not None else [] for source in sources]
    return [str(of[0]) if len(of) == 1 else "" for of in found]


def _sample(sources: Sequence[Source], rows: Planned, options: Options) -> np.ndarray:
    costly = [source.images.array for source in sources if source.cost and isinstance(source.images, ArrayImages)]
    chunks = [sample_of_chunks(array, options.seed, VALUES) for array in costly if isinstance(array, Named)]
    if not chunks:
        return sample_of(rows, options.seed)
    values = np.concatenate(chunks)
    whole = values[np.isfinite(values)]
    return whole if len(whole) else np.zeros(1, values.dtype)  # what is not finite is told when it is stored


def _facts(source: Source) -> dict[str, Any]:
    images = source.images
    shape = list(images.size(0)) if images.is_uniform and images.total else None
    facts = {"path": str(source.path), "kind": source.kind, "count": images.total, "shape": shape}
    steps = [[name, size] for name, size in source.told.steps]
    named = {"dataset": source.dataset} if source.dataset else {}
    return {**facts, "dtype": str(images.dtype), **named, **({"steps": steps} if steps else {})}


def _one_type(sources: Sequence[Source]) -> np.dtype[Any]:
    """What values are stored as: as they are, but without doubles, halves and foreign orders of bytes."""
    first = sources[0].images.dtype.newbyteorder("=")
    for source in sources:
        if source.images.dtype.newbyteorder("=") != first:
            raise DataError(f"{source.title}: is of {source.images.dtype}, but {sources[0].title} of {first}")
    if first.kind not in "fiub":
        raise DataError(f"{sources[0].title}: is of type {first}; needs numbers")
    return np.dtype(np.float32) if first.kind == "f" else np.dtype(np.uint8) if first.kind == "b" else first


def _one_size(sources: Sequence[Source], options: Options) -> tuple[int, ...]:
    """The shape that all images get. DataError where they differ, with their sizes and what to do."""
    steps, found = Steps(options), Counter[tuple[int, ...]]()
    examples: dict[tuple[int, ...], str] = {}
    for source in sources:
        damaged = source.images.damaged if isinstance(source.images, PictureImages) else {}
        if source.images.is_uniform and not damaged:
            found[source.images.size(0)] += source.images.total
            examples.setdefault(source.images.size(0), source.title)
            continue
        for row, size in enumerate(map(tuple, source.images.sizes.tolist())):
            if row not in damaged:
                found[size] += 1
                examples.setdefault(size, source.called(row))
    if not found:
        return _none_whole(sources)
    made = {steps.shape_of(size, examples[size]) for size, _ in found.most_common()}
    kept = {shape[0] for shape in made} if options.patch else made
    if len(kept) > 1:
        raise DataError(_told_sizes(found, examples, options))
    largest: tuple[int, ...] = max(made, key=math.prod)
    return largest


def _none_whole(sources: Sequence[Source]) -> tuple[int, ...]:
    for source in sources:
        if isinstance(source.images, PictureImages) and source.images.damaged:
            raise DataError(f"{next(iter(source.images.damaged.values()))}; no picture there can be read")
    raise DataError(f"{sources[0].path}: holds no images")


def _told_sizes(found: Counter[tuple[int, ...]], examples: dict[tuple[int, ...], str], options: Options) -> str:
    kinds = [
        f"{'x'.join(map(str, size))} ({count}, {'/'.join(Path(examples[size]).parts[-2:])})"
        for size, count in found.most_common(3)
    ]
    more = f" and {len(found) - 3} more" if len(found) > 3 else ""
    channels, areas = {size[0] for size in found}, {size[1:] for size in found}
    what = ["--grey or --rgb"] if len(channels) > 1 and not (options.grey or options.rgb) else []
    what += ["--resize, --crop, --pad or --patch HxW"] if len(areas) > 1 else []
    return f"images are of {len(found)} sizes: {', '.join(kinds)}{more}; make them alike with {', and '.join(what)}"


def _items(sources: Sequence[Source], options: Options) -> tuple[np.ndarray, list[tuple[str, str]]]:
    """(n, 2): source and row of each image; and the damaged ones that are left out, with the reason."""
    parts, skipped = [], []
    for number, source in enumerate(sources):
        damaged = dict(source.images.damaged) if isinstance(source.images, PictureImages) else {}
        rows = np.arange(0, source.images.total, options.every)
        if options.skip_damaged:
            damaged |= {} if source.cost else _unreadable(source, rows, damaged, options)
        elif damaged:
            names = shortlist([source.images.name(row) for row in damaged])
            some = f"{len(damaged)} pictures cannot be read ({names}); --skip-damaged leaves them out. The first: "
            raise DataError(f"{some if len(damaged) > 1 else ''}{next(iter(damaged.values()))}{_hint(damaged)}")
        keep = np.array([row for row in rows.tolist() if row not in damaged], np.int64) if damaged else rows
        parts.append(np.stack([np.full(len(keep), number), keep], axis=1))
        skipped += [
            (source.images.name(row) or f"{source.title}: image {row}", why) for row, why in sorted(damaged.items())
        ]
    items = np.concatenate(parts)
    if not len(items):
        raise DataError(f"{sources[0].path}: no image there is whole")
    return items, skipped


def _hint(damaged: dict[int, str]) -> str:
    return "; --skip-damaged leaves it out" if len(damaged) == 1 else ""


def _unreadable(source: Source, rows: np.ndarray, known: dict[int, str], options: Options) -> dict[int, str]:
    """Why images cannot be read, or are not finite: each is read once."""
    found, steps = {}, Steps(options)
    for row in rows.tolist():
        if row in known:
            continue
        try:
            values = steps.apply(source.images.read(np.array([row])))
        except DataError as error:
            found[row] = str(error)
            continue
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            found[row] = "holds values that are not finite"
    return found


def _labels(
    sources: Sequence[Source], items: np.ndarray, options: Options
) -> tuple[np.ndarray | None, dict[str, Any] | None]:
    """The label of each item, and what is told of them."""
    starts = np.cumsum([0, *(source.images.total for source in sources)])
    if options.labels is not None:
        names = [source.images.name(row) for source in sources for row in range(source.images.total)]
        labels, classes = read_label_file(options, names)
        told = _told_labels(labels, classes, str(options.labels))
        told |= {"title": options.label_column} if options.label_column else {}
        return labels[starts[items[:, 0]] + items[:, 1]], told
    if any(source.labels is None for source in sources):
        return None, None
    if len({source.classes for source in sources}) > 1:
        return None, None
    labels = np.concatenate([source.labels for source in sources if source.labels is not None])
    came = "subfolders" if sources[0].classes else "the file"
    kinds = {source.kind for source in sources}
    came = "the label files" if kinds == {"IDX"} else "the list" if kinds == {LISTED} else came
    return labels[starts[items[:, 0]] + items[:, 1]], _told_labels(labels, sources[0].classes, came)


def _told_labels(labels: np.ndarray, classes: tuple[str, ...], came: str) -> dict[str, Any]:
    named = bool(classes)
    if not classes and labels.ndim == 1:
        values = np.unique(labels)
        if len(values) <= min(MOST_CLASSES, max(2, len(labels) // 2)) and (values == np.round(values)).all():
            classes = tuple(f"{value:g}" for value in values.tolist())
    return {"kind": "classes" if classes else "numbers", "classes": list(classes), "named": named, "from": came}


def _notes(sources: Sequence[Source], plan: Plan, values: np.ndarray) -> list[str]:
    of: dict[str, list[str]] = {}
    for source in sources:
        for note in source.told.notes:
            of.setdefault(note, []).append(source.path.name)
    notes = [
        note if len(names) == len(sources) else f"{shortlist(list(dict.fromkeys(names)))}: {note}"
        for note, names in of.items()
    ]
    unlabelled = [source.title for source in sources if source.labels is None]
    if unlabelled and len(unlabelled) < len(sources) and plan.options.labels is None:
        notes.append(f"labels are left out, as {shortlist(unlabelled)} has none")
    if plan.options.pad:
        notes.append("what pad adds is 0")
    if plan.dtype != sources[0].images.dtype.newbyteorder("="):
        notes.append(f"{sources[0].images.dtype} is stored as {plan.dtype}")
    if values.min() == values.max():
        notes.append(f"all values of the sample are {values.min():g}: there is nothing to learn")
    first = sources[0].images.size(0)
    if plan.options.resize and len(first) == 3 and first[1]:
        height, width = plan.options.resize
        if abs(math.log((height / width) / (first[1] / first[2]))) > 0.05:
            notes.append(f"resize changes the proportions: {first[1]}x{first[2]} becomes {height}x{width}")
    if plan.options.patch:
        notes += _unpatched((plan.image[1], plan.image[2]), plan.options)
    if len(plan.row) == 3 and plan.row[0] == 3 and channels_alike(plan):
        notes.append("R, G and B are equal in all images that were looked at: --grey stores one channel")
    if plan.options.every > 1:
        notes.append(f"one image of {plan.options.every} is taken")
    return notes


def _unpatched(size: Size, options: Options) -> Iterator[str]:
    """What part of an image lies in no patch."""
    assert options.patch is not None
    if (lost := uncovered(size, options)) <= UNCOVERED:
        return
    other = fitting(size, options.patch)
    left = uncovered(size, Options(patch=other))
    hint = f"; --patch {other[0]}x{other[1]} would leave out {left:.0%}" if left < lost / 2 else ""
    yield f"{lost:.0%} of the pixels lie in no patch, at the right and below{hint}"


__all__ = ["Looked", "inspect", "look", "title_of"]
