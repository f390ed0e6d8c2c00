"""A net with its data: each pass takes the next batch of the net's endless stream."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import torch

from ..data.ahead import Ahead
from ..data.identity import Facts, identity
from ..data.layout import misfit, samples
from ..data.output import Outputs
from ..data.source import Feed, cost_note
from ..data.span import Spans
from ..data.stream import ALIGNMENT
from ..errors import DataError
from ..net.net import Net
from ..net.roles import Roles, roles_of
from ..tape.tape import Tapes
from .records import Values

MOST_ELEMENTS = 1000  # of one output that are told
Blobs = Mapping[str, torch.Tensor]


class Batches(Protocol):
    """Batch `index` of an endless stream, by blob name. `data.Feed` is one; anything with this method will do."""

    def batch(self, index: int) -> Mapping[str, np.ndarray]: ...


@dataclass
class FedNet:
    """`position`: number of batches read so far, all that a resume needs to know of the data."""

    net: Net
    feed: Batches
    position: int = 0
    writes: bool = True  # what the HDF5Output layers ask for
    spans: Spans = field(default_factory=Spans)  # in which ranges the data lie
    codes: dict[str, Any] = field(default_factory=dict)  # and the codes of the batch before the last snapshot

    def __post_init__(self) -> None:
        self.outputs = Outputs(self.net.sinks)
        self._tapes = Tapes(self.net, backward=False)
        self._wanted = self.net.inputs
        self._drawn = [top for step in self.net.plan.sources if step.kind.draws for top in step.tops]

    @cached_property
    def data(self) -> dict[str, Facts]:
        """What the net's data layers read, by the layer's name."""
        return {layer.name: identity(layer, self.net.phase, self.net.folders) for layer in self.net.sources}

    def forward(self, generator: torch.Generator) -> Blobs:
        """A pass over the next batch, without gradients: all blobs. Writes what the net's HDF5Output layers ask for.

        Blobs of one number are the caller's, others are so until the next pass.
        """
        inputs = self.next_inputs()
        blobs: Blobs
        if (tape := self._tapes.forward(inputs, generator)) is not None:
            blobs = {name: blob if blob.dim() else blob.clone() for name, blob in tape.blobs.items()}
        else:
            with torch.no_grad():
                blobs = self.net.forward(inputs, generator)
        self.write(blobs)
        return blobs

    def write(self, blobs: Blobs) -> None:
        """Writes what the net's HDF5Output layers ask for."""
        if self.writes:
            self.outputs.write(blobs)

    def is_steady(self) -> bool:
        """Whether a pass gives the same bits with any number of threads."""
        tape = self._tapes.now()
        return tape is not None and tape.steady

    def next_inputs(self) -> dict[str, torch.Tensor]:
        """The next batch on the net's device. DataError names a blob that nothing feeds."""
        arrays = self.feed.batch(self.position)
        self.spans.take(self.position, arrays, self._drawn)
        self.position += 1
        lacking = [name for name in self._wanted if name not in arrays]
        if lacking:
            raise DataError(f"net '{self.net.name}': no data layer gives blob(s) {', '.join(lacking)}")
        return {name: _on(self.net.device, _tensor(array)) for name, array in arrays.items()}

    def loss(self, blobs: Blobs) -> torch.Tensor:
        """The weighted total of the net's losses."""
        return self.net.loss(blobs)

    @cached_property
    def roles(self) -> Roles:
        """What the net's blobs are for."""
        return roles_of(self.net.plan)

    def values(self, blobs: Blobs) -> torch.Tensor:
        """The values of all outputs in one vector, still on the device; see `named`."""
        parts = [blobs[name].detach().reshape(-1)[:MOST_ELEMENTS] for name in self.net.plan.outputs]
        return torch.cat(parts) if parts else torch.zeros(0)

    def named(self, blobs: Blobs, values: torch.Tensor | None = None) -> dict[str, Values]:
        """The values by output name (default: these): a number, or a tuple for a blob of several elements."""
        left = iter((self.values(blobs) if values is None else values).tolist())
        return {name: _take(left, min(blobs[name].numel(), MOST_ELEMENTS)) for name in self.net.plan.outputs}


def _on(device: torch.device, tensor: torch.Tensor) -> torch.Tensor:
    """The tensor on the device; a GPU fetches it from pinned memory, while the host goes on."""
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def _take(values: Iterator[float], count: int) -> Values:
    taken = tuple(next(values) for _ in range(count))
    return taken[0] if count == 1 else taken


def _tensor(array: np.ndarray) -> torch.Tensor:
    """The array as a float32 tensor; without a copy where torch allows it.

    What lies at an odd address is copied to where torch puts its own: a batch gives the same bits wherever it was.
    """
    if array.dtype != np.float32 or not array.flags.writeable or not array.flags.c_contiguous:
        array = np.array(array, dtype=np.float32, order="C")
    tensor = torch.from_numpy(array)
    return tensor if tensor.data_ptr() % ALIGNMENT == 0 else tensor.clone()


def odd_data(train: FedNet, tests: Sequence[FedNet]) -> Iterator[str]:
    """Data that seem to lie otherwise than they are read, test images of another layout than is learned from, and files
    of which far more is unpacked than is read."""
    yield from dict.fromkeys(str(problem) for fed in (train, *tests) for problem in fed.net.plan.odd_layouts())
    name = train.roles.images or ""
    wanted = train.net.plan.shapes.get(name)
    for index, fed in enumerate(tests):
        found = fed.net.plan.shapes.get(name)
        if wanted and found and (why := misfit(found[1:], wanted[1:], name)):
            told = f"test net #{index} reads {samples(found[1:])} as '{name}', learned from are {samples(wanted[1:])}"
            yield f"{told}: {why}"
    for fed in (train, *tests):
        for layer in fed.net.sources if isinstance(fed.feed, Feed | Ahead) else ():
            if why := cost_note(layer, fed.net.phase, fed.net.folders):
                yield f"layer '{layer.name}': {why}"
