"""How Sphinx makes a site of these pages: `make docs`."""

import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from sphinx.errors import ExtensionError

project = "deepcae"
author = "The deepcae developers"
release = metadata.version("deepcae")
html_title = f"deepcae {release}"
html_theme = "furo"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
napoleon_google_docstring = False  # scikit-learn's way alone, in its estimator
exclude_patterns = ["_gallery"]
source_suffix = {".md": "markdown"}
myst_heading_anchors = 4  # as GitHub's: links to headings work in both places
default_role = "code"  # docstrings are Markdown where they are anything
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_preserve_defaults = True


def links_that_lead_out(app: Any, page: str, source: list[str]) -> None:
    """Links to what lies beside the site, in the repository, become the plain name of the file."""
    folder = Path(app.srcdir, page).parent

    def plain(link: re.Match[str]) -> str:
        target = (folder / link["target"]).resolve()
        return link[0] if target.is_relative_to(Path(app.srcdir).resolve()) else f"{link['text']} (`{target.name}`)"

    source[0] = re.sub(r"\[(?P<text>[^\]]+)\]\((?P<target>\.\./[^)#]+)(#[^)]*)?\)", plain, source[0])


def tables_as_they_stand(app: Any, what: str, name: str, item: Any, options: Any, lines: list[str]) -> None:
    """Markdown's tables in docstrings are shown as they are written."""
    told: list[str] = []
    for line in lines:
        in_table, was_in_table = line.startswith("|"), bool(told) and told[-1].startswith("   |")
        told += ["::", ""] if in_table and not was_in_table else [] if in_table or not was_in_table else [""]
        told.append(f"   {line}" if in_table else line)
    lines[:] = told


def gallery_drawn(app: Any) -> None:
    """The pictures of gallery.md, by its own commands."""
    drawing = Path(app.srcdir, "gallery.py")
    made = subprocess.run([sys.executable, drawing, Path(app.srcdir, "_gallery")], capture_output=True, text=True)
    if made.returncode:
        raise ExtensionError(made.stderr.strip().splitlines()[-1] if made.stderr.strip() else f"{drawing} failed")


def setup(app: Any) -> None:
    app.connect("builder-inited", gallery_drawn)
    app.connect("source-read", links_that_lead_out)
    app.connect("autodoc-process-docstring", tables_as_they_stand)
