"""Files as they come: found or not, text or not, network or solver."""

from __future__ import annotations

from pathlib import Path

import pytest

from deepcae.errors import Place, SpecError
from deepcae.proto import Document, kind_of, parse, read_net, read_solver
from deepcae.proto.lookup import resolve
from deepcae.proto.schema import NetParameter, SolverParameter
from deepcae.proto.tokens import MAX_BYTES


def test_a_path_a_message_or_a_document(tmp_path):
    path = tmp_path / "n.prototxt"
    path.write_text('name: "a"')
    from_path = read_net(path)
    assert from_path.folder == tmp_path
    assert from_path.place("name") == Place(str(path), 1, 1)
    message = NetParameter(name="a", input=["x"], input_dim=[1, 2, 3, 4])
    from_message = read_net(message)
    assert from_message.message.layer[0].type == "Input"
    assert message.input == ["x"]  # the caller's message stays as it was
    assert from_message.place("layer", 0, "top", 0) == Place("<message>")
    assert from_message.folder == Path()
    assert read_net(from_path) is from_path
    assert isinstance(read_solver(SolverParameter()), Document)


def test_windows_line_ends_and_byte_order_mark(tmp_path):
    path = tmp_path / "n.prototxt"
    path.write_bytes(b'\xef\xbb\xbfname: "a"\r\n# caf\xe9\r\nlayer { name: "b" }\r\n')
    document = read_net(path)
    assert document.message.layer[0].name == "b"
    assert document.place("layer", 0) == Place(str(path), 3, 1)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, ": there is no such file"),
        ("folder", ": this is a folder, not a file"),
        (b" " * (MAX_BYTES + 1), ": the file is larger than 8 MiB"),
        ('name: "a"'.encode("utf-16"), ":1:1: this is UTF-16 text; save it as UTF-8"),
        (b"name: 'caf\xe9'", ":1:7: name: the string is not UTF-8 text"),
        (b"name: 'a'\0", ":1:10: unexpected character U+0000 (a control character)"),
        (b"name: 'a' \xff", ":1:11: byte 0xff is not UTF-8 text"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), ":1:1: this is no text, and none of Caffe's binary files"),
    ],
)
def test_what_is_no_text(content, message, tmp_path):
    path = tmp_path / "n.prototxt"
    if content == "folder":
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(SpecError) as error:
        read_net(path)
    assert str(error.value) == f"{path}{message}"


def test_a_text_is_not_a_path():
    with pytest.raises(SpecError, match="a path was expected, not a text"):
        read_net('name: "a"\n')


def test_a_network_given_as_solver_is_named_in_one_line(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text('name: "n" layer { name: "x" } layer { name: "y" }')
    with pytest.raises(SpecError, match=r"net.prototxt: is a network, and a solver is wanted$"):
        read_solver(path)


def test_a_solver_is_not_a_network():
    with pytest.raises(SpecError, match="a NetParameter was expected, not a SolverParameter"):
        read_net(SolverParameter())


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", "net"),
        ('layer { name: "a" }', "net"),
        ('name: "a"', "net"),
        ('net: "a" base_lr: 1', "solver"),
        ("solver_mode: GPU debug_info: true", "solver"),
        ("net_param { layer { } layer { } }", "solver"),
        ("base_lr: oops max_iter 7 layer {", "solver"),
        ("layers { ", "net"),
        ("a{" * 1000, "net"),
        ("\0\1", "net"),
    ],
)
def test_kind_of(text, kind):
    assert kind_of(text) == kind


def test_parsed_documents_know_their_folder():
    assert parse("", NetParameter, "models/cae/net.prototxt").folder == Path("models/cae")
    assert parse("", NetParameter).folder == Path()


def test_lookup_prefers_the_working_directory(tmp_path, monkeypatch):
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    monkeypatch.chdir(here)
    assert resolve("list.txt", there) == Path("list.txt")
    (there / "list.txt").write_text("")
    assert resolve("list.txt", there) == there / "list.txt"
    (here / "list.txt").write_text("")
    assert resolve("list.txt", there) == Path("list.txt")
