"""`deepcae data`: data sets as the HDF5 files and lists that the networks read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import options
from .flags import with_groups
from .prepared import KINDS, own_files
from .screen import answer, say

data_app = typer.Typer(
    no_args_is_help=True,
    help="Store images as data for `train`: your own files, MNIST, digits; as train.h5, test.h5 and lists of them.",
)
for _kind, _what in KINDS.items():
    data_app.command(_kind, help=_what, rich_help_panel="From your own files")(with_groups(own_files))

Folder = Annotated[Path | None, typer.Option("-o", "--out", metavar="DIR", help="Folder to write to.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace files of these names that hold something else.")]
Source = Annotated[
    str, typer.Option("--source", metavar="mnist|digits|DIR", help="Images to draw from; DIR has train.h5, test.h5.")
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="The seed of the draw.")]


@data_app.command()
@with_groups
def mnist(
    *,
    out: Folder = None,
    source: Annotated[
        Path | None, typer.Option("--source", metavar="DIR", help="Where the four IDX files lie.")
    ] = None,
    overwrite: Overwrite = False,
    output: options.Output,
) -> None:
    """MNIST: from --source, DEEPCAE_DATA, the cache, or a public mirror."""
    from ..data.datasets import write_mnist

    folder = out or Path("data/mnist")
    _tell(folder, write_mnist(folder, source, overwrite=overwrite), output)


@data_app.command()
@with_groups
def digits(
    *,
    out: Folder = None,
    overwrite: Overwrite = False,
    output: options.Output,
) -> None:
    """The 1,797 digits that scikit-learn carries, scaled to 28x28; needs no network."""
    from ..data.datasets import write_digits

    folder = out or Path("data/digits")
    _tell(folder, write_digits(folder, overwrite=overwrite), output)


@data_app.command()
@with_groups
def pairs(
    *,
    out: Folder = None,
    source: Source = "mnist",
    seed: Seed = 0,
    overwrite: Overwrite = False,
    output: options.Output,
) -> None:
    """Two-channel pairs with their similarity, for the Siamese network."""
    from ..data.datasets import write_pairs

    folder = out or Path("data/pairs")
    _tell(folder, write_pairs(folder, source, seed, overwrite=overwrite), output)


@data_app.command()
@with_groups
def subset(
    *,
    count: Annotated[int, typer.Option("--count", min=1, help="Training images to draw, as many of each class.")],
    out: Folder = None,
    source: Source = "mnist",
    seed: Seed = 0,
    held_out: Annotated[
        int, typer.Option("--held-out", min=0, help="Further images, as heldout.h5, to choose settings by.")
    ] = 0,
    overwrite: Overwrite = False,
    output: options.Output,
) -> None:
    """A few labelled training images of a larger set, for pre-training's second half."""
    from ..data.datasets import write_subset

    folder = out or Path(f"data/{Path(source).name}-{count}")
    _tell(folder, write_subset(folder, count, source, seed, held_out, overwrite=overwrite), output)


def _tell(folder: Path, rows: dict[str, int], output: options.Output) -> None:
    if output.json:
        answer({"folder": str(folder), "rows": rows})
    else:
        counts = ", ".join(f"{name}.h5 with {count} rows" for name, count in rows.items())
        say(f"wrote {folder}: {counts}; the lists {' and '.join(f'{name}.txt' for name in rows)}", output.quiet)
