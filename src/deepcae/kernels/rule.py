"""What differs from one kind of processor to another: which library multiplies, and where the core's convolutions pay.

A rule is data: it is committed for the kinds that were measured (`KNOWN`), measured once for any other (`measure`,
`rulecache`), and kept in snapshots, so that a run goes on as it began.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, get_args

from .processor import Processor

Library = Literal["core", "mkl", "onednn"]  # mkl: PyTorch's own product, whatever it is made of


class Products(NamedTuple):
    """Which library makes the three products of a layer of the written pass: y = w x, dw = dy xᵀ, dx = wᵀ dy."""

    forward: Library = "core"
    weights: Library = "core"
    bottom: Library = "core"


class Rule(NamedTuple):
    """`few`, `many`: products of layers of 50,000 weights or more, in nets of a million: for 2 to 23 columns (samples,
    pixels), and for more.

    `rows`: autograd's products of 16 rows or more and four million products of numbers. `core_pairs`: up to so many
    channels × outputs, a convolution is the core's: of one to 7 images, of 8 to 31, of more; its kernel has `core_area`
    places at least. `pixel_pairs`: the same of kernels of one pixel. `last_channels`: from so many channels on,
    PyTorch's convolutions get them last in memory: of one image, of more. `phase_outputs`: up to so many outputs,
    deconvolutions with a stride go by `phases`. `strided_pairs`: as `core_pairs`, of convolutions and deconvolutions
    with a stride.
    """

    few: Products = Products()
    many: Products = Products()
    rows: Library = "mkl"
    core_pairs: tuple[int, int, int] = (32, 128, 128)
    core_area: int = 16
    pixel_pairs: int = 64
    last_channels: tuple[int, int] = (16, 2)
    phase_outputs: int = 8
    strided_pairs: tuple[int, int, int] = (0, 0, 256)

    def to_json(self) -> dict[str, Any]:
        return {name: list(value) if isinstance(value, tuple) else value for name, value in self._asdict().items()}

    @classmethod
    def from_json(cls, fields: Any) -> Rule:
        """What `to_json` gave, or gave before there were all fields. ValueError for anything else."""
        if isinstance(fields, dict):
            fields = {"strided_pairs": list(WITHOUT_STRIDES), "core_area": 16, **fields}
        if not isinstance(fields, dict) or set(fields) != set(cls._fields):
            raise ValueError("no rule of kernels")
        for name, plain in cls().to_json().items():
            _require_like(plain, fields[name], name)
        whole: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()
        }
        return cls(**{**whole, "few": Products(*fields["few"]), "many": Products(*fields["many"])})

    def products(self, columns: int) -> Products:
        return self.many if columns >= MANY_COLUMNS else self.few


WITHOUT_STRIDES = (-1, -1, -1)  # `strided_pairs` of runs that began before the core had strides: they go on without
MANY_COLUMNS = 24
LEAST_WEIGHTS, LEAST_IN_ALL = 50_000, 1_000_000  # of a layer, and of its net: others are the core's everywhere, whose
# bits do not depend on the number of threads


def _require_like(plain: Any, given: Any, name: str) -> None:
    """ValueError unless it is a number, a library, or as many of them as in `plain`."""
    fine = type(given) is type(plain)
    if fine and isinstance(plain, list):
        fine = len(given) == len(plain)
        for one, other in zip(plain, given, strict=False):
            _require_like(one, other, name)
    elif fine:
        fine = given in get_args(Library) if isinstance(plain, str) else given >= (-1 if name == "strided_pairs" else 0)
    if not fine:
        raise ValueError(f"no rule of kernels: {name} is {given!r}"[:120])


def fixed(processor: Processor) -> Rule:
    """Where nothing was measured: as it was before there were rules. MKL is slow on AMD's processors in general."""
    return Rule(rows="onednn" if processor.vendor == "AuthenticAMD" else "mkl")


def known(processor: Processor) -> tuple[str, Rule] | None:
    """The name and the committed rule of a kind that was measured.

    *AMD EPYC, Zen 5* (family 26, AVX-512): the figures stand where each number is used (`choice`, `convolution`,
    `products`); the fixed rule was made of them.

    *AMD EPYC, Zen 3* (family 25, model 1, AVX2), PyTorch 2.13, one thread, `python benchmarks/rule.py`, ms of core,
    MKL, oneDNN for 1000×784 weights: 10 columns, forward 0.30, 1.30, 0.40, to the weights 0.33, 0.27, 0.43, to the
    bottom 0.45, 1.65, 1.47; 100 columns, forward 2.03, 2.12, 2.54, to the weights 1.85, 1.91, 2.56, to the bottom
    2.37, 2.05, 3.68; autograd's products MKL 9.1, oneDNN 11.2. Convolutions, PyTorch (channels last) ÷ core: 5×5 of
    12×12, one image, 16→16 1.4, but 20→50 0.9; 20→50 batch 10 1.3, 100 1.2. 3×3: one image, 4→4 of 32×32 7.0, 16→16
    1.7, but 32→32 0.5; batch 10, 16→16 1.3, 64→64 1.1, 128→128 1.04; batch 100, 16→16 1.1, 32→32 1.03, 64→64 1.2,
    128→128 1.1, 256→256 1.04. 4×4 with stride 2: one image, 64→128 1.2; batch 10, 32→64 1.4, 128→256 1.1; batch 100,
    3→8 6.4, 16→32 2.3, 64→128 1.4, 256→512 1.3. Channels first and last: one image, 16→16 0.49, 0.44, but 8→16 0.30,
    0.33; ten, 2→16 1.20, 0.86. Phases and PyTorch: 16→3 4.3, 5.2, but 16→8 6.9, 6.1.
    """
    if processor.vendor == "AuthenticAMD" and processor.family == 26 and processor.instructions == "avx512":
        return "AMD, Zen 5", fixed(processor)
    if processor[:3] == ("AuthenticAMD", 25, 1) and processor.instructions == "avx2":
        return "AMD EPYC, Zen 3", ZEN3
    return None


ZEN3 = Rule(
    few=Products(weights="mkl"),
    rows="mkl",
    core_pairs=(256, 65536, 65536),
    core_area=9,
    pixel_pairs=256,
    last_channels=(16, 2),
    phase_outputs=3,
    strided_pairs=(8192, 131072, 131072),
)
