"""What may be asked of `prepare`, as plain data."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..errors import DataError

Size = tuple[int, int]  # height, width
SPLITS = ("auto", "random", "time", "blocks", "file", "region", "none")
NORMALISATIONS = ("auto", "range", "percentile", "zscore", "none")
_SIZE = re.compile(r"(\d{1,5})x(\d{1,5})")


@dataclass(frozen=True)
class Options:
    """How images become training and test data. What is not given is decided by the data, and told.

    `split`: which images are held out (`held_out`, a part of all; default: 0.15, but no more than are enough):
    `random` ones, the last ones of each file (`time`), five stretches all over it (`blocks`), whole files (`file`), the
    lower part of each image (`region`, for patches), or `none`; `seed` decides.
    `every`: each n-th image alone. `channels`: those that are kept, in this order; `grey`, `rgb`: one channel, three.
    `masks`: images of BehaveNet's files are multiplied by theirs.
    Sizes are (height, width), applied in this order: `resize` (bilinear, smoothed), `crop` and `pad` (both to the
    centre; with zeros), `patch`. Patches lie in a grid with `stride`, or `count` of each image are drawn by chance.
    `dataset`: the array's name in files of several; `axes`: what its axes are, one letter each, as `tzcyx` or `nyxc`.
    `normalise`: how values become 0..1 in the net's text; the data stay as they are. `nan`: what stands for values
    that are not finite. `skip_damaged`: images that cannot be read or are not finite are left out.
    `labels`: a file with a class or a number for each image, `label_column` its column.
    """

    split: str = "auto"
    held_out: float | None = None
    seed: int = 0
    every: int = 1
    channels: tuple[int, ...] | None = None
    grey: bool = False
    rgb: bool = False
    masks: bool = False
    resize: Size | None = None
    crop: Size | None = None
    pad: Size | None = None
    patch: Size | None = None
    stride: Size | None = None
    count: int | None = None
    dataset: str | None = None
    axes: str | None = None
    normalise: str = "auto"
    nan: float | None = None
    skip_damaged: bool = False
    labels: Path | None = None
    label_column: str | None = None

    def __post_init__(self) -> None:
        _require(self.split in SPLITS, f"split is '{self.split}'; must be one of {', '.join(SPLITS)}")
        wanted = ", ".join(NORMALISATIONS)
        _require(self.normalise in NORMALISATIONS, f"normalise is '{self.normalise}'; must be one of {wanted}")
        _require(
            self.held_out is None or 0 < self.held_out < 1, f"held_out is {self.held_out}; must lie between 0 and 1"
        )
        _require(self.every >= 1, f"every is {self.every}; must be at least 1")
        _require(self.count is None or self.count >= 1, f"count is {self.count}; must be at least 1")
        _require(not (self.grey and self.rgb), "grey and rgb exclude each other")
        _require(not (self.stride and self.count), "patches lie in a grid (stride) or by chance (count), not both")
        for name in ("resize", "crop", "pad", "patch", "stride"):
            size = getattr(self, name)
            _require(size is None or min(size) >= 1, f"{name} is {size}; height and width must be at least 1")
        _require(bool(self.patch) or not (self.stride or self.count), "stride and count are for patches: give patch")
        _require(self.split != "region" or bool(self.patch), "split 'region' is for patches: give patch")

    def to_json(self) -> dict[str, Any]:
        """What was given, without what was not."""
        plain = {name: value for name, value in asdict(self).items() if value != getattr(Options(), name)}
        return {name: _plain(value) for name, value in plain.items()}


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else list(value) if isinstance(value, tuple) else value


def parse_size(text: str, what: str = "size") -> Size:
    """`64x96` → (64, 96), height first; `64` is `64x64`. DataError for anything else."""
    match = _SIZE.fullmatch(text if "x" in text else f"{text}x{text}")
    if match is None or 0 in (int(match[1]), int(match[2])):
        raise DataError(f"{what} is '{text}'; must be HEIGHTxWIDTH, such as 64x96")
    return int(match[1]), int(match[2])


def _require(holds: bool, sentence: str) -> None:
    if not holds:
        raise DataError(sentence)
