"""Running the service: one process holds the home folder; everybody else talks to that process."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI

from service import holding, jobs
from service.api.app import create_app
from service.defects import Untold
from service.facility import Facility, opened
from service.settings import Settings

PATIENCE_SECONDS = 3
"""How long the end waits for open answers: somebody may be following a run."""


@contextmanager
def embedded(facility: Facility) -> Iterator[FastAPI]:
    """Yield the application, run in this process; on leaving, wait for the jobs it started.

    Raises:
        Conflict: another process holds the home folder.
    """
    with holding.held(facility.settings.home):
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
    with opened(settings) as facility, holding.held(settings.home):
        jobs.start(facility)
        try:
            listening(facility, host=host, port=port, ready=lambda url: say(f"medtrain is at {url}"))
        finally:
            jobs.stop(patience_seconds=5)
            holding.withdraw(settings.home)


def listening(facility: Facility, *, host: str, port: int, ready: Callable[[str], None]) -> None:
    """Serve requests until the process is told to end; ``ready`` is called with the address."""
    server(facility, host=host, port=port, ready=ready).run()


def server(facility: Facility, *, host: str, port: int, ready: Callable[[str], None]) -> Server:
    """Return a server that, once it listens, writes its address to the home folder and calls ``ready``."""

    def announce(real_port: int) -> None:
        url = f"http://{host}:{real_port}"
        holding.announce(facility.settings.home, url)
        ready(url)

    logging.getLogger("uvicorn.error").addFilter(Untold())  # it would print the exception, which may quote a record
    config = uvicorn.Config(
        create_app(facility),
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=PATIENCE_SECONDS,
    )
    return Server(config, announce)
