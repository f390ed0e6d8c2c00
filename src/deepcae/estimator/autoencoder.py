"""`ConvAutoencoder`: an auto-encoder as a scikit-learn transformer. Its steps are those of the command line.

scaling (`data.scaling`) → texts (`zoo.build_design`) → training (`solver.Solver`) → codes (`trained.passes`)
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.utils import check_array, check_random_state
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted

from ..lazy import torch
from ..trained.examples import Examples
from ..trained.network import Trained
from ..trained.passes import decoded, encoded
from . import chosen, given
from .fitting import Fit, Settings
from .pictures import Pictures
from .refused import RefusedData, as_value_errors
from .rows import ARRAY, Shown
from .stored import load, save
from .training import Course


class ConvAutoencoder(Pictures, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Codes of few numbers for images, and images again from codes: a deep auto-encoder that is designed for the data.

    X: (n, h, w), (n, c, h, w) or (n, h, w, c), of any type of numbers: numpy, torch, memory maps, datasets of h5py or
    zarr, which are read in blocks; or rows (n, k): images with `image_shape`, else plain features.

    Parameters
    ----------
    n_components : int, default=2
        Numbers of a code.
    architecture : 'auto', str, path, NetParameter or callable, default='auto'
        `auto` designs a network for the images, which is never worse than PCA. A name of the zoo, a Caffe text or its
        path, or a function (image_shape, n_components) that gives one of these.
    image_shape : tuple, default=None
        (h, w), (c, h, w) or (h, w, c): what a flat row is, or an array of which the shape alone does not tell it.
    solver : str, path or SolverParameter, default=None
        Fields of Caffe's solver text, `"base_lr: 0.01 type: 'Adam'"`, in place of those that come with the network.
    max_iter : int, default=None
        Passes over the training images at most. None: as many iterations as the network's solver text has.
    batch_size : int, default=None
        Training images per iteration. None: as the network's text has it.
    random_state : int, RandomState or None, default=None
        Decides everything random: the held-out images, their order, initial weights.
    device : str, default='auto'
        `cpu`, `cuda`, `cuda:1`; `auto`: a GPU if there is one.
    verbose : bool, default=False
        Tells of each test.
    warm_start : bool, default=False
        Whether `fit` goes on from the weights, the scaling and the texts of the last one.
    validation_fraction : float, default=0.1
        Share of the images that is held out, to choose the best weights and the end; of very many no more than are
        enough. 0: the last weights are taken.
    n_iter_no_change : int, default=None
        Tests on the held-out images without a better one after which the training stops. None: as the solver's text
        has it (`patience`; 12 in that of a design).

    Attributes
    ----------
    net_ : deepcae.Net
        The network with its weights, in the TEST phase. `net_(data=...)` computes any blob.
    net_text_, solver_text_ : str
        The texts, as `save` writes them.
    scaling_ : deepcae.data.scaling.Scaling
        How values become about 0..1.
    axes_ : deepcae.data.axes.Axes
        How the rows of X lie.
    losses_, held_out_losses_ : list of (int, float)
        Iteration and mean loss, of training and of held-out images.
    best_iteration_ : int or None
        The iteration whose weights were kept.
    n_iter_, n_steps_ : int
        Passes over the training images, and iterations, that were made.
    n_features_in_ : int
        Values of a row. `feature_names_in_`: names of the columns of a data frame.
    """

    _parameter_constraints: dict[str, list[Any]] = {  # noqa: RUF012 - as scikit-learn has it
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "architecture": [object],
        "image_shape": ["array-like", None],
        "solver": [object],
        "max_iter": [Interval(Integral, 1, None, closed="left"), None],
        "batch_size": [Interval(Integral, 1, None, closed="left"), None],
        "random_state": ["random_state"],
        "device": [str],
        "verbose": ["verbose"],
        "warm_start": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), None],
    }

    def __init__(
        self,
        n_components: int = 2,
        *,
        architecture: Any = "auto",
        image_shape: tuple[int, ...] | None = None,
        solver: Any = None,
        max_iter: int | None = None,
        batch_size: int | None = None,
        random_state: Any = None,
        device: str = "auto",
        verbose: Any = False,
        warm_start: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int | None = None,
    ) -> None:
        self.n_components = n_components
        self.architecture = architecture
        self.image_shape = image_shape
        self.solver = solver
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.random_state = random_state
        self.device = device
        self.verbose = verbose
        self.warm_start = warm_start
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change

    # Training

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learns the scaling, designs the network, and trains it; `y` is not looked at.

        Ctrl-C ends the training, and what was learned so far is kept, with a warning.
        """
        with as_value_errors():
            self._validate_params()
            goes_on = self.warm_start and hasattr(self, "net_")
            fit = self._next(X, goes_on)
            self._take(fit, fit.train())
        return self

    def partial_fit(self, X: Any, y: Any = None) -> Self:
        """One pass over X at the solver's `base_lr`, from where the last call left weights and optimizer.

        The first call learns the scaling and designs the network from its X. Nothing is held out.
        """
        with as_value_errors():
            self._validate_params()
            fit = self._next(X, hasattr(self, "net_"))
            self._take(fit, fit.one_pass())
        return self

    def _next(self, X: Any, goes_on: bool) -> Fit:
        """A fit of X that goes on from the last one, or begins anew."""
        rows = given.opened(X, type(self).__name__)
        given.check_names(self, X, reset=not goes_on)
        seed = self._seed()
        settings = Settings(
            self.n_components, self.architecture, self.image_shape, self.solver, self.max_iter, self.batch_size,
            self._device(), self.validation_fraction, self.n_iter_no_change, print if self.verbose else None, seed,
        )  # fmt: skip
        return Fit(settings, rows, self._fit_, self.net_.tensors) if goes_on else Fit(settings, rows)

    def _seed(self) -> int:
        """`random_state` where it is a number, so that it is the `--seed` of the command line; else drawn from it."""
        if isinstance(self.random_state, Integral):
            return int(self.random_state)
        return int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))

    def _device(self) -> str:
        found = torch.cuda.is_available()
        if self.device == "auto":
            return "cuda" if found else "cpu"
        if self.device.partition(":")[0] not in ("cpu", "cuda") or (self.device[:4] == "cuda" and not found):
            there = "cpu, cuda, cuda:1, ..." if found else "cpu: there is no GPU that PyTorch can use"
            raise RefusedData(f"device is '{self.device}'; may be auto, {there}")
        return self.device

    def _take(self, fit: Fit, course: Course) -> None:
        self._fit_, self._seed_ = fit.left(course), fit.settings.seed
        self._show(course, max(1, math.ceil(course.iterations / fit.per_pass)))

    def _show(self, course: Course, passes: int) -> None:
        """What a training has come to, as attributes; `_fit_` is set."""
        fit = self._fit_
        self.net_, self.axes_, self.scaling_ = course.net, fit.axes, fit.scaling
        self.net_text_, self.solver_text_ = fit.texts.net, fit.texts.solver
        self.losses_, self.held_out_losses_ = course.losses, course.tests
        self.best_iteration_, self.n_steps_, self.n_iter_ = course.best, course.done, passes
        self.n_features_in_ = math.prod(fit.axes.given)
        self._n_features_out = fit.dims
        self._trained_ = Trained(self.net_, type(self).__name__, [])

    # Using it

    def transform(self, X: Any) -> np.ndarray:
        """Codes (n, n_components), float32; that of an image does not depend on the others in X, bit by bit."""
        with as_value_errors():
            with self._examples(X) as examples:
                codes, _ = encoded(self._trained_, examples, self._trained_.code)
            return codes.reshape(len(codes), -1)

    def inverse_transform(self, X: Any) -> np.ndarray:
        """Images of codes X (n, n_components), laid out and in the units of those that `fit` was given; float32."""
        check_is_fitted(self)
        with as_value_errors():
            codes = check_array(X, dtype=np.float32, input_name="X", estimator=self)
            if codes.shape[1] != self._n_features_out:
                wanted = f"{type(self).__name__} has codes of {self._n_features_out}"
                raise RefusedData(f"X has {codes.shape[1]} features, but {wanted}")
            trained = self._trained_
            images = decoded(trained, codes, trained.code, trained.restored)
            return self.axes_.as_given(self._fit_.undone(images.reshape(len(images), *self.axes_.image)))

    def score(self, X: Any, y: Any = None) -> float:
        """R² of the restored images: `1 - Σ |x - x̂|² / Σ |x - x̄|²`, x̄ the mean image of X; 1 is best.

        It is what `sklearn.metrics.r2_score(..., multioutput="variance_weighted")` says of flat images.
        """
        left = spread = count = 0.0
        mean: Any = 0.0
        for x, restored in self._restored(X):
            left += float(np.square(x - restored).sum())
            here = x.mean(axis=0)  # Chan's way to join sums of squares
            spread += float(np.square(x - here).sum())
            spread += float(np.square(here - mean).sum()) * len(x) * count / (count + len(x))
            mean = mean + (here - mean) * len(x) / (count + len(x))
            count += len(x)
        if count < 2:
            warnings.warn("R² is not defined for fewer than two images", UndefinedMetricWarning, stacklevel=2)
            return math.nan
        return 1 - left / spread if spread else float(not left)

    def reconstruction_error(self, X: Any) -> np.ndarray:
        """`½ |x - x̂|²` of each image (n,), of scaled values: Caffe's EuclideanLoss, as in `eval` and the report."""
        with as_value_errors(), self._examples(X) as examples:
            return chosen.errors(self._trained_, examples)

    def activations(self, X: Any, blobs: str | list[str] | None = None) -> dict[str, np.ndarray]:
        """Blobs (n, ...) of X by name, as arrays; None: all between image and restored image."""
        with as_value_errors():
            check_is_fitted(self)
            trained = self._trained_
            names = trained.path() if blobs is None else [blobs] if isinstance(blobs, str) else list(blobs)
            for name in names:
                trained.blob(name)
            with self._examples(X) as examples:
                return {name: encoded(trained, examples, name)[0] for name in names}

    def save(self, path: Any, overwrite: bool = False) -> None:
        """Writes a folder of texts, weights (safetensors) and JSON, from which `load` makes it again; no pickle.

        `overwrite`: in place of an estimator that `save` has written there; ValueError for all else that exists.
        """
        check_is_fitted(self)
        with as_value_errors():
            save(self, path, overwrite)

    @classmethod
    def load(cls, path: Any) -> Self:
        """What `save` has written."""
        with as_value_errors():
            return load(cls, path)

    @contextmanager
    def _examples(self, X: Any) -> Iterator[Examples]:
        """The images of X, as the net is shown them; those of another range than the fit's are told."""
        check_is_fitted(self)
        rows = given.opened(X, type(self).__name__)
        given.check_names(self, X, reset=False)
        shown = Shown(self._fit_.laid(rows), self._fit_.change)
        yield Examples(shown, ARRAY, None, "X")
        if strange := shown.strange(self.scaling_):
            warnings.warn(strange, UserWarning, stacklevel=5)

    def _restored(self, X: Any) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Images and restored images (N, D), scaled, float64."""
        with as_value_errors(), self._examples(X) as examples:
            yield from chosen.restored(self._trained_, examples)

    # As scikit-learn wants it

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        tags.input_tags.three_d_array = True
        return tags

    def _more_tags(self) -> dict[str, Any]:  # before scikit-learn 1.6
        return {"preserves_dtype": [np.float32], "X_types": ["2darray", "3darray"]}

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = dict(super().__getstate__())
        state.pop("_trained_", None)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if hasattr(self, "net_"):
            self._trained_ = Trained(self.net_, type(self).__name__, [])
