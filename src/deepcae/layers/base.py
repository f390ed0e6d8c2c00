"""What every layer is: a shape rule, a list of learned blobs, and a pure function of its bottoms and parameters.

A layer knows nothing of names, files, loss weights or other layers; it says *what* it computes, the net joins it. Its
gradient is autograd's, taken by the net over the whole graph (training) or over this layer alone (Caffe's data/diff
view): the same `forward` serves both. Where Caffe's own gradient is not the derivative, the layer uses a
`torch.autograd.Function`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from ..errors import LayerError
from ..lazy import torch
from ..proto.schema import FillerParameter

if TYPE_CHECKING:
    from ..kernels.calls import Kind

Shape = tuple[int, ...]
Gives = Literal["", "selected", "any", "squashed"]  # those of its bottoms as they are; any numbers; numbers in 0..1
Arity = tuple[int, int | None]  # least and greatest number of blobs; None: any number


@dataclass(frozen=True)
class Learned:
    """A blob that a layer learns: its shape and the filler it starts from (default: constant 0, as in Caffe)."""

    shape: Shape
    filler: Any = field(default_factory=FillerParameter)
    frozen: bool = False  # True: statistics that no solver moves (BatchNorm's sums): lr_mult is always 0
    initial: Any = None  # an array to start from, in the filler's place


@dataclass
class Context:
    """What a forward pass may know beside its bottoms and parameters."""

    generator: torch.Generator | None = None  # source of all randomness in the pass (Dropout, ...)
    updates: list[tuple[torch.Tensor, torch.Tensor]] = field(default_factory=list)
    """(parameter, its new value) pairs that are written after the pass: BatchNorm's running sums."""
    reuse: bool = False  # whether its top may be its bottom, changed in place (ReLU) or not at all (Split)

    def apply_updates(self) -> None:
        """Writes what the layers keep of the pass."""
        if self.updates:
            with torch.no_grad():
                for tensor, value in self.updates:
                    tensor.copy_(value)


class Layer(ABC):
    """One Caffe layer type. Subclasses set `type` (Caffe's name), which also registers them."""

    type: ClassVar[str] = ""
    bottoms: ClassVar[Arity] = (1, 1)
    tops: ClassVar[Arity] = (1, 1)
    is_loss: ClassVar[bool] = False  # its first top has loss weight 1 unless the text says otherwise, or may be omitted
    is_source: ClassVar[bool] = False  # its tops are the net's inputs, fed from a file, an array or the caller
    in_place: ClassVar[bool] = False  # may write over its bottom (top name = bottom name)
    no_gradient: frozenset[int] = frozenset()  # bottoms that never receive a gradient: labels, masks, sizes
    labels: frozenset[int] = frozenset()  # of these, those that want none: Caffe's backward pass ends there
    reads_file: ClassVar[bool] = False  # a source whose shapes stand in a file, not in the text
    file_field: ClassVar[str] = ""  # and the field that names it: "hdf5_data_param.source"
    compares: ClassVar[bool] = False  # a loss whose two bottoms have equal sizes: network output and input
    unit_targets: bool = False  # ... whose second bottom holds probabilities: values in 0..1
    pooled: Shape | None = None  # of a layer that takes a Pooling's mask: the shape of what that Pooling read, if known
    differentiable: ClassVar[bool] = True  # False: a backward pass through it is an error (Accuracy, ArgMax, ...)
    reads_top: bool = False  # Caffe's gradient is one of the top's values, whoever wrote them (Sigmoid)
    activation: tuple[Kind, float] | None = None  # of one whose slope its top tells: the core's name, and its number
    fed_by_caller: ClassVar[bool] = False  # a source whose blobs are arguments of the net (Input)
    draws: ClassVar[bool] = False  # a source of random numbers or constants: no data (DummyData)
    writes_file: ClassVar[bool] = False  # hands its bottoms out to a file (HDF5Output)
    measures: ClassVar[bool] = False  # tells of the net what is no part of its work (Accuracy)
    runs_code: ClassVar[bool] = False  # runs code that the text names (Python)
    is_product: ClassVar[bool] = False  # makes something new of its bottom, by products with learned weights
    convolves: ClassVar[bool] = False  # ... with weights that slide over images (Convolution, Deconvolution)
    strides: bool = True  # of one that convolves: whether the compiled kernels may take it with a stride; its net says
    sees_images: ClassVar[bool] = False  # takes axis 1 for channels, what follows for pixels (Pooling)
    gives: ClassVar[Gives] = ""  # what kind of values its tops have, where that can be said
    applies: ClassVar[str] = ""  # the activation that a loss applies itself to what it reads ("sigmoid")
    needs_probabilities: ClassVar[bool] = False  # a loss that reads values in 0..1 and applies nothing
    keeps_statistics: ClassVar[bool] = False  # what it learns are sums over what it saw (BatchNorm)
    learned_names: ClassVar[tuple[str, ...]] = ("weight", "bias")  # of its learned blobs in a state dict
    gradient_reads: ClassVar[Literal["", "bottom", "top"]] = ""  # whose values Caffe's does, whoever wrote them last
    is_activation: ClassVar[bool] = False  # a curve through which each value goes alone: see `tails` and `gone`
    copies: ClassVar[bool] = False  # each top is its bottom (Split)
    is_view: ClassVar[bool] = False  # its tops are its bottom's values in their order, whatever their shape (Reshape)
    forgets_top: bool = False  # its gradient reads none of its tops: a layer behind it may write over them
    keeps_state: bool = False  # ... of what the forward pass left in the layer: a mask, places, a difference

    registry: ClassVar[dict[str, LayerClass]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "type" in cls.__dict__:
            Layer.registry[cls.type] = cls

    def __init__(self, param: Any, phase: int) -> None:
        """`param`: the LayerParameter; `phase`: TRAIN (0) or TEST (1). LayerError for settings wrong by themselves."""
        self.param = param
        self.phase = phase

    def learned(self, bottoms: Sequence[Shape]) -> list[Learned]:
        """The blobs it learns, in file order (weights, then bias), for bottoms of these shapes."""
        return []

    def overwrites(self, bottoms: Sequence[Shape]) -> frozenset[int]:
        """The learned blobs whose gradient each backward pass writes over, as Caffe does, instead of adding to it."""
        return frozenset()

    @abstractmethod
    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """The tops' shapes for bottoms of these shapes. Raises LayerError for bottoms that do not fit."""

    def multiplications(self, bottoms: Sequence[Shape]) -> int:
        """How many products of values and weights the tops are the sums of; each gradient takes as many again.

        0 where a layer does no such arithmetic. Products with the zeros of a padding are no use and not counted.
        """
        return 0

    def algorithm(self, bottoms: Sequence[Shape], plain: bool) -> str:
        """Which kernel computes it, see `kernels.choice`; "" where there is none to choose.

        `plain`: for float32 in the CPU's memory.
        """
        return ""

    def read_files(self, bottoms: Sequence[Shape | None], folders: Sequence[str | Path]) -> None:
        """Reads the files that its settings name, beside data: LayerError where one is missing or does not fit."""
        return

    def shapes_partly(self, bottoms: Sequence[Shape | None], batch: int | None) -> list[Shape | None]:
        """The tops' shapes where some bottoms' are not known (None): what can be said all the same.

        `batch` is the size of axis 0, if that much is known.
        """
        return [None] * self.num_tops

    @property
    def stated(self) -> list[Shape]:
        """For a source that reads a file: the shapes that the text says its first tops have."""
        return []

    @property
    def batch_size(self) -> int:
        """For a source: how many samples one batch holds."""
        return 1

    @abstractmethod
    def forward(
        self, bottoms: Sequence[torch.Tensor], params: Sequence[torch.Tensor], context: Context
    ) -> Sequence[torch.Tensor]:
        """The tops. Must be differentiable by autograd where the layer is.

        Must not change `params`, nor `bottoms`, but for the first with `context.reuse`.
        """

    def standing(
        self,
        bottoms: Sequence[torch.Tensor],
        params: Sequence[torch.Tensor],
        tops: Sequence[torch.Tensor],
        context: Context,
    ) -> Sequence[torch.Tensor]:
        """What a gradient without a forward pass goes through, for tops that stand already, whatever they are."""
        made = list(self.forward(bottoms, params, context))
        if self.reads_top:
            for top, values in zip(made, tops, strict=True):
                top.data.copy_(values)  # what autograd saved of it
        return made

    def tails(self, y: torch.Tensor, params: Sequence[torch.Tensor]) -> torch.Tensor | None:
        """Of an activation: which values of its top lie where it is nearly flat. None where no part of it is.

        *Nearly flat*: its slope is less than `activation.FLAT` of its greatest. A blob of little else is saturated.
        """
        return None

    def gone(self, y: torch.Tensor, params: Sequence[torch.Tensor]) -> torch.Tensor | None:
        """Of an activation: which values of its top pass no gradient at all. A blob of nothing else learns no more."""
        return None

    @property
    def num_tops(self) -> int:
        """How many tops the text names (a loss without one gets an anonymous top)."""
        return max(len(self.param.top), 1 if self.is_loss else 0)


LayerClass = type[Layer]


def count(shape: Shape, start: int = 0, stop: int | None = None) -> int:
    """Number of elements in axes `start` to `stop` (exclusive): Caffe's Blob::count."""
    product = 1
    for dim in shape[start:stop]:
        product *= dim
    return product


def canonical_axis(axis: int, shape: Shape, at: str = "") -> int:
    """A non-negative axis index; negative ones count from the end. LayerError outside [-rank, rank)."""
    if not -len(shape) <= axis < len(shape):
        raise LayerError(f"axis {axis} is outside a blob of {len(shape)} axes {list(shape)}", at)
    return axis % len(shape)


def require_axes(shape: Shape, least: int, most: int | None, what: str = "its bottom") -> None:
    """LayerError unless `shape` has between `least` and `most` axes."""
    if len(shape) < least or (most is not None and len(shape) > most):
        wanted = f"{least}" if most == least else f"at least {least}" if most is None else f"{least} to {most}"
        raise LayerError(f"{what} must have {wanted} axes, but its shape is {list(shape)}", "bottom")
