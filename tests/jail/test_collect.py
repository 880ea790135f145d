"""The collector reads what an enemy may have written."""

import os
import socket
from pathlib import Path

import pytest

from training_sandbox.jail import collect as collecting
from training_sandbox.jail.collect import OutputRefused, collect

ALLOWED = frozenset({"model.safetensors", "result.json"})


def test_plain_files_are_collected(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"model")
    (tmp_path / "result.json").write_bytes(b"")
    assert collect(tmp_path, ALLOWED, 5) == {"model.safetensors": b"model", "result.json": b""}


def test_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    out = tmp_path / "out"
    out.mkdir()
    (out / "result.json").symlink_to(tmp_path / "secret")
    with pytest.raises(OutputRefused, match="plain file"):
        collect(out, ALLOWED, 100)


def test_a_hard_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    out = tmp_path / "out"
    out.mkdir()
    (out / "result.json").hardlink_to(tmp_path / "secret")
    with pytest.raises(OutputRefused, match="plain file"):
        collect(out, ALLOWED, 100)


@pytest.mark.parametrize("kind", ["pipe", "socket", "folder", "device"])
def test_anything_but_a_plain_file_is_refused(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "result.json"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "socket":
        monkeypatch.chdir(tmp_path)  # a socket's path may have only about a hundred characters
        with socket.socket(socket.AF_UNIX) as server:
            server.bind("result.json")
    elif os.geteuid() == 0:
        os.mknod(path, 0o020600, os.makedev(1, 3))
    else:
        pytest.skip("only root can make a device node")
    with pytest.raises(OutputRefused, match="plain file"):
        collect(tmp_path, ALLOWED, 100)


@pytest.mark.parametrize(
    "name", ["model.safetensors\n", "\u202enosj.tluser", "Result.json", "-rf", ".hidden", "a" * 65]
)
def test_an_odd_name_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(OutputRefused, match="unexpected name") as caught:
        collect(tmp_path, ALLOWED | {name}, 100)
    assert name not in str(caught.value)


def test_an_unexpected_file_is_refused_without_its_name(tmp_path: Path) -> None:
    (tmp_path / "patient-7.txt").touch()
    with pytest.raises(OutputRefused) as caught:
        collect(tmp_path, ALLOWED, 100)
    assert "patient" not in str(caught.value)


def test_the_limit_is_for_all_files_together(tmp_path: Path) -> None:
    for name in ALLOWED:
        (tmp_path / name).write_bytes(b"12345")
    assert len(collect(tmp_path, ALLOWED, 10)) == 2
    with pytest.raises(OutputRefused, match="more than it may"):
        collect(tmp_path, ALLOWED, 9)


def test_a_sparse_giant_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "result.json").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(OutputRefused, match="more than it may"):
        collect(tmp_path, ALLOWED, 1 << 20)


def test_only_bytes_are_collected(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_bytes(b"{}")
    os.utime(path, (1, 1))
    path.chmod(0o4777)
    try:
        os.setxattr(path, "user.note", b"secret")
    except OSError as problem:
        assert problem.errno, "this file system has no attributes, so nothing can be hidden in them"  # noqa: PT017
    assert collect(tmp_path, ALLOWED, 100) == {"result.json": b"{}"}


def test_a_file_that_grows_while_it_is_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "result.json"
    path.write_bytes(b"{}")
    before = os.stat_result

    def grown(descriptor: int) -> before:
        found = os.stat(descriptor)
        with path.open("ab") as file:
            file.write(b"more")
        return found

    monkeypatch.setattr(collecting.os, "fstat", grown)
    with pytest.raises(OutputRefused, match="changed while"):
        collect(tmp_path, ALLOWED, 100)


def test_the_folder_itself_may_not_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(OSError, match=r"link|Not a directory"):
        collect(tmp_path / "link", ALLOWED, 100)
