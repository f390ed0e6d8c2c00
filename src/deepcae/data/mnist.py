"""MNIST's four IDX files: in `DEEPCAE_DATA`, in the cache, or from a public mirror."""

from __future__ import annotations

import gzip
import hashlib
import os
import time
import zlib
from pathlib import Path
from urllib.parse import urlsplit

from ..atomic import whole_file
from ..errors import DataError

MIRRORS = ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/")

# SHA-256 of the uncompressed content: the gzip around it differs from mirror to mirror
FILES = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
LARGEST = 64 * 2**20  # bytes, zipped or not: nothing here is larger
PATIENCE = 300.0  # seconds for one file from one mirror


def find_mnist() -> Path | None:
    """The folder that holds the four files: `DEEPCAE_DATA`, its subfolder `mnist`, or the cache; None without any."""
    named = os.environ.get("DEEPCAE_DATA")
    folders = [Path(named), Path(named) / "mnist"] if named else []
    return next((folder for folder in [*folders, cache_folder()] if _holds_all(folder)), None)


def fetch_mnist(mirrors: tuple[str, ...] = MIRRORS) -> Path:
    """`find_mnist`, else the cache after a download whose content is checked. DataError with advice where it fails."""
    folder = find_mnist()
    if folder:
        return folder
    folder = cache_folder()
    for name, checksum in FILES.items():
        if find_file(folder, name) is None:
            _download(name, checksum, folder, mirrors)
    return folder


def find_file(folder: Path, name: str) -> Path | None:
    """The file in the folder, zipped or not, also as `train-images.idx3-ubyte`."""
    names = [form + end for form in (name, name.replace("-idx", ".idx")) for end in ("", ".gz")]
    return next((folder / form for form in names if (folder / form).is_file()), None)


def cache_folder() -> Path:
    """Where downloads are kept: `$XDG_CACHE_HOME/deepcae/mnist` or `~/.cache/deepcae/mnist`."""
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "deepcae" / "mnist"


def _holds_all(folder: Path) -> bool:
    return all(find_file(folder, name) for name in FILES)


def _download(name: str, checksum: str, folder: Path, mirrors: tuple[str, ...]) -> None:
    """Writes `name`.gz into the folder, from the first mirror that gives the right content."""
    failures = []
    for mirror in mirrors:
        try:
            content = _fetch(f"{mirror}{name}.gz")
            if _checksum(content) != checksum:
                raise ValueError("its content is not MNIST's")
            with whole_file(folder / f"{name}.gz") as temporary:
                temporary.write_bytes(content)
            return
        except (OSError, ValueError, EOFError, zlib.error) as error:  # URLError and time-outs are OSErrors
            failures.append(f"{urlsplit(mirror).netloc or 'a folder'}: {getattr(error, 'reason', error)}")
    raise DataError(
        "MNIST cannot be downloaded; set DEEPCAE_DATA to a folder with its four IDX files, or take "
        f"`deepcae data digits` ({name}.gz: {'; '.join(failures)})"
    )


def _fetch(url: str) -> bytes:
    from urllib.request import urlopen

    deadline = time.monotonic() + PATIENCE
    content = bytearray()
    with urlopen(url, timeout=20) as answer:
        while piece := answer.read(2**16):
            content += piece
            if len(content) > LARGEST:
                raise ValueError("the answer is too long")
            if time.monotonic() > deadline:
                raise TimeoutError(f"took longer than {PATIENCE:g} s")
    return bytes(content)


def _checksum(zipped: bytes) -> str:
    """SHA-256 of what the gzip holds, unzipped piece by piece."""
    import io

    digest, length = hashlib.sha256(), 0
    with gzip.GzipFile(fileobj=io.BytesIO(zipped)) as file:
        while piece := file.read(2**20):
            digest.update(piece)
            length += len(piece)
            if length > LARGEST:
                raise ValueError("its content is too long")
    return digest.hexdigest()
