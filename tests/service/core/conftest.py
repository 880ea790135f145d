"""A database with the schema, a clock that stands still, and log entries to go with changes."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa

from policies.entry import Entry
from service.database import engine


@pytest.fixture
def core(ready_url: str) -> Iterator[sa.Engine]:
    made = engine(ready_url)
    yield made
    made.dispose()


@pytest.fixture
def fixed() -> Callable[[], datetime]:
    return lambda: datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
def said() -> Callable[..., Entry]:
    def make(**changes: Any) -> Entry:
        values = {"at": "2026-01-02T03:04:05.000000Z", "actor": "wang", "action": "thing.do", "kind": "thing"}
        return Entry(**{"object": "o-1", "decision": "allow", **values, **changes})

    return make
