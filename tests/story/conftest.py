"""The main job, played on each database; the tests then look at what is left, and try what must be refused."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from tests.story.play import Played, Way, play, serving


@pytest.fixture(scope="session")
def played_on_sqlite(way_on_sqlite: Way) -> Iterator[Played]:
    """Yield a play on SQLite, which was killed twice on its way, with its server running."""
    with serving(play(way_on_sqlite.home)) as one:
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
