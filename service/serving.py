"""Running the service: one process holds the home folder; everybody else talks to that process."""

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI

from policies.errors import Conflict
from service import jobs
from service.api.app import create_app
from service.facility import Facility, opened
from service.settings import Settings

LOCK, ADDRESS = "service.lock", "server.json"


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


@contextmanager
def embedded(facility: Facility) -> Iterator[FastAPI]:
    """Yield the application, run in this process; on leaving, wait for the jobs it started.

    Raises:
        Conflict: another process holds the home folder.
    """
    with held(facility.settings.home):
        jobs.start(facility)
        try:
            yield create_app(facility)
        finally:
            jobs.stop(patience_seconds=3600)


class Server(uvicorn.Server):
    """A uvicorn server that calls back once it listens, with its real port."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[int], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: Any = None) -> None:
        """Listen, then say where."""
        await super().startup(sockets)
        if self.started:
            self._ready(self.servers[0].sockets[0].getsockname()[1])


def serve(settings: Settings, *, host: str, port: int, say: Callable[[str], None]) -> None:
    """Run until interrupted.

    Raises:
        Conflict: another process holds the home folder.
    """
    with opened(settings) as facility, held(settings.home):
        jobs.start(facility)
        try:
            listening(facility, host=host, port=port, ready=lambda url: say(f"medtrain is at {url}"))
        finally:
            jobs.stop(patience_seconds=5)
            (settings.home / ADDRESS).unlink(missing_ok=True)


def listening(facility: Facility, *, host: str, port: int, ready: Callable[[str], None]) -> None:
    """Serve requests until the process is told to end; ``ready`` is called with the address."""
    server(facility, host=host, port=port, ready=ready).run()


def server(facility: Facility, *, host: str, port: int, ready: Callable[[str], None]) -> Server:
    """Return a server that, once it listens, writes its address to the home folder and calls ``ready``."""

    def announce(real_port: int) -> None:
        url = f"http://{host}:{real_port}"
        path = facility.settings.home / ADDRESS
        path.touch(mode=0o600)
        path.write_text(json.dumps({"url": url}), "utf-8")
        ready(url)

    config = uvicorn.Config(
        create_app(facility), host=host, port=port, log_level="warning", access_log=False, server_header=False
    )
    return Server(config, announce)


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
