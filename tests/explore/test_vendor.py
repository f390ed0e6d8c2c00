"""The files of others within the page are what their packages hold, byte for byte."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
from pathlib import Path

import pytest

VENDOR = Path(__file__).parents[2] / "src" / "deepcae" / "explore" / "web" / "vendor"
MOST = 150_000  # bytes of the whole page's code, compressed


def rows() -> list[list[str]]:
    """The table: file, package, version, licence, its place in the package, hash."""
    lines = [line for line in (VENDOR / "README.md").read_text().splitlines() if line.startswith("| `")]
    return [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines]


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_each_file_is_in_the_table_with_its_hash() -> None:
    there = {path.name: sha256(path) for path in VENDOR.iterdir() if path.is_file() and path.name != "README.md"}
    assert there == {row[0]: row[5] for row in rows()}


def test_each_package_has_its_licence() -> None:
    assert {path.stem for path in (VENDOR / "licences").iterdir()} == {"htm", "preact", "uplot"}


def test_each_file_is_that_of_its_package() -> None:
    if not (modules := os.environ.get("DEEPCAE_NODE_MODULES")):
        pytest.skip("DEEPCAE_NODE_MODULES names no folder of npm packages")
    for file, package, version, _, place, digest in rows():
        folder = Path(modules) / package.split(",")[0]
        assert json.loads((folder / "package.json").read_text())["version"] == version, file
        assert sha256(folder / place) == digest, file


def test_the_page_is_small() -> None:
    web = VENDOR.parent
    code = [path for path in web.rglob("*") if path.suffix in (".js", ".css", ".html")]
    assert sum(len(gzip.compress(path.read_bytes(), 9)) for path in code) < MOST


def test_the_page_allows_itself_no_style_within_html() -> None:
    """The page's policy refuses them: a `style="…"` in a template would be lost without a word."""
    for path in (VENDOR.parent).rglob("*"):
        if path.suffix in (".js", ".html") and VENDOR not in path.parents:
            text = path.read_text()
            assert 'style="' not in text, path.name
            assert "innerHTML" not in text, path.name
