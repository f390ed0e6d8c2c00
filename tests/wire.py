"""Bytes of protobuf's wire format, for files that no program of ours would write."""

from __future__ import annotations


def varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first; negative numbers as 64 bits."""
    value %= 2**64
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def field(number: int, content: bytes) -> bytes:
    """A field whose value are bytes: a message, a text, or packed numbers."""
    return varint(number << 3 | 2) + varint(len(content)) + content
