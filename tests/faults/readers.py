"""Every reader, with a disk that fails: `python -m faults.readers` prints what each said of each failure, as JSON.

The n-th reading of the file fails with EIO, its opening with EACCES. Run under `bad_disk.c`.
"""

from __future__ import annotations

import ctypes
import errno
import gzip
import json
import os
import struct
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

from deepcae.errors import DeepcaeError

MOST_CALLS = 12  # of one reader that fail
Act = Callable[[], object]
NET = """layer { name: "in" type: "Input" top: "data" input_param { shape { dim: 2 dim: 6 } } }
layer { name: "code" type: "InnerProduct" bottom: "data" top: "code" inner_product_param { num_output: 2 } }"""


def main() -> None:
    """Prints {reader: [[what failed, the file's name, kind of error, sentence], ...]}."""
    disk = ctypes.CDLL(os.environ["BAD_DISK"])
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        found: dict[str, list[list[str]]] = {}
        for name, (path, act) in readers(Path(folder).resolve()).items():
            act()  # loads what it needs
            found[name] = [
                _failed(disk, path, act, code, at, is_open)
                for code, is_open in ((errno.EIO, 0), (errno.EACCES, 1))
                for at in range(1, 1 + min(MOST_CALLS, _calls(disk, path, act, is_open)))
            ]
    print(json.dumps(found))


def _calls(disk: ctypes.CDLL, path: Path, act: Act, is_open: int) -> int:
    disk.bad_disk_arm(os.fsencode(path), ctypes.c_long(2**40), 0, is_open)
    act()
    count = int(disk.bad_disk_calls())
    disk.bad_disk_arm(b"", ctypes.c_long(0), 0, 0)
    return count


def _failed(disk: ctypes.CDLL, path: Path, act: Act, code: int, at: int, is_open: int) -> list[str]:
    disk.bad_disk_arm(os.fsencode(path), ctypes.c_long(at), code, is_open)
    what = f"{'open' if is_open else 'read'} {at}"
    try:
        act()
        return [what, path.name, "", ""]
    except (DeepcaeError, OSError) as error:
        return [what, path.name, type(error).__name__, str(error)]
    except Exception as error:  # a traceback on the command line
        return [what, path.name, f"unexpected {type(error).__name__}", str(error)]
    finally:
        disk.bad_disk_arm(b"", ctypes.c_long(0), 0, 0)


def readers(folder: Path) -> dict[str, tuple[Path, Act]]:
    """Each reader by name: its file, and what reads it."""
    return {**_data(folder), **_weights(folder), **_codes(folder), **_texts(folder)}


def _data(folder: Path) -> dict[str, tuple[Path, Act]]:
    from PIL import Image

    from deepcae.data.contents import open_rows
    from deepcae.data.imageset import convert_imageset
    from deepcae.data.lists import read_list
    from deepcae.data.lmdb import DatumRows
    from deepcae.data.load import load_images
    from deepcae.data.mean import write_mean
    from deepcae.data.transform import make_transform
    from deepcae.proto.schema import LayerParameter

    def file(name: str) -> Path:
        return folder / name

    values = np.arange(40_000, dtype=np.float32).reshape(-1, 4)
    for name, options in (("a.h5", {}), ("z.h5", {"compression": "gzip", "chunks": (100, 4)})):
        with h5py.File(file(name), "w") as h5:
            h5.create_dataset("data", data=values, **options)  # type: ignore[arg-type]
    file("list.txt").write_text("a.h5\n")
    np.save(file("a.npy"), values)
    np.save(file("f.npy"), np.asfortranarray(values))
    np.savez_compressed(file("a.npz"), data=values)
    idx = b"\0\0\x08\x03" + struct.pack(">III", 100, 28, 28) + bytes(range(256)) * 306 + bytes(64)
    file("a-idx3-ubyte").write_bytes(idx)
    file("b-idx3-ubyte.gz").write_bytes(gzip.compress(idx))
    noise = np.random.default_rng(0).integers(0, 255, (300, 300, 3), np.uint8)
    kinds = {"png": "PNG", "jpg": "JPEG", "tif": "TIFF", "bmp": "BMP", "webp": "WEBP"}
    for ending, kind in kinds.items():
        Image.fromarray(noise).save(file(f"p.{ending}"), kind)
    file("images.txt").write_text("p.png 1\n")
    convert_imageset(f"{folder}/", file("images.txt"), file("db"))
    write_mean(file("mean.binaryproto"), np.ones((1, 2, 3), np.float32))

    def mean() -> object:
        param = LayerParameter()
        param.transform_param.mean_file = str(file("mean.binaryproto"))
        return make_transform(param.transform_param, (1, 2, 3), 0, [], 0)

    def convert(name: str) -> object:
        file("again.txt").write_text(f"{name} 1\n")
        with tempfile.TemporaryDirectory() as out:
            return convert_imageset(f"{folder}/", file("again.txt"), f"{out}/db")

    def records() -> object:
        rows = DatumRows(file("db"), ("data",))
        try:
            return rows.read(slice(0, 1))
        finally:
            rows.close()

    arrays = ("a.h5", "z.h5", "a.npy", "f.npy", "a.npz", "a-idx3-ubyte", "b-idx3-ubyte.gz")
    found: dict[str, tuple[Path, Act]] = {
        name: (file(name), lambda name=name: load_images(file(name)))  # type: ignore[misc]
        for name in arrays
    }
    found |= {
        f"image {ending}": (file(f"p.{ending}"), lambda ending=ending: convert(f"p.{ending}"))  # type: ignore[misc]
        for ending in kinds
    }
    return found | {
        "rows of HDF5": (file("a.h5"), lambda: open_rows([file("a.h5")], ("data",)).read(slice(0, 10))),
        "scattered rows": (
            file("a.h5"),
            lambda: open_rows([file("a.h5")], ("data",), memory_limit=0).read(np.array([7, 3, 9000])),
        ),
        "list of HDF5": (file("list.txt"), lambda: read_list(file("list.txt"))),
        "list of images": (file("images.txt"), lambda: _images(file("images.txt"))),
        "lmdb": (file("db") / "data.mdb", records),
        "mean": (file("mean.binaryproto"), mean),
    }


def _images(path: Path) -> object:
    from deepcae.data.imagedata import ImageFiles, ImageRows

    return ImageRows(ImageFiles(path, "", []), ("data", "label"), True, None)


def _weights(folder: Path) -> dict[str, tuple[Path, Act]]:
    from deepcae.net import hdf5
    from deepcae.net.net import Net
    from deepcae.net.weights import load_weights, save_weights
    from deepcae.proto.binary import file_kind, read_state, write_message
    from deepcae.proto.read import read_net_text
    from deepcae.proto.schema import SolverState

    net = Net(read_net_text(NET), "TEST")
    names = ("w.caffemodel", "w.caffemodel.h5", "w.safetensors", "w.pt")
    for name in names:
        save_weights(net, folder / name)
    write_message(folder / "w.solverstate", SolverState(iter=5, learned_net="w.caffemodel"))
    (folder / "w.solverstate.h5").write_bytes(hdf5.state_bytes(5, "w", 0, [np.ones(3, np.float32)]))
    found: dict[str, tuple[Path, Act]] = {
        name: (folder / name, lambda name=name: load_weights(net, folder / name))  # type: ignore[misc]
        for name in names
    }
    return found | {
        "w.solverstate": (folder / "w.solverstate", lambda: read_state(folder / "w.solverstate")),
        "w.solverstate.h5": (folder / "w.solverstate.h5", lambda: hdf5.read_state(folder / "w.solverstate.h5")),
        "kind of file": (folder / "w.caffemodel", lambda: file_kind(folder / "w.caffemodel")),
    }


def _codes(folder: Path) -> dict[str, tuple[Path, Act]]:
    from deepcae.codes.files import load, save

    codes = np.random.default_rng(0).random((3000, 4), np.float32)
    paths = [save(folder / f"codes{end}", codes, np.arange(3000)) for end in (".h5", ".npz", ".csv")]
    return {path.name: (path, lambda path=path: load(path)) for path in paths}  # type: ignore[misc]


def _texts(folder: Path) -> dict[str, tuple[Path, Act]]:
    from deepcae.proto.read import read_net, read_solver
    from deepcae.solver.about import read_about
    from deepcae.solver.metrics import read_metrics
    from deepcae.solver.parse_log import parse_log
    from deepcae.solver.snapshot import read_json

    contents = {
        "net.prototxt": NET,
        "solver.prototxt": 'net: "net.prototxt" base_lr: 0.1 lr_policy: "fixed" max_iter: 1',
        "metrics.jsonl": '{"kind": "started", "iteration": 0}\n' * 2000,
        "train.log": "Iteration 0, \n" + "    Train net output #0: a = 1\n" * 2000,
        "run.json": json.dumps({"seed": 1, "folders": []}),
        "s.ok.json": "{}",
    }
    for name, content in contents.items():
        (folder / name).write_text(content)
    acts: dict[str, Callable[[Path], object]] = {
        "net.prototxt": read_net, "solver.prototxt": read_solver, "metrics.jsonl": read_metrics, "train.log": parse_log,
        "run.json": lambda path: _told(read_about(path.parent)[1]), "s.ok.json": read_json,
    }  # fmt: skip
    return {name: (folder / name, lambda name=name: acts[name](folder / name)) for name in acts}  # type: ignore[misc]


def _told(problem: str) -> None:
    """What comes as a sentence and not as an error."""
    if problem:
        raise DeepcaeError(problem)


if __name__ == "__main__":
    sys.exit(main())
