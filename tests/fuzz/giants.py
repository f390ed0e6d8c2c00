"""Files that are great or deep where real ones are small: what grows faster than the file shows itself here."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable, Iterator

from wire import field

Make = Callable[[], bytes]


def _rows(count: int, row: str) -> Make:
    """`row` many times, `{0}` its number and `{1}` the next."""
    return lambda: "".join(row.format(k, k + 1) for k in range(count)).encode()


_RELU = 'layer {{ name: "r{0}" type: "ReLU" bottom: "b{0}" top: "b{1}" }}\n'
_DATA = 'layer { type: "DummyData" top: "b0" dummy_data_param { shape { dim: 1 } } }\n'

TEXTS: dict[str, Make] = {
    "layers of one name": _rows(2250, 'layer {{ name: "a" type: "ReLU" }}\n'),
    "a chain": lambda: _DATA.encode() + _rows(1500, _RELU)(),
    "one blob with many readers": lambda: (
        _DATA.encode() + _rows(1500, 'layer {{ type: "ReLU" name: "r{0}" bottom: "b0" top: "t{0}" }}\n')()
    ),
    "bottoms that nobody makes": _rows(1500, 'layer {{ type: "ReLU" name: "r{0}" bottom: "x{0}" top: "b{0}" }}\n'),
    "bottoms that are made later": lambda: b"".join(_RELU.format(k, k + 1).encode() for k in range(1500, 0, -1)),
    "shared parameters": _rows(
        3000,
        'layer {{ name: "i{0}" type: "InnerProduct" bottom: "b" top: "b{0}" param {{ name: "w" }} '
        "inner_product_param {{ num_output: 1 }} }}\n",
    ),
    "unknown fields": _rows(10000, "nname{0}: 1\n"),
    "unknown types": _rows(2500, 'layer {{ type: "Con{0}" }}\n'),
    "unknown enums": _rows(1500, "layers {{ type: CONVOLUTIOM{0} }}\n"),
    "opening braces": lambda: b"layer { " * 15000,
    "closing braces": lambda: b"} " * 50000,
    "brackets": lambda: b"dim: [" * 25000,
    "strings in a row": lambda: b"name: " + b'"a" ' * 25000,
    "strange characters": lambda: b"\0" * 125000,
    "quotes": lambda: b'"\n' * 25000,
    "a long comment": lambda: b"#" * 250000,
    "a long string": lambda: b'name: "' + b"a" * 250000 + b'"',
    "a long word": lambda: b"a" * 250000,
    "a long number": lambda: b"input_dim: " + b"9" * 250000,
    "escapes": lambda: b'name: "' + b"\\x41" * 50000 + b'"',
    "one layer's tops": lambda: b'layer { type: "Slice" bottom: "a" ' + _rows(7500, 'top: "t{0}" ')() + b"}",
    "one layer's rules": lambda: b'layer { type: "ReLU" ' + b'include { stage: "a" } ' * 3750 + b"}",
    "states": _rows(1000, 'layer {{ name: "a" type: "ReLU" include {{ stage: "s{0}" }} }}\n'),
    "layers of 2013": _rows(1000, 'layers {{ layer {{ name: "a" type: "relu" }} bottom: "b{0}" top: "b{1}" }}\n'),
    "layers of 2014": _rows(1250, 'layers {{ name: "a" type: RELU bottom: "b{0}" top: "b{1}" }}\n'),
    "codes fed to convolutions": _rows(
        3000,
        'layers {{ type: INNER_PRODUCT top: "b{0}" }} layers {{ type: CONVOLUTION bottom: "b{0}" top: "c{0}" }}\n',
    ),
    "inputs": lambda: _rows(5000, 'input: "b{0}"\n')() + b"input_dim: 1\n" * 20000,
    "comments": _rows(10000, "# {0}\n"),
    "numbers of a shape": lambda: (
        b'layer { type: "Input" top: "a" input_param { shape { ' + b"dim: 2000000000 " * 7500 + b"} } }"
    ),
    "test nets": lambda: _rows(2000, 'test_net: "n{0}"\n')() + b"test_iter: 1\n" * 2000,
    "steps": lambda: b'lr_policy: "multistep"\n' + b"stepvalue: 1\n" * 15000,
}


def _nested(depth: int) -> bytes:
    data = b""
    for _ in range(depth):
        data = field(100, field(7, data))[-60000:]
    return data


BINARIES: dict[str, tuple[str, Make]] = {
    "layers of one name": ("weights", lambda: field(100, field(1, b"a") + field(2, b"ReLU")) * 60000),
    "layers of 2014 of one name": ("weights", lambda: field(2, field(4, b"a")) * 60000),
    "empty blobs": ("weights", lambda: field(100, field(1, b"a") + field(7, b"") * 100000)),
    "blobs without values": (
        "weights",
        lambda: field(100, field(7, field(7, field(1, b"\x80\x80\x80\x80\x08"))) * 9),
    ),
    "a huge shape": ("blob", lambda: field(7, field(1, b"\xff\xff\xff\xff\xff\xff\xff\xff\x7f" * 30))),
    "a huge length": ("weights", lambda: b"\xa2\x06\xff\xff\xff\xff\x07" + b"\x0a\x01a"),
    "nested messages": ("weights", lambda: _nested(3000)),
    "history without values": ("state", lambda: b"\x08\x01" + field(3, b"") * 200000),
    "an IDX file of nothing": ("idx", lambda: b"\0\0\x08\x04" + struct.pack(">4I", *[2**32 - 1] * 4)),
    "a zipped IDX file": ("idx", lambda: gzip.compress(b"\0\0\x08\x03" + b"\x7f" * 12 + bytes(2**26))),
    "a list of pictures": ("image_list", lambda: b"nowhere.png 1\n" * 60000),
    "a list of files": ("list_h5", lambda: b"nowhere.h5\n" * 60000),
    "a table of codes": ("codes_csv", lambda: b"code_1\n" + b"1\n" * 300000),
    "a wide table of codes": ("codes_csv", lambda: b",".join([b"code_1"] * 100000) + b"\n"),
    "a deep manifest": ("manifest", lambda: b"[" * 200000),
}


def giants() -> Iterator[tuple[str, str, Make]]:
    """(name, target, the file)."""
    for name, make in TEXTS.items():
        yield name, "check", make
        yield name, "upgrade", make
    for name, (target, make) in BINARIES.items():
        yield name, target, make
