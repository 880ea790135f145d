"""Control groups of both versions, on made-up trees: whichever file is there decides."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from training_sandbox.jail import cgroups
from training_sandbox.jail.cgroups import Group, Place
from training_sandbox.jail.limits import Limits

LIMITS = Limits(memory=1 << 20, pids=7, cpus=0.5)


def version_2(root: Path, path: str = "user/app", controllers: str = "memory pids cpu") -> Path:
    """Make a tree of version 2 in which the parent of ``path`` hands ``controllers`` on; return that parent."""
    (root / path).mkdir(parents=True)
    (root / "cgroup.controllers").write_text(controllers)
    for folder in (root / path, *(root / path).parents):
        if not folder.is_relative_to(root):
            break
        (folder / "cgroup.procs").touch()
        (folder / "cgroup.subtree_control").write_text(controllers if folder == (root / path).parent else "")
    return (root / path).parent


def version_1(root: Path, *names: str, path: str = "svc") -> None:
    needed = {"memory": "memory.limit_in_bytes", "pids": "cgroup.procs", "cpu": "cpu.cfs_quota_us"}
    for name in names:
        folder = root / name / path
        folder.mkdir(parents=True)
        for file in ("tasks", needed[name]):
            (folder / file).touch()


def own(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "self-cgroup"
    file.write_text(text)
    return file


def test_version_2_is_found_at_the_nearest_parent_that_hands_controllers_on(tmp_path: Path) -> None:
    parent = version_2(tmp_path / "cg")
    found = cgroups.places(tmp_path / "cg", own(tmp_path, "0::/user/app\n"))
    assert found == (Place(parent, 2, ("memory", "pids", "cpu")),)


def test_controllers_that_are_not_handed_on_are_missing(tmp_path: Path) -> None:
    version_2(tmp_path / "cg", controllers="memory pids")
    places = cgroups.places(tmp_path / "cg", own(tmp_path, "0::/user/app\n"))
    assert cgroups.make(LIMITS, places).missing == ("cpu",)


def test_a_hybrid_machine_uses_each_controller_where_it_is(tmp_path: Path) -> None:
    version_1(tmp_path / "cg", "memory", "cpu")
    parent = version_2(tmp_path / "cg" / "unified", controllers="pids hugetlb")
    lines = "5:memory:/svc\n3:cpu,cpuacct:/svc\n0::/user/app\n"
    found = cgroups.places(tmp_path / "cg", own(tmp_path, lines))
    assert [(p.version, p.controllers) for p in found] == [(1, ("memory",)), (1, ("cpu",)), (2, ("pids",))]
    assert found[2].parent == parent


def test_version_1_in_a_container_falls_back_to_the_mount(tmp_path: Path) -> None:
    version_1(tmp_path / "cg", "memory", path=".")
    found = cgroups.places(tmp_path / "cg", own(tmp_path, "5:memory:/docker/abc\n"))
    assert found == (Place(tmp_path / "cg" / "memory", 1, ("memory",)),)


@pytest.mark.parametrize("lines", ["", "0::/user/app\n"])
def test_a_machine_without_control_groups_offers_none(tmp_path: Path, lines: str) -> None:
    assert cgroups.places(tmp_path / "cg", own(tmp_path, lines)) == ()
    assert cgroups.places(tmp_path / "cg", tmp_path / "absent") == ()


def test_a_place_that_may_not_be_written_is_not_offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    version_2(tmp_path / "cg")
    version_1(tmp_path / "cg", "memory")
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert cgroups.places(tmp_path / "cg", own(tmp_path, "5:memory:/svc\n0::/user/app\n")) == ()


def test_the_caps_of_version_2_are_written(tmp_path: Path) -> None:
    group = cgroups.make(LIMITS, (Place(tmp_path, 2, ("memory", "pids", "cpu")),))
    (folder,) = group.folders
    assert {path.name: path.read_text() for path in folder.iterdir()} == {
        "memory.max": str(1 << 20),
        "memory.oom.group": "1",
        "pids.max": "7",
        "cpu.max": "50000 100000",
    }
    assert group.missing == ()


def test_the_caps_of_version_1_are_written(tmp_path: Path) -> None:
    group = cgroups.make(LIMITS, (Place(tmp_path, 1, ("memory", "pids", "cpu")),))
    assert {path.name: path.read_text() for path in group.folders[0].iterdir()} == {
        "memory.limit_in_bytes": str(1 << 20),
        "pids.max": "7",
        "cpu.cfs_period_us": "100000",
        "cpu.cfs_quota_us": "50000",
    }


@pytest.mark.parametrize(
    ("version", "file", "value"), [(1, "memory.memsw.limit_in_bytes", str(1 << 20)), (2, "memory.swap.max", "0")]
)
def test_swap_is_forbidden_where_the_kernel_counts_it(
    tmp_path: Path, monkeypatch, version: int, file: str, value: str
) -> None:
    real = Path.mkdir

    def mkdir(path: Path) -> None:  # the kernel fills a new group with its files
        real(path)
        (path / file).touch()

    monkeypatch.setattr(Path, "mkdir", mkdir)
    group = cgroups.make(LIMITS, (Place(tmp_path, version, ("memory",)),))
    assert (group.folders[0] / file).read_text() == value


def test_a_place_that_refuses_counts_as_missing_and_keeps_nothing(tmp_path: Path) -> None:
    group = cgroups.make(LIMITS, (Place(tmp_path / "absent", 2, ("memory",)), Place(tmp_path, 2, ("pids",))))
    assert group.missing == ("memory", "cpu")
    assert len(group.folders) == 1


def test_groups_of_a_service_that_was_killed_are_swept_away(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    for name in (f"medtrain-{ended.pid}-0", f"medtrain-{os.getppid()}-0", "medtrain-x-0"):
        (tmp_path / name).mkdir()
    cgroups.make(LIMITS, (Place(tmp_path, 2, ("pids",)),))
    assert not (tmp_path / f"medtrain-{ended.pid}-0").exists()
    assert (tmp_path / f"medtrain-{os.getppid()}-0").exists()
    assert (tmp_path / "medtrain-x-0").exists()


@pytest.mark.parametrize(
    ("file", "text", "killed"),
    [
        ("memory.events", "low 0\noom_kill 1\n", True),
        ("memory.oom_control", "oom_kill_disable 0\noom_kill 2\n", True),
        ("memory.events", "low 0\noom_kill 0\n", False),
        ("memory.events", "low 0\n", False),
    ],
)
def test_the_kernel_s_count_says_whether_memory_killed(tmp_path: Path, file: str, text: str, killed: bool) -> None:
    (tmp_path / file).write_text(text)
    assert Group((tmp_path,), ()).out_of_memory() is killed


def test_removing_kills_what_is_left(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    group = Group((tmp_path,), ())
    (tmp_path / "cgroup.procs").write_text(f"{child.pid}\n")
    assert group.pids() == {child.pid}
    assert group.remove(patience=0.01) is False  # a plain folder with a file in it, unlike a group, cannot be removed
    assert child.wait(5) == -9
    assert group.remove(patience=0.01) is False  # the process is gone by now; that is no error


def test_an_empty_group_is_removed(tmp_path: Path) -> None:
    (tmp_path / "group").mkdir()
    assert Group((tmp_path / "group",), ()).remove() is True
