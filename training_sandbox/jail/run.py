"""Run one job in a jail and say how it ended, in words that carry nothing about its data."""

import base64
import json
import os
import re
import selectors
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from policies.errors import JailTooWeak
from training_sandbox.jail import bubblewrap, cgroups, gpu, seccomp
from training_sandbox.jail.interpreter import LINKER_CACHE, PACKAGES, SYSTEM, Interpreter, command, interpreter
from training_sandbox.jail.limits import Folders, Limits
from training_sandbox.jail.tiers import Tier

WORKER = "from training_sandbox.worker import main; main()"
_LAUNCHER = "from training_sandbox.jail.launch import main; main()"

Outcome = Literal["ok", "failed", "timeout", "killed"]
Reason = Literal["", "memory", "output", "wall-clock", "signal", "stopped"]

# Everything a job may say while it runs; what else it prints is thrown away, and all that follows the first 64 KiB.
VOCABULARY = re.compile(rb"(started|tenth [0-9]|tenth 10|evaluating|finished)")
_HEARD = 64 << 10
_LOOK = 0.2  # seconds between two looks at clock and output folder
_DEVICES = tuple(Path("/dev", name) for name in ("null", "zero", "random", "urandom"))
_PROCESSOR = (Path("/proc/cpuinfo"), Path("/sys/devices/system/cpu"))


@dataclass(frozen=True, slots=True)
class Ending:
    """How a job ended.

    Attributes:
        outcome: ``ok`` or ``failed`` by its own account, ``timeout`` or ``killed`` by ours or the kernel's. Exit codes
            from 1 to 128 all read ``failed``, those above, which stand for signals, ``killed``: a number is a channel.
        tier: The isolation it ran in.
        reason: Why it was killed.
        uncapped: The controllers this machine could not cap the job with. Never any in T2.
    """

    outcome: Outcome
    tier: Tier
    reason: Reason = ""
    uncapped: tuple[str, ...] = ()


def run(
    folders: Folders,
    keys: bytes,
    limits: Limits,
    tier: Tier,
    *,
    program: str = WORKER,
    heard: Callable[[str], None] = lambda _: None,
    stopped: Callable[[], bool] = lambda: False,
    places: tuple[cgroups.Place, ...] | None = None,
) -> Ending:
    """Run ``program`` in a jail of ``tier`` and wait for its end; afterwards no process of it is left.

    Args:
        folders: The job's input, and its empty output folder.
        keys: Written to the job's standard input, nowhere else.
        limits: The job's caps.
        tier: T0, T1 or T2. Which of them holds on this machine is the probe's business.
        program: Python source; it sees the input and output folders as ``sys.argv[1:]``.
        heard: Called with each word of ``VOCABULARY`` the job says.
        stopped: Asked every fifth of a second while the job runs; at the first yes it is killed.
        places: Where cgroups can be made; looked up where not given.

    Raises:
        JailTooWeak: this machine cannot build that jail. The job has not started, nor seen its keys.
    """
    once = partial(_run, limits=limits, tier=tier, places=places)
    if not limits.gpus:
        return once(folders, keys, program=program, heard=heard, stopped=stopped)
    if tier is not Tier.T2:
        raise JailTooWeak("a GPU is handed out in a jail of tier T2 only")
    with gpu.tenancy(limits.gpus):
        _clear(once)
        try:
            return once(folders, keys, program=program, heard=heard, stopped=stopped)
        finally:
            _clear(once)


def _clear(once: Callable[..., Ending]) -> None:
    """Clear the GPUs' memory in a process of its own, which has nothing of the job."""
    with tempfile.TemporaryDirectory(prefix="medtrain-gpu-") as name:
        empty = Folders(Path(name, "in"), Path(name, "out"))
        empty.data.mkdir()
        empty.out.mkdir()
        if once(empty, b"", program=gpu.WIPE, heard=lambda _: None, stopped=lambda: False).outcome != "ok":
            raise JailTooWeak("the memory of a GPU could not be cleared, or was not clear")


def _run(
    folders: Folders,
    keys: bytes,
    *,
    limits: Limits,
    tier: Tier,
    program: str,
    heard: Callable[[str], None],
    stopped: Callable[[], bool],
    places: tuple[cgroups.Place, ...] | None,
) -> Ending:
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="medtrain-")))
        group = cgroups.make(limits, cgroups.places() if places is None else places)
        stack.callback(group.remove)
        if tier is Tier.T2 and group.missing:
            raise JailTooWeak(f"this machine offers no cgroup controller for {', '.join(group.missing)}")
        status = stack.enter_context(_memory("status"))
        order = _ORDERS[tier](folders, limits, scratch, stack, program)
        order |= {"parent": os.getpid(), "groups": [str(file) for file in group.members()], "status": status}
        if tier is Tier.T2:  # bubblewrap writes there itself
            order["argv"][1:1] = ["--json-status-fd", str(status)]
            order["keep"].append(status)
            order["status"] = None
        full = partial(_full, {folders.out: limits.output_bytes, scratch: limits.scratch_bytes})
        ending = _wait(_start(order, stack), keys, limits, tier, heard=heard, full=full, stopped=stopped)
        if full():
            ending = replace(ending, outcome="killed", reason="output")
        elif ending.outcome != "ok" and group.out_of_memory():
            ending = replace(ending, outcome="killed", reason="memory")
        if not _started(status, tier, ending):
            raise JailTooWeak(f"this machine could not build a jail of tier {tier.value}")
        if not group.remove():
            raise JailTooWeak("a process of the job could not be ended")
        return replace(ending, uncapped=group.missing)


def environment(limits: Limits, scratch: Path) -> dict[str, str]:
    """Return the whole environment of a job; nothing of the caller's is passed on."""
    threads = str(max(1, int(limits.cpus)))
    return {
        "HOME": str(scratch),
        "TMPDIR": str(scratch),
        "LANG": "C.UTF-8",
        "OMP_NUM_THREADS": threads,
        "POLARS_MAX_THREADS": threads,
    }


def _order(limits: Limits, argv: list[str], **members: Any) -> dict[str, Any]:
    rlimits = {"RLIMIT_CORE": 0, "RLIMIT_FSIZE": limits.output_bytes, "RLIMIT_NOFILE": 256}
    empty: dict[str, Any] = {"landlock": None, "seccomp": None, "keep": [], "environment": {}, "folder": "/"}
    return empty | {"argv": argv, "rlimits": rlimits} | members


def _bare(folders: Folders, limits: Limits, scratch: Path, _: ExitStack, program: str) -> dict[str, Any]:
    python = interpreter()
    argv = [*command(python.executable, python.site, python.code, program), str(folders.data), str(folders.out)]
    return _order(limits, argv, environment=environment(limits, scratch), folder=str(scratch))


def _landlocked(folders: Folders, limits: Limits, scratch: Path, stack: ExitStack, program: str) -> dict[str, Any]:
    order = _bare(folders, limits, scratch, stack, program)
    order["rlimits"] |= {
        "RLIMIT_DATA": limits.memory,
        "RLIMIT_CPU": max(1, int(limits.wall_seconds * limits.cpus)),
        "RLIMIT_MEMLOCK": 0,
    }
    order["landlock"] = {
        "read": [str(path) for path in (*_readable(interpreter()), folders.data.resolve())],
        "write": [str(path.resolve()) for path in (folders.out, scratch)] + ["/dev/null"],
    }
    order["seccomp"] = base64.b64encode(seccomp.program(namespaces=False)).decode()
    return order


def _namespaced(folders: Folders, limits: Limits, _: Path, stack: ExitStack, program: str) -> dict[str, Any]:
    python = interpreter()
    inside = environment(limits, bubblewrap.SCRATCH)
    words = bubblewrap.options(python, folders, limits, inside)
    options = stack.enter_context(_memory("options", "".join(f"{word}\0" for word in words).encode()))
    rules = stack.enter_context(_memory("seccomp", seccomp.program(namespaces=True, gpu=bool(limits.gpus))))
    argv = [str(bubblewrap.binary()), "--args", str(options), "--seccomp", str(rules)]
    argv += [*bubblewrap.jailed(python, program), str(bubblewrap.DATA), str(bubblewrap.OUT)]
    return _order(limits, argv, keep=[options, rules])


_ORDERS = {Tier.T0: _bare, Tier.T1: _landlocked, Tier.T2: _namespaced}


def _readable(python: Interpreter) -> tuple[Path, ...]:
    packages = tuple(python.code / name for name in PACKAGES)
    return (
        *SYSTEM,
        LINKER_CACHE,
        *python.libraries,
        python.executable,
        *python.site,
        *packages,
        *_DEVICES,
        *_PROCESSOR,
    )


def _started(status: int, tier: Tier, ending: Ending) -> bool:
    """Whether the job's own program ran: the launcher, or bubblewrap after the job's end, has said so."""
    said = os.pread(status, 4096, 0)
    return b"exit-code" in said if tier is Tier.T2 and ending.outcome in ("ok", "failed") else bool(said)


def _start(order: dict[str, Any], stack: ExitStack) -> subprocess.Popen[bytes]:
    python = interpreter()
    paper = stack.enter_context(_memory("order", json.dumps(order).encode()))
    descriptors = [paper, *order["keep"], *([order["status"]] if order["status"] is not None else [])]
    process = subprocess.Popen(  # noqa: S603  # our own interpreter, an empty environment, no shell
        [*command(python.executable, (), python.code, _LAUNCHER), str(paper)],
        env={},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        pass_fds=descriptors,
        cwd="/",
    )
    stack.callback(process.wait)
    stack.callback(process.kill)
    return process


def _wait(
    process: subprocess.Popen[bytes],
    keys: bytes,
    limits: Limits,
    tier: Tier,
    *,
    heard: Callable[[str], None],
    full: Callable[[], bool],
    stopped: Callable[[], bool],
) -> Ending:
    deadline = time.monotonic() + limits.wall_seconds
    words = _Words(heard)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        with process.stdin as pipe:
            pipe.write(keys)
    except BrokenPipeError:
        pass  # ended before it asked for its keys; the exit code says how
    with process.stdout as pipe, selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while process.poll() is None:
            if selector.get_map() and selector.select(_LOOK):
                chunk = os.read(pipe.fileno(), 4096)
                if not chunk or not words.hear(chunk):
                    selector.unregister(pipe)
                    pipe.close()
            elif not selector.get_map():
                time.sleep(_LOOK / 10)
            if time.monotonic() > deadline:
                return _kill(process, Ending("timeout", tier, "wall-clock"))
            if full():
                return _kill(process, Ending("killed", tier, "output"))
            if stopped():
                return _kill(process, Ending("killed", tier, "stopped"))
        while not pipe.closed and (chunk := os.read(pipe.fileno(), 4096)) and words.hear(chunk):
            pass
    if process.returncode == 0:
        return Ending("ok", tier)
    # A job killed inside its namespaces is reported by bubblewrap as 128 + signal.
    killed = process.returncode < 0 or process.returncode > 128
    return Ending("killed", tier, "signal") if killed else Ending("failed", tier)


def _kill(process: subprocess.Popen[bytes], ending: Ending) -> Ending:
    process.kill()
    process.wait()
    return ending


def _full(limits: dict[Path, int]) -> bool:
    """Whether a folder holds more bytes than it may. What lies deeper is no output: the collector refuses folders."""
    for folder, limit in limits.items():
        total = 0
        with os.scandir(folder) as entries:
            for entry in entries:
                try:
                    total += entry.stat(follow_symlinks=False).st_blocks * 512
                except FileNotFoundError:
                    continue
        if total > limit:
            return True
    return False


class _Words:
    """Picks the words of the vocabulary out of what a job prints."""

    def __init__(self, heard: Callable[[str], None]) -> None:
        self._heard, self._rest, self._left = heard, b"", _HEARD

    def hear(self, chunk: bytes) -> bool:
        """Take more output; return whether to go on listening."""
        *lines, self._rest = (self._rest + chunk[: self._left]).split(b"\n")
        self._left -= len(chunk)
        for line in lines:
            if VOCABULARY.fullmatch(line):
                self._heard(line.decode())
        return self._left > 0


@contextmanager
def _memory(name: str, content: bytes = b"") -> Iterator[int]:
    """A nameless file in memory, closed at the end."""
    descriptor = os.memfd_create(name, os.MFD_CLOEXEC)
    try:
        os.write(descriptor, content)
        os.lseek(descriptor, 0, os.SEEK_SET)
        yield descriptor
    finally:
        os.close(descriptor)
