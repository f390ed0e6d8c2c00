"""`--json`, command by command: one document and nothing else on stdout, with all that people are told there."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import h5py
import nibabel
import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image

from commands import COMMANDS
from deepcae.cli import main

SHORT = "--threads 1 --set 'max_iter: 4 test_interval: 2 test_iter: 1 display: 1'"
LINES = {
    "data images": "data images pictures -o p.h5 --overwrite",
    "data tiff": "data tiff stack.tif --dry-run",
    "data nwb": "data nwb stack.nwb --dry-run",
    "data npy": "data npy stack.npy -o stack --overwrite",
    "data zarr": "data zarr stack.zarr --dry-run",
    "data video": "data video stack.avi --dry-run",
    "data nifti": "data nifti stack.nii --dry-run",
    "data any": "data any pictures stack.npy --dry-run",
    "data mnist": "data mnist -o mnist --source .",
    "data digits": "data digits -o digits",
    "data pairs": "data pairs -o pairs --source digits",
    "data subset": "data subset -o subset --source digits --count 20",
    "fit": "fit pictures -o fitted --dims 2 --dry-run",
    "demo": f"demo -o demo {SHORT}",
    "zoo": "zoo design --dims 2 --data stack/train.txt stack/test.txt -o designed --race 0",
    "check": "check {model}/net.prototxt {model}/solver.prototxt",
    "summary": "summary run",
    "draw": "draw {model}/net.prototxt -o net.svg",
    "upgrade": "upgrade {model}/net.prototxt",
    "train": "train --solver {model}/solver.prototxt --out again --overwrite",
    "test": "test run --iterations 2",
    "time": "time --rule",
    "encode": "encode run -o c.h5 --clusters",
    "decode": "decode run c.h5 -o i.h5",
    "embed": "embed c.h5 -o m.csv --method pca",
    "eval": "eval run",
    "layers": "layers run -o l.png",
    "plot": "plot run -o s.png",
    "report": "report run",
    "map": "map again stack -o map",
    "neighbours": "neighbours again stack --index 1 -o near.png",
    "denoise": "denoise again stack -o calm.npy",
    "convert": "convert run --to safetensors -o net.safetensors",
    "convert_imageset": "convert_imageset pictures/ list.txt db{times}",
    "compute_image_mean": "compute_image_mean db0 mean.binaryproto",
    "extract_features": "extract_features run/tiny_iter_6.caffemodel {model}/net.prototxt code f{times}.npz 2 npz",
    "parse_log": "parse_log run/train.log .",
    "reproduce": "reproduce table3 -o paper",
}
SERVES = {"explore"}  # goes on until it is stopped
LONG = {"demo", "report"}  # and people are told only what they wrote
NEVER_FIGURES = {"eval": {"95"}, "compute_image_mean": {"0", "1", "2"}}  # of a sentence, and numbers of channels


def numbers(value: Any) -> Iterator[float]:
    """All numbers of an answer; and of a list its length, and those in its words."""
    if isinstance(value, bool) or value is None:
        return
    if isinstance(value, int | float):
        yield float(value)
    elif isinstance(value, str):
        yield from (float(word.replace(",", "")) for word in re.findall(r"\d[\d,]*(?:\.\d+)?", value))
    else:
        yield float(len(value))
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            yield from numbers(key) if isinstance(key, str) else ()
            yield from numbers(each)


def lacking(told: str, answered: Any) -> list[str]:
    """The figures in a text that are in no way in the answer, rounded as the text has them."""
    known = np.array([*numbers(answered)])
    words = re.findall(r"(?<![\w.])\d[\d,]*(?:\.\d+)?(?:e[+-]\d+)?(?= %)?", told)

    def there(word: str) -> bool:
        digits = len(word.partition(".")[2].partition("e")[0])
        value = float(word.replace(",", "").rstrip("."))
        return any(np.abs(known * factor - value).min() <= 0.51 * 10.0**-digits for factor in (1, 100))

    return [word for word in words if not there(word)]


def lay_out_images() -> None:
    """A folder of pictures and a list of them, and one recording in all the ways in which it is stored."""
    stack = np.random.default_rng(0).integers(0, 255, (40, 6, 6), np.uint8)
    np.save("stack.npy", stack)
    tifffile.imwrite("stack.tif", stack)
    zarr.save_array("stack.zarr", stack)
    nibabel.save(nibabel.Nifti1Image(stack, np.eye(4)), "stack.nii")
    with h5py.File("stack.nwb", "w") as file:
        file.attrs["nwb_version"] = "2.6.0"
        series = file.create_group("acquisition/frames")
        series.attrs["neurodata_type"] = "ImageSeries"
        series["data"] = stack
    with av.open("stack.avi", "w") as movie:
        stream = movie.add_stream("ffv1", 10, width=16, height=16, pix_fmt="gray")
        for image in np.resize(stack, (5, 16, 16)):
            movie.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="gray")))
        movie.mux(stream.encode(None))
    for name, count in {"train": 30, "t10k": 20}.items():  # MNIST's four files
        for what, magic, sizes in (("images-idx3", 2051, (count, 28, 28)), ("labels-idx1", 2049, (count,))):
            head = np.array([magic, *sizes], ">i4").tobytes()
            Path(f"{name}-{what}-ubyte").write_bytes(head + bytes(np.prod(sizes).item()))
    Path("pictures").mkdir()
    for number, image in enumerate(stack[:20]):
        Image.fromarray(image).save(f"pictures/{number:02}.png")
    Path("list.txt").write_text("".join(f"{number:02}.png 0\n" for number in range(20)))


def test_every_command_is_looked_at() -> None:
    assert {*LINES} | SERVES == {" ".join(words) for words in COMMANDS}


@pytest.mark.usefixtures("short_page")
def test_an_answer_is_one_document_and_has_what_people_are_told(
    run: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lay_out_images()
    wrong = []
    for name, line in LINES.items():
        texts = []
        for times, more in enumerate([["--json"]] if name in LONG else [[], ["--json"]]):
            argv = [*shlex.split(line.format(model=model, run=run, times=times)), *more]
            assert main(argv) == 0, (name, capsys.readouterr().err)
            texts.append(capsys.readouterr())
        people, program = texts[0], texts[-1]
        answered = json.loads(program.out)
        assert program.out.count("\n") == 1, name
        assert not any(each.startswith("wrote") for each in program.err.splitlines()), name
        told = people.out if people is not program else ""
        told = told or "".join(each for each in people.err.splitlines(True) if each.startswith("wrote"))
        left = {*lacking(told, answered)} - NEVER_FIGURES.get(name, set())
        wrong += [f"{name}: {left} of {told!r}"] if left else []
    assert not wrong
