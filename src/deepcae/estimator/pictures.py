"""The pictures of a fitted estimator: matplotlib Figures, which a notebook shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .refused import RefusedData, as_value_errors

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..net.net import Net


class Pictures:
    """What `ConvAutoencoder` draws."""

    losses_: list[tuple[int, float]]
    held_out_losses_: list[tuple[int, float]]
    best_iteration_: int | None
    net_: Net

    def plot_codes(self, X: Any, y: Any = None, *, components: tuple[int, int] = (0, 1)) -> Figure:
        """A map of the codes of X by two of their numbers; `y` (n,): classes, which are coloured and named."""
        from ..viz import scatter

        codes = np.asarray(self.transform(X))  # type: ignore[attr-defined]
        first, second = components
        if not 0 <= max(first, second) < codes.shape[1]:
            raise RefusedData(f"components {components}: the codes have {codes.shape[1]} numbers, from 0 on")
        with as_value_errors():
            names = (f"code {first + 1}", f"code {second + 1}")
            return scatter(codes[:, [first, second]], None if y is None else np.asarray(y), axis_names=names)

    def plot_reconstructions(self, X: Any, y: Any = None, *, count: int = 10) -> Figure:
        """The first `count` images of X above what is restored of them, as the net is shown them."""
        from ..viz import reconstructions

        with as_value_errors():
            with self._examples(X) as examples:  # type: ignore[attr-defined]
                images, _ = examples.take(0, min(count, len(examples)))
            restored = self.activations(X[: len(images)], self._trained_.restored)  # type: ignore[attr-defined]
            (made,) = restored.values()
            labels = None if y is None else np.asarray(y)[: len(images)]
            return reconstructions(images, made.reshape(images.shape), labels)

    def plot_losses(self) -> Figure:
        """Training and held-out losses over the iterations of the last fit, and the iteration whose weights are kept.

        Where a designed net begins as PCA, its first held-out loss is PCA's: a line to compare with.
        """
        from sklearn.utils.validation import check_is_fitted

        from ..viz import loss_curves
        from ..zoo.linear import ENCODE

        check_is_fitted(self)
        curves = {"train": self.losses_, "test": self.held_out_losses_}
        records: list[dict[str, Any]] = [
            {"iteration": iteration, "kind": kind, "outputs": {"loss": loss}}
            for kind, losses in curves.items()
            for iteration, loss in losses
        ]
        if self.best_iteration_ is not None:
            records.append({"iteration": self.best_iteration_, "kind": "kept"})
        begins_as_pca = any(step.name == ENCODE for step in self.net_.plan.steps)
        first = dict(self.held_out_losses_).get(0) if begins_as_pca else None
        dims = self._n_features_out  # type: ignore[attr-defined]
        return loss_curves(records, lines={} if first is None else {f"PCA, N = {dims}": {"loss": first}})
