"""Every command that writes files, on a disk that is full from one of its calls on.

`python -m faults.commands` prints what each said and left, as JSON. Run under `shim.c`. All write below `out`: into an
empty folder, and where they replace what is there, beside the results of an earlier call.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import io
import json
import os
import shutil
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from .fits import command, with_few_pictures
from .training import names_in

NEVER = 2**40  # no command makes so many calls
TIMED = ".nwb"
RUN, CODES = "run", "run/codes.npz"
COMMANDS: dict[str, str] = {
    "plot": f"plot {RUN} --what curves --what scatter -o out",
    "report": f"report {RUN} -o out/page.html",
    "layers": f"layers {RUN} -o out/layers.svg",
    "draw": f"draw {RUN} -o out/net.png",
    "encode": f"encode {RUN} -o out/a.h5 -o out/b.csv -o out/c.npz",
    "encode, tables": f"encode {RUN} -o out/a.parquet -o out/b.h5ad -o out/c.nwb",
    "encode, folder": f"encode {RUN} -o out/a.projector",
    "embed": f"embed {CODES} -o out/map.mat",
    "decode": f"decode {RUN} {CODES} -o out/images.h5",
    "convert": f"convert {RUN} --to onnx -o out/net.onnx",
    "convert, weights": f"convert {RUN} --to caffemodel -o out/net.caffemodel",
    "map": f"map {RUN} -o out",
    "neighbours": f"neighbours {RUN} --index 1 -o out/sheet.png",
    "denoise": f"denoise {RUN} -o out/stack.tif",
    "denoise, HDF5": f"denoise {RUN} -o out/stack.h5",
    "data any": "data any stack.npy -o out --split time --overwrite",
    "data any, one file": "data any stack.npy -o out/all.h5 --overwrite",
    "convert_imageset": "convert_imageset ./ list.txt out/db",
    "compute_image_mean": "compute_image_mean db out/mean.binaryproto",
    "parse_log": f"parse_log {RUN}/train.log out",
    "upgrade": f"upgrade {RUN}/net.prototxt out/net.prototxt",
    "zoo": "zoo cae1 -o out",
    "zoo design": "zoo design --input 1x12x10 --dims 2 --data run/data/train.txt run/data/test.txt -o out --linear",
}


def main() -> None:
    """Prints {command: [[from which call on the disk was full, exit code, what was said, what is wrong], ...]}."""
    shim = ctypes.CDLL(os.environ["FAULTS_SHIM"])
    warnings.simplefilter("ignore")
    with_few_pictures()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(Path(folder).resolve())
        write_inputs()
        print(json.dumps({name: disturbed(shim, words.split()) for name, words in COMMANDS.items()}))


def disturbed(shim: ctypes.CDLL, argv: list[str]) -> list[list[Any]]:
    """One command: where it replaces the files of an earlier call, beside them; else in an empty folder."""
    nothing, whole = Path("nothing"), Path("whole")
    for folder in (nothing, whole):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    calls, *undisturbed = attempt(shim, argv, nothing, None)
    shutil.copytree("out", whole, dirs_exist_ok=True)
    again, _, code, *_ = attempt(shim, argv, whole, None)
    calls, before = (calls, nothing) if code else (again, whole)
    return [undisturbed, *(attempt(shim, argv, before, whole, at)[1:] for at in (calls // 2, calls))]


def attempt(shim: ctypes.CDLL, argv: list[str], before: Path, wanted: Path | None, at: int = NEVER) -> list[Any]:
    """[calls, at, exit code, what was said, what is wrong]. `before`: what lies there; `wanted`: what is written."""
    from deepcae.cli import main

    shutil.rmtree("out", ignore_errors=True)
    shutil.copytree(before, "out")
    said = io.StringIO()
    shim.faults_arm(os.fsencode(os.path.abspath("out")), ctypes.c_long(at), 100 + errno.ENOSPC, 1, -1, b"")
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        code = main(argv)
    calls = int(shim.faults_calls())
    shim.faults_arm(b"/nowhere", ctypes.c_long(0), 0, 0, -1, b"")
    return [calls, at, code, said.getvalue(), [] if wanted is None else wrong(before, wanted)]


def wrong(before: Path, wanted: Path) -> list[str]:
    """What is neither as before nor as wanted; of a file that tells the time of its making, neither size is."""
    found = []
    for name in sorted(names_in(before) | names_in(Path("out"))):
        was, new, now = (contents(folder / name) for folder in (before, wanted, Path("out")))
        if now not in (was, new) and len(now) not in {len(data) for data in (was, new) if TIMED in name}:
            found.append(f"{name}: {len(now)} bytes, before {len(was)}, wanted {len(new)}")
    return found


def contents(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""


def write_inputs() -> None:
    """A run of a recording, its codes, a database, a list of images."""
    from PIL import Image

    from deepcae.cli import main

    np.save("stack.npy", np.random.default_rng(1).random((40, 12, 10), dtype=np.float32))
    assert main(command("stack.npy", "--split", "time")) == 0
    assert main(["encode", RUN, "-o", CODES, "-q"]) == 0
    Image.new("L", (5, 5)).save("p.png")
    Path("list.txt").write_text("p.png 1\n")
    assert main(["convert_imageset", "./", "list.txt", "db"]) == 0


if __name__ == "__main__":
    main()
