"""Read a dead job's output folder as if an enemy had written it."""

import os
import re
import stat
from pathlib import Path

from policies.errors import Refused

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


class OutputRefused(Refused):
    """The job left something in its output folder that is not one of the plain small files it may write."""

    code = "output-refused"


def collect(folder: Path, allowed: frozenset[str], limit: int) -> dict[str, bytes]:
    """Return the bytes of the output files, by name. Only bytes are taken: no mode, time, owner or attribute.

    Links are not followed; hard links, pipes, sockets, devices, folders, odd names, sparse giants and files that
    change while they are read are refused. Call it only after every process of the job is dead.

    Args:
        folder: The job's output folder.
        allowed: The names a job may write; nothing else may lie there.
        limit: Bytes of all files together.

    Raises:
        OutputRefused: the rule that was broken; never the offending name.
    """
    root = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    found: dict[str, bytes] = {}
    try:
        for name in sorted(os.listdir(root)):  # noqa: PTH208  # by descriptor, which no link can redirect
            if name not in allowed or not _NAME.fullmatch(name):
                raise OutputRefused("the job wrote a file of an unexpected name")
            found[name] = _read(root, name, limit - sum(map(len, found.values())))
    finally:
        os.close(root)
    return found


def take(folder: Path, name: str, limit: int) -> bytes:
    """Return the bytes of one file of an output folder; empty where it is not there or not a plain file within the
    limit.

    For what a killed job left on purpose; whoever reads it must be able to tell whether it is genuine.
    """
    if not folder.is_dir() or folder.is_symlink():
        return b""
    root = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        return _read(root, name, limit)
    except OutputRefused:
        return b""
    finally:
        os.close(root)


def _read(root: int, name: str, limit: int) -> bytes:
    try:
        file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=root)
    except OSError:
        raise OutputRefused("the job left something that is not a plain file") from None
    try:
        before = os.fstat(file)
        if not stat.S_ISREG(before.st_mode) or before.st_nlink != 1:
            raise OutputRefused("the job left something that is not a plain file")
        if before.st_size > limit:
            raise OutputRefused("the job wrote more than it may")
        with os.fdopen(os.dup(file), "rb") as source:
            content = source.read(before.st_size + 1)
    finally:
        os.close(file)
    if len(content) != before.st_size:
        raise OutputRefused("an output file changed while it was read")
    return content
