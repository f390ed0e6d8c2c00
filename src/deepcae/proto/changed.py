"""A network text of which some layers are changed, by a text that names them and what is to be otherwise in each.

change_layers(text, 'layer { name: "ip2encode" inner_product_param { weight_filler { type: "xavier" } } }')
"""

from __future__ import annotations

from typing import Any

from ..errors import Problem, SpecError
from .read import read_net_text
from .schema import is_repeated
from .text import to_text


def change_layers(text: str, changes: str, filename: str = "changes") -> str:
    """The network `text`, each layer of `changes` laid over those of its name.

    Scalars and lists are replaced, messages merged field by field. A scalar that is set to its default is taken out, as
    if it had never been written: `sparse: -1` makes a filler dense. SpecError for a name that no layer has, and where
    nothing would change.
    """
    net, above = read_net_text(text).message, read_net_text(changes, filename)
    problems = []
    for index, layer in enumerate(above.message.layer):
        own = [each for each in net.layer if each.name == layer.name]
        before = [to_text(each) for each in own]
        for each in own:
            _lay_over(each, layer)
        if before == [to_text(each) for each in own]:
            what = "is this already" if own else "is not in the network"
            problems.append(Problem(f"layer '{layer.name}' {what}, and was to be changed", above.place("layer", index)))
    if problems:
        raise SpecError(problems)
    return to_text(net)


def _lay_over(message: Any, above: Any) -> None:
    for field, value in above.ListFields():
        if is_repeated(field):
            message.ClearField(field.name)
            getattr(message, field.name).extend(value)
        elif field.message_type is not None:
            getattr(message, field.name).SetInParent()
            _lay_over(getattr(message, field.name), value)
        elif value == field.default_value:
            message.ClearField(field.name)
        else:
            setattr(message, field.name, value)
