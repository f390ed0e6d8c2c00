"""Layers as readable prototxt: one field to a line, a note of the shape where it helps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..errors import SpecError
from ..proto.read import read_net_text
from ..proto.text import to_text

MOST = 2**31 - 1  # of what a text counts: Caffe's int32
IMAGES = "(N, 1, 28, 28), grey levels in 0..1"


def require_count(what: str, value: object) -> None:
    """SpecError unless `value` is a whole number that a text can hold, from 1 on."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise SpecError(f"{what} is {value!r}, but must be a whole number of at least 1")
    if value > MOST:
        raise SpecError(f"{what} is {value}, but must be at most {MOST:,}")


def layer(
    name: str, kind: str, bottoms: Sequence[str], tops: Sequence[str], body: Iterable[str] = (), *, note: str = ""
) -> str:
    """One `layer { ... }`; `body` are further lines as they stand, `note` a comment above."""
    lines = [f"# {line}" for line in note.splitlines()]
    lines += ["layer {", f'  name: "{name}"', f'  type: "{kind}"']
    lines += [f'  bottom: "{bottom}"' for bottom in bottoms]
    lines += [f'  top: "{top}"' for top in tops]
    lines += [f"  {line}" for line in body]
    return "\n".join([*lines, "}"])


def block(field: str, *lines: str) -> list[str]:
    """`field { ... }` as the body lines of a layer."""
    return [f"{field} {{", *(f"  {line}" for line in lines), "}"]


def hdf5_data(
    name: str, tops: Sequence[str], source: str, batch: int, rule: str, *, shuffle: bool = False, note: str = "",
    sample: Sequence[int] = (), transform: str = "",
) -> str:  # fmt: skip
    """An HDF5Data layer that is in the net where `rule` holds (`phase: TRAIN`).

    `sample`: the shape that it is for; it is stated, and compared with that of the data. `transform`: fields of
    `transform_param`.
    """
    order = " shuffle: true" if shuffle else ""
    body = [f"include {{ {rule} }}", f'hdf5_data_param {{ source: "{escaped(source)}" batch_size: {batch}{order} }}']
    if transform:
        body.append(f"transform_param {{ {transform} }}")
    if sample:
        dims = " ".join(f"dim: {size}" for size in (0, *sample))
        body.append(f"input_param {{ shape {{ {dims} }} }}  # what the data are compared with; 0: any number of images")
    return layer(name, "HDF5Data", [], tops, body, note=note)


def train_and_test(
    train_list: str, batch: int, test_list: str, test_batch: int, note: str = IMAGES, tops: Sequence[str] = ("data",),
    *, name: str = "data", sample: Sequence[int] = (), transform: str = "", turns: Sequence[str] = (),
    some_tested: bool = False,
) -> tuple[str, str]:  # fmt: skip
    """The data layers of a net that learns from one list of files, in random order, and is tested on another.

    `transform`: of both; `turns`: fields of it that turn half of the training images, as `mirror`; `some_tested`: a
    test looks at some images only, which are drawn anew for each.
    """
    drawn = " ".join(filter(None, [transform, *(f"{name}: true" for name in turns)]))
    return (
        hdf5_data(
            name, tops, train_list, batch, "phase: TRAIN", shuffle=True, note=note, sample=sample, transform=drawn,
        ),
        hdf5_data(
            name, tops, test_list, test_batch, "phase: TEST", shuffle=some_tested, sample=sample, transform=transform,
            note="Each test looks at others of them: all would take longer than to learn." if some_tested else "",
        ),
    )  # fmt: skip


def noise(shape: Sequence[int], std: float, rule: str, note: str = "") -> str:
    """The blob `noise` of `shape`, the batch included: Gaussian, drawn anew for every batch, where `rule` holds."""
    dims = " ".join(f"dim: {size}" for size in shape)
    body = f'dummy_data_param {{ shape {{ {dims} }} data_filler {{ type: "gaussian" std: {std:g} }} }}'
    return layer("noise", "DummyData", [], ["noise"], [f"include {{ {rule} }}", body], note=note)


def added(bottoms: Sequence[str], top: str, rule: str) -> str:
    """`top` = the sum of `bottoms`, in the net where `rule` holds."""
    return layer(top, "Eltwise", bottoms, [top], [f"include {{ {rule} }}", "eltwise_param { operation: SUM }"])


def without_noise(bottom: str, top: str, rule: str) -> str:
    """`top` = `bottom`, in the net where `rule` holds."""
    return layer(top, "Power", [bottom], [top], [f"include {{ {rule} }}"], note="No noise: x^1")


def one_pixel_maps(bottom: str, neurons: int) -> str:
    """`neurons` values per image as maps ip1decodesh, from which deconvolutions go on."""
    body = ["reshape_param { shape { dim: 0 dim: 0 dim: 1 dim: 1 } }"]
    note = f"(N, {neurons}, 1, 1): each neuron becomes a feature map of one pixel"
    return layer("reshape", "Reshape", [bottom], ["ip1decodesh"], body, note=note)


def gaussian(num_output: int, sparse: int) -> str:
    """Gaussian, std 1, on average `sparse` weights kept per input; dense where there are fewer outputs than that.

    Caffe keeps a weight with probability sparse / num_output and refuses a probability above 1.
    """
    if num_output < sparse:
        return 'weight_filler { type: "gaussian" std: 1 }  # dense: fewer outputs than sparse'
    return f'weight_filler {{ type: "gaussian" std: 1 sparse: {sparse} }}'


def net(name: str, header: str, layers: Iterable[str]) -> str:
    """A whole net: what it is (as comments), its name, its layers."""
    comment = "\n".join(f"# {line}".rstrip() for line in header.strip().splitlines())
    return "\n".join([comment, f'name: "{name}"', *layers, ""])


def escaped(value: str) -> str:
    """A string's content between double quotes in a prototxt."""
    return value.replace("\\", "\\\\").replace('"', '\\"')


def in_file_order(net_text: str) -> str:
    """The same network, which reads its images as they stand in their file instead of in random order."""
    net = read_net_text(net_text).message
    for layer in net.layer:
        if layer.HasField("hdf5_data_param"):
            layer.hdf5_data_param.ClearField("shuffle")
    return to_text(net)
