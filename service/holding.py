"""One process holds the home folder and runs the service; everybody else finds its address there."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from policies.errors import Conflict

LOCK, ADDRESS = "service.lock", "server.json"


@contextmanager
def held(home: Path) -> Iterator[None]:
    """Hold the home folder for this process; the hold ends with the process, whatever ends that.

    Raises:
        Conflict: another process holds it.
    """
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(home / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Conflict("another process runs the service on this home folder") from None
    else:
        yield
    finally:
        os.close(handle)


def holder(home: Path) -> str | None:
    """Return the address of the server that holds the home folder, or None when nobody does."""
    address = home / ADDRESS
    if not address.is_file():
        return None
    try:
        with held(home):
            return None
    except Conflict:
        return str(json.loads(address.read_text("utf-8"))["url"])


def announce(home: Path, url: str) -> None:
    """Write the address of the server that holds the home folder, whole or not at all."""
    part = home / f"{ADDRESS}.part"
    part.touch(mode=0o600)
    part.write_text(json.dumps({"url": url}), "utf-8")
    part.replace(home / ADDRESS)


def withdraw(home: Path) -> None:
    """Remove the address."""
    (home / ADDRESS).unlink(missing_ok=True)
