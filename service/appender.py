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
from functools import cache
from typing import Any, Final, TypeVar

import sqlalchemy as sa

from policies.entry import Entry

T = TypeVar("T")
MOST: Final = 1_000  # entries in one transaction
SHARE: Final = 0.15  # of the last turn's time that a leader waits for company
PATIENCE: Final = 0.005  # seconds, at most
CHAINS: Final = 1  # in which callers wake each other
COLUMNS: Final = ("at", "actor", "action", "kind", "object", "permit", "decision", "body")
SHARES: Final = (128, 32, 8, 1)  # rows of one statement: few different texts, so that SQLite keeps them prepared
_INTO = f"insert into entries ({', '.join(COLUMNS)})"
_UNNEST = ", ".join(f"%b::{'bytea' if name == 'body' else 'text'}[]" for name in COLUMNS)
_POSTGRESQL = (
    f"{_INTO} select {', '.join(COLUMNS)} from unnest({_UNNEST}) "  # noqa: S608  # constants
    f"with ordinality as fresh ({', '.join(COLUMNS)}, turn) order by turn returning id"
)


class _Ticket:
    """One caller's place in the queue. ``values`` is nothing for somebody who wants the turn for himself."""

    __slots__ = ("follower", "id", "leads", "problem", "ready", "values")

    def __init__(self, values: tuple[Any, ...] | None) -> None:
        self.values, self.id, self.leads = values, 0, False
        self.problem: BaseException | None = None
        self.follower: _Ticket | None = None  # whom this caller wakes
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
        elif ticket.follower is not None:
            ticket.follower.ready.release()
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
        _wake(batch[1:])


def _wake(batch: Sequence[_Ticket]) -> None:
    """Wake callers in ``CHAINS`` chains, each by the one before him: all at once they would queue for the interpreter,
    and the next leader, who holds the database's lock, would wait behind them each time that it answers.
    """
    for ticket, follower in zip(batch, batch[CHAINS:], strict=False):
        ticket.follower = follower
    for ticket in batch[:CHAINS]:
        ticket.ready.release()


def _to_sqlite(database: sa.Engine, rows: Sequence[tuple[Any, ...]]) -> Sequence[int]:
    """Write the rows in as few statements as can be: the driver lets go of the interpreter with each, and it may take
    long to get it back from 128 callers while nobody else can write.
    """
    borrowed = database.raw_connection()
    connection: sqlite3.Connection = borrowed.driver_connection  # type: ignore[assignment]  # this engine's driver
    try:
        cursor = connection.cursor()
        cursor.execute("BEGIN IMMEDIATE")  # from here on nobody else gives numbers, so that they follow each other
        try:
            for some in shares(rows):
                cursor.execute(f"{_INTO} values {marks(len(COLUMNS), len(some))}", [one for row in some for one in row])
            last = cursor.lastrowid or 0
            cursor.execute("COMMIT")
        except BaseException:
            connection.rollback()
            raise
        finally:
            cursor.close()
        return range(last - len(rows) + 1, last + 1)
    finally:
        borrowed.close()


def _to_postgresql(database: sa.Engine, rows: Sequence[tuple[Any, ...]]) -> Sequence[int]:
    """Write the rows in one statement that commits by itself: one message there, one back when they are durable."""
    borrowed = database.raw_connection()
    connection: Any = borrowed.driver_connection
    try:
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                found = cursor.execute(_POSTGRESQL, [list(column) for column in zip(*rows, strict=True)]).fetchall()
        finally:
            connection.autocommit = False
        return sorted(number for (number,) in found)  # given in the order of the rows: the insertion is sorted
    finally:
        borrowed.close()


def shares(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    """Yield the rows in few parts, each of one of the ``SHARES`` sizes."""
    begin = 0
    for size in SHARES:
        while len(rows) - begin >= size:
            yield rows[begin : begin + size]
            begin += size


@cache
def marks(columns: int, rows: int) -> str:
    """Return SQLite's places for the values of several rows.

    >>> marks(2, 3)
    '(?, ?), (?, ?), (?, ?)'
    """
    return ", ".join([f"({', '.join('?' * columns)})"] * rows)
