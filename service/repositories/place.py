"""Where a repository reads and writes: a database, with a transaction for each write, or one open transaction."""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from policies.entry import Clock
from service.database import Work, reading, unit_of_work
from service.models import Base

BATCH = 5_000  # bound parameters in one statement; SQLite allows 32,766
T = TypeVar("T")


class Place(Protocol):
    """Where a repository reads and writes."""

    def reading(self) -> AbstractContextManager[Session]: ...
    def writing(self) -> AbstractContextManager[Work]: ...


@dataclass(frozen=True, slots=True)
class OnEngine:
    """Every write is a transaction of its own."""

    database: sa.Engine
    clock: Clock

    def reading(self) -> AbstractContextManager[Session]:
        """Return a reader's session."""
        return reading(self.database)

    def writing(self) -> AbstractContextManager[Work]:
        """Return a unit of work that commits at its end."""
        return unit_of_work(self.database, self.clock)


@dataclass(frozen=True, slots=True)
class InWork:
    """Everything happens in one open unit of work, which its owner commits: several repositories, one transaction."""

    work: Work

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Yield the session of the open unit of work."""
        yield self.work.session

    @contextmanager
    def writing(self) -> Iterator[Work]:
        """Yield the open unit of work; it is not committed here."""
        yield self.work
        self.work.session.flush()


def batches(values: Iterable[T]) -> Iterator[list[T]]:
    """Yield the values in lists that fit into one statement."""
    whole = list(values)
    for begin in range(0, len(whole), BATCH):
        yield whole[begin : begin + BATCH]


def inserting(session: Session, table: type[Base]) -> postgresql.Insert | sqlite.Insert:
    """Return an insert of this session's database that knows what to do on a conflict."""
    if session.get_bind().dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)


def take_turns(session: Session, name: int) -> None:
    """Wait until no other open transaction holds this name. On SQLite a writer has the whole database already."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(sa.text("select pg_advisory_xact_lock(:name)"), {"name": name})
