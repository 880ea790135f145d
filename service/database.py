"""The database, and the rule that nothing governed changes in it without a log entry.

The rule is kept at the engine: whichever session, bulk statement or text of SQL wrote, the transaction's commit is
refused when it touched a governed table and added no entry.
"""

import re
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy import event
from sqlalchemy.orm import Session

from policies.entry import Clock, Entry, stamp
from policies.errors import MissingLogEntry
from service import models_governance  # noqa: F401  # its tables are governed as well
from service.appender import Appender
from service.models import Base, Governed
from service.models_log import EntryRow

READ_ONLY = "medtrain_read_only"
_TALLY = "medtrain_tally"
_UPGRADING = threading.Lock()  # Alembic's context is one for the whole process
_APPENDING = threading.Lock()
_appenders: WeakKeyDictionary[sa.Engine, Appender] = WeakKeyDictionary()
_MIGRATION_LOCK = 0x6D656474  # any fixed number: "medt"
_WRITES = re.compile(
    r"\b(?:insert\s+(?:or\s+\w+\s+)?into|replace\s+into|update(?:\s+or\s+\w+)?(?:\s+only)?|delete\s+from(?:\s+only)?"
    r"|truncate(?:\s+table)?(?:\s+only)?|merge\s+into|copy)\s+(?:\"?\w+\"?\.)?\"?(\w+)\"?",
    re.IGNORECASE,
)


def wall_clock() -> datetime:
    """Return the present moment: the clock of a facility that was given no other."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class _Tally:
    """What the open transaction has done so far: the governed tables it wrote to, and whether it added an entry."""

    governed: frozenset[str] = frozenset()
    logged: bool = False
    savepoints: tuple["_Tally", ...] = ()


@dataclass(frozen=True, slots=True)
class Work:
    """One unit of work: a session, the clock, and the entries that are committed with what it changes."""

    session: Session
    clock: Clock

    def now(self) -> str:
        """Return the present moment as the log and the tables write it."""
        return stamp(self.clock())

    def add(self, entry: Entry) -> EntryRow:
        """Add an entry to the transaction; its ``id`` is known at once."""
        return _insert(self.session, entry)


def engine(url: str) -> sa.Engine:
    """Return an engine for ``sqlite+pysqlite:///path`` or ``postgresql+psycopg://…`` that keeps the rule.

    SQLite runs in WAL mode, with full synchronisation and foreign keys; a transaction takes the write lock at its
    beginning, because one that reads first and writes later would lose updates without a word.
    """
    made = sa.create_engine(url, hide_parameters=True)
    if made.dialect.name == "sqlite":
        event.listen(made, "connect", _prepare_sqlite)
    event.listen(made, "begin", _begin)
    event.listen(made, "before_cursor_execute", _count)
    event.listen(made, "savepoint", _savepoint)
    event.listen(made, "rollback_savepoint", _rollback_savepoint)
    event.listen(made, "release_savepoint", _release_savepoint)
    event.listen(made, "commit", _check_logged)
    return made


@contextmanager
def unit_of_work(database: sa.Engine, clock: Clock = wall_clock) -> Iterator[Work]:
    """Yield a ``Work`` that commits at the end, or rolls back when an error leaves the block.

    Raises:
        MissingLogEntry: something governed changed and no entry was added; nothing is committed.
    """
    with Session(database, expire_on_commit=False) as session, session.begin():
        yield Work(session, clock)


@contextmanager
def reading(database: sa.Engine) -> Iterator[Session]:
    """Yield a session that only reads and takes no write lock; a write to anything governed cannot be committed."""
    with (
        database.connect().execution_options(**{READ_ONLY: True}) as connection,
        Session(connection, expire_on_commit=False) as session,
    ):
        yield session


def work_in(session: Session, clock: Clock = wall_clock) -> Work:
    """Return a unit of work inside a session that somebody else commits, such as a durable job's transaction.

    The same rule holds, as long as the session's engine was made by ``engine``.

    Raises:
        MissingLogEntry: at once, when the session is bound to an engine that does not keep the rule.
    """
    bind = session.get_bind()
    if not event.contains(bind.engine, "commit", _check_logged):
        raise MissingLogEntry("this session's engine does not check for log entries")
    return Work(session, clock)


def record(database: sa.Engine, entry: Entry) -> int:
    """Commit a stand-alone entry, such as a refusal or a read; return its id. No committed entry, no access.

    Callers at the same time share one transaction (``service.appender``).
    """
    return appender(database).append(database, entry)


def appender(database: sa.Engine) -> Appender:
    """Return the one appender of an engine."""
    with _APPENDING:
        if database not in _appenders:
            _appenders[database] = Appender()
        return _appenders[database]


def governed_tables() -> frozenset[str]:
    """Return the names of the tables that the rule protects."""
    return frozenset(m.class_.__tablename__ for m in Base.registry.mappers if issubclass(m.class_, Governed))


def upgrade(database: sa.Engine) -> None:
    """Bring the database to this program's schema; one process at a time, the others wait and find it done."""
    settings = Config()
    settings.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with _UPGRADING, database.connect() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(sa.text("select pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK})
        settings.attributes["connection"] = connection
        command.upgrade(settings, "head")
        connection.commit()


def _insert(session: Session, entry: Entry) -> EntryRow:
    row = EntryRow(
        at=entry.at,
        actor=entry.actor,
        action=entry.action,
        kind=entry.kind,
        object=entry.object,
        permit=entry.permit,
        decision=entry.decision,
        body=entry.encode(),
    )
    session.add(row)
    session.flush()
    return row


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # this module begins transactions, not the driver
    for pragma in ("busy_timeout=30000", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin(connection: sa.Connection) -> None:
    connection.info[_TALLY] = _Tally()
    if connection.dialect.name == "sqlite":
        reads = connection.get_execution_options().get(READ_ONLY, False)
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


@lru_cache(maxsize=4096)
def _written(statement: str) -> frozenset[str]:
    return frozenset(name.lower() for name in _WRITES.findall(statement))


def _count(connection: sa.Connection, _cursor: Any, statement: str, *_rest: Any) -> None:
    tables = _written(statement)
    if tables:
        tally = connection.info.get(_TALLY, _Tally())
        touched = tally.governed | (tables & governed_tables())
        connection.info[_TALLY] = replace(tally, governed=touched, logged=tally.logged or "entries" in tables)


def _savepoint(connection: sa.Connection, _name: str | None) -> None:
    tally = connection.info[_TALLY]
    connection.info[_TALLY] = replace(tally, savepoints=(*tally.savepoints, tally))


def _rollback_savepoint(connection: sa.Connection, _name: str, _context: object) -> None:
    connection.info[_TALLY] = connection.info[_TALLY].savepoints[-1]


def _release_savepoint(connection: sa.Connection, _name: str, _context: object) -> None:
    tally = connection.info[_TALLY]
    connection.info[_TALLY] = replace(tally, savepoints=tally.savepoints[:-1])


def _check_logged(connection: sa.Connection) -> None:
    tally = connection.info.pop(_TALLY, _Tally())
    if tally.governed and not tally.logged:
        connection.connection.rollback()  # here and now: what comes after a refused commit is not ours to trust
        raise MissingLogEntry(f"a change to {', '.join(sorted(tally.governed))} came without its log entry")
