"""The documents speak of what exists: commands and their options, links, dependencies, layer types."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

import pytest
import typer.main

from deepcae.cli.app import app
from deepcae.layers import Layer

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted(ROOT.glob("docs/**/*.md")),
    *sorted(ROOT.glob("models/*/*.md")),
]
COMMANDS = typer.main.get_command(app)


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def spoken_commands(page: Path) -> list[str]:
    """Every command line of deepcae in a block, without its comment, and those in back quotes."""
    text = page.read_text(encoding="utf-8")
    shell = "".join(re.findall(r"^```shell\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL))
    lines = re.findall(r"^    (deepcae .*)$", text, flags=re.MULTILINE) + re.findall(
        r"^(deepcae .*)$", shell, re.MULTILINE
    )
    return [line.split("   #")[0].strip() for line in lines] + re.findall(r"`(deepcae [^`]*)`", text)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_command_in_a_page_exists_with_its_options(page: Path) -> None:
    for line in spoken_commands(page):
        words = shlex.split(line.replace("...", ""))[1:]
        command = COMMANDS
        while words and hasattr(command, "commands") and words[0] in command.commands:
            command = command.commands[words.pop(0)]
        assert command is not COMMANDS or not words or words[0].startswith("-"), f"{line}: no such command"
        known = {option for param in command.params for option in param.opts} | {"--help", "-h"}
        given = {word for word in words if re.match(r"--?[a-z]", word)}
        if "-solver" in given:  # the pages' example of Caffe's own spellings
            given -= {"-solver", "-gpu"}
        assert given <= known, f"{line}: {sorted(given - known)} not among {sorted(known)}"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_to_a_file_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_page_has_its_place_in_the_site() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    trees = "".join(re.findall(r"```\{toctree\}(.*?)```", index, flags=re.DOTALL))
    placed = re.findall(r"^([\w/-]+)$", trees, flags=re.MULTILINE)
    pages = {str(page.relative_to(ROOT / "docs").with_suffix("")) for page in ROOT.glob("docs/**/*.md")}
    assert sorted(placed) == sorted(pages - {"index"})


def test_the_readme_lists_every_command() -> None:
    table = (ROOT / "README.md").read_text(encoding="utf-8").split("## Commands")[1].split("\n## ")[0]
    names = "".join(re.findall(r"^\| (`.*?) \|", table, flags=re.MULTILINE))
    listed = set(re.findall(r"`(\w+)`", names))
    assert listed == set(COMMANDS.commands)


def test_every_dependency_is_explained() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = project["dependencies"] + [each for name in extras if name != "dev" for each in extras[name]]
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    explained = set(re.findall(r"^\| ([\w-]+)(?: \(optional\))? \| \S", page, flags=re.MULTILINE)) - {"package", "---"}
    assert explained == {re.split(r"[<>=]", requirement)[0] for requirement in wanted}


def test_every_layer_type_is_listed() -> None:
    table = (ROOT / "docs" / "03-layers.md").read_text(encoding="utf-8").split("## Sizes")[0]
    types = " ".join(re.findall(r"^\| [a-z ]+ \| (.*) \|$", table, flags=re.MULTILINE))
    listed = set(re.findall(r"\b[A-Z]\w+", types))
    assert set(Layer.registry) <= listed, "a type that docs/03-layers.md does not name"
