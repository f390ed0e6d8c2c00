"""What is fuzzed: each reader of files from elsewhere, its seeds, and how they are made wrong."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reference import GOLDEN

from .mutate import Mutator, mutate_bytes, mutate_text, mutate_wire

ROOT = Path(__file__).resolve().parents[2]
FILES = GOLDEN / "files"


@dataclass(frozen=True)
class Target:
    """`read` is given the file's path; `name` is what the file is called; `seeds` gives right files."""

    read: Callable[[Path], Any]
    name: str
    mutate: Mutator
    seeds: Callable[[Path], Iterable[bytes]]  # of the folder with Caffe's reference data


def _files(*patterns: str, limit: int = 200_000) -> Callable[[Path], Iterable[bytes]]:
    def found(reference: Path) -> Iterable[bytes]:
        for pattern in patterns:
            base = ROOT if pattern.startswith(("models", "tests")) else reference
            for path in sorted(base.glob(pattern)):
                if path.is_file() and path.stat().st_size <= limit:
                    yield path.read_bytes()

    return found


_NETS = _files("models/*/*.prototxt", "tests/cli/broken/*", "legacy/*.prototxt", "files/**/*.prototxt")


def _check(path: Path) -> None:
    from deepcae.check.findings import examine

    findings = examine(path)
    for problem in (*findings.problems, *findings.warnings):
        str(problem)


def _upgrade(path: Path) -> None:
    """What is written means what was read, whatever comments stand in it, and is today's."""
    from deepcae.proto.read import read_net_text, read_solver_text, read_text
    from deepcae.proto.rewrite import rewrite

    text = read_text(path)
    found = rewrite(text, str(path))
    if len(text) > 20_000:
        return
    read = read_net_text if found.kind == "net" else read_solver_text
    again = rewrite(found.text)
    if found.changes and read(found.text).message != read(text).message:
        raise AssertionError("the upgraded text says something else")
    if again.text != found.text or again.changes:
        raise AssertionError("the upgraded text is upgraded once more")


def _net(path: Path) -> None:
    """A network with its tensors, where they are few enough to be made in the time (or too many for any machine)."""
    from deepcae.net.graph import build_graph
    from deepcae.net.net import Net
    from deepcae.net.plan import make_plan
    from deepcae.proto.read import read_net

    values = make_plan(build_graph(read_net(path), "TEST")).num_parameters
    if values < 2**22 or values > 2**31:
        Net(path)


def _weights(path: Path) -> None:
    from deepcae.net.blobs import array_of
    from deepcae.proto.binary import read_weights

    for layer in read_weights(path).layer:
        for blob in layer.blobs:
            array_of(blob)


def _state(path: Path) -> None:
    from deepcae.net.blobs import array_of
    from deepcae.proto.binary import read_state

    for blob in read_state(path).history:
        array_of(blob)


def _blob(path: Path) -> None:
    from deepcae.net.blobs import array_of
    from deepcae.proto.binary import read_blob

    array_of(read_blob(path))


def _model_h5(path: Path) -> None:
    from deepcae.net.hdf5 import read_model

    for blobs in read_model(path).values():
        for blob in blobs.values():
            if blob.shape and max(blob.shape) < 2**20:
                blob.read()


def _state_h5(path: Path) -> None:
    from deepcae.net.hdf5 import read_state

    read_state(path)


def _source(text: str, path: Path) -> None:
    """What a data layer makes of the file: its shapes, and its first and second batch."""
    from deepcae.data.source import open_source
    from deepcae.proto.read import read_net_text

    layer = read_net_text(text.format(path)).message.layer[0]
    source = open_source(layer, 1, [path.parent], 0)
    try:
        source.batch(0)
        source.batch(1)
    finally:
        source.close()


def _data_h5(path: Path) -> None:
    path.with_name("list.txt").write_text(path.name)
    layer = 'layer {{ type: "HDF5Data" top: "data" top: "label" hdf5_data_param {{ source: "{}" batch_size: 3 }} }}'
    _source(layer, path.with_name("list.txt"))


def _list_h5(path: Path) -> None:
    _source('layer {{ type: "HDF5Data" top: "data" hdf5_data_param {{ source: "{}" batch_size: 3 }} }}', path)


_IMAGE_DATA = 'layer {{ type: "ImageData" top: "data" top: "label" image_data_param {{ source: "{}" batch_size: 1 }} }}'


def _image_list(path: Path) -> None:
    _source(_IMAGE_DATA, path)


def _image(path: Path) -> None:
    path.with_name("list.txt").write_text(f"{path.name} 1\n")
    _source(_IMAGE_DATA, path.with_name("list.txt"))


_DATA = 'layer {{ type: "Data" top: "data" top: "label" data_param {{ source: "{}" batch_size: 2 backend: LMDB }} }}'


def _lmdb(path: Path) -> None:
    _source(_DATA, path.parent)


def _datum(path: Path) -> None:
    import lmdb

    folder = path.with_name("lmdb")
    with lmdb.open(str(folder), map_size=2**24) as environment, environment.begin(write=True) as transaction:
        transaction.put(b"0", path.read_bytes())
    _source(_DATA, folder)


def _load(path: Path) -> None:
    from deepcae.data.load import load_images

    load_images(path)


def _codes(path: Path) -> None:
    from deepcae.codes.files import load

    load(path)


def _manifest(path: Path) -> None:
    from deepcae.solver.snapshot import find, latest

    for part in ("caffemodel", "solverstate", "resume.json"):
        path.with_name(f"x_iter_3.{part}").write_bytes(b"{}")
    latest(path.parent)
    find(path).resume()


def _mean(path: Path) -> None:
    path.with_name("p0.h5").write_bytes((FILES / "data_layers/p0.h5").read_bytes())
    path.with_name("list.txt").write_text("p0.h5")
    _source(
        'layer {{ type: "HDF5Data" top: "data" hdf5_data_param {{ source: "{}" batch_size: 3 }} '
        'transform_param {{ mean_file: "mean.binaryproto" }} }}',
        path.with_name("list.txt"),
    )


def _stored(path: Path) -> None:
    """The first and the last rows of some arrays of a file, whatever its format."""
    from deepcae.data.contents import contents_of

    contents = contents_of(path)
    for name in contents.names[:4]:
        rows = contents.rows([name], memory_limit=0)
        try:
            rows.read(slice(0, min(3, rows.total)))
            rows.read(np.array([rows.total - 1, 0]))
        finally:
            rows.close()


def _zarr(path: Path) -> None:
    (path.parent / "c" / "0" / "0").mkdir(parents=True, exist_ok=True)
    (path.parent / "c" / "0" / "0" / "0").write_bytes(bytes(range(48)))
    _stored(path.parent)


def _picture(path: Path) -> None:
    from deepcae.data.picture import look_at, read_picture

    read_picture(path)
    look_at(path)


def _label_file(path: Path) -> None:
    from deepcae.prepare.labels import read_label_file
    from deepcae.prepare.options import Options

    read_label_file(Options(labels=path), ["a.png", "b.png", "c.png"])


def _self_test(path: Path) -> None:
    """What a reader must not do."""
    match path.read_bytes():
        case b"traceback":
            raise ZeroDivisionError
        case b"memory":
            bytearray(300 * 2**20)
        case b"crash":
            os.abort()
        case b"hang":
            while True:
                pass


def _arrays(save: Callable[..., None], **arrays: Any) -> bytes:
    buffer = io.BytesIO()
    save(buffer, **arrays)
    return buffer.getvalue()


def _codes_seeds(ending: str) -> Callable[[Path], Iterable[bytes]]:
    def seeds(_: Path) -> Iterable[bytes]:
        import tempfile

        from deepcae.codes.files import save

        with tempfile.TemporaryDirectory() as folder:
            for number, labels in enumerate((None, np.arange(5))):
                attributes = {"net": "n", "iter": 3} if ending != ".csv" else None
                codes = np.linspace(-1, 1, 20, dtype=np.float32).reshape(5, 4)
                yield save(Path(folder) / f"{number}{ending}", codes, labels, attributes).read_bytes()

    return seeds


def _idx_seeds(_: Path) -> Iterable[bytes]:
    for name in ("img.idx3-ubyte", "lab.idx1-ubyte"):
        data = (FILES / "db" / name).read_bytes()
        yield data
        yield gzip.compress(data, mtime=0)


def _npz_seeds(_: Path) -> Iterable[bytes]:
    images = np.arange(32, dtype=np.uint8).reshape(2, 1, 4, 4)
    yield _arrays(np.savez, data=images, label=np.arange(2))
    yield _arrays(np.savez_compressed, data=images / 2)
    buffer = io.BytesIO()
    np.save(buffer, images)
    yield buffer.getvalue()


def _image_seeds(_: Path) -> Iterable[bytes]:
    from PIL import Image

    picture = Image.effect_noise((20, 15), 60)
    for form in ("PNG", "JPEG", "BMP", "GIF", "TIFF", "PPM", "WEBP", "TGA", "ICO", "PCX"):
        buffer = io.BytesIO()
        picture.convert("RGB").save(buffer, form)
        yield buffer.getvalue()


def _mean_seeds(_: Path) -> Iterable[bytes]:
    import h5py

    from deepcae.proto.schema import BlobProto

    with h5py.File(FILES / "data_layers/p0.h5") as file:
        row = file["data"].shape[1:]
    values = [0.5] * int(np.prod(row))
    yield BlobProto(shape={"dim": row}, data=values).SerializeToString()
    if len(row) == 3:
        old = BlobProto(num=1, channels=row[0], height=row[1], width=row[2], double_data=values)
        yield old.SerializeToString()


def _datum_seeds(_: Path) -> Iterable[bytes]:
    from deepcae.proto.schema import Datum

    yield Datum(channels=1, height=3, width=4, data=bytes(range(12)), label=2).SerializeToString()
    yield Datum(channels=2, height=1, width=2, float_data=[1, 2, 3, 4]).SerializeToString()
    png = (FILES / "images/pic0.png").read_bytes()
    yield Datum(encoded=True, data=png, label=1).SerializeToString()


def _manifest_seeds(_: Path) -> Iterable[bytes]:
    digest = hashlib.sha256(b"{}").hexdigest()
    names = (f"x_iter_3.{part}" for part in ("caffemodel", "solverstate", "resume.json"))
    files = {name: {"size": 2, "sha256": digest} for name in names}
    yield json.dumps({"format": 1, "sequence": 3, "iteration": 3, "files": files}).encode()


def _tiff_seeds(_: Path) -> Iterable[bytes]:
    import tifffile

    images = np.arange(4 * 6 * 5, dtype=np.uint16).reshape(4, 6, 5)
    for how in (
        {"metadata": None}, {"compression": "zlib"}, {"bigtiff": True}, {"byteorder": ">"}, {"ome": True},
        {"imagej": True, "metadata": {"axes": "TYX"}},
    ):  # fmt: skip
        buffer = io.BytesIO()
        tifffile.imwrite(buffer, images, **{"photometric": "minisblack", **how})
        yield buffer.getvalue()


def _mat_seeds(_: Path) -> Iterable[bytes]:
    import scipy.io

    for packed in (False, True):
        buffer = io.BytesIO()
        arrays = {"x": np.arange(4 * 4 * 6, dtype=np.float64).reshape(4, 4, 6), "y": np.arange(6, dtype=np.uint8)}
        scipy.io.savemat(buffer, arrays, do_compression=packed)
        yield buffer.getvalue()


def _zarr_seeds(_: Path) -> Iterable[bytes]:
    grid = {"name": "regular", "configuration": {"chunk_shape": [4, 4, 3]}}
    keys = {"name": "default", "configuration": {"separator": "/"}}
    meta = {"shape": [4, 4, 3], "data_type": "uint8", "chunk_grid": grid, "chunk_key_encoding": keys, "fill_value": 0}
    codecs = [{"name": "bytes", "configuration": {"endian": "little"}}]
    yield json.dumps({**meta, "codecs": codecs, "attributes": {}, "zarr_format": 3, "node_type": "array"}).encode()
    named = {"dimension_names": ["t", "y", "x"], "codecs": [*codecs, {"name": "gzip", "configuration": {"level": 1}}]}
    yield json.dumps({**meta, **named, "zarr_format": 3, "node_type": "array"}).encode()


def _nwb_seeds(_: Path) -> Iterable[bytes]:
    import h5py

    for how in ({}, {"chunks": (2, 3, 3), "compression": "gzip"}):
        buffer = io.BytesIO()
        with h5py.File(buffer, "w") as file:
            group = file.create_group("acquisition/plane")
            group.attrs["neurodata_type"] = "TwoPhotonSeries"
            group.create_dataset("data", data=np.arange(4 * 6 * 5, dtype=np.uint16).reshape(4, 6, 5), **how)
        yield buffer.getvalue()


def _movie_seeds(_: Path) -> Iterable[bytes]:
    import av

    for codec, form in (("ffv1", "matroska"), ("mpeg4", "avi"), ("mpeg4", "mp4")):
        buffer = io.BytesIO()
        with av.open(buffer, "w", format=form) as container:
            stream: Any = container.add_stream(codec, rate=10)
            stream.width, stream.height, stream.pix_fmt = 16, 16, "yuv420p"
            for grey in range(5):
                frame = np.full((16, 16), 40 * grey, np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="gray")))
            container.mux(stream.encode())
        yield buffer.getvalue()


def _npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def _h5ad_seeds(reference: Path) -> Iterable[bytes]:
    """As deepcae writes them, and as anndata does, with words of variable length."""
    import h5py

    for seed in _codes_seeds(".h5ad")(reference):
        yield seed
        buffer = io.BytesIO(seed)
        with h5py.File(buffer, "r+") as file:
            told = ["cat", "dog", "cat", "cat", "a " * 40]
            words = file["obs"].create_dataset("animal", data=told, dtype=h5py.string_dtype())
            words.attrs["encoding-type"] = "string-array"
        yield buffer.getvalue()


def _label_seeds(ending: str) -> Callable[[Path], Iterable[bytes]]:
    texts = {
        ".csv": (b"1\n2\n3\n", b"name,label\na.png,cat\nb.png,dog\nc.png,cat\n"),
        ".txt": (b"1\n2\n3\n", b"a.png 2\nb.png 0\nc.png 1\n", b"a.png\tcat\n"),
        ".npy": (_npy(np.arange(3)), _npy(np.array(["cat", "dog", "cat"])), _npy(np.eye(3))),
        ".json": (b"[1, 2, 3]", b'{"a.png": "cat", "b.png": "dog", "c.png": "cat"}', b'{"speed": [1, 2, 3]}'),
    }
    return lambda _: texts[ending]


TARGETS = {
    "check": Target(_check, "net.prototxt", mutate_text, _NETS),
    "upgrade": Target(_upgrade, "net.prototxt", mutate_text, _NETS),
    "net": Target(_net, "net.prototxt", mutate_text, _NETS),
    "weights": Target(_weights, "w.caffemodel", mutate_wire, _files("files/**/*.caffemodel")),
    "state": Target(_state, "s.solverstate", mutate_wire, _files("files/**/*.solverstate")),
    "blob": Target(_blob, "b.binaryproto", mutate_wire, _files("files/**/*.binaryproto")),
    "mean": Target(_mean, "mean.binaryproto", mutate_wire, _mean_seeds),
    "model_h5": Target(_model_h5, "w.caffemodel.h5", mutate_bytes, _files("files/**/*.caffemodel.h5")),
    "state_h5": Target(_state_h5, "s.solverstate.h5", mutate_bytes, _files("files/**/*.solverstate.h5")),
    "data_h5": Target(_data_h5, "data.h5", mutate_bytes, _files("files/data_layers/*.h5", "files/ae/t*.h5")),
    "list_h5": Target(_list_h5, "list.txt", mutate_text, _files("files/**/*.h5.txt", "files/data_layers/p.txt")),
    "image_list": Target(_image_list, "list.txt", mutate_text, _files("files/images/*.txt")),
    "image": Target(_image, "picture.png", mutate_bytes, _image_seeds),
    "lmdb": Target(_lmdb, "data.mdb", mutate_bytes, _files("files/db/*/data.mdb")),
    "datum": Target(_datum, "datum", mutate_wire, _datum_seeds),
    "idx": Target(_load, "train-images-idx3-ubyte", mutate_bytes, _idx_seeds),
    "npz": Target(_load, "images.npz", mutate_bytes, _npz_seeds),
    "load_h5": Target(_load, "images.h5", mutate_bytes, _files("files/data_layers/*.h5")),
    "codes_npz": Target(_codes, "codes.npz", mutate_bytes, _codes_seeds(".npz")),
    "codes_csv": Target(_codes, "codes.csv", mutate_text, _codes_seeds(".csv")),
    "codes_mat": Target(_codes, "codes.mat", mutate_bytes, _codes_seeds(".mat")),
    "manifest": Target(_manifest, "x_iter_3.ok.json", mutate_text, _manifest_seeds),
    "picture": Target(_picture, "picture.png", mutate_bytes, _image_seeds),
    "tiff": Target(_stored, "stack.tif", mutate_bytes, _tiff_seeds),
    "mat": Target(_stored, "arrays.mat", mutate_bytes, _mat_seeds),
    "zarr": Target(_zarr, "zarr.json", mutate_text, _zarr_seeds),
    "nwb": Target(_stored, "session.nwb", mutate_bytes, _nwb_seeds),
    "movie": Target(_stored, "movie.mkv", mutate_bytes, _movie_seeds),
    "labels_csv": Target(_label_file, "labels.csv", mutate_text, _label_seeds(".csv")),
    "labels_txt": Target(_label_file, "labels.txt", mutate_text, _label_seeds(".txt")),
    "labels_npy": Target(_label_file, "labels.npy", mutate_bytes, _label_seeds(".npy")),
    "codes_h5ad": Target(_codes, "codes.h5ad", mutate_bytes, _h5ad_seeds),
    "labels_json": Target(_label_file, "labels.json", mutate_text, _label_seeds(".json")),
    "codes_h5": Target(_codes, "codes.h5", mutate_bytes, _codes_seeds(".h5")),
}

SELF_TEST = {"self_test": Target(_self_test, "case", mutate_bytes, lambda _: [b"fine"])}
