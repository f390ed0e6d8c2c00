"""The state of a training into a snapshot's bytes, and back, exactly.

`.solverstate` holds what Caffe keeps (iteration, history, current_step); `.resume.json` what it forgets: the generator
of random layers, the data positions, the smoothed loss, what the guard has seen, the seed, and what the run was made
of, so that a resume by another solver, net or number of threads is told.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..data.identity import changes
from ..data.layout import misfit, samples
from ..data.span import Span
from ..errors import SnapshotError
from ..kernels import choice
from ..net import hdf5
from ..net.blobs import StoredBlob, blob_of, put, stored_in
from ..net.weights import load_weights, to_hdf5, to_message
from ..proto.binary import NO_FILE, read_raw_state
from ..proto.schema import SolverParameter, SolverState
from ..proto.text import to_text
from .pace import Threads
from .snapshot import HDF5, MODEL, RESUME, STATE, Snapshot
from .state import SmoothedLoss, TrainingState
from .update import RULES

RestoreBest = Callable[[dict[str, Any] | None, int], Iterator[str]]  # what the tests had shown, and at which iteration

_HARMLESS = {  # settings that a resumed run may change without a word
    "display", "max_iter", "patience", "test_iter", "test_interval", "test_initialization", "test_compute_loss",
    "test_state", "snapshot", "snapshot_best", "best_gain", "snapshot_prefix", "snapshot_after_train", "snapshot_diff",
    "snapshot_format", "solver_mode", "device_id", "debug_info", "layer_wise_reduce", "weights", "random_seed",
    "average_loss", "net", "net_param", "train_net", "train_net_param", "test_net", "test_net_param",
}  # fmt: skip


def extras_of(state: TrainingState) -> dict[str, Any]:
    """What Caffe's files lack."""
    return {
        "format": 1,
        "iteration": state.iteration,
        "seed": state.seed,
        "generator": base64.b64encode(state.generator.get_state().numpy().tobytes()).decode(),
        "device": state.net.device.type,
        "train_position": state.train.position,
        "test_positions": state.test_positions,
        "smoothed_loss": state.smoothed.to_json(),
        "guard": state.guard.to_json(),
        "data": [fed.data for fed in (state.train, *state.tests)],
        "keep": state.keep,
        "ranges": state.train.spans.to_json(),
        "codes": _codes(state),
        "told": state.test_history.strange,
        "tests": state.test_history.to_json(),
        "solver": to_text(state.param),
        "net_sha256": _digest(state.net.document.message),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "kernels": choice.in_force(),
        "precision": state.precision,
        **({"runs_as_one": state.runs_as_one} if state.runs_as_one > 1 else {}),
    }


def parts_of(state: TrainingState, stem: str = "", extras: dict[str, Any] | None = None) -> dict[str, bytes]:
    """The bytes of the files of a snapshot `<stem>.caffemodel`, …. Equal states give equal bytes: no times.

    `stem` (default: the numbered one's); `extras`: what Caffe's files lack, as it was before tests of this iteration.
    """
    stem = stem or Snapshot.at(state.prefix, state.iteration).stem
    ending = "" if state.param.snapshot_format == SolverParameter.BINARYPROTO else HDF5
    learned_net = str(Snapshot(stem, ending=ending).model)
    model, kept = (_in_hdf5 if ending else _in_protobuf)(state, learned_net)
    return {
        MODEL + ending: model,
        STATE + ending: kept,
        RESUME: json.dumps(extras or extras_of(state), indent=1).encode() + b"\n",
    }


def _codes(state: TrainingState) -> dict[str, Any]:
    """In which range the codes of the last batch lie, by blob: what a decoder is fed with should lie there, too."""
    name = state.train.roles.code or state.train.roles.features
    blob = state.last_blobs.get(name) if name is not None else None
    if name is not None and blob is not None and blob.dim():
        span = Span()
        span.take(blob.detach().float().cpu().numpy())
        state.train.codes = {"blobs": {name: span.to_json()}}
    return state.train.codes


def _in_protobuf(state: TrainingState, learned_net: str) -> tuple[bytes, bytes]:
    """The bytes of .caffemodel and .solverstate."""
    kept = SolverState(iter=state.iteration, learned_net=learned_net, current_step=state.current_step)
    kept.history.extend(blob_of(blob.cpu().numpy()) for blob in state.updater.history)
    model = to_message(state.net, _diffs(state))
    return model.SerializeToString(deterministic=True), kept.SerializeToString(deterministic=True)


def _in_hdf5(state: TrainingState, learned_net: str) -> tuple[bytes, bytes]:
    """The bytes of .caffemodel.h5 and .solverstate.h5."""
    history = (blob.cpu().numpy() for blob in state.updater.history)
    kept = hdf5.state_bytes(state.iteration, learned_net, state.current_step, history)
    return to_hdf5(state.net, _diffs(state)), kept


def _diffs(state: TrainingState) -> dict[int, torch.Tensor] | None:
    """With `snapshot_diff` the last update of each learned blob, which is what Caffe's diffs hold by then."""
    if not state.param.snapshot_diff:
        return None
    owners = [i for i, param in enumerate(state.net.plan.params) if param.owner is None]
    return dict(zip(owners, state.updater.updates, strict=True))


def restore(state: TrainingState, snapshot: Snapshot, best: RestoreBest, threads: Threads) -> Iterator[str]:
    """Puts `state` into the snapshot's; gives what the person should know of it.

    SnapshotError names both sides of a mismatch, before anything is changed.
    """
    in_hdf5 = hdf5.is_hdf5(snapshot.state) or snapshot.ending == HDF5
    kept, raw = (hdf5.read_state(snapshot.state), NO_FILE) if in_hdf5 else read_raw_state(snapshot.state)
    extras = _extras_of(snapshot)
    if extras is not None:
        _require_same_type(state, snapshot, extras)
    history = _history(state, snapshot, stored_in(raw, kept.history))
    load_weights(state.net, _model_of(snapshot, kept), strict=True)
    for blob, values in zip(state.updater.history, history, strict=True):
        put(blob, values)
    state.iteration, state.current_step = kept.iter, kept.current_step
    if extras is None:
        yield f"{snapshot.state} has no manifest: weights and history go on, the data begin anew, as in Caffe"
        return
    try:
        yield from _restore_extras(state, extras, best, threads)
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError, RuntimeError) as error:
        raise SnapshotError(f"{snapshot.path(RESUME)}: damaged ({str(error).splitlines()[0]})") from error


_EXTRAS = {
    "seed": int, "generator": str, "device": str, "train_position": int, "test_positions": list, "smoothed_loss": dict,
    "solver": str, "net_sha256": str, "threads": int, "torch": str,
}  # fmt: skip


def _extras_of(snapshot: Snapshot) -> dict[str, Any] | None:
    """What Caffe's files lack; SnapshotError where something of it is missing or no such thing."""
    extras = snapshot.resume()
    for name, kind in _EXTRAS.items() if extras is not None else ():
        if not isinstance(extras, dict) or not isinstance(extras.get(name), kind):
            raise SnapshotError(f"{snapshot.path(RESUME)}: damaged: '{name}' is missing or no {kind.__name__}")
    return extras


def _restore_extras(state: TrainingState, extras: dict[str, Any], best: RestoreBest, threads: Threads) -> Iterator[str]:
    state.train.position = extras["train_position"]
    for fed, position in zip(state.tests, extras["test_positions"], strict=False):
        fed.position = position
    state.smoothed = SmoothedLoss.from_json(state.param.average_loss, extras["smoothed_loss"])
    state.goes_on = True
    kept = extras.get("keep")
    if state.keep is None and isinstance(kept, int) and not isinstance(kept, bool):
        state.keep = kept
    if "guard" in extras:
        state.guard.restore(extras["guard"])
    if "ranges" in extras:  # of older snapshots nothing is known
        state.train.spans.restore(extras["ranges"])
        state.train.codes, state.test_history.strange = extras["codes"], list(map(int, extras["told"]))
        yield from _other_shapes(state)
    yield from best(extras.get("tests"), state.iteration)
    if extras["device"] == state.net.device.type:
        raw = np.frombuffer(base64.b64decode(extras["generator"]), dtype=np.uint8).copy()
        state.generator.set_state(torch.from_numpy(raw))
    else:
        yield f"the snapshot is from a {extras['device']}, this is a {state.net.device.type}: random layers draw anew"
    if extras["seed"] != state.seed:
        yield f"the seed was {extras['seed']} and is {state.seed} now: shuffled data come in another order"
    if extras["torch"] != torch.__version__:
        yield f"the snapshot was made by torch {extras['torch']}, this is {torch.__version__}: {_BITS}"
    told = choice.go_on_with(extras["kernels"]) if "kernels" in extras else ""
    if told:
        yield f"{told}: {_BITS}"
    yield from threads.go_on_with(extras["threads"])
    runs = extras.get("runs_as_one")
    state.runs_before = runs if isinstance(runs, int) and runs > 0 else 1
    precision = extras.get("precision", "fp32")
    if precision != state.precision:
        yield f"the precision was {precision} and is {state.precision} now"
    if extras["net_sha256"] != _digest(state.net.document.message):
        yield "the network text has changed since the snapshot"
    yield from _changed_data(state, extras.get("data"))
    changed = list(_changed_settings(_solver_of(extras), state.param))
    if changed:
        yield f"the solver has changed since the snapshot: {', '.join(changed)}"


def _changed_data(state: TrainingState, before: Any) -> Iterator[str]:
    """Where the data are not those that the run learned from; older snapshots do not tell."""
    nets = [("train net", state.train), *((f"test net #{k}", fed) for k, fed in enumerate(state.tests))]
    for (label, fed), facts in zip(nets, before if isinstance(before, list) else [], strict=False):
        for name, now in fed.data.items() if isinstance(facts, dict) else ():
            for change in changes(facts.get(name), now):
                yield f"the data of layer '{name}' ({label}) have changed since the snapshot: {change}"


def _other_shapes(state: TrainingState) -> Iterator[str]:
    for name, span in state.train.spans.of.items():
        now = state.net.plan.shapes.get(name)
        if now is not None and tuple(now[1:]) != span.shape:
            told = f"data '{name}' were {samples(span.shape)} and are {samples(now[1:])} now"
            yield "; ".join(filter(None, [told, misfit(now[1:], span.shape, name)]))


_BITS = "the last bits of its numbers may differ"


def seed_of(snapshot: Snapshot) -> int | None:
    """The seed of the run that took the snapshot, which a resumed run goes on with."""
    extras = _extras_of(snapshot)
    return None if extras is None else int(extras["seed"])


def precision_of(snapshot: Snapshot) -> str:
    """How the run that took the snapshot multiplied; older ones did in fp32."""
    return str((_extras_of(snapshot) or {}).get("precision", "fp32"))


def _require_same_type(state: TrainingState, snapshot: Snapshot, extras: dict[str, Any]) -> None:
    theirs = _solver_of(extras).type
    if theirs != state.param.type:
        raise SnapshotError(f"{snapshot.state}: was made by the solver {theirs}; this one is {state.param.type}")


def _history(state: TrainingState, snapshot: Snapshot, stored: list[StoredBlob]) -> list[np.ndarray]:
    """The history's arrays, checked against this solver's."""
    own = state.updater.history
    if len(stored) != len(own):
        num = len(state.updater.weights)
        kind = f"{RULES[state.param.type].num_history} for each of the {num} learned blobs"
        raise SnapshotError(
            f"{snapshot.state}: holds {len(stored)} history blobs; {state.param.type} on this net has "
            f"{len(own)}, {kind}. It is from another net or another type of solver"
        )
    arrays = []
    for index, (saved, blob) in enumerate(zip(stored, own, strict=True)):
        array = saved.read()
        if array.shape != tuple(blob.shape) and _squeezed(array.shape) != _squeezed(tuple(blob.shape)):
            name = state.updater.names[index % len(state.updater.names)]
            raise SnapshotError(
                f"{snapshot.state}: history blob {index} ('{name}') is {list(array.shape)} there and "
                f"{list(blob.shape)} in this net"
            )
        arrays.append(array.reshape(tuple(blob.shape)))
    return arrays


def _squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape without its leading ones: the old 4-D form of a blob with fewer axes."""
    while shape[:1] == (1,):
        shape = shape[1:]
    return shape


def _model_of(snapshot: Snapshot, state: Any) -> Path:
    """The model beside the state; for a bare state, also where Caffe says that it wrote it."""
    if snapshot.model.exists() or not state.learned_net:
        return snapshot.model
    named = Path(state.learned_net)
    beside = snapshot.state.parent / named.name
    return beside if os.path.exists(beside) else named


def _solver_of(extras: dict[str, Any]) -> Any:
    from ..proto.read import read_solver_text

    return read_solver_text(extras["solver"], RESUME).message


def _changed_settings(before: Any, now: Any) -> Iterator[str]:
    for descriptor in now.DESCRIPTOR.fields:
        old, new = getattr(before, descriptor.name), getattr(now, descriptor.name)
        if descriptor.name not in _HARMLESS and old != new:
            yield f"{descriptor.name} was {_show(old)} and is {_show(new)}"


def _show(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(list(value)) if hasattr(value, "append") else str(value)


def _digest(message: Any) -> str:
    return hashlib.sha256(message.SerializeToString(deterministic=True)).hexdigest()
