"""Wrong files from right ones: structure-aware changes of texts, protobuf messages and plain bytes.

Every function takes a `random.Random` and bytes and gives bytes, so that a seed and a round number are a case.
"""

from __future__ import annotations

import random
import re
import struct
from collections.abc import Callable, Sequence

import wire
from deepcae.proto.wire import varint

Mutator = Callable[[random.Random, bytes, Sequence[bytes]], bytes]  # (dice, the file, other files) -> a wrong file

MOST = 2_000_000  # bytes of a message: what is repeated often can grow without end
NUMBERS = (
    0,
    1,
    2,
    3,
    7,
    127,
    128,
    255,
    256,
    65535,
    65536,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**32,
    2**63 - 1,
    2**63,
    2**64 - 1,
)
WORDS = (
    "0", "-1", "1", "2", "2147483647", "2147483648", "-2147483648", "4294967296", "18446744073709551616", "1e400",
    "-1e-400", "nan", "inf", "-inf", "0x7fffffff", "077", "1.5", "1" * 400, "true", "false", "TRAIN", "MAX", '""', "''",
    '"data"', '"\\377"', '"\\x"', '"\\u12"', '"' + "a" * 3000 + '"', '"../../etc/passwd"', '"a\\0b"', '"/dev/zero"',
    "{", "}", "[", "]", "<", ">", ":", ",", ";", "#", '"', "'", "\\", "\0", "\x0b", "\x85", "\u2028", "\ufeff", "\r",
    "\r\n", "é", "\U0001f600", "layer", "layers", "name", "top", "bottom", "type", "param", "include", "net_param",
    "layer { }", "layers { layer { } }", 'layer { type: "Split" }', "[1, 2, 3]", "dim: 99999999",
    "shape { dim: 2000000000 dim: 2000000000 }", "num_output: 2000000000", "batch_size: 2000000000",
)  # fmt: skip
_TOKENS = re.compile(r'"(?:[^"\n\\]|\\.)*"|[A-Za-z0-9_.+-]+|\s+|#[^\n]*|.', re.DOTALL)


def mutate_bytes(dice: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """A few changes of bytes wherever they fall; half of them near the beginning, where headers stand."""
    changed = bytearray(data)
    for _ in range(dice.choice((1, 1, 1, 2, 3, 8, 30))):
        _change(dice, changed, others)
    return bytes(changed)


def _change(dice: random.Random, data: bytearray, others: Sequence[bytes]) -> None:
    size = len(data)
    at = dice.randrange(min(size, 2048) if dice.random() < 0.5 else size) if size else 0
    kind = dice.randrange(9)
    if kind <= 2 and size:
        data[at] ^= 1 << dice.randrange(8)
    elif kind == 3 and size:
        data[at] = dice.choice((0, 1, 127, 128, 255, dice.randrange(256)))
    elif kind == 4:
        form = dice.choice("<>") + dice.choice("BHIQ")
        width = struct.calcsize(form)
        data[at : at + width] = struct.pack(form, dice.choice(NUMBERS) % 2 ** (8 * width))
    elif kind == 5:
        del data[at : at + dice.choice((1, 2, 4, 8, 100, 1000))]
    elif kind == 6:
        span = data[at : at + dice.choice((1, 4, 8, 64, 512))]
        data[at:at] = span * dice.choice((1, 1, 2, 50))
    elif kind == 7 and dice.random() < 0.4:
        del data[at:]
    elif kind == 8 and others:
        other = dice.choice(others)
        start = dice.randrange(len(other)) if other else 0
        data[at : at + 64] = other[start : start + dice.choice((8, 64, 512))]


def mutate_text(dice: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """Changes of words; now and then also of bytes, so that the text is no text any more."""
    if dice.random() < 0.1:
        return mutate_bytes(dice, data, others)
    words = _TOKENS.findall(data.decode("utf-8", errors="replace")) or [""]
    for _ in range(dice.choice((1, 1, 1, 2, 3, 10))):
        _change_words(dice, words, others)
    text = "".join(words)
    if dice.random() < 0.05:
        text = dice.choice(
            (text.replace("\n", "\r"), text.replace("\n", "\r\n"), "\ufeff" + text, text.replace("\n", " "))
        )
    return text.encode("utf-8", errors="surrogatepass")


def _change_words(dice: random.Random, words: list[str], others: Sequence[bytes]) -> None:
    at = dice.randrange(len(words)) if words else 0
    kind = dice.randrange(10)
    if kind <= 2 and words:
        words[at] = dice.choice(WORDS)
    elif kind == 3:
        words.insert(at, " " + dice.choice(WORDS) + " ")
    elif kind == 4:
        del words[at : at + dice.choice((1, 1, 2, 5, 40))]
    elif kind == 5:
        span = words[at : at + dice.choice((2, 8, 40, 200))]
        words[at:at] = span * dice.choice((1, 1, 2, 30))
    elif kind == 6 and len(words) > 1:
        other = dice.randrange(len(words))
        words[at], words[other] = words[other], words[at]
    elif kind == 7:
        depth = dice.choice((1, 3, 63, 64, 65, 500))
        name = dice.choice(("layer", "net_param", "convolution_param", "x"))
        words.insert(at, f" {name} {{ " * depth + (" } " * depth if dice.random() < 0.7 else ""))
    elif kind == 8 and others:
        lines = dice.choice(others).decode("utf-8", errors="replace").splitlines()
        start = dice.randrange(len(lines)) if lines else 0
        words.insert(at, "\n" + "\n".join(lines[start : start + dice.choice((1, 3, 12))]) + "\n")
    elif kind == 9 and words and words[at]:
        letter = dice.randrange(len(words[at]))
        words[at] = words[at][:letter] + dice.choice(("", "x", "_", "9", " ", "\0", "\t")) + words[at][letter + 1 :]


class Wire:
    """One field of a message: `value` is an int (varint), bytes, or the fields inside."""

    __slots__ = ("lie", "number", "value", "wire")

    def __init__(self, number: int, wire: int, value: int | bytes | list[Wire]) -> None:
        self.number, self.wire, self.value = number, wire, value
        self.lie = 0  # how far the written length is from the true one


def mutate_wire(dice: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """Changes of fields: numbers, wire types, lengths, nesting, order; now and then also of bytes."""
    fields = _fields(data, 0)
    if fields is None or dice.random() < 0.15:
        return mutate_bytes(dice, data, others)
    for _ in range(dice.choice((1, 1, 2, 4))):
        _change_fields(dice, fields, others)
    return _written(fields)


def _fields(data: bytes, depth: int) -> list[Wire] | None:
    """The fields of what may be a message; None if it is none. Bytes that happen to parse are taken as messages."""
    fields, at = [], 0
    while at < len(data):
        tag, at = varint(data, at)
        number, wire = tag >> 3, tag & 7
        if at > len(data) or not 0 < number < 2000 or wire not in (0, 1, 2, 5):
            return None
        value: int | bytes | list[Wire]
        if wire == 0:
            value, at = varint(data, at)
        else:
            size, at = varint(data, at) if wire == 2 else (8 if wire == 1 else 4, at)
            value, at = data[at : at + size], at + size
            if wire == 2 and depth < 6 and isinstance(value, bytes) and len(value) > 1:
                value = _fields(value, depth + 1) or value
        if at > len(data):
            return None
        fields.append(Wire(number, wire, value))
    return fields


def _change_fields(dice: random.Random, fields: list[Wire], others: Sequence[bytes]) -> None:
    inside = fields
    while inside and dice.random() < 0.75:  # somewhere in the tree
        deeper = [field.value for field in inside if isinstance(field.value, list)]
        if not deeper:
            break
        inside = dice.choice(deeper)
    if not inside:
        inside.append(Wire(dice.randrange(1, 12), 0, dice.choice(NUMBERS)))
        return
    at = dice.randrange(len(inside))
    field = inside[at]
    kind = dice.randrange(10)
    if kind == 0:
        field.number = dice.choice((1, 2, 3, 4, 5, 6, 7, 8, 9, 100, 536870911, dice.randrange(1, 150)))
    elif kind == 1:
        field.wire, field.value = 0, dice.choice(NUMBERS)
    elif kind == 2:
        field.wire, field.value = (
            2,
            dice.choice((b"", b"\0", b"\xff" * 9, b"a" * 5000, bytes(dice.randrange(256) for _ in range(20)))),
        )
    elif kind == 3:
        field.lie = dice.choice((-1, 1, 5, 1000, 2**31, 2**63))
    elif kind == 4:
        del inside[at]
    elif kind == 5:
        inside[at:at] = [field] * dice.choice((1, 2, 100, 3000))
    elif kind == 6:
        dice.shuffle(inside)
    elif kind == 7:
        for _ in range(dice.choice((1, 5, 99, 300))):
            field = Wire(dice.choice((1, 2, 7, 100, field.number)), 2, [field])
        inside[at] = field
    elif kind == 8:
        shape = [Wire(1, 0, dice.choice(NUMBERS)) for _ in range(dice.choice((1, 2, 4, 33)))]
        inside[at:at] = [Wire(7, 2, shape), *(Wire(number, 0, dice.choice(NUMBERS)) for number in (1, 2))]
    elif kind == 9:
        inside.insert(
            at, Wire(dice.choice((5, 6, 8, 9)), dice.choice((1, 5, 2)), dice.randbytes(8 * dice.randrange(1, 9)))
        )


def _written(fields: list[Wire]) -> bytes:
    out = bytearray()
    for field in fields:
        if len(out) > MOST:
            break
        out += wire.varint(field.number << 3 | field.wire)
        if field.wire == 0:
            out += wire.varint(field.value if isinstance(field.value, int) else 0)
            continue
        inner = _written(field.value) if isinstance(field.value, list) else field.value
        content = inner if isinstance(inner, bytes) else struct.pack("<Q", inner % 2**64)
        if field.wire == 2:
            out += wire.varint(max(0, len(content) + field.lie)) + content
        else:
            width = 8 if field.wire == 1 else 4
            out += content[:width].ljust(width, b"\0")
    return bytes(out)
