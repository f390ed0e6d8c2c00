"""The Map in CONTRIBUTING.md, kept true: which room may import which, who may load torch, and what nobody may do."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from deepcae.layers import Layer

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "deepcae"
FILES = sorted(SOURCE.rglob("*.py"))
FRONT_DOOR = "__init__"  # deepcae/__init__.py: re-exports for callers; no room of ours goes through it
MAY_LOAD_TORCH = {
    "lazy",
    "layers",
    "kernels",
    "net",
    "tape",
    "timing",
    "solver",
    "trained",
    "race",
    "convert",
    "report",
    "estimator",
    "pycaffe",
    "cli",
}
NAMED_BY = {"alias": {"pycaffe"}}  # it is what `import caffe` means, and nothing of ours imports that
FORBIDDEN_NAMES = {"utils", "common", "helpers", "misc"}


def by_path(path: Path) -> str:
    return str(path.relative_to(SOURCE))


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def room_of(path: Path) -> str:
    """The package or top-level module that a file belongs to."""
    first = path.relative_to(SOURCE).parts[0].removesuffix(".py")
    return "cli" if first == "__main__" else first


def read_map() -> tuple[dict[str, set[str]], set[str]]:
    """The Map's table: what each room may import of ours (transitively), and the first row, on which all stand."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`[^|]*?)\s*\| [^|]*\| ([^|]*?)\s*\|$", text, flags=re.MULTILINE)
    direct: dict[str, set[str]] = {}
    for names, may_import in rows:
        plain = re.sub(r"\(.*?\)", "", may_import).split(";")[0]
        allowed = set(direct) if "everything above" in plain else set(re.findall(r"\w+", plain))
        for name in re.findall(r"`(\w+)`", names):
            direct[name] = allowed
    ground = set(re.findall(r"`(\w+)`", rows[0][0]))
    return {room: _closure(room, direct) | ground for room in direct}, ground


def _closure(room: str, direct: dict[str, set[str]]) -> set[str]:
    reached, waiting = {room}, [room]
    while waiting:
        new = (direct[waiting.pop()] & set(direct)) - reached
        reached |= new
        waiting += new
    return reached


def ours(path: Path) -> Iterator[tuple[int, str]]:
    """(line, room) of every import of a deepcae module, wherever in the file it stands."""
    package = ["deepcae", *path.relative_to(SOURCE).parts[:-1]]
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            dotted = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            base = [*base, *(node.module.split(".") if node.module else [])]
            dotted = [[*base, alias.name] for alias in node.names]
        else:
            continue
        for parts in dotted:
            if parts[0] == "deepcae":
                known = len(parts) > 1 and ((SOURCE / parts[1]).is_dir() or (SOURCE / f"{parts[1]}.py").exists())
                yield node.lineno, parts[1] if known else FRONT_DOOR


def named(path: Path) -> Iterator[tuple[int, str]]:
    """(line, room) of every string but documentation that names something of ours, as `deepcae.cli:main`."""
    for node in ast.walk(tree(path)):
        for value in ast.iter_child_nodes(node):
            if isinstance(value, ast.Constant) and isinstance(value.value, str) and not isinstance(node, ast.Expr):
                match = re.fullmatch(r"deepcae([./](\w+))?([.:/][\w.:/]*)?", value.value)
                if match and value.value != "deepcae":
                    yield value.lineno, match[2] or FRONT_DOOR


def opened_elsewhere(path: Path) -> Iterator[tuple[int, str]]:
    """(line, expression) of each way to a file of ours that does not lie beside this one."""
    nodes = list(ast.walk(tree(path)))
    calls = [node for node in nodes if isinstance(node, ast.Call)]
    beside = {id(node.func.value.args[0]) for node in calls if ast.unparse(node.func) == "Path(__file__).with_name"}
    resources = any(isinstance(node, ast.ImportFrom) and node.module == "importlib.resources" for node in nodes)
    for node in nodes:
        wrong = isinstance(node, ast.Name) and node.id in {"__file__", "__path__"} and id(node) not in beside
        if resources and isinstance(node, ast.Call) and ast.unparse(node.func) == "files":
            wrong = ast.unparse(node) != "files(__package__)"
        if (resources or beside) and isinstance(node, ast.Constant) and isinstance(node.value, str):
            wrong = ".." in node.value.split("/")
        if wrong:
            yield node.lineno, ast.unparse(node)


def foreign(path: Path) -> set[str]:
    """Top-level names of all packages that a file imports from outside deepcae and Python."""
    found: set[str] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            found.add(node.module.split(".")[0])
        elif isinstance(node, ast.ImportFrom) and node.module == "lazy":
            found |= {alias.name for alias in node.names}
    return found - set(sys.stdlib_module_names) - {"deepcae"}


def test_every_room_stands_on_the_map() -> None:
    rooms = {room_of(path) for path in FILES} - {FRONT_DOOR}
    assert rooms == set(read_map()[0])


@pytest.mark.parametrize("path", FILES, ids=by_path)
def test_no_arrow_points_up(path: Path) -> None:
    if (room := room_of(path)) == FRONT_DOOR:
        return
    allowed = read_map()[0][room] | ({FRONT_DOOR} if room == "cli" else set())
    wrong = [f"{path}:{line}: {room} imports {target}" for line, target in ours(path) if target not in allowed]
    assert not wrong, "\n".join(wrong)


CIRCLES = {  # files that know each other, and why
    ("net/net", "net/weights"): "`Net(text, weights=file)` loads what `load_weights(net, file)` loads",
}


def test_files_of_a_room_do_not_run_in_circles() -> None:
    assert circles() == sorted(CIRCLES)


def circles() -> list[tuple[str, ...]]:
    """Groups of files each of which comes to each by imports, for types alone and in functions included."""
    names = {path.relative_to(SOURCE).with_suffix("").as_posix(): path for path in FILES}
    known = {name: set(imported(path)) & set(names) for name, path in names.items()}
    reached = {name: set(targets) for name, targets in known.items()}
    while any(new for name in reached if (new := set().union(*map(reached.get, reached[name])) - reached[name])):
        for name in reached:
            reached[name] |= set().union(*map(reached.get, reached[name]))
    return sorted({tuple(sorted(b for b in reached[a] if a in reached[b])) for a in reached if a in reached[a]})


def imported(path: Path) -> Iterator[str]:
    """The files of ours that a file imports, as `room/file`."""
    package = path.relative_to(SOURCE).parts[:-1]
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = [*package[: len(package) - node.level + 1], *(node.module.split(".") if node.module else [])]
            yield "/".join(base)
            yield from ("/".join([*base, alias.name]) for alias in node.names)


@pytest.mark.parametrize("path", FILES, ids=by_path)
def test_no_arrow_is_hidden_in_a_name_or_a_path(path: Path) -> None:
    if (room := room_of(path)) == FRONT_DOOR:
        return
    allowed = read_map()[0][room] | NAMED_BY.get(room, set())
    wrong = [f"{path}:{line}: {room} names {target}" for line, target in named(path) if target not in allowed]
    wrong += [f"{path}:{line}: may open another room's files: {what}" for line, what in opened_elsewhere(path)]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('start("deepcae.paper.worker:main")', ["paper"]),
        ('open("deepcae/viz/x.json")', ["viz"]),
        ('"deepcae.paper tells"; x = "see deepcae.cli for more"', []),
        ('from pathlib import Path\nPath(__file__).with_name("x.so")', []),
        ('from pathlib import Path\nPath(__file__).parents[1] / "paper"', ["__file__"]),
        ('from pathlib import Path\nPath(__file__).parent.parent / "paper"', ["__file__"]),
        ("from pathlib import Path\nHERE = Path(__file__)", ["__file__"]),
        ("from importlib.resources import files\nfiles(__package__).joinpath('x.css')", []),
        ("from importlib.resources import files\nfiles('deepcae')", ["files('deepcae')"]),
        ("from importlib.resources import files\nfiles(__package__).joinpath('../paper/x')", ["'../paper/x'"]),
        ("import torch\nlib = torch.__file__", []),
    ],
)
def test_hidden_arrows_are_seen(text: str, found: list[str], tmp_path: Path) -> None:
    path = tmp_path / "some.py"
    path.write_text(text)
    assert [what for _, what in (*named(path), *opened_elsewhere(path))] == found


NAMES_KINDS = {  # whose business the names of layer types are; others ask a layer's traits (`Step.kind`), or its class
    "convert": "a registry of its own: how each type is written in ONNX, whose operators bear the same names",
    "data": "reads the texts of data layers, and knows no layers",
    "draw/words.py": "a table of words and colours for the types",
    "estimator/texts.py": "writes an Input layer into a text",
    "net/flow.py": "what learns",
    "net/graph.py": "writes Split layers into a text",
    "net/roles.py": "tells by the kinds of layers what blobs are for",
    "paper/folded.py": "words for two losses",
    "paper/variants.py": "a title",
    "pycaffe/coord_map.py": "Caffe's own tables",
    "pycaffe/draw.py": "Caffe's own tables",
    "pycaffe/mode.py": "Caffe's list of types",
    "pycaffe/net_spec.py": "Caffe's own tables",
    "race/race.py": "writes an Input layer into a text",
    "trained/examples.py": "reads the text of a data layer",
}
KNOW_LAYERS = {"layers", "kernels", "tape", "proto", "zoo"}  # rooms that make, compute or write them


@pytest.mark.parametrize("path", [path for path in FILES if room_of(path) not in KNOW_LAYERS], ids=by_path)
def test_nobody_else_asks_a_layer_for_its_name(path: Path) -> None:
    if not {by_path(path), room_of(path)}.isdisjoint(NAMES_KINDS):
        return
    assert not kinds_named(path), "\n".join(f"{path}:{line}: '{name}'" for line, name in kinds_named(path))


def kinds_named(path: Path) -> list[tuple[int, object]]:
    """(line, name) of every string that is the name of a layer type."""
    constants = (node for node in ast.walk(tree(path)) if isinstance(node, ast.Constant))
    return [(node.lineno, node.value) for node in constants if node.value in Layer.registry]


def test_the_exceptions_are_ones() -> None:
    for place in NAMES_KINDS:
        files = [path for path in FILES if place in (by_path(path), room_of(path))]
        assert any(kinds_named(path) for path in files), place


def test_the_map_is_read_as_it_is_meant() -> None:
    rooms, ground = read_map()
    assert {"errors", "lazy"} <= ground
    assert rooms["proto"] == {"proto"} | ground
    assert rooms["solver"] >= {"net", "data", "layers", "kernels", "proto"}
    assert not {"solver", "cli", "viz", "codes"} & rooms["net"]
    assert rooms["viz"] == {"viz"} | ground
    assert rooms["cli"] == set(rooms)


@pytest.mark.parametrize("path", FILES, ids=by_path)
def test_torch_and_foreign_packages_stay_in_their_rooms(path: Path) -> None:
    room = room_of(path)
    packages = foreign(path)
    if room not in MAY_LOAD_TORCH:
        assert "torch" not in packages
    if room in {"proto", "errors"}:
        assert packages <= {"google"}
    if room == "viz":
        assert packages <= {"numpy", "matplotlib"}


def python(*arguments: str) -> str:
    return subprocess.run(
        [sys.executable, *arguments], check=True, capture_output=True, text=True, timeout=60, cwd=ROOT
    ).stdout


@pytest.mark.parametrize(
    "statement",
    [
        "import deepcae",
        "import deepcae.proto.text, deepcae.proto.read, deepcae.proto.binary",
        "import deepcae.layers",
        "import deepcae.net.graph, deepcae.net.plan, deepcae.net.summary",
        "import deepcae.cli",
        "import deepcae.zoo",
    ],
)
def test_reading_and_planning_never_load_torch(statement: str) -> None:
    heavy = "[name for name in ('torch', 'matplotlib', 'sklearn', 'openTSNE', 'scipy') if name in sys.modules]"
    assert python("-c", f"import sys; {statement}; print({heavy})").strip() == "[]"


@pytest.mark.parametrize(
    "arguments", [["--help"], ["check", "models/cae1/net.prototxt"], ["summary", "models/cae1/net.prototxt"],
                  ["upgrade", "models/cae1/net.prototxt"], ["zoo", "--help"]],
    ids=" ".join,
)  # fmt: skip
def test_commands_that_only_read_texts_never_load_torch(arguments: list[str]) -> None:
    code = (
        "import sys, contextlib, io\nfrom deepcae.cli import main\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):\n    main(sys.argv[1:])\n"
        "print('torch' in sys.modules)"
    )
    assert python("-c", code, *arguments).strip() == "False"


def calls(path: Path) -> Iterator[tuple[int, str, dict[str, object]]]:
    """(line, dotted name, constant keyword arguments) of every call in a file."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call):
            constants = {k.arg: k.value.value for k in node.keywords if k.arg and isinstance(k.value, ast.Constant)}
            yield node.lineno, ast.unparse(node.func), constants


@pytest.mark.parametrize("path", FILES, ids=by_path)
def test_no_file_can_bring_code_in(path: Path) -> None:
    assert not foreign(path) & {"dill", "cloudpickle", "joblib", "yaml"}
    imported = {alias.name for node in ast.walk(tree(path)) if isinstance(node, ast.Import) for alias in node.names}
    assert not imported & {"pickle", "marshal", "shelve"}
    for line, name, constants in calls(path):
        where = f"{path}:{line}: {name}"
        assert name not in {"eval", "exec", "compile", "__import__"}, where
        if name.endswith("torch.load"):
            assert constants.get("weights_only") is True, where
        if name in {"np.load", "numpy.load"}:
            assert constants.get("allow_pickle", False) is False, where


@pytest.mark.parametrize("path", FILES, ids=by_path)
def test_files_and_functions_stay_small(path: Path) -> None:
    assert not FORBIDDEN_NAMES & {part.removesuffix(".py") for part in path.relative_to(SOURCE).parts}
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 350
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or 0) - node.body[0].lineno  # a command's options stand in its signature
            assert lines < 60, f"{path}:{node.lineno}: {node.name} is too long"


@pytest.mark.parametrize("path", FILES, ids=by_path)
def test_nothing_is_left_half_done(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"\b(TODO|FIXME|XXX|raise NotImplementedError)\b", text)
    if path.name != "__init__.py":
        assert "from __future__ import annotations" in text
