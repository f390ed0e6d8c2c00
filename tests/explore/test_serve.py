"""How the page's server listens."""

from __future__ import annotations

import socket

import pytest

pytest.importorskip("fastapi", reason="the extra 'explore' is not installed")

from deepcae.explore.serve import LOOPBACK, _listening


def test_no_answer_waits_for_its_own_second_half() -> None:
    """asyncio ends Nagle's waiting where a socket names TCP, and only there; with it, each answer takes 40 ms more."""
    with _listening(LOOPBACK, 0) as listening:
        assert listening.proto == socket.IPPROTO_TCP
