"""What the tests of data layers share: a layer from its text, an HDF5 file from its arrays."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from google.protobuf import text_format

from deepcae.proto.schema import LayerParameter


@pytest.fixture(scope="session")
def layer() -> Callable[[str], Any]:
    """A LayerParameter from text."""
    return lambda text: text_format.Parse(text, LayerParameter())


@pytest.fixture(scope="session")
def write_h5() -> Callable[..., Path]:
    """Writes arrays as datasets; `options` go to h5py's create_dataset."""

    def write(path: Path, arrays: dict[str, Any], **options: Any) -> Path:
        with h5py.File(path, "w") as file:
            for name, array in arrays.items():
                file.create_dataset(name, data=np.asarray(array), **options)
        return path

    return write
