"""The launcher, step by step, in a process that is not really confined."""

import base64
import ctypes
import json
import os
import resource
import struct
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from training_sandbox.jail import landlock, launch


class Executed(Exception):
    """Stands for the moment at which a process becomes another."""


class Kernel:
    """Records calls instead of making them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, fails: str = "") -> None:
        self.steps: list[str] = []
        self._fails = fails
        monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: self)
        for module, name in ((os, "setsid"), (os, "umask"), (os, "chdir"), (os, "execve"), (resource, "setrlimit")):
            monkeypatch.setattr(module, name, self._recorder(name))

    def _recorder(self, name: str):
        def call(*arguments: object) -> None:
            self.steps.append(name if name != "setrlimit" else f"setrlimit {arguments}")
            if name == self._fails:
                raise OSError(name)
            if name == "execve":
                raise Executed

        return call

    def prctl(self, option: int, *_: object) -> int:
        self.steps.append(f"prctl {option}")
        return -1 if self._fails == f"prctl {option}" else 0

    def syscall(self, number: int, *_: object) -> int:
        self.steps.append(f"syscall {number}")
        return -1 if self._fails == f"syscall {number}" else 100 if number == 444 else 0


def order(**changes: object) -> dict:
    empty = {"parent": os.getppid(), "groups": [], "rlimits": {}, "landlock": None, "seccomp": None, "status": None}
    return empty | {"keep": [], "argv": ["/bin/true"], "environment": {}, "folder": "/"} | changes


@pytest.fixture
def status() -> int:
    return os.memfd_create("status")


def test_the_order_is_read_from_its_descriptor(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = Kernel(monkeypatch)
    paper = os.memfd_create("order")
    os.write(paper, json.dumps(order()).encode())
    os.lseek(paper, 0, os.SEEK_SET)
    monkeypatch.setattr(sys, "argv", ["-c", str(paper)])
    with pytest.raises(Executed):
        launch.main()
    assert kernel.steps[0] == f"prctl {launch._PDEATHSIG}"
    assert kernel.steps[-1] == "execve"


def test_a_launcher_whose_parent_is_gone_starts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = Kernel(monkeypatch)
    with pytest.raises(SystemExit):
        launch.follow(order(parent=os.getppid() + 1))
    assert "execve" not in kernel.steps


def test_groups_and_limits_come_before_the_job(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, status: int) -> None:
    kernel = Kernel(monkeypatch)
    with pytest.raises(Executed):
        launch.follow(order(groups=[str(tmp_path / "procs")], rlimits={"RLIMIT_CORE": 0}, status=status, keep=[status]))
    assert (tmp_path / "procs").read_text() == "0"
    assert f"setrlimit ({resource.RLIMIT_CORE}, (0, 0))" in kernel.steps
    assert os.pread(status, 10, 0) == b"{}"
    assert not os.get_inheritable(status)


def test_a_program_that_cannot_be_started_is_not_reported_as_started(monkeypatch, status: int) -> None:
    Kernel(monkeypatch, fails="execve")
    with pytest.raises(OSError, match="execve"):
        launch.follow(order(status=status))
    assert os.pread(status, 10, 0) == b""
    with pytest.raises(OSError, match="execve"):
        launch.follow(order())


@pytest.mark.parametrize("user", [0, 1000])
def test_confinement_comes_before_the_filter_and_the_filter_last(monkeypatch, user: int) -> None:
    kernel = Kernel(monkeypatch)
    monkeypatch.setattr(os, "geteuid", lambda: user)
    confined: list[tuple] = []
    monkeypatch.setattr(landlock, "confine", lambda *paths: confined.append(paths))
    program = base64.b64encode(struct.pack("HBBI", 6, 0, 0, 0x7FFF0000)).decode()
    with pytest.raises(Executed):
        launch.follow(order(landlock={"read": ["/usr"], "write": ["/tmp"]}, seccomp=program))
    assert confined == [([Path("/usr")], [Path("/tmp")])]
    assert (f"prctl {launch._CAPBSET_DROP}" in kernel.steps) is (user == 0)
    where = [kernel.steps.index(f"prctl {n}") for n in (launch._PDEATHSIG, launch._NO_NEW_PRIVS, launch._SECCOMP)]
    assert where == sorted(where)
    assert kernel.steps[-2:] == [f"prctl {launch._SECCOMP}", "execve"]


@pytest.mark.parametrize("fails", ["prctl 1", "prctl 38", "prctl 22", "syscall 126", "setsid"])
def test_a_step_that_fails_stops_the_launch(monkeypatch: pytest.MonkeyPatch, fails: str) -> None:
    monkeypatch.setattr(launch.platform, "machine", lambda: "x86_64")
    kernel = Kernel(monkeypatch, fails)
    monkeypatch.setattr(landlock, "confine", lambda *_: None)
    with pytest.raises(OSError):
        launch.follow(order(landlock={"read": [], "write": []}, seccomp=base64.b64encode(bytes(8)).decode()))
    assert "execve" not in kernel.steps


def test_a_processor_without_a_known_keyring_call_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = Kernel(monkeypatch)
    monkeypatch.setattr(launch.platform, "machine", lambda: "riscv64")
    with pytest.raises(Executed):
        launch.follow(order())
    assert not [step for step in kernel.steps if step.startswith("syscall")]


@pytest.mark.parametrize("abi", [3, 4, 5, 6, 9])
def test_landlock_asks_for_all_the_kernel_knows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, abi: int) -> None:
    calls: list[tuple[int, tuple]] = []

    def syscall(number: int, *arguments: object) -> int:
        calls.append((number, arguments))
        return os.open("/dev/null", os.O_RDONLY) if number == 444 and arguments[0] else abi if number == 444 else 0

    monkeypatch.setattr(landlock, "_libc", lambda: SimpleNamespace(syscall=syscall))
    (tmp_path / "file").touch()
    landlock.confine([tmp_path, tmp_path / "file", tmp_path / "absent"], [tmp_path])
    size = calls[1][1][1]
    assert size == {3: 8, 4: 16, 5: 16}.get(abi, 24)
    rights = struct.unpack_from("=Q", calls[1][1][0])[0]
    assert rights == (1 << (15 if abi < 5 else 16)) - 1
    rules = [struct.unpack("=Qi", arguments[2])[0] for number, arguments in calls if number == 445]
    assert len(rules) == 3
    assert rules[0] == 0b1101
    assert rules[1] == 0b101
    assert rules[2] & landlock._NEVER == 0
    assert calls[-1][0] == 446


def test_a_kernel_that_refuses_a_rule_stops_the_launch(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([7, -1])
    monkeypatch.setattr(landlock, "_libc", lambda: SimpleNamespace(syscall=lambda *_: next(answers)))
    with pytest.raises(OSError):
        landlock.confine([], [])


def test_a_kernel_without_landlock_has_version_nought(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landlock, "_libc", lambda: SimpleNamespace(syscall=lambda *_: -1))
    assert landlock.version() == 0
