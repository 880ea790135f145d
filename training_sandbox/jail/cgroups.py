"""Caps on a job's memory, processes and processor, by cgroup version 1 or 2, whichever has the controller.

Groups are made below the service's own, so nothing it was given can be exceeded. Versions are told apart by the files
that are there: hosts with some controllers on either version exist.
"""

import itertools
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from training_sandbox.jail.limits import Limits

CONTROLLERS = ("memory", "pids", "cpu")
ROOT = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")
_PERIOD = 100_000  # microseconds
_NUMBERS = itertools.count()


@dataclass(frozen=True, slots=True)
class Place:
    """A folder below which a group for some controllers can be made."""

    parent: Path
    version: int
    controllers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """One job's groups, at most one for each place.

    Attributes:
        folders: The folders made.
        missing: The controllers that this machine does not offer; the caller decides whether it can do without.
    """

    folders: tuple[Path, ...]
    missing: tuple[str, ...]

    def members(self) -> list[Path]:
        """Return the files that a process writes ``0`` into to join."""
        return [folder / "cgroup.procs" for folder in self.folders]

    def pids(self) -> set[int]:
        """Return the processes in any of the groups."""
        return {int(line) for file in self.members() if file.exists() for line in file.read_text().split()}

    def out_of_memory(self) -> bool:
        """Return whether the kernel killed a member for its memory."""
        for folder in self.folders:
            for name in ("memory.events", "memory.oom_control"):
                file = folder / name
                if file.exists():
                    counts = dict(line.split() for line in file.read_text().splitlines())
                    if int(counts.get("oom_kill", 0)):
                        return True
        return False

    def remove(self, patience: float = 5.0) -> bool:
        """Kill what is left, remove the groups and return whether they are gone. ``patience`` in seconds."""
        for _ in range(max(1, round(patience / 0.01))):
            for pid in self.pids():
                _kill(pid)
            for folder in self.folders:
                _remove(folder)
            if not any(folder.exists() for folder in self.folders):
                return True
            time.sleep(0.01)
        return False


def places(root: Path = ROOT, own: Path = OWN) -> tuple[Place, ...]:
    """Return where groups can be made on this machine; controllers that appear in none are missing."""
    mine = _own_groups(own)
    found = [place for name in CONTROLLERS for place in _version_1(root, mine, name)]
    taken = {name for place in found for name in place.controllers}
    for mount in (root, root / "unified"):
        place = _version_2(mount, mine.get("", "/"), [name for name in CONTROLLERS if name not in taken])
        if place:
            return (*found, place)
    return tuple(found)


def make(limits: Limits, where: tuple[Place, ...]) -> Group:
    """Return new groups with the caps set. A place that refuses counts as missing, and nothing is left behind there."""
    name = f"medtrain-{os.getpid()}-{next(_NUMBERS)}"
    folders, done = [], set[str]()
    for place in where:
        _sweep(place.parent)
        folder = place.parent / name
        try:
            folder.mkdir()
            for controller in place.controllers:
                for file, value in _settings(place.version, controller, limits):
                    (folder / file).write_text(value)
        except OSError:
            _remove(folder)
            continue
        _forbid_swap(folder, place, limits)
        folders.append(folder)
        done |= set(place.controllers)
    return Group(tuple(folders), tuple(name for name in CONTROLLERS if name not in done))


def _own_groups(own: Path) -> dict[str, str]:
    lines = own.read_text().splitlines() if own.exists() else []
    return {name: path for _, names, path in (line.split(":", 2) for line in lines) for name in names.split(",")}


def _version_1(root: Path, mine: dict[str, str], name: str) -> Iterator[Place]:
    needed = {"memory": "memory.limit_in_bytes", "pids": "cgroup.procs", "cpu": "cpu.cfs_quota_us"}[name]
    # In a container the path may be the host's, and the mount already the container's own group.
    for parent in (root / name / mine.get(name, "/").lstrip("/"), root / name):
        # A root group has no pids.max or quota of its own, but tasks belong to version 1 only.
        if parent.is_dir() and (parent / "tasks").exists() and ((parent / needed).exists() or parent == root / name):
            if os.access(parent, os.W_OK):
                yield Place(parent, 1, (name,))
            return


def _version_2(mount: Path, path: str, wanted: list[str]) -> Place | None:
    if not wanted or not (mount / "cgroup.controllers").exists():
        return None
    here = mount / path.lstrip("/")
    # A group that holds processes cannot hand controllers on, so look upwards for the first that already does.
    for parent in (here, *here.parents):
        if not parent.is_relative_to(mount):
            break
        control = parent / "cgroup.subtree_control"
        on = set(control.read_text().split()) if control.exists() else set()
        offered = tuple(name for name in wanted if name in on)
        if offered and os.access(parent, os.W_OK) and os.access(parent / "cgroup.procs", os.W_OK):
            return Place(parent, 2, offered)
    return None


def _settings(version: int, controller: str, limits: Limits) -> list[tuple[str, str]]:
    quota = str(max(1000, int(limits.cpus * _PERIOD)))
    if version == 1:
        return {
            "memory": [("memory.limit_in_bytes", str(limits.memory))],
            "pids": [("pids.max", str(limits.pids))],
            "cpu": [("cpu.cfs_period_us", str(_PERIOD)), ("cpu.cfs_quota_us", quota)],
        }[controller]
    return {
        "memory": [("memory.max", str(limits.memory)), ("memory.oom.group", "1")],
        "pids": [("pids.max", str(limits.pids))],
        "cpu": [("cpu.max", f"{quota} {_PERIOD}")],
    }[controller]


def _forbid_swap(folder: Path, place: Place, limits: Limits) -> None:
    """A kernel built without swap accounting has no such file; then there is nothing to forbid it with."""
    if "memory" not in place.controllers:
        return
    file, value = (
        ("memory.memsw.limit_in_bytes", str(limits.memory)) if place.version == 1 else ("memory.swap.max", "0")
    )
    if (folder / file).exists():
        (folder / file).write_text(value)


def _sweep(parent: Path) -> None:
    """Remove groups of services that were killed before they could."""
    for folder in parent.glob("medtrain-*-*"):
        pid = folder.name.split("-")[1]
        if pid.isdigit() and not Path("/proc", pid).exists():
            _remove(folder)


def _remove(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:
        return


def _kill(pid: int) -> None:
    try:
        os.kill(pid, 9)
    except ProcessLookupError:
        return
