"""The launcher: turns itself into the job. A small single-threaded process, because the service has threads.

Run as ``python -I -S -c ... FD`` with an empty environment; FD holds the order as JSON. Standard library only. Every
step must succeed, or the process ends without having started the job.
"""

import base64
import ctypes
import json
import os
import platform
import resource
import signal
import struct
import sys
from pathlib import Path
from typing import Any

from training_sandbox.jail import landlock

_PDEATHSIG, _NO_NEW_PRIVS, _SECCOMP, _CAPBSET_DROP, _DUMPABLE = 1, 38, 22, 24, 4
_KEYCTL = {"x86_64": 250, "aarch64": 219}
_CAPSET = {"x86_64": 126, "aarch64": 91}


def main() -> None:
    """Read the order, confine this process and become the job."""
    descriptor = int(sys.argv[1])
    with os.fdopen(descriptor, "rb") as file:
        order = json.load(file)
    follow(order)


def follow(order: dict[str, Any]) -> None:
    """Do what the order says and exec; does not return.

    The order's members: ``parent`` process number, ``groups`` cgroup.procs files, ``rlimits`` name -> value,
    ``landlock`` None or {read, write}, ``seccomp`` None or base64, ``status`` None or a descriptor written to just
    before the exec, ``keep`` descriptors the job's first program needs, ``argv``, ``environment``, ``folder``.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    _control(libc, _PDEATHSIG, signal.SIGKILL)
    if os.getppid() != order["parent"]:
        raise SystemExit(1)  # the service died before the line above
    for members in order["groups"]:
        Path(members).write_text("0")
    for name, value in order["rlimits"].items():
        resource.setrlimit(getattr(resource, name), (value, value))
    number = _KEYCTL.get(platform.machine())
    if number is not None:
        libc.syscall(number, 1, None)  # an empty session keyring; where there are none, nothing is inherited either
    os.umask(0o077)
    if order["landlock"] is not None:
        _confine(libc, order["landlock"])
    os.chdir(order["folder"])
    for descriptor in order["keep"]:
        os.set_inheritable(descriptor, True)
    if order["seccomp"] is not None:
        _filter(libc, base64.b64decode(order["seccomp"]))
    status = order["status"]
    if status is not None:
        os.set_inheritable(status, False)
        os.write(status, b"{}")
    try:
        os.execve(order["argv"][0], order["argv"], order["environment"])  # noqa: S606  # an argument vector, no shell
    except OSError:
        if status is not None:
            os.ftruncate(status, 0)
        raise


def _confine(libc: ctypes.CDLL, folders: dict[str, list[str]]) -> None:
    os.setsid()
    last = int(Path("/proc/sys/kernel/cap_last_cap").read_text())
    if os.geteuid() == 0:
        for capability in range(last + 1):
            _control(libc, _CAPBSET_DROP, capability)
    header, empty = struct.pack("Ii", 0x20080522, 0), bytes(24)
    if libc.syscall(_CAPSET[platform.machine()], header, empty):
        raise OSError(ctypes.get_errno(), "capabilities")
    _control(libc, _NO_NEW_PRIVS, 1)
    landlock.confine([Path(path) for path in folders["read"]], [Path(path) for path in folders["write"]])


def _filter(libc: ctypes.CDLL, program: bytes) -> None:
    code = ctypes.create_string_buffer(program, len(program))
    head = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code))
    _control(libc, _SECCOMP, 2, head)


def _control(libc: ctypes.CDLL, option: int, *arguments: Any) -> None:
    padded = [*arguments, *[0] * (4 - len(arguments))]
    if libc.prctl(option, *(ctypes.c_ulong(a) if isinstance(a, int) else a for a in padded)):
        raise OSError(ctypes.get_errno(), f"prctl {option}")
