"""Is a word of a prototxt a value that a field can hold? If not, the sentence that says why."""

from __future__ import annotations

import math
import re
from typing import Any

from .suggest import closest
from .tokens import Token
from .tree import describe

_FLOAT_LIMIT = 3.4028235677973366e38  # from here on a number rounds to infinity in 32 bits
_ESCAPE = re.compile(r"\\(x[0-9A-Fa-f]{1,2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|[0-7]{1,3}|.)", re.DOTALL)
_LETTERS = {letter: chr(byte) for letter, byte in zip("abfnrtv\\'\"?", b"\a\b\f\n\r\t\v\\'\"?", strict=True)}
_INTEGER = re.compile(r"[-+]?(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)$")
_FLOAT = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?[fF]?$")
_NOT_FINITE = re.compile(r"-?(inf(inity)?|nan)f?$", re.IGNORECASE)
_BOOLS = frozenset(("true", "True", "t", "1", "false", "False", "f", "0"))
_RANGES = {"int32": (-(2**31), 2**31 - 1), "uint32": (0, 2**32 - 1), "int64": (-(2**63), 2**63 - 1)}
_KINDS = {
    1: "double",
    2: "float",
    3: "int64",
    5: "int32",
    8: "bool",
    9: "string",
    12: "bytes",
    13: "uint32",
    14: "enum",
}


def scalar_problem(field: Any, tokens: list[Token]) -> str | None:
    """What is wrong with `tokens` as a value of `field` (a protobuf field descriptor); None where nothing is."""
    kind, token = _KINDS[field.type], tokens[0]
    if kind in ("string", "bytes"):
        return _string_problem(field.name, kind, tokens)
    if kind == "enum":
        return _enum_problem(field, token)
    if kind == "bool":
        good = token.kind != "string" and token.text in _BOOLS
        return None if good else f"{field.name} wants true or false, not {describe(token)}"
    return _number_problem(field.name, kind, token)


def _number_problem(name: str, kind: str, token: Token) -> str | None:
    text, real = token.text, kind in ("float", "double")
    what = "a number" if real else "a whole number"
    if token.kind == "string":
        return f"{name} wants {what} without quotes, not {describe(token)}"
    if real and _NOT_FINITE.match(text):
        return None
    if not (_FLOAT if real else _INTEGER).match(text):
        octal = " (digits after a leading 0 are octal)" if re.match(r"[-+]?0\d+$", text) else ""
        return f"{name} wants {what}, not {describe(token)}{octal}"
    if real:
        value = abs(float(text.rstrip("fF")))
        too_great = math.isinf(value) or (kind == "float" and value >= _FLOAT_LIMIT)
        return (
            f"{name}: {text} is too great for a {'32' if kind == 'float' else '64'}-bit number" if too_great else None
        )
    low, high = _RANGES[kind]
    digits = len(text) > 25 or not low <= _integer(text) <= high
    return f"{name} wants a whole number from {low} to {high}, not {describe(token)}" if digits else None


def _integer(text: str) -> int:
    """The value of a decimal, hexadecimal (0x...) or octal (0...) word."""
    sign, digits = (-1 if text[0] == "-" else 1), text.lstrip("+-")
    base = 16 if digits[:2].lower() == "0x" else 8 if digits[0] == "0" else 10
    return sign * int(digits, base)


def _enum_problem(field: Any, token: Token) -> str | None:
    values = dict(field.enum_type.values_by_name)  # protobuf's own mapping fails on bytes that are no text
    if token.kind == "number" and _INTEGER.match(token.text) and len(token.text) <= 25:
        if _integer(token.text) in field.enum_type.values_by_number:
            return None
    elif token.text in values and token.kind == "name":
        return None
    word = token.text.strip("\"'")
    if token.kind == "string" and word in values:
        return f"{field.name} wants {word} without quotes"
    names = list(values)
    near = closest(word, names) or closest(_as_enum(word), names)
    allowed = ", ".join(names) if len(names) <= 8 else f"one of {len(names)} names such as {', '.join(names[1:4])}"
    return f"{field.name} has no value {describe(token)}" + (
        f"; did you mean {near}?"
        if near and len(names) > 8
        else f"; allowed: {allowed}" + (f"; did you mean {near}?" if near else "")
    )


def _as_enum(word: str) -> str:
    """`InnerProduct` → `INNER_PRODUCT`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", word).upper()


def _string_problem(name: str, kind: str, tokens: list[Token]) -> str | None:
    for token in tokens:
        if token.kind != "string":
            return f'{name} wants a string in quotes: write "{token.text}"'
        for escape in _ESCAPE.finditer(token.text[1:-1]):
            word = escape.group(1)
            if (word[0] not in _LETTERS and not (len(word) > 1 or word.isdigit())) or word in ("8", "9"):
                return f"{name}: unknown escape '\\{word}' in a string (write \\\\ for a backslash)"
    try:
        value = b"".join(unescape(token.text[1:-1]) for token in tokens)
        if kind == "string" and b"\0" in value:
            return f"{name}: a string cannot hold the character 0"
        if kind == "string":
            value.decode("utf-8")
    except (UnicodeError, ValueError, OverflowError):
        return f"{name}: the string is not UTF-8 text"
    return None


def unescape(body: str) -> bytes:
    """The bytes that the inside of a quoted string stands for (C escapes, known to be valid)."""
    parts, end = [], 0
    for escape in _ESCAPE.finditer(body):
        word = escape.group(1)
        parts.append(body[end : escape.start()].encode())
        end = escape.end()
        if word[0] in "uU" and len(word) > 1:
            parts.append(chr(int(word[1:], 16)).encode())
        elif word[0] == "x" and len(word) > 1:
            parts.append(bytes([int(word[1:], 16)]))
        elif word[0].isdigit():
            parts.append(bytes([int(word, 8)]))  # more than \377: ValueError
        else:
            parts.append(_LETTERS[word].encode())
    return b"".join([*parts, body[end:].encode()])
