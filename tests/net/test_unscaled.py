"""Values far beyond 0..1 that go into weights as they are stored: told by `check` and by a training, others not."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from deepcae.cli import main

RANDOM = np.random.default_rng(5)
VALUES = {
    "bytes": RANDOM.integers(0, 256, (12, 1, 4, 4)).astype(np.uint8),
    "camera": RANDOM.integers(0, 4000, (12, 1, 4, 4)).astype(np.uint16),
    "levels": RANDOM.integers(0, 65536, (12, 1, 4, 4)).astype(np.uint16),
    "unit": RANDOM.random((12, 1, 4, 4)),
    "standard": RANDOM.normal(size=(12, 1, 4, 4)) * 4,
}
PLAIN = ""
BYTES = "transform_param { scale: 0.00390625 }"
MEAN = "transform_param { mean_value: 110 }"
POWER = 'layer { name: "p" type: "Power" bottom: "data" top: "x" power_param { scale: 0.001 } }'
NORM = 'layer { name: "p" type: "BatchNorm" bottom: "data" top: "x" }'
IN_PLACE = POWER.replace('top: "x"', 'top: "data"')
FLAT = 'layer { name: "p" type: "Flatten" bottom: "data" top: "x" }'
POOLED = 'layer { name: "p" type: "Pooling" bottom: "data" top: "x" pooling_param { kernel_size: 2 } }'


def write(transform: str, between: str, values: np.ndarray, read: str = "") -> None:
    with h5py.File("x.h5", "w") as file:
        file["data"], file["label"] = values, 500.0 * np.arange(len(values))
    Path("x.txt").write_text("x.h5\n")
    bottom = read or ("x" if 'top: "x"' in between else "data")
    Path("net.prototxt").write_text(
        f"""layer {{ name: "data" type: "HDF5Data" top: "data" top: "label" {transform}
          hdf5_data_param {{ source: "x.txt" batch_size: 6 }} }}
        {between}
        layer {{ name: "ip" type: "InnerProduct" bottom: "{bottom}" top: "ip" inner_product_param {{ num_output: 1 }} }}
        layer {{ name: "loss" type: "EuclideanLoss" bottom: "ip" bottom: "label" top: "loss" }}"""
    )
    Path("solver.prototxt").write_text(
        'net: "net.prototxt" base_lr: 1e-9 lr_policy: "fixed" max_iter: 2 display: 1 snapshot_after_train: false\n'
    )


TOLD = {
    "bytes": (PLAIN, "", "bytes", "transform_param { scale: 0.00392156862745098 } (1/255)"),
    "camera": (PLAIN, "", "camera", "(1/4095)"),
    "levels": (PLAIN, FLAT, "levels", "(1/65535)"),
    "pooled": (PLAIN, POOLED, "camera", "layer 'ip' reads unscaled"),
    "16 bits, scaled as bytes": (BYTES, "", "levels", "is for others; transform_param"),
    "16 bits around a mean": (MEAN, "", "camera", "transform_param { ... scale: 0.00025"),
}
SILENT = {
    "scaled": (BYTES, "", "bytes"),
    "bytes around a mean, as ImageNet's": (MEAN, "", "bytes"),
    "a Power layer": (PLAIN, POWER, "levels"),
    "in place": (PLAIN, IN_PLACE, "levels"),
    "BatchNorm": (PLAIN, NORM, "levels"),
    "about 0..1": (PLAIN, "", "unit"),
    "standardized": (PLAIN, FLAT, "standard"),
}


@pytest.mark.parametrize("kind", [*TOLD, *SILENT])
def test_check_and_train_tell_of_values_that_nobody_scales(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    transform, between, values, *words = (TOLD | SILENT)[kind]
    write(transform, between, VALUES[values])
    for text in ("net.prototxt", "solver.prototxt"):
        assert main(["check", text]) == 0
        told = "".join(capsys.readouterr())
        assert told.count("unscaled") == len(words)
        assert all(word in told and "net.prototxt:1:" in told for word in words)
    assert main(["train", "--solver", "solver.prototxt", "--out", "run", "-q"]) == 0
    told = "".join(capsys.readouterr())
    records = [json.loads(line) for line in Path("run/metrics.jsonl").read_text().splitlines()]
    warned = [each for each in records if each.get("warning") == "unscaled"]
    assert len(warned) == len(words)
    for word, record in zip(words, warned, strict=True):
        assert word in record["message"]
        assert word in told
        assert (record["layer"], record["blob"]) == ("data", "data")
        assert record["facts"]["most"] > 200
        assert len(record["message"]) < 240


def test_check_tells_of_a_file_whose_rows_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write(PLAIN, "", VALUES["unit"])
    with h5py.File("x.h5", "w") as file:
        file.create_dataset("data", data=np.ones((12, 1, 4, 4)), chunks=(12, 1, 4, 4), compression="gzip")
        file["label"] = np.arange(12)
        place = file["data"].id.get_chunk_info(0)
    content = bytearray(Path("x.h5").read_bytes())
    content[place.byte_offset : place.byte_offset + place.size] = bytes(place.size)
    Path("x.h5").write_bytes(content)
    assert main(["check", "net.prototxt"]) == 2
    assert "net.prototxt:2:" in (told := "".join(capsys.readouterr()))
    assert "x.h5" in told
