"""Small files that say they hold much, each with what reads it: `python tests/bombs.py KIND` makes and reads them.

Prints a JSON object: name → how far the reading's peak of memory rose, in MiB, the file's size, and what was said.
"""

from __future__ import annotations

import ctypes
import gzip
import json
import resource
import struct
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

import bulk
from deepcae.errors import DeepcaeError
from wire import varint

GREAT = 320 * 2**20  # bytes of zeros
PIECE = 2**24
Act = Callable[[], object]
ENCODER = """layer {{ name: "in" type: "Input" top: "data" input_param {{ shape {{ dim: 1 {} }} }} }}
layer {{ name: "code" type: "InnerProduct" bottom: "data" top: "code" inner_product_param {{ num_output: 2 }} }}
layer {{ name: "back" type: "InnerProduct" bottom: "code" top: "back" inner_product_param {{ num_output: 6 }} }}"""


def main(kind: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        found = {}
        for name, (size, act) in KINDS[kind](Path(folder)).items():
            ctypes.CDLL(None).malloc_trim(0)  # what is free already hides nothing
            Path("/proc/self/clear_refs").write_text("5")
            before = high_water()
            try:
                said = str(act() or "")
            except DeepcaeError as error:
                said = f"{type(error).__name__}: {error}"
            rose = [after - start for after, start in zip(high_water(), before, strict=True)]
            found[name] = {"rose": max(rose) / 1024, "size": size / 2**20, "said": said}
    print(json.dumps(found))


def high_water() -> tuple[int, int]:
    """KiB: the most that this process had in memory since the last reset, and that any child of it ever had."""
    return own_high_water(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss


def own_high_water() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def zeros_h5(path: Path, name: str, shape: tuple[int, ...], chunk: tuple[int, ...], dtype: str = "f4") -> Path:
    """A dataset of zeros in packed chunks; one chunk is packed and stored everywhere."""
    packed = zlib.compress(bytes(int(np.prod(chunk)) * np.dtype(dtype).itemsize), 1)
    with h5py.File(path, "a") as file:
        data = file.create_dataset(name, shape, dtype, chunks=chunk, compression="gzip")
        for start in range(0, shape[0], chunk[0]):
            data.id.write_direct_chunk((start, *(0 for _ in shape[1:])), packed)
    return path


def zeros_npz(path: Path, shape: tuple[int, ...], name: str = "data") -> Path:
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open(f"{name}.npy", "w", force_zip64=True) as member,
    ):
        np.lib.format.write_array_header_1_0(member, {"descr": "|u1", "fortran_order": False, "shape": shape})
        for _ in range(int(np.prod(shape)) // PIECE):
            member.write(bytes(PIECE))
    return path


def zeros_idx(path: Path, shape: tuple[int, ...]) -> Path:
    """Members of one gzip after another."""
    piece = gzip.compress(bytes(PIECE), 1)
    head = gzip.compress(b"\0\0\x08" + bytes([len(shape)]) + struct.pack(f">{len(shape)}I", *shape))
    path.write_bytes(head + piece * (int(np.prod(shape)) // PIECE))
    return path


def sized(path: Path, act: Act) -> tuple[int, Act]:
    return path.stat().st_size, act


def data(folder: Path) -> dict[str, tuple[int, Act]]:
    """What is encoded: of a wrong shape, and of the right one."""
    from deepcae.net.net import Net
    from deepcae.proto.read import read_net_text
    from deepcae.trained.examples import open_examples
    from deepcae.trained.network import Trained
    from deepcae.trained.passes import encoded_blocks

    def trained(dims: str) -> Trained:
        return Trained(Net(read_net_text(ENCODER.format(dims)), "TEST"), "net", [folder])

    small, wide = trained("dim: 6"), trained("dim: 4 dim: 256 dim: 256")
    rows = GREAT // (4 * 256 * 256)

    def encode(net: Trained, path: Path) -> Act:
        return lambda: sum(len(codes) for codes, _ in encoded_blocks(net, open_examples(net, path), "code"))

    encode(small, zeros_h5(folder / "warm.h5", "data", (40, 6), (4, 6)))()
    files = {
        "h5": zeros_h5(folder / "a.h5", "data", (rows // 4, 4, 256, 256), (1, 4, 256, 256)),
        "h5 of bytes": zeros_h5(folder / "b.h5", "data", (rows, 4, 256, 256), (64, 4, 256, 256), "u1"),
        "npz": zeros_npz(folder / "c.npz", (rows, 4, 256, 256)),
        "idx": zeros_idx(folder / "d.gz", (rows, 4, 256, 256)),
    }
    giant = zeros_h5(folder / "g.h5", "data", (rows // 4, 4, 256, 256), (rows // 8, 4, 256, 256))
    labelled = zeros_h5(zeros_h5(folder / "l.h5", "data", (40, 6), (4, 6)), "label", (40, 2**22), (1, 2**22))
    found = {f"wrong {name}": sized(path, encode(small, path)) for name, path in files.items()}
    found |= {f"right {name}": sized(path, encode(wide, path)) for name, path in files.items()}
    found |= {
        "wrong h5 of one chunk": sized(giant, encode(small, giant)),
        "right h5 of one chunk": sized(giant, encode(wide, giant)),
        "wrong labels": sized(labelled, encode(small, labelled)),
    }
    return found


def weights(folder: Path) -> dict[str, tuple[int, Act]]:
    from safetensors.numpy import save_file

    from deepcae.net import hdf5
    from deepcae.net.net import Net
    from deepcae.net.weights import load_weights, save_weights
    from deepcae.proto.binary import read_weights
    from deepcae.proto.read import read_net_text

    net = Net(read_net_text(ENCODER.format("dim: 6")), "TEST")
    save_weights(net, folder / "w.caffemodel.h5")
    load_weights(net, folder / "w.caffemodel.h5")
    rows = GREAT // 2**22
    wrong = zeros_h5(folder / "a.caffemodel.h5", "data/code/0", (rows, 2**20), (1, 2**20))
    zeros_h5(wrong, "data/code/1", (2,), (2,))
    tensors = folder / "g.safetensors"
    save_file({"code/0": np.zeros((2, 2**25), np.uint8), "code/1": np.zeros(2, np.uint8)}, tensors)
    other = zeros_h5(folder / "b.caffemodel.h5", "data/unknown/0", (rows, 2**20), (1, 2**20))
    chunk = folder / "c.caffemodel.h5"
    with h5py.File(chunk, "w") as file:
        made = file.create_dataset(
            "data/code/0", (2, 6), "f4", chunks=(2**14, 2**14), maxshape=(None, None), compression="gzip"
        )
        made.id.write_direct_chunk((0, 0), zlib.compress(bytes(2**30), 1))
    state = zeros_h5(folder / "d.solverstate.h5", "history/0", (rows, 2**20), (1, 2**20))
    with h5py.File(state, "a") as file:
        file["iter"] = np.array([1], "i4")
    empties = folder / "e.caffemodel"
    empties.write_bytes(b"\xa2\x06\x00" * 600_000)
    blobs = folder / "f.caffemodel"
    inside = b"\x0a\x01a" + b"\x3a\x00" * 800_000
    blobs.write_bytes(b"\xa2\x06" + varint(len(inside)) + inside)
    return {
        "wrong caffemodel.h5": sized(wrong, lambda: load_weights(net, wrong)),
        "caffemodel.h5 of other layers": sized(other, lambda: load_weights(net, other)),
        "caffemodel.h5 of one chunk": sized(chunk, lambda: load_weights(net, chunk)),
        "wrong safetensors": sized(tensors, lambda: load_weights(net, tensors)),
        "solverstate.h5": sized(state, lambda: hdf5.read_state(state)),
        "caffemodel of empty layers": sized(empties, lambda: read_weights(empties)),
        "caffemodel of empty blobs": sized(blobs, lambda: read_weights(blobs)),
    }


def codes(folder: Path) -> dict[str, tuple[int, Act]]:
    import pyarrow as arrow
    from pyarrow import parquet
    from scipy.io import savemat

    from deepcae.codes.files import load, save

    for end in (".h5", ".npz", ".csv", ".mat", ".parquet"):
        load(save(folder / f"warm{end}", np.zeros((3, 2), np.float32)))
    rows = GREAT // 2**12
    h5 = zeros_h5(folder / "a.h5", "codes", (rows, 2**10), (2**8, 2**10))
    labels = zeros_h5(zeros_h5(folder / "b.h5", "codes", (40, 6), (4, 6)), "labels", (rows, 2**10), (2**8, 2**10))
    words = zeros_h5(zeros_h5(folder / "w.h5", "codes", (64, 6), (4, 6)), "labels", (64,), (4,), f"S{2**23}")
    npz = zeros_npz(folder / "c.npz", (rows, 2**12), "codes")
    mat = folder / "d.mat"
    savemat(mat, {"codes": np.zeros((2**9, GREAT // 2**12))}, do_compression=True)
    csv = folder / "e.csv"
    csv.write_text("code_1\n" + "1\n" * 3_000_000)
    long = folder / "f.csv"
    long.write_text("code_1,label\n" + "1,a\n" * 100_000 + "1," + "b" * 100_000 + "\n")
    word, categories = folder / "w.parquet", folder / "k.parquet"
    parquet.write_table(arrow.table({"code_1": [0.0] * 60_001, "label": [*["a"] * 60_000, "b" * 60_000]}), word)
    same = arrow.array(["x" * 4000] * 60_000).dictionary_encode()
    parquet.write_table(arrow.table({"code_1": [0.0] * 60_000, "label": same}), categories)
    del same
    arrow.default_memory_pool().release_unused()  # a child that begins now would count it as its own
    return {
        "parquet of one long word": sized(word, lambda: load(word)),
        "parquet of categories": sized(categories, lambda: load(categories)),
        "h5": sized(h5, lambda: load(h5)),
        "labels": sized(labels, lambda: load(labels)),
        "words": sized(words, lambda: load(words)),
        "npz": sized(npz, lambda: load(npz)),
        "mat": sized(mat, lambda: load(mat)),
        "csv": sized(csv, lambda: len(load(csv).codes)),
        "csv of one long label": sized(long, lambda: load(long)),
    }


def other(folder: Path) -> dict[str, tuple[int, Act]]:
    from deepcae.data.images import decode
    from deepcae.data.load import load_images, load_labels
    from deepcae.proto.read import read_net_text
    from deepcae.solver.about import read_about

    rows = GREAT // 2**12
    npz = zeros_npz(folder / "a.npz", (rows, 2**12))
    idx = zeros_idx(folder / "b.gz", (rows * 2**12,))
    h5 = zeros_h5(folder / "c.h5", "data", (rows, 2**10), (2**8, 2**10))
    run = folder / "run"
    run.mkdir()
    (run / "run.json").write_text("[" + "[]," * 10_000_000 + "[]]")
    deep = folder / "deep.prototxt"
    deep.write_text("layer { " * 200_000)
    picture = folder / "p.png"
    picture.write_bytes(png(30_000, 30_000))
    return {
        "the measure": (0, lambda: len(b"x" * 400 * 2**20)),
        "load npz": sized(npz, lambda: load_images(npz)),
        "load h5": sized(h5, lambda: load_images(h5)),
        "labels idx": sized(idx, lambda: load_labels(idx)),
        "run.json": sized(run / "run.json", lambda: read_about(run)[1]),
        "prototxt": sized(deep, lambda: read_net_text(deep.read_text(), "deep.prototxt")),
        "png": sized(picture, lambda: decode(picture, True, str(picture))),
    }


def png(width: int, height: int) -> bytes:
    """A black picture of one bit a pixel."""

    def part(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    pixels = zlib.compress(bytes(height * (1 + (width + 7) // 8)))
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", head) + part(b"IDAT", pixels) + part(b"IEND", b"")


def sources(folder: Path) -> dict[str, tuple[int, Act]]:
    """What people bring: pictures, stacks, arrays."""
    import tifffile
    from scipy.io import savemat

    from deepcae.data.contents import open_rows
    from deepcae.data.picture import read_picture
    from deepcae.prepare import Options, prepare

    small = np.zeros((40, 4, 4), np.uint8)
    np.save(folder / "warm.npy", small)
    prepare(folder / "warm.npy", folder / "warm.h5")
    shape = (GREAT // 2**16, 256, 256)
    np.lib.format.open_memmap(folder / "a.npy", "w+", np.uint8, shape).flush()  # sparse
    picture, page, mat, store = (folder / name for name in ("p.png", "t.tif", "m.mat", "z.zarr"))
    picture.write_bytes(png(20_000, 20_000))
    tifffile.imwrite(page, np.zeros((20_000, 20_000), np.uint8), compression="zlib", compressionargs={"level": 1})
    savemat(mat, {"x": np.zeros((1024, 1024, GREAT // 2**20), np.uint8)}, do_compression=True)
    store.mkdir()
    meta = {"shape": [9, 2**16, 2**16], "chunks": [1, 256, 256], "dtype": "|u1", "fill_value": 7, "order": "C"}
    (store / ".zarray").write_text(json.dumps({**meta, "compressor": None, "filters": None, "zarr_format": 2}))

    def prepared() -> object:
        made = prepare(folder / "a.npy", folder / "a.h5", Options(every=4))
        return made.understood.rows["train"]

    def read(path: Path) -> Act:
        return lambda: open_rows(path).read(slice(0, 1))["data"].shape

    return {
        "npy, prepared": (0, prepared),
        "mat, one image": sized(mat, read(mat)),
        "picture": sized(picture, lambda: read_picture(picture)),
        "tiff of one page": sized(page, read(page)),
        "zarr of a great row": (0, read(store)),
    }


KINDS: dict[str, Any] = {
    "sources": sources,
    "data": data,
    "weights": weights,
    "codes": codes,
    "other": other,
    **bulk.KINDS,
}

if __name__ == "__main__":
    main(sys.argv[1])
