"""Group commit of stand-alone log entries: everybody who waits shares one durable transaction.

Whoever comes while nobody commits becomes the leader: he writes all entries that wait, in one transaction, wakes their
callers, and hands the lead to the first who came meanwhile. There is no thread of its own to start, stop or lose. The
price of durability is one synchronisation of the disk for each turn, however many callers share it.
"""

import sqlite3
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import sqlalchemy as sa

from policies.entry import Entry

MOST: Final = 1_000  # entries in one transaction
SHARE: Final = 0.15  # of the last turn's time that a leader waits for company
PATIENCE: Final = 0.005  # seconds, at most
COLUMNS: Final = ("id", "at", "actor", "action", "kind", "object", "permit", "decision", "body")
_SQLITE = f"insert into entries ({', '.join(COLUMNS)}) values ({', '.join('?' * len(COLUMNS))})"  # noqa: S608  # constants
_COPY = f"copy entries ({', '.join(COLUMNS)}) from stdin (format binary)"
_TYPES = ("int8", *["text"] * (len(COLUMNS) - 2), "bytea")
_NUMBERS = "select nextval(pg_get_serial_sequence('entries', 'id')) from generate_series(1, %s)"


class _Ticket:
    """One caller's place in the queue. ``values`` is nothing for somebody who wants the turn for himself."""

    __slots__ = ("id", "leads", "problem", "ready", "values")

    def __init__(self, values: tuple[Any, ...] | None) -> None:
        self.values, self.id, self.leads = values, 0, False
        self.problem: BaseException | None = None
        self.ready = threading.Lock()
        self.ready.acquire()


class Appender:
    """Appends entries to one database. Safe for any number of threads; other processes may write at the same time."""

    def __init__(self) -> None:
        self._queue: deque[_Ticket] = deque()
        self._guard, self._busy = threading.Lock(), False
        self._crowd, self._pace = 1, 0.0  # entries of the last turn, and the seconds that it took

    def append(self, database: sa.Engine, entry: Entry) -> int:
        """Return the id of the entry, which is durable. Any error means that it may not be: refuse the access."""
        ticket = _Ticket(
            (
                entry.at,
                entry.actor,
                entry.action,
                entry.kind,
                entry.object,
                entry.permit,
                entry.decision,
                entry.encode(),
            )
        )
        self._wait(ticket)
        if ticket.leads:
            self._lead(ticket, database)
        if ticket.problem is not None:
            raise ticket.problem
        return ticket.id

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Hold the appends of this process back for a moment: SQLite has one writer, and waiting in line is fair."""
        ticket = _Ticket(None)
        self._wait(ticket)
        try:
            yield
        finally:
            self._pass_on()

    def _wait(self, ticket: _Ticket) -> None:
        with self._guard:
            self._queue.append(ticket)
            if not self._busy:
                self._busy = True
                self._next()
        ticket.ready.acquire()

    def _next(self) -> None:
        """Let the first in the queue lead, or nobody."""
        if self._queue:
            first = self._queue.popleft()
            first.leads = True
            first.ready.release()
        else:
            self._busy = False

    def _pass_on(self) -> None:
        with self._guard:
            self._next()

    def _lead(self, own: _Ticket, database: sa.Engine) -> None:
        if self._crowd > 1:  # those whom the last turn woke are on their way back: together we need one turn less
            time.sleep(min(PATIENCE, self._pace * SHARE))
        started, batch = time.perf_counter(), [own]
        with self._guard:
            while self._queue and len(batch) < MOST and self._queue[0].values is not None:
                batch.append(self._queue.popleft())
        try:
            write = _to_sqlite if database.dialect.name == "sqlite" else _to_postgresql
            numbers = write(database, [ticket.values for ticket in batch if ticket.values is not None])
        except BaseException as problem:  # noqa: BLE001  # everybody who waits must hear of it
            for ticket in batch:
                ticket.problem = problem
        else:
            for ticket, number in zip(batch, numbers, strict=True):
                ticket.id = number
        self._crowd, self._pace = len(batch), time.perf_counter() - started
        self._pass_on()  # first, so that the disk is busy again while the callers wake up
        for ticket in batch[1:]:
            ticket.ready.release()


def _to_sqlite(database: sa.Engine, rows: Sequence[tuple[Any, ...]]) -> Sequence[int]:
    borrowed = database.raw_connection()
    connection: sqlite3.Connection = borrowed.driver_connection  # type: ignore[assignment]  # this engine's driver
    try:
        connection.execute("BEGIN IMMEDIATE").close()  # from here on nobody else gives numbers
        try:
            found = connection.execute("select seq from sqlite_sequence where name = 'entries'").fetchone()
            numbers = range(first := (found[0] if found else 0) + 1, first + len(rows))
            connection.executemany(_SQLITE, [(number, *row) for number, row in zip(numbers, rows, strict=True)]).close()
            connection.execute("COMMIT").close()
        except BaseException:
            connection.rollback()
            raise
        return numbers
    finally:
        borrowed.close()


def _to_postgresql(database: sa.Engine, rows: Sequence[tuple[Any, ...]]) -> Sequence[int]:
    borrowed = database.raw_connection()
    connection: Any = borrowed.driver_connection
    try:
        with connection.cursor() as cursor:
            numbers = [number for (number,) in cursor.execute(_NUMBERS, (len(rows),)).fetchall()]
            with cursor.copy(_COPY) as copy:
                copy.set_types(_TYPES)
                for number, row in zip(numbers, rows, strict=True):
                    copy.write_row((number, *row))
        connection.commit()
    except BaseException:
        borrowed.rollback()
        raise
    else:
        return numbers
    finally:
        borrowed.close()
