"""How a command reaches the service: over the network, or in this process when no server holds the home folder."""

import asyncio
import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import httpx

from policies.errors import MedtrainError, Misuse, NotSignedIn

API = "/api/v1"
PATIENCE = 600.0
"""Seconds to wait for an answer; long work is a job that is asked after, so this is generous."""


class Answered(MedtrainError):
    """The service refused or failed; its code, sentence and exit code are passed on."""

    def __init__(self, problem: dict[str, Any], status: int) -> None:
        super().__init__(str(problem.get("detail") or f"the service answered {status}"))
        self.code = str(problem.get("code", "internal"))  # type: ignore[misc]  # the service's own code is finer
        self.exit_code = int(problem.get("exit_code", 1))  # type: ignore[misc]  # and so is its exit code
        self.http_status = status  # type: ignore[misc]  # as answered


class Connection:
    """One person's connection. Every method raises ``Answered`` when the service says no."""

    def __init__(self, token: str, *, server: str | None = None, app: Any = None) -> None:
        self._token, self._server, self._app = token, server, app

    def get(self, path: str, **query: str | int | None) -> Any:
        """Return the JSON answer."""
        return self.ask("GET", path, params={k: v for k, v in query.items() if v is not None}).json()

    def post(self, path: str, body: Any = None, *, key: str | None = None, files: Any = None, data: Any = None) -> Any:
        """Return the JSON answer; ``key`` makes a repetition harmless."""
        extra = {"Idempotency-Key": key} if key else {}
        sent = {"json": body} if files is None and data is None else {"files": files, "data": data}
        return self.ask("POST", path, headers=extra, **sent).json()

    def fetch(self, path: str, **query: str) -> bytes:
        """Return the bytes of the answer."""
        return self.ask("GET", path, params=query).content

    def ask(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """Return the answer, or raise ``Answered``."""
        headers = {"Authorization": f"Bearer {self._token}", **arguments.pop("headers", {})}
        response = self._send(method, API + path, headers=headers, **arguments)
        if response.is_success:
            return response
        try:
            problem = response.json()
        except ValueError:
            problem = {}
        raise Answered(problem if isinstance(problem, dict) else {}, response.status_code)

    def _send(self, method: str, url: str, **arguments: Any) -> httpx.Response:
        if self._app is not None:
            return asyncio.run(self._in_process(method, url, **arguments))
        try:
            with httpx.Client(base_url=self._server or "", timeout=PATIENCE, verify=_trust()) as client:
                return client.request(method, url, **arguments)
        except httpx.TransportError as problem:
            raise Answered({"detail": f"{self._server} does not answer ({type(problem).__name__})"}, 503) from None

    async def _in_process(self, method: str, url: str, **arguments: Any) -> httpx.Response:
        transport = httpx.ASGITransport(app=self._app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://medtrain", timeout=PATIENCE) as client:
            return await client.request(method, url, **arguments)


@contextmanager
def connect(server: str | None, token: str | None, token_file: Path | None) -> Iterator[Connection]:
    """Yield a connection: to ``server``, else to the server that holds the home folder, else in this process.

    Raises:
        NotSignedIn: neither a token nor a token file was given.
    """
    from service.holding import holder
    from service.settings import read

    secret = _token(token, token_file)
    settings = read()
    address = server or os.environ.get("MEDTRAIN_SERVER") or holder(settings.home)
    if address:
        yield Connection(secret, server=address)
        return
    from service.facility import opened
    from service.serving import embedded

    with opened(settings) as facility, embedded(facility) as app:
        yield Connection(secret, app=app)


@cache
def _trust() -> ssl.SSLContext:
    """Return the authorities that servers are checked against. Reading them takes longer than most requests."""
    return httpx.create_ssl_context()


def _token(token: str | None, token_file: Path | None) -> str:
    named = os.environ.get("MEDTRAIN_TOKEN_FILE")
    path = token_file or (Path(named) if named else None)
    if secret := token or os.environ.get("MEDTRAIN_TOKEN"):
        return secret
    if path is None:
        raise NotSignedIn("say who you are: --token-file, MEDTRAIN_TOKEN_FILE or MEDTRAIN_TOKEN")
    if not path.is_file():
        raise Misuse("the token file does not exist")
    return path.read_text("utf-8").strip()
