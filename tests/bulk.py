"""Files that are long in lines, fields or pixels, for `bombs`: what was made of them once took far more memory."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from wire import field, varint

Act = Callable[[], object]
Cases = dict[str, tuple[int, Act]]
WIDE = 'layer { name: "in" type: "Input" top: "data" input_param { shape { dim: 1 dim: 8000000 } } }'
CODE = """layer { name: "code" type: "InnerProduct" bottom: "data" top: "code"
inner_product_param { num_output: 5 bias_term: false } }"""


def _case(path: Path, act: Act) -> tuple[int, Act]:
    return path.stat().st_size, act


def _zeros_after(path: Path, around: list[tuple[bytes, int]], count: int) -> Path:
    """A file that ends with the blob (5, `count` / 5) of zeros; `around`: what stands before it, and its field, from
    the outermost message on."""
    size = 4 * count
    content = field(7, b"\x08\x05\x08" + varint(count // 5)) + varint(5 << 3 | 2) + varint(size)
    for before, number in reversed(around):
        content = before + varint(number << 3 | 2) + varint(len(content) + size) + content
    path.write_bytes(content)
    os.truncate(path, len(content) + size)
    return path


def messages(folder: Path) -> Cases:
    """Binary files of protobuf's."""
    from deepcae.net.net import Net
    from deepcae.net.weights import load_weights
    from deepcae.proto.binary import read_state, read_weights
    from deepcae.proto.read import read_net_text

    net = Net(read_net_text(WIDE + CODE), "TEST")
    name = field(1, b"code") + field(2, b"InnerProduct")
    blob = _zeros_after(folder / "a.caffemodel", [(b"", 100), (name, 7)], 40_000_000)
    state = _zeros_after(folder / "s.solverstate", [(b"\x08\x01", 3)], 40_000_000)
    value = field(7, field(7, b"\x08\x01") + field(5, bytes(4)))
    made = {
        "empty names": field(100, name + b"\x1a\0" * 10_000_000 + value),
        "dims": field(100, name + field(7, field(7, field(1, b"\1" * 8_000_000)) + field(5, bytes(4)))),
        "a long name": field(100, field(1, b"a" * 150_000_000) + value),
    }
    found = {
        "caffemodel of one blob": _case(blob, lambda: load_weights(net, blob)),
        "solverstate of one blob": _case(state, lambda: len(read_state(state).history)),
    }
    for what, content in made.items():
        path = folder / f"{what}.caffemodel"
        path.write_bytes(content)
        found[f"caffemodel of {what}"] = _case(path, lambda path=path: read_weights(path))  # type: ignore[misc]
    return found


def lines(folder: Path) -> Cases:
    """Texts."""
    from deepcae.codes.files import load
    from deepcae.data.listed import ListedImages
    from deepcae.data.lists import read_list
    from deepcae.solver.metrics import read_metrics
    from deepcae.solver.parse_log import parse_log

    record = b'{"kind": "warned", "iteration": 1, "message": ""'
    contents = {
        "m.jsonl": (record + b', "a": [' + b"[]," * 300_000 + b"[]]}\n") * 20,
        "n.jsonl": record + b"}\n" + b"a" * 200_000_000,
        "r.log": b"Iteration 1, \n" + b"Train net output #0: a = 1\n" * 1_200_000,
        "o.log": b"Iteration 1, \nTrain net output #0: a = 1\n" + b"a" * 200_000_000,
        "l.csv": b"code_1,label\n" + (b"1,a\n" * 30_000 + b"1," + b"b" * 900 + b"\n") * 3,
        "e.csv": b"code_1," * 6_000_000,
        "i.txt": b"a" * 200_000_000 + b" 1\n",
        "j.txt": b"a 1\n" * 1_500_000,
        "h.txt": b"a\n" * 3_000_000,
        "a": b"",
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    acts: dict[str, tuple[str, Callable[[Path], object]]] = {
        "metrics": ("m.jsonl", lambda path: len(read_metrics(path, lambda sentence: None))),
        "metrics of one line": ("n.jsonl", lambda path: len(read_metrics(path, lambda sentence: None))),
        "log of rows": ("r.log", parse_log),
        "log of one line": ("o.log", lambda path: len(parse_log(path).train)),
        "csv of long labels": ("l.csv", load),
        "csv of one line": ("e.csv", load),
        "image list of one line": ("i.txt", ListedImages),
        "image list": ("j.txt", lambda path: len(ListedImages(path))),
        "hdf5 list": ("h.txt", read_list),
    }
    return {
        what: _case(folder / name, lambda name=name, act=act: act(folder / name)) for what, (name, act) in acts.items()
    }  # type: ignore[misc]


def pictures(folder: Path) -> Cases:
    """Pictures of one colour, and TIFFs that promise more than they hold."""
    from PIL import Image

    from deepcae.data.images import decode

    def saved(mode: str, size: int, kind: str, **options: Any) -> bytes:
        stream = io.BytesIO()
        Image.new(mode, (size, size)).save(stream, kind, **options)
        return stream.getvalue()

    decode(_written(folder, "warm.jpg", saved("L", 8, "JPEG")), True, "warm")
    many = 2**24
    contents: dict[str, tuple[bytes, bool]] = {
        "png of 16 bits": (_deep_png(3700), True),
        "png of 16 bits as gray": (_deep_png(3700), False),
        "png of 16 bits, too large": (_deep_png(5000), True),
        "jpeg of inks": (saved("CMYK", 4000, "JPEG"), True),
        "tiff of a deep strip": (_tiff([_strip_tags(3700)], zlib.compress(bytes(6 * 3700**2), 1)), True),
        "webp": (saved("RGB", 3400, "WEBP", lossless=True), True),
        "tiff of tags": (_tiff([{**_strip_tags(8), 273: (4, many, 8)}], b""), True),
        "tiff of tags in its second page": (_tiff([_strip_tags(8), {254: (4, 1, 1), 273: (4, many, 8)}], b""), True),
        "tiff of one tile": (_tiff([{**_strip_tags(8), 322: (4, 1, 20_000), 323: (4, 1, 20_000)}], b""), True),
        "tiff of pages": (_tiff([_strip_tags(8)] + [{254: (4, 1, 1)}] * 1200, b""), True),
        "tiff of pages without end": (_tiff([{**_strip_tags(8), 254: (4, 1, 1)}], b"", last=8), True),
    }
    found = {}
    for name, (content, color) in contents.items():
        path = _written(folder, name, content)
        if " tags" in name:
            os.truncate(path, 4 * many + 1000)
        found[name] = _case(path, lambda path=path, color=color: decode(path, color, path.name).shape)  # type: ignore[misc]
    return found


def _written(folder: Path, name: str, content: bytes) -> Path:
    (folder / name).write_bytes(content)
    return folder / name


def _deep_png(size: int) -> bytes:
    """A black picture of R, G, B and A with 16 bits each."""

    def part(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    packer = zlib.compressobj(1)
    pixels = b"".join(packer.compress(bytes(1 + 8 * size)) for _ in range(size)) + packer.flush()
    head = struct.pack(">IIBBBBB", size, size, 16, 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", head) + part(b"IDAT", pixels) + part(b"IEND", b"")


Tags = dict[int, tuple[int, int, int]]  # tag: type, count, value or place


def _strip_tags(size: int) -> Tags:
    """A picture of R, G, B with 16 bits each (at byte 8: their number), deflated, in one strip that ends the file."""
    return {256: (4, 1, size), 257: (4, 1, size), 258: (3, 3, 8), 259: (3, 1, 8), 262: (3, 1, 2), 273: (4, 1, 16),
            277: (3, 1, 3), 278: (4, 1, size), 279: (4, 1, 0)}  # fmt: skip


def _tiff(pages: list[Tags], strip: bytes, last: int = 0) -> bytes:
    """`last`: where the last page says that a further one is, in pages from the first (8: the first)."""
    head = struct.pack("<HHHH", 16, 16, 16, 0)
    first = 16 + len(strip) + len(strip) % 2
    content = struct.pack("<4sI", b"II*\0", first) + head + strip.ljust(first - 16, b"\0")
    for number, page in enumerate(pages):
        filled = {**page, 279: (4, 1, len(strip))} if 279 in page else page
        content += struct.pack("<H", len(filled))
        for tag, (kind, count, value) in sorted(filled.items()):
            content += struct.pack("<HHII", tag, kind, count, value)
        is_last = number == len(pages) - 1
        content += struct.pack("<I", (first if last else 0) if is_last else len(content) + 4)
    return content


KINDS: dict[str, Callable[[Path], Cases]] = {"messages": messages, "lines": lines, "pictures": pictures}
