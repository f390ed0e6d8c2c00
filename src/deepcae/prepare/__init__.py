"""Images of any kind become data to train and to test with: `inspect` says what is understood, `prepare` writes it."""

from __future__ import annotations

from .inspect import Looked, inspect, look
from .options import Options, parse_size
from .understood import Understood
from .write import Prepared, prepare

__all__ = ["Looked", "Options", "Prepared", "Understood", "inspect", "look", "parse_size", "prepare"]
