"""Scripts that say `import caffe`, run as they stand; and that every name of Caffe's interface is there."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import deepcae.pycaffe as caffe
from deepcae import alias

SURFACE = """
    set_mode_cpu set_mode_gpu set_device set_random_seed layer_type_list get_solver init_log log solver_count
    set_solver_count solver_rank set_solver_rank set_multiprocess has_nccl TRAIN TEST __version__ Net Layer SGDSolver
    NesterovSolver AdaGradSolver RMSPropSolver AdaDeltaSolver AdamSolver MuonSolver Classifier Detector NCCL Timer io
    proto draw coord_map layers params NetSpec to_proto
"""
NET = """
    blobs params layer_dict blob_loss_weights top_names bottom_names inputs outputs layers _layer_names _blob_names
    forward backward forward_all forward_backward_all reshape clear_param_diffs copy_from share_with save save_hdf5
    load_hdf5 set_input_arrays before_forward after_forward before_backward after_backward
"""
SOLVER = "net test_nets iter lr param solve step restore snapshot share_weights apply_update add_callback"
BLOB = "data diff shape num channels height width count reshape"
TEXT = """layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 2 } } }
layer { name: "p" type: "Power" bottom: "x" top: "y" power_param { scale: 2 } }"""


def run(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-m", "deepcae.pycaffe", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=folder)


def test_every_name_is_there(tmp_path: Path) -> None:
    for name in SURFACE.split():
        assert getattr(caffe, name) is not None, name
        assert name in dir(caffe), name
    (tmp_path / "net.prototxt").write_text(TEXT)
    (tmp_path / "solver.prototxt").write_text(f'net: "{tmp_path}/net.prototxt" base_lr: 1 lr_policy: "fixed"')
    net = caffe.Net(str(tmp_path / "net.prototxt"), caffe.TEST)
    solver = caffe.SGDSolver(str(tmp_path / "solver.prototxt"))
    for owner, names in ((net, NET), (solver, SOLVER), (net.blobs["x"], BLOB)):
        assert not [name for name in names.split() if not hasattr(owner, name)]


def test_a_name_that_is_not_there_is_told() -> None:
    with pytest.raises(AttributeError, match="module 'caffe' has no attribute 'Nett'; did you mean 'Net'"):
        _ = caffe.Nett


@pytest.fixture
def installed() -> Any:
    alias.install()
    yield
    sys.meta_path.remove(alias._finder)
    for name in [name for name in sys.modules if name.split(".")[0] == "caffe"]:
        del sys.modules[name]


def test_the_alias_gives_the_same_modules(installed: None) -> None:
    import caffe as found  # type: ignore[import-not-found]

    assert found is caffe
    for name in ("io", "proto", "proto.caffe_pb2", "draw", "coord_map", "net_spec", "classifier"):
        ours = importlib.import_module(f"deepcae.pycaffe.{name}")
        assert importlib.import_module(f"caffe.{name}") is ours
        assert ours.__spec__ is not None
        assert ours.__spec__.name == f"deepcae.pycaffe.{name}"
    assert caffe.__spec__.name == "deepcae.pycaffe"
    with pytest.raises(ModuleNotFoundError, match=r"caffe\.nothing"):
        importlib.import_module("caffe.nothing")


def test_installing_twice_is_once(installed: None) -> None:
    before = list(sys.meta_path)
    caffe.install()
    assert sys.meta_path == before


def test_a_script_finds_its_world(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "beside.py").write_text("WORD = 'beside'")
    (tmp_path / "net.prototxt").write_text(TEXT)
    (tmp_path / "scripts" / "script.py").write_text(
        """
import sys
import numpy as np
import caffe
import caffe.io
import caffe.proto.caffe_pb2
from caffe import layers as L, params as P
from caffe.proto import caffe_pb2
from caffe.io import Transformer
import beside

assert __name__ == "__main__"
assert __file__.endswith("script.py")
assert caffe.io.Transformer is Transformer
assert caffe.proto.caffe_pb2 is caffe_pb2
assert P.Pooling.MAX == 0
if __name__ == "__main__":
    net = caffe.Net("net.prototxt", caffe.TEST)
    net.blobs["x"].data[...] = [1, 2]
    print(net.forward()["y"].tolist(), sys.argv[1:], beside.WORD, caffe_pb2.NetParameter(name="n").name)
"""
    )
    done = run("scripts/script.py", "--flag", "value", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "[2.0, 4.0] ['--flag', 'value'] beside n\n"


def test_a_scripts_own_end_is_the_end(tmp_path: Path) -> None:
    (tmp_path / "leave.py").write_text("import sys; sys.exit(7)")
    assert run("leave.py", folder=tmp_path).returncode == 7
    (tmp_path / "fail.py").write_text("import caffe\ncaffe.Net('none.prototxt', caffe.TEST)")
    failed = run("fail.py", folder=tmp_path)
    assert failed.returncode == 1
    assert failed.stderr.splitlines()[-1] == "RuntimeError: Could not open file none.prototxt"


def test_the_messages_need_no_import_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "s.py").write_text("import caffe\nprint(caffe.proto.caffe_pb2.NetParameter(name='n').name)")
    assert run("s.py", folder=tmp_path).stdout == "n\n"


def test_usage(tmp_path: Path) -> None:
    assert run(folder=tmp_path).returncode == 2
    assert run("--help", folder=tmp_path).stdout.startswith("usage: python -m deepcae.pycaffe")
    missing = run("absent.py", folder=tmp_path)
    assert (missing.returncode, missing.stderr) == (2, "python -m deepcae.pycaffe: absent.py: there is no such file\n")
