"""Layers that normalise, scale and shift: BatchNorm, LRN, MVN, Scale, Bias, and the 2015 fork's BN."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from ..errors import LayerError
from ..lazy import torch
from ..proto.schema import TEST, FillerParameter
from .base import Arity, Context, Gives, Layer, Learned, Shape, canonical_axis, count, require_axes
from .filler import learn

if TYPE_CHECKING:
    from torch import Tensor


class BatchNorm(Layer):
    """y = (x - mean)/sqrt(var + eps) per index c of axis 1; no scale and shift (a Scale layer adds them).

    With the batch's own statistics in TRAIN (biased variance), else (`use_global_stats`, the default in TEST) with the
    running sums: mean = sum_mean/factor, var = sum_var/factor. A pass in TRAIN asks for the updates
    factor ← f·factor + 1, sum_mean ← f·sum_mean + mean, sum_var ← f·sum_var + var·m/(m-1), where
    f = moving_average_fraction and m = elements per c.
    Blobs: sum_mean (C), sum_var (C), factor (1); no solver moves them. Source: Caffe batch_norm_layer.cpp.
    """

    type: ClassVar[str] = "BatchNorm"
    keeps_statistics: ClassVar[bool] = True
    learned_names: ClassVar[tuple[str, ...]] = ("sum_mean", "sum_var", "factor")
    gives: ClassVar[Gives] = "any"
    keeps_state: bool = True
    in_place: ClassVar[bool] = True

    def __init__(self, param: Any, phase: int) -> None:
        super().__init__(param, phase)
        settings = param.batch_norm_param
        self.global_stats = settings.use_global_stats if settings.HasField("use_global_stats") else phase == TEST
        self.fraction, self.eps = settings.moving_average_fraction, settings.eps
        for index, spec in enumerate(param.param):
            if spec.lr_mult != 0:
                raise LayerError(
                    f"its blobs are statistics, which no solver moves: set lr_mult: 0 (here {spec.lr_mult:g}), or "
                    "leave param out",
                    f"param.{index}",
                )

    def learned(self, bottoms: Sequence[Shape]) -> list[Learned]:
        require_axes(bottoms[0], 2, None)
        channels = bottoms[0][1]
        return [Learned(shape, frozen=True) for shape in ((channels,), (channels,), (1,))]

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        require_axes(bottoms[0], 2, None)
        return [bottoms[0]]

    def forward(self, bottoms: Sequence[Tensor], params: Sequence[Tensor], context: Context) -> list[Tensor]:
        x = bottoms[0]
        sum_mean, sum_var, factor = (param.detach() for param in params)
        batch_norm = torch.nn.functional.batch_norm
        if self.global_stats:
            share = torch.where(factor == 0, 0.0, 1 / factor)
            return [batch_norm(x, sum_mean * share, sum_var * share, eps=self.eps)]
        mean, unbiased = torch.zeros_like(sum_mean), torch.zeros_like(sum_var)
        if x.numel() == x.shape[1]:  # one element per channel: it is its own mean, its variance 0
            mean, y = x.detach().reshape(-1), x - x
        else:
            y = batch_norm(x, mean, unbiased, training=True, momentum=1.0, eps=self.eps)  # fills mean and unbiased
        for param, old, new in zip(params, (sum_mean, sum_var, factor), (mean, unbiased, 1.0), strict=True):
            context.updates.append((param, old * self.fraction + new))
        return [y]


def _broadcast(blob: Tensor, axis: int, rank: int) -> Tensor:
    """`blob` with ones around it, so that its axes meet a bottom's axes from `axis` on."""
    return blob.reshape(*(1,) * axis, *blob.shape, *(1,) * (rank - axis - blob.dim()))


class LRN(Layer):
    """ACROSS_CHANNELS: y = x·(k + alpha/n · sum of x² over the n channels around)^-beta, n = local_size, odd.

    WITHIN_CHANNEL: y = x·(1 + alpha · mean of x² over the n x n pixels around)^-beta, without k. Beyond the bottom x is
    0, and counts. (N, C, H, W) → the same. Source: Caffe lrn_layer.cpp.
    """

    type: ClassVar[str] = "LRN"
    sees_images: ClassVar[bool] = True
    keeps_state: bool = True
    WITHIN_CHANNEL = 1

    def __init__(self, param: Any, phase: int) -> None:
        super().__init__(param, phase)
        self.settings = settings = param.lrn_param
        if settings.local_size % 2 == 0:
            raise LayerError(f"local_size must be odd, but is {settings.local_size}", "lrn_param.local_size")

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        require_axes(bottoms[0], 4, 4)
        return [bottoms[0]]

    def forward(self, bottoms: Sequence[Tensor], params: Sequence[Tensor], context: Context) -> list[Tensor]:
        x, size = bottoms[0], self.settings.local_size
        if self.settings.norm_region == self.WITHIN_CHANNEL:
            around = torch.nn.functional.avg_pool2d(x * x, size, 1, size // 2)
            return [x * (1 + self.settings.alpha * around).pow(-self.settings.beta)]
        channels = (x * x).flatten(2)[:, None]  # (N, 1, C, HW)
        around = torch.nn.functional.avg_pool2d(channels, (size, 1), 1, (size // 2, 0)).reshape(x.shape)
        return [x * (self.settings.k + self.settings.alpha * around).pow(-self.settings.beta)]


class MVN(Layer):
    """y = (x - mean)/(std + eps) over each plane, or over each sample with `across_channels`; else just x - mean.

    std is the root of the biased variance. (N, C, H, W) → the same; fewer axes count as 1.
    Differs from torch: the gradient (dy - mean(dy) - y·mean(dy·y))/(std + eps), as in Caffe, is the derivative only
    where eps is small beside std. Source: Caffe mvn_layer.cpp.
    """

    type: ClassVar[str] = "MVN"
    gives: ClassVar[Gives] = "any"
    reads_top: bool = True
    in_place: ClassVar[bool] = True

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        require_axes(bottoms[0], 1, 4)
        return [bottoms[0]]

    def forward(self, bottoms: Sequence[Tensor], params: Sequence[Tensor], context: Context) -> list[Tensor]:
        from ..kernels.gradients import standardise

        x, settings = bottoms[0], self.param.mvn_param
        lead = x.shape[: 1 if settings.across_channels else 2]
        rows = x.reshape(*lead, -1)  # each row gets mean 0
        if settings.normalize_variance:
            return [standardise(rows, settings.eps).reshape(x.shape)]
        return [(rows - rows.mean(-1, keepdim=True)).reshape(x.shape)]


class _Broadcast(Layer):
    """What Scale and Bias share: a blob, learned or given as second bottom, that meets bottom 0 from `axis` on."""

    bottoms: ClassVar[Arity] = (1, 2)
    in_place: ClassVar[bool] = True
    message: ClassVar[str]
    default: ClassVar[float]

    @property
    def settings(self) -> Any:
        return getattr(self.param, self.message)

    def _axis(self, bottoms: Sequence[Shape]) -> int:
        if len(bottoms) == 2 and not bottoms[1]:
            return 0
        return canonical_axis(self.settings.axis, bottoms[0], f"{self.message}.axis")

    def blob_shape(self, bottoms: Sequence[Shape]) -> Shape:
        """The shape of the learned blob, or of the second bottom; LayerError where it does not fit bottom 0."""
        x, axis = bottoms[0], self._axis(bottoms)
        if len(bottoms) == 2:
            if bottoms[1] != x[axis : axis + len(bottoms[1])]:
                raise LayerError(
                    f"bottom 1 {list(bottoms[1])} must equal bottom 0's sizes from axis {axis} on ({list(x[axis:])})",
                    "bottom.1",
                )
            return bottoms[1]
        num_axes = self.settings.num_axes
        if num_axes < -1 or axis + num_axes > len(x):
            raise LayerError(
                f"num_axes {num_axes} from axis {axis} does not fit a bottom of {len(x)} axes {list(x)}",
                f"{self.message}.num_axes",
            )
        return x[axis:] if num_axes == -1 else x[axis : axis + num_axes]

    def learned(self, bottoms: Sequence[Shape]) -> list[Learned]:
        shape = self.blob_shape(bottoms)
        if len(bottoms) == 2:
            return []
        settings = self.settings
        filler = (
            settings.filler if settings.HasField("filler") else FillerParameter(type="constant", value=self.default)
        )
        return [learn(shape, filler, f"{self.message}.filler")]

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        self.blob_shape(bottoms)
        return [bottoms[0]]


class Scale(_Broadcast):
    """y = x·s (+ b with `bias_term`), s and b broadcast from `axis`; s learned (filler default 1) or bottom 1.

    Learned: s (the bottom's sizes [axis, axis + num_axes); () for num_axes 0), then b of the same shape.
    Where s has as many elements as the bottom, or nothing but axes of size 1 stands before `axis` (and s has several
    elements), each backward pass writes over the gradient of s, as in Caffe. Source: Caffe scale_layer.cpp.
    """

    type: ClassVar[str] = "Scale"
    gives: ClassVar[Gives] = "any"
    message: ClassVar[str] = "scale_param"
    default: ClassVar[float] = 1.0

    def learned(self, bottoms: Sequence[Shape]) -> list[Learned]:
        blobs = super().learned(bottoms)
        if self.settings.bias_term:
            blobs.append(learn(self.blob_shape(bottoms), self.settings.bias_filler, f"{self.message}.bias_filler"))
        return blobs

    def overwrites(self, bottoms: Sequence[Shape]) -> frozenset[int]:
        if len(bottoms) == 2:
            return frozenset()
        elements = count(self.blob_shape(bottoms))
        alone = count(bottoms[0], 0, self._axis(bottoms)) == 1 and elements > 1
        return frozenset({0}) if alone or elements == count(bottoms[0]) else frozenset()

    def forward(self, bottoms: Sequence[Tensor], params: Sequence[Tensor], context: Context) -> list[Tensor]:
        x = bottoms[0]
        axis = self._axis([tuple(bottom.shape) for bottom in bottoms])
        factor, *bias = [*bottoms[1:], *params]
        y = x * _broadcast(factor, axis, x.dim())
        return [y + _broadcast(bias[0], axis, x.dim())] if bias else [y]


class Bias(_Broadcast):
    """y = x + b, b broadcast from `axis`; learned (filler default 0) or bottom 1. Source: Caffe bias_layer.cpp."""

    type: ClassVar[str] = "Bias"
    learned_names: ClassVar[tuple[str, ...]] = ("bias",)
    gives: ClassVar[Gives] = "any"
    message: ClassVar[str] = "bias_param"
    default: ClassVar[float] = 0.0

    def forward(self, bottoms: Sequence[Tensor], params: Sequence[Tensor], context: Context) -> list[Tensor]:
        x = bottoms[0]
        axis = self._axis([tuple(bottom.shape) for bottom in bottoms])
        return [x + _broadcast([*bottoms[1:], *params][0], axis, x.dim())]


class BN(Layer):
    """LEARN: y = scale·(x - μ)/sqrt(E[x²] - μ² + 1e-9) + shift, the batch's statistics in both phases.

    INFERENCE: y = scale·x + shift. Blobs: scale, shift (1, C, 1, 1). Tops 1 and 2, if named: μ and the variance
    (1, C, 1, 1); they take no gradient. Source: HyeonwooNoh/caffe bn_layer.cpp.
    """

    type: ClassVar[str] = "BN"
    gives: ClassVar[Gives] = "any"
    keeps_state: bool = True
    tops: ClassVar[Arity] = (1, 3)
    in_place: ClassVar[bool] = True
    EPS = 1e-9
    INFERENCE = 1

    def learned(self, bottoms: Sequence[Shape]) -> list[Learned]:
        require_axes(bottoms[0], 4, 4)
        settings, shape = self.param.bn_param, (1, bottoms[0][1], 1, 1)
        return [
            learn(shape, settings.scale_filler, "bn_param.scale_filler"),
            learn(shape, settings.shift_filler, "bn_param.shift_filler"),
        ]

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        require_axes(bottoms[0], 4, 4)
        statistics = (1, bottoms[0][1], 1, 1)
        return [bottoms[0], statistics, statistics][: self.num_tops]

    def forward(self, bottoms: Sequence[Tensor], params: Sequence[Tensor], context: Context) -> list[Tensor]:
        x, (scale, shift) = bottoms[0], params
        if self.param.bn_param.bn_mode == self.INFERENCE and self.num_tops == 1:
            return [x * scale + shift]
        variance, mean = torch.var_mean(x, (0, 2, 3), correction=0, keepdim=True)
        if self.param.bn_param.bn_mode == self.INFERENCE:
            y = x * scale + shift
        else:
            y = (x - mean) * torch.rsqrt(variance + self.EPS) * scale + shift
        return [y, mean.detach(), variance.detach()][: self.num_tops]
