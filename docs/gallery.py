"""Draws the pictures of gallery.md: runs the commands that stand there, one after another, on a made-up recording.

python docs/gallery.py docs/_gallery. What is there already is drawn again only if this file or the page is newer.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from contextlib import chdir
from pathlib import Path

import numpy as np

PAGE = Path(__file__).with_suffix(".md")
FRAMES, SIDE, CELLS = 240, 32, 9
STAMP = "drawn"


def commands(text: str) -> list[list[str]]:
    """The words of each command of deepcae that stands as a block of the page."""
    return [shlex.split(line)[1:] for line in re.findall(r"^    (deepcae .*)$", text, flags=re.MULTILINE)]


def pictures(text: str) -> list[str]:
    """The files that the page shows, below its folder."""
    return re.findall(r"^```\{image\} (\S+)$", text, flags=re.MULTILINE)


def recording() -> np.ndarray:
    """(FRAMES, SIDE, SIDE), uint16: cells whose light jumps up now and then, and fades, on noise."""
    rng = np.random.default_rng(7)
    y, x = np.mgrid[:SIDE, :SIDE]
    places, sizes = rng.uniform(4, SIDE - 4, (CELLS, 2)), rng.uniform(1.2, 2.2, CELLS)
    spots = [np.exp(-((y - v) ** 2 + (x - u) ** 2) / (2 * s * s)) for (v, u), s in zip(places, sizes, strict=True)]
    events = (rng.random((FRAMES, CELLS)) < 0.03) * rng.uniform(0.6, 1.4, (FRAMES, CELLS))
    light = np.empty((FRAMES, CELLS))
    now = np.zeros(CELLS)
    for frame in range(FRAMES):
        now = light[frame] = 0.93 * now + events[frame]
    frames = 300 + 900 * np.tensordot(0.15 + light, np.array(spots), 1)
    return np.clip(frames + rng.normal(0, 60, frames.shape), 0, 4095).astype(np.uint16)


def draw(folder: Path) -> None:
    """All pictures of the page, in `folder`."""
    from deepcae.cli import main

    text, stamp = PAGE.read_text(encoding="utf-8"), folder / STAMP
    newest = max(PAGE.stat().st_mtime, Path(__file__).stat().st_mtime)
    if stamp.is_file() and stamp.stat().st_mtime > newest:
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with chdir(folder):
        np.save("cells.npy", recording())
        for words in commands(text):
            quiet = [] if words[0] in ("draw", "data", "zoo") else ["--quiet"]
            if code := main([*words, *quiet]):
                raise SystemExit(f"gallery: {shlex.join(['deepcae', *words])} ended with {code}")
    missing = [name for name in pictures(text) if not (PAGE.parent / name).is_file()]
    if missing and folder.resolve() == (PAGE.parent / "_gallery").resolve():
        raise SystemExit(f"gallery: not drawn: {', '.join(missing)}")
    stamp.touch()


if __name__ == "__main__":
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    draw(Path(sys.argv[1]))
