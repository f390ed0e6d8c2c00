"""A net as a `torch.nn.Module`: the same layers and weights, to go on with in PyTorch.

    module = as_module(net)
    blobs = module(images)                    # {"ip2encode": …, "deconv1neursig": …}
    module.load_state_dict(torch.load("cae.pt", weights_only=True))

Its state dict has the keys of `deepcae convert --to torch`. What the layers do in training (Dropout, BatchNorm) is
decided by the net's phase, as in Caffe, not by `train()` and `eval()`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from ..errors import DataError
from ..layers.base import Context, Shape
from ..net.execute import BoundStep, execute
from ..net.net import Net
from ..net.step import Step
from ..net.tensors import roles
from .extent import default_outputs, require_sizes, steps_between

Home = tuple[nn.Module, str, Shape]  # where a parameter is kept, and the shape in which a layer sees it


class NetModule(nn.Module):
    """From `inputs` (blob names, in the order of the arguments) to a dict of `outputs`.

    What the outputs need beside the given inputs follows them, in the net's order.
    Its parameters are copies of the net's; those that no solver moves do not require gradients, statistics are buffers.
    Blobs that share are one parameter. DataError for blobs that the net does not have.
    """

    def __init__(self, net: Net, outputs: Sequence[str] | None = None, inputs: Sequence[str] | None = None) -> None:
        super().__init__()
        self.outputs = tuple(outputs) if outputs else tuple(default_outputs(net.plan))
        steps, begin = steps_between(net.plan, inputs or (), self.outputs)
        require_sizes(net.plan, steps)
        self.inputs = tuple(begin)
        owners: dict[int, Home] = {}
        homes = {id(step): self._keep(net, step, owners) for step in net.plan.steps}
        self._steps = [(replace(step, blocked=()), homes[id(step)]) for step in steps]  # PyTorch's gradient is whole

    def _keep(self, net: Net, step: Step, owners: dict[int, Home]) -> list[Home]:
        """Registers a layer's parameters under its name; where each of them is found."""
        name = step.name
        holder = self._holder(name) if step.params else self
        found: list[Home] = []
        for role, index in zip(roles(step.type, len(step.params)), step.params, strict=True):
            if role in (*holder._parameters, *holder._buffers):
                raise DataError(f"two layers with weights are named '{name}', which no torch.nn.Module can hold")
            plan = net.plan.params[index]
            shape = plan.shape or ()
            owner = net.plan.owner(index)
            if owner in owners and shape != owners[owner][2]:
                found.append((*owners[owner][:2], shape))
                continue
            if owner in owners:
                kept: Any = getattr(owners[owner][0], owners[owner][1])
            else:
                kept = net.tensors[index].detach().clone().reshape(shape)
                if not step.kind.keeps_statistics:
                    kept = nn.Parameter(kept, requires_grad=plan.lr_mult != 0)
            if isinstance(kept, nn.Parameter):
                holder.register_parameter(role, kept)
            else:
                holder.register_buffer(role, kept)
            found.append((holder, role, shape))
            owners.setdefault(owner, found[-1])
        return found

    def _holder(self, name: str) -> nn.Module:
        """The module that keeps the parameters of layer `name`; a dot in a name is a module within a module."""
        holder: nn.Module = self
        for part in name.split("."):
            if part not in holder._modules:
                try:
                    holder.add_module(part, nn.Module())
                except KeyError:
                    raise DataError(f"layer '{name}' cannot be kept in a torch.nn.Module: '{part}' is taken") from None
            holder = holder.get_submodule(part)
        return holder

    def forward(self, *inputs: Tensor) -> dict[str, Tensor]:
        if len(inputs) != len(self.inputs):
            raise DataError(f"wants {len(self.inputs)} input(s), {', '.join(self.inputs)}, but is given {len(inputs)}")
        blobs, context = dict(zip(self.inputs, inputs, strict=True)), Context()
        execute([_bound(step, homes) for step, homes in self._steps], blobs, context)
        context.apply_updates()
        return {name: blobs[name] for name in self.outputs}


def _bound(step: Step, homes: Sequence[Home]) -> BoundStep:
    assert step.layer is not None
    return BoundStep(step, step.layer, [getattr(holder, role).reshape(shape) for holder, role, shape in homes])


def as_module(net: Net, outputs: Sequence[str] | None = None, inputs: Sequence[str] | None = None) -> NetModule:
    """`net` as a module: from `inputs` (default: its data) to `outputs` (default: code and results)."""
    return NetModule(net, outputs, inputs)
