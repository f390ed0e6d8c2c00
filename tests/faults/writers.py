"""Every writer, with a disk that fails: `python -m faults.writers` prints what each said of each failure, as JSON.

The n-th call that writes, makes or syncs a file below the folder of what is written fails with ENOSPC or EIO. As
`faults.readers`: [what failed, the file's name, kind of error, sentence].
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

from deepcae.errors import DeepcaeError
from faults.readers import NET

MOST_CALLS = 14  # of one writer that fail
WRITE = 2
Write = Callable[[Path], object]


def main() -> None:
    """Prints {writer: [failures]}, each with the names of the files that were left at its end."""
    disk = ctypes.CDLL(os.environ["BAD_DISK"])
    warnings.simplefilter("ignore")
    found: dict[str, list[list[str]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder).resolve() / "out"
        for name, write in writers(Path(folder)).items():
            count = _attempt(disk, out, name, write, 2**40, 0)[-1]
            found[name] = [
                _attempt(disk, out, name, write, at, code)[:-1]
                for code in (errno.ENOSPC, errno.EIO)
                for at in range(1, 1 + min(MOST_CALLS, int(count)))
            ]
    print(json.dumps(found))


def _attempt(disk: ctypes.CDLL, out: Path, name: str, write: Write, at: int, code: int) -> list[str]:
    """[what failed, name, kind of error, sentence, files left, calls]."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    kind = said = ""
    disk.bad_disk_arm(os.fsencode(out), ctypes.c_long(at), code, WRITE)
    try:
        write(out / name)
    except (DeepcaeError, OSError) as error:
        kind, said = type(error).__name__, str(error)
    except Exception as error:  # a traceback on the command line
        kind, said = f"unexpected {type(error).__name__}", str(error)
    calls = int(disk.bad_disk_calls())
    disk.bad_disk_arm(b"", ctypes.c_long(0), 0, 0)
    left = " ".join(sorted(path.name for path in out.iterdir()))
    return [f"write {at}", name, kind, said, left, str(calls)]


def writers(folder: Path) -> dict[str, Write]:
    """Each writer by the name of the file that it writes."""
    from deepcae.codes.files import save as save_codes
    from deepcae.convert import to_onnx
    from deepcae.data.datasets import write_subset
    from deepcae.data.imageset import convert_imageset
    from deepcae.data.mean import write_mean
    from deepcae.draw import save as draw
    from deepcae.net.net import Net
    from deepcae.net.weights import save_weights
    from deepcae.page.html import Page
    from deepcae.page.html import write as write_page
    from deepcae.proto.read import read_net_text
    from deepcae.solver.parse_log import Log, write_tables
    from deepcae.viz import loss_curves
    from deepcae.viz import save as save_picture

    net = Net(read_net_text(NET), "TEST")
    model = to_onnx(net)
    (folder / "net.prototxt").write_text(NET)
    codes = np.random.default_rng(0).random((3000, 4), np.float32)
    records = [{"kind": "train", "iteration": i, "loss": 1.0, "outputs": {"loss": 1.0}, "lr": 1.0} for i in range(3)]
    picture = loss_curves(records)
    _write_images(folder)
    _write_data(folder / "whole")
    found: dict[str, Write] = {
        f"codes{end}": lambda path: save_codes(path, codes) for end in (".h5", ".npz", ".csv", ".mat")
    }
    found |= {
        f"w{end}": lambda path: save_weights(net, path)
        for end in (".caffemodel", ".caffemodel.h5", ".safetensors", ".pt")
    }
    found |= {f"net.{end}": lambda path: draw(folder / "net.prototxt", path) for end in ("svg", "dot", "png")}
    found |= {f"p.{end}": lambda path: save_picture(picture, path) for end in ("png", "svg", "pdf")}
    return found | {
        "db": lambda path: convert_imageset(f"{folder}/", folder / "images.txt", path),
        "mean.binaryproto": lambda path: write_mean(path, np.ones((1, 2, 3), np.float32)),
        "w.onnx": model.save,
        "page.html": lambda path: write_page(Page("title"), path),
        "train.log": lambda path: write_tables(Log(), path.name, path.parent),
        "part": lambda path: write_subset(path, 4, folder / "whole"),
    }


def _write_images(folder: Path) -> None:
    from PIL import Image

    Image.new("L", (5, 5)).save(folder / "p.png")
    (folder / "images.txt").write_text("p.png 1\n")


def _write_data(folder: Path) -> None:
    folder.mkdir()
    for name in ("train", "test"):
        with h5py.File(folder / f"{name}.h5", "w") as file:
            file["data"], file["label"] = np.zeros((20, 1, 2, 2), np.float32), np.arange(20, dtype=np.float32) % 2


if __name__ == "__main__":
    sys.exit(main())
