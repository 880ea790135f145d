"""The main job, played once on each database; the tests then look at what is left, and try what must be refused."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest

ROOT = Path(__file__).resolve().parents[2]
SCENE = "demo-network-fast"


@dataclass(frozen=True)
class Played:
    """A finished play.

    Attributes:
        home: Its home folder.
        told: What it returned.
        again: What it returned when it was played again.
        environment: Of every process that goes on with it.
    """

    home: Path
    told: dict[str, Any]
    again: dict[str, Any]
    environment: dict[str, str] = field(repr=False)

    @property
    def stage(self) -> Path:
        return self.home / "demo" / SCENE

    @property
    def release(self) -> Path:
        return self.stage / "release"

    @property
    def trust(self) -> Path:
        return self.stage / "trust.json"

    def medtrain(
        self, *arguments: str | Path, who: str | None = None, text: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run one command as one of the four people."""
        return command(self.environment, *arguments, who=who, home=self.home, text=text)


def command(
    environment: dict[str, str],
    *arguments: str | Path,
    who: str | None = None,
    home: Path | None = None,
    text: str | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run ``medtrain`` in a process of its own."""
    token = {"MEDTRAIN_TOKEN_FILE": str(home / "demo" / f"{who}.token")} if who and home else {}
    return subprocess.run(
        [sys.executable, "-m", "service.cli.main", *map(str, arguments)],
        env=environment | token,
        cwd=ROOT,
        capture_output=True,
        text=True,
        input=text,
        check=False,
        timeout=600,
    )


def environment_of(home: Path, database: str = "") -> dict[str, str]:
    """Return the environment of a facility in ``home``."""
    made = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    made |= {"MEDTRAIN_HOME": str(home), "OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "2"}
    return made | ({"MEDTRAIN_DATABASE": database} if database else {})


def play(home: Path, database: str = "") -> Played:
    """Play the fast demonstration to its end, twice."""
    environment = environment_of(home, database)
    told = []
    for _ in range(2):
        done = command(environment, "demo", "--fast", "--json")
        assert done.returncode == 0, done.stderr
        told.append(json.loads(done.stdout))
    return Played(home, *told, environment)


@contextmanager
def serving(one: Played) -> Iterator[Played]:
    """Yield the play while a server holds its home folder: commands then are quick."""
    server = subprocess.Popen(
        [sys.executable, "-m", "service.cli.main", "serve", "--port", "0"],
        env=one.environment, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert server.stderr is not None
        assert "medtrain is at" in server.stderr.readline()
        yield one
    finally:
        server.terminate()
        server.communicate(timeout=60)


@pytest.fixture(scope="session")
def played_on_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    """Yield a play on SQLite, with its server running."""
    with serving(play(tmp_path_factory.mktemp("story") / "home")) as one:
        yield one


@pytest.fixture(scope="session")
def played_on_postgresql(tmp_path_factory: pytest.TempPathFactory, postgres_server: str) -> Iterator[Played]:
    """Yield a play on PostgreSQL, with its server running."""
    plain = f"{postgres_server.replace('+psycopg', '')}/postgres"
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute("create database story")
    with serving(play(tmp_path_factory.mktemp("story-pg") / "home", f"{postgres_server}/story")) as one:
        yield one


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def played(request: pytest.FixtureRequest) -> Played:
    """Return a play; a test that asks for it runs on both databases."""
    found: Played = request.getfixturevalue(f"played_on_{request.param}")
    return found


@pytest.fixture
def refusals() -> Callable[[Played, str], list[dict[str, Any]]]:
    """Return how to ask the log what was refused to whom."""

    def search(one: Played, who: str) -> list[dict[str, Any]]:
        said = one.medtrain("log", "search", "--actor", who, "--decision", "deny", "--json", who="compliance-wu")
        assert said.returncode == 0, said.stderr
        found: list[dict[str, Any]] = json.loads(said.stdout)["items"]
        return found

    return search
