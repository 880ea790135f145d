"""Confine the calling process to a few folders, for ever, by Landlock. Standard library only: runs before all else.

Landlock alone lets UDP and local sockets out; it is a jail only together with the seccomp program.
Source: Linux documentation, userspace-api/landlock; system call numbers 444 to 446 are the same on every architecture.
"""

import ctypes
import os
import stat
import struct
from collections.abc import Iterable
from pathlib import Path

# 3 is the first that can refuse truncation. What later ones add (network, scopes) the seccomp program denies anyway.
OLDEST = 3
_FS_BITS = {3: 15, 4: 15, 5: 16}  # how many file rights each ABI knows; 16 from 5 on
_EXECUTE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 2, 1 << 3
_READ = _EXECUTE | _READ_FILE | _READ_DIR
_MAKE_CHAR, _MAKE_SOCK, _MAKE_FIFO, _MAKE_BLOCK = 1 << 6, 1 << 9, 1 << 10, 1 << 11
_MAKE_SYM, _REFER, _IOCTL_DEV = 1 << 12, 1 << 13, 1 << 15
_NEVER = _MAKE_CHAR | _MAKE_SOCK | _MAKE_FIFO | _MAKE_BLOCK | _MAKE_SYM | _REFER | _IOCTL_DEV
_FILE_ONLY = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 14  # the rights a rule about a plain file may carry


def version() -> int:
    """Return the kernel's Landlock ABI, 0 where there is none."""
    return max(0, int(_libc().syscall(444, None, 0, 1)))


def confine(read: Iterable[Path], write: Iterable[Path]) -> None:
    """Leave this process and its children only these files: ``read`` to read and execute, ``write`` to write as well.

    ``no_new_privs`` must be set. Paths that do not exist are passed over.

    Raises:
        OSError: the kernel has no Landlock, or one too old.
    """
    abi = version()
    if abi < OLDEST:
        raise OSError(f"Landlock ABI {abi} is too old")
    rights = (1 << _FS_BITS.get(abi, 16)) - 1
    attributes = struct.pack("QQQ", rights, 3 if abi >= 4 else 0, 3 if abi >= 6 else 0)
    size = 24 if abi >= 6 else 16 if abi >= 4 else 8
    rules = _call(444, attributes[:size], size, 0)
    for path in read:
        _allow(rules, path, _READ & rights)
    for path in write:
        _allow(rules, path, rights & ~_EXECUTE & ~_NEVER)
    _call(446, rules, 0)
    os.close(rules)


def _allow(rules: int, path: Path, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    folder = stat.S_ISDIR(os.fstat(place).st_mode)
    _call(445, rules, 1, struct.pack("=Qi", rights if folder else rights & _FILE_ONLY, place), 0)
    os.close(place)


def _call(number: int, *arguments: object) -> int:
    result = int(_libc().syscall(number, *arguments))
    if result < 0:
        problem = ctypes.get_errno()
        raise OSError(problem, os.strerror(problem))
    return result


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
