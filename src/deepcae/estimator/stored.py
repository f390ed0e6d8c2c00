"""A fitted estimator as a folder: texts, weights and JSON, which any later version reads, and no pickle.

estimator.json         parameters, layout, scaling, losses
net.prototxt           the network as text; with solver.prototxt a training can go on by the command line
weights.safetensors    its weights, with the text inside
optimizer.safetensors  what the solver remembers, for `partial_fit`
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ..atomic import set_aside, temporary_beside, whole_folder
from ..data.axes import Axes
from ..data.scaling import Scaling
from ..errors import DataError, SnapshotError, warn
from ..inplace import json_of, read_file
from ..net.net import Net
from ..net.weights import load_weights, save_weights
from ..proto.text import to_text
from .fitting import Last
from .texts import Texts, for_arrays
from .training import Course, Optimizer

FORMAT = 1
KIND = "deepcae ConvAutoencoder"
RECORD, NET, SOLVER = "estimator.json", "net.prototxt", "solver.prototxt"
WEIGHTS, OPTIMIZER = "weights.safetensors", "optimizer.safetensors"


def save(estimator: Any, path: str | os.PathLike[str], overwrite: bool = False) -> None:
    """Writes the folder, at once or not at all. `overwrite`: one that `save` has made before is replaced, nothing else.

    DataError where something else is there, or such a folder without `overwrite`.
    """
    target = Path(path)
    if not target.exists():
        with whole_folder(target) as folder:
            _write(estimator, folder)
        return
    if not (target / RECORD).is_file():
        raise DataError(f"{target}: exists, and is no folder that save has made; give another name")
    if not overwrite:
        raise DataError(f"{target}: holds an estimator already; give another name, or save(..., overwrite=True)")
    _record(target)
    fresh = temporary_beside(target)
    with whole_folder(fresh) as folder:
        _write(estimator, folder)
    old = set_aside(target)  # under a name that nobody clears away, should this process end here
    os.rename(fresh, target)
    if old.is_symlink():  # what it leads to stays
        old.unlink()
        return
    for name in (NET, SOLVER, WEIGHTS, OPTIMIZER, RECORD):
        (old / name).unlink(missing_ok=True)
    if any(old.iterdir()):
        warn(f"{target} held more than save had written; it is kept as {old}")
    else:
        old.rmdir()


def _write(estimator: Any, folder: Path) -> None:
    from safetensors.torch import save_file

    last: Last = estimator._fit_
    names = getattr(estimator, "feature_names_in_", None)
    record = {
        "kind": KIND, "format": FORMAT, "class": type(estimator).__name__, "parameters": _parameters(estimator),
        "axes": last.axes.to_json(), "dims": last.dims, "scaling": last.scaling.to_json(), "batch": last.fitted.batch,
        "iteration": last.optimizer.iteration, "losses": estimator.losses_, "tests": estimator.held_out_losses_,
        "best": estimator.best_iteration_, "n_iter": estimator.n_iter_, "n_steps": estimator.n_steps_,
        "seed": estimator._seed_,
        "feature_names": None if names is None else list(names),
    }  # fmt: skip
    (folder / RECORD).write_text(json.dumps(record, indent=1), encoding="utf-8")
    (folder / NET).write_text(last.texts.net, encoding="utf-8")
    (folder / SOLVER).write_text(last.texts.solver, encoding="utf-8")
    save_weights(estimator.net_, folder / WEIGHTS)
    save_file({str(k): blob.cpu().contiguous() for k, blob in enumerate(last.optimizer.history)}, folder / OPTIMIZER)


def _parameters(estimator: Any) -> dict[str, Any]:
    """As JSON has them: a network is its text, a generator the seed that was taken of it."""
    found = dict(estimator.get_params(deep=False))
    if not isinstance(found["architecture"], str):
        found["architecture"] = estimator.net_text_
    if not isinstance(found["solver"], str | type(None)):
        found["solver"] = to_text(found["solver"]) if hasattr(found["solver"], "DESCRIPTOR") else str(found["solver"])
    if not isinstance(found["random_state"], int | type(None)):
        found["random_state"] = estimator._seed_
    if found["image_shape"] is not None:
        found["image_shape"] = [int(size) for size in found["image_shape"]]
    return {name: value.item() if hasattr(value, "item") else value for name, value in found.items()}


def load(kind: type, path: str | os.PathLike[str]) -> Any:
    """The estimator of a folder that `save` has written, as a `kind`. SnapshotError for anything else."""
    from safetensors.torch import load_file

    folder = Path(path)
    told = _record(folder)
    try:
        parameters = dict(told["parameters"])
        shape = parameters["image_shape"]
        made = kind(**{**parameters, "image_shape": None if shape is None else tuple(shape)})
        axes, scaling = Axes.from_json(told["axes"]), Scaling.from_json(told["scaling"])
        net_text, solver_text = (read_file(folder / name).decode() for name in (NET, SOLVER))
        texts = Texts(net_text, solver_text)
        fitted = for_arrays(texts.net, axes.image, scaling, told["batch"], told["batch"])
        net = Net(fitted.net, "TEST")
        load_weights(net, folder / WEIGHTS, strict=True)
        history = [blob for _, blob in sorted(load_file(folder / OPTIMIZER).items(), key=lambda each: int(each[0]))]
        optimizer = Optimizer(history, int(told["iteration"]))
        tests, losses = ([(int(i), float(x)) for i, x in told[name]] for name in ("tests", "losses"))
        made._fit_ = Last(axes, told["dims"], scaling, texts, fitted, optimizer)
        made._seed_ = told["seed"]
        made._show(Course(net, optimizer, 0, int(told["n_steps"]), losses, tests, told["best"]), int(told["n_iter"]))
        if told["feature_names"] is not None:
            import numpy as np

            made.feature_names_in_ = np.asarray(told["feature_names"], dtype=object)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, OSError) as error:
        raise SnapshotError(f"{folder}: is damaged ({type(error).__name__}: {error})") from error
    return made


def _record(folder: Path) -> dict[str, Any]:
    try:
        told = json_of(folder / RECORD)
    except OSError as error:
        raise SnapshotError(f"{folder / RECORD}: cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise SnapshotError(f"{folder / RECORD}: is damaged ({error})") from error
    if not isinstance(told, dict) or told.get("kind") != KIND:
        raise SnapshotError(f"{folder}: was not written by ConvAutoencoder.save")
    if not isinstance(told.get("format"), int):
        raise SnapshotError(f"{folder / RECORD}: is damaged: 'format' is missing or no number")
    if told["format"] > FORMAT:
        raise SnapshotError(f"{folder}: was written by a later version of deepcae; upgrade to read it")
    return told
