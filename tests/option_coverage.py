"""Which layer types and options Caffe's reference cases cover, and what covers the others.

    python tests/option_coverage.py > docs/coverage.md

Read from the schema and from the cases in tests/golden; what no case covers must have a line in ELSEWHERE.
"""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

TESTS = Path(__file__).parent
sys.path.insert(0, str(TESTS))

from deepcae.layers import CAFFE_TYPES, Layer  # noqa: E402  # the path is set only now
from deepcae.layers.registry import REFUSED  # noqa: E402
from deepcae.proto.read import read_net_text  # noqa: E402
from deepcae.proto.schema import LayerParameter  # noqa: E402

FOLDERS = ("layers", "unpooling/layers", "files/data_layers")
TRANSFORMED = ("Data", "ImageData", "HDF5Data", "MemoryData")
NORMALIZED = ("SigmoidCrossEntropyLoss", "SoftmaxWithLoss", "InfogainLoss")
MESSAGES = {
    "Deconvolution": "convolution_param", "Im2col": "convolution_param", "SoftmaxWithLoss": "softmax_param",
    "BN": "bn_param", "ArgMax": "argmax_param",
}  # fmt: skip
NEVER = {"engine"}  # names an algorithm, not a result: read and left alone for every type
DRAWN = "layers/test_drawn_gradients.py::test_gradient_is_the_derivative"
FILLED = "layers/test_options.py::test_fillers_fill_what_they_are_named_for"
TRANSFORM = "data/test_transform.py"
ELSEWHERE = (  # pattern of type and option → the test that judges it (file::name), or why there is nothing to judge
    ("Python .*", "a user's code decides: pycaffe/test_python_layers.py"),
    (".* (weight_|bias_|shift_)?filler", FILLED),
    ("Im2col (num_output|bias_term|group)", "without effect, as in Caffe: the layer learns nothing"),
    ("(Im2col|Deconvolution) .*", DRAWN),
    ("Pooling pool: STOCHASTIC", "kernels/test_kernels.py::test_stochastic_pool"),
    ("SPP pool: STOCHASTIC", "kernels/test_kernels.py::test_stochastic_pool"),
    ("Pooling pad_[hw]", DRAWN),
    ("Unpooling (kernel|stride)_[hw]", DRAWN),
    ("Unpooling pad.*", "must be 0: layers/test_refusals.py::test_refuses_what_caffe_refuses"),
    ("Upsample .*", "SegNet's: layers/test_unpool.py::test_values_go_to_where_the_maxima_stood"),
    ("NeighbourLoss .*", "deepcae's own: layers/test_neighbours.py::test_value_is_the_oracles"),
    ("Accuracy axis", "layers/test_options.py::test_accuracy_over_any_axis"),
    ("(Concat|Slice) (concat|slice)_dim", "layers/test_options.py::test_the_older_names_of_the_axis"),
    ("InfogainLoss normalize", "refused, as in Caffe: layers/test_refusals.py::test_says_what_is_wrong_and_where"),
    ("InfogainLoss .*", DRAWN),
    ("SigmoidCrossEntropyLoss normalization: BATCH_SIZE", DRAWN),
    ("Data (rand_skip|prefetch)", "without effect: as in Caffe, and since a batch is a function of its number"),
    ("(Data|HDF5Data|ImageData) (flip|turn|transpose)", f"deepcae's own: {TRANSFORM}"),
    ("Data force.*", "data/test_lmdb_and_images.py::test_color_is_chosen_or_kept"),
    ("ImageData rand_skip", "data/test_lmdb_and_images.py::test_rand_skip_begins_anywhere_below_it_as_the_seed_says"),
    ("ImageData shuffle", "data/test_stream.py"),
    ("ImageData image_data_param.*", "proto/test_upgrade.py::test_ignored_data_settings_are_noted"),
    ("ImageData force.*", "without effect, as in Caffe: is_color decides"),
    ("MemoryData .*", "without effect on arrays, as in Caffe"),
    ("HDF5Data .*", "data/test_hdf5.py::test_a_transform_is_applied_to_the_first_top"),
    ("ImageData .*", TRANSFORM),
)  # fmt: skip


def messages_of(kind: str) -> list[str]:
    """The fields of a layer that hold a type's options."""
    words = "".join(letter for letter in kind.removesuffix("Loss") if letter.isalnum())
    wanted = {words.lower(), kind.lower()}
    own = [
        field.name
        for field in LayerParameter.DESCRIPTOR.fields
        if field.name.endswith("_param") and field.name.removesuffix("_param").replace("_", "") in wanted
    ]
    found = [MESSAGES[kind]] if kind in MESSAGES else own
    found += ["transform_param"] * (kind in TRANSFORMED) + ["loss_param"] * (kind in NORMALIZED)
    return list(dict.fromkeys(found))


def options_of(kind: str) -> Iterator[tuple[str, str]]:
    """(message, option) of a type: a field, or for an enum each of its values as `field: VALUE`."""
    for message in messages_of(kind):
        for field in LayerParameter.DESCRIPTOR.fields_by_name[message].message_type.fields:
            if field.name in NEVER:
                continue
            if field.enum_type is not None:
                yield from ((message, f"{field.name}: {value.name}") for value in field.enum_type.values)
            else:
                yield message, field.name


def covered() -> tuple[dict[str, set[str]], dict[tuple[str, str], set[str]]]:
    """The cases of each type, and of each (type, option)."""
    types: dict[str, set[str]] = defaultdict(set)
    options: dict[tuple[str, str], set[str]] = defaultdict(set)
    for folder in FOLDERS:
        for path in sorted((TESTS / "golden" / folder).glob("*.npz")):
            with np.load(path) as case:
                if "prototxt" not in case:
                    continue
                for layer in read_net_text(str(case["prototxt"])).message.layer:
                    types[layer.type].add(path.stem)
                    for option in _set_in(layer):
                        options[layer.type, option].add(path.stem)
    return types, options


def _set_in(layer: Any) -> Iterator[str]:
    for message in messages_of(layer.type):
        settings = getattr(layer, message)
        given = {field.name for field, _ in settings.ListFields()}
        for field in settings.DESCRIPTOR.fields:
            if field.enum_type is not None:
                yield f"{field.name}: {field.enum_type.values_by_number[getattr(settings, field.name)].name}"
            elif field.name in given:
                yield field.name


def uncovered() -> Iterator[tuple[str, str, str]]:
    """(type, message, option) that no case sets."""
    _, options = covered()
    for kind in sorted(CAFFE_TYPES | set(Layer.registry)):
        if kind in REFUSED:
            continue
        for message, option in options_of(kind):
            if (kind, option) not in options:
                yield kind, message, option


def answer(kind: str, message: str, option: str) -> str | None:
    """What stands in for a case: a test or a reason; None if nothing does."""
    names = (f"{kind} {option}", f"{kind} {message}.{option}")
    return next((text for pattern, text in ELSEWHERE if any(re.fullmatch(pattern, name) for name in names)), None)


def table() -> str:
    """The page docs/coverage.md."""
    types, options = covered()
    lines = [
        "# What Caffe's reference cases cover, and what covers the rest",
        "",
        "Made by `python tests/option_coverage.py > docs/coverage.md`; a test keeps it current.",
        "",
        "| type | reference cases | options | of them in a case |",
        "|---|---|---|---|",
    ]
    for kind in sorted(CAFFE_TYPES | set(Layer.registry)):
        if kind in REFUSED:
            lines.append(f"| {kind} | refused | | |")
            continue
        own = [option for _, option in options_of(kind)]
        seen = sum((kind, option) in options for option in own)
        lines.append(f"| {kind} | {len(types[kind])} | {len(own)} | {seen} |")
    lines += [
        "",
        "Every differentiable type is also checked against finite differences in float64, with fixed settings in",
        "`tests/layers/test_gradients.py` and drawn ones in `tests/layers/test_drawn_gradients.py`, and many against",
        "loops in numpy (`tests/oracle.py`). `engine` names an algorithm, not a result: it is read and left alone.",
        "",
        "## Options that no case sets",
        "",
        "| type | option | covered by |",
        "|---|---|---|",
    ]
    for kind, message, option in uncovered():
        text = answer(kind, message, option) or "nothing"
        lines.append(f"| {kind} | `{message}.{option}` | {_shown(text)} |")
    return "\n".join(lines) + "\n"


def _shown(text: str) -> str:
    return re.sub(r"(\w+/test_\w+\.py)(::\w+)?", r"`tests/\1\2`", text)


if __name__ == "__main__":
    sys.stdout.write(table())
