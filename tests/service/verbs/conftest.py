"""Facilities to act on: one on SQLite, one on each database."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service.verbs.small_facility import Small, open_copy, open_new


@pytest.fixture(scope="session")
def small_template(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """Return (home, tokens) of a closed facility on SQLite with its cast and a published dataset."""
    home = tmp_path_factory.mktemp("small") / "home"
    made = open_new(home, "")
    made.facility.close()
    return home, made.tokens


@pytest.fixture
def small(small_template: tuple[Path, dict[str, str]], tmp_path: Path) -> Iterator[Small]:
    """Yield a facility on SQLite."""
    made = open_copy(small_template[0], tmp_path / "home", small_template[1])
    yield made
    made.facility.close()


@pytest.fixture
def both(request: pytest.FixtureRequest, ready_url: str, tmp_path: Path) -> Iterator[Small]:
    """Yield a facility; a test that asks for it runs on both databases."""
    if ready_url.startswith("sqlite"):
        yield request.getfixturevalue("small")
        return
    made = open_new(tmp_path / "home", ready_url)
    yield made
    made.facility.close()
