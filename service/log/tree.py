"""The tree over committed entries: giving entries their place, and proving where they are.

An entry is committed with its change and waits in ``pending``. One sequencer at a time, the one that holds the head
row, moves waiting entries into the tree. It never looks for entries by number: on PostgreSQL a lower number can be
committed after a higher one.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from policies.errors import NotFound, Tampered
from policies.proof import (
    HASH_BYTES,
    Frontier,
    Subtree,
    consistency_path,
    inclusion_path,
    leaf_hash,
    node_hash,
    root_at,
)
from service.appender import marks, shares
from service.models_log import HeadRow, NodeRow, PendingRow, PositionRow

_WAITING = (
    "select entries.id, entries.body from pending join entries on entries.id = pending.entry "
    "order by pending.entry limit {limit}"
)
_JOINED = f"select group_concat(id), group_concat(hex(body)) from ({_WAITING})"  # noqa: S608  # constants
STEP = 8  # hashes are stored at levels 0, 8, 16, …, as C2SP tiles do
BATCH = 1_000  # a short turn: on SQLite appends wait for it


@dataclass(frozen=True, slots=True)
class Head:
    """How the tree stands: number of entries, and root hash (32 bytes)."""

    size: int
    root: bytes


def head(session: Session) -> Head:
    """Return how the tree stands."""
    row = session.get_one(HeadRow, 1)
    return Head(row.size, row.root)


def place(session: Session, limit: int = BATCH) -> int:
    """Return how many waiting entries were given a place, at most ``limit``; the caller commits."""
    row = session.execute(sa.select(HeadRow).with_for_update()).scalar_one()
    found = _waiting(session, limit)
    if not found:
        return 0
    tree = Frontier(row.size, _hashes(row.frontier))
    leaves = [leaf_hash(body) for _, body in found]
    nodes = [(level, number, value) for leaf in leaves for level, number, value in tree.add(leaf) if level % STEP == 0]
    _insert(
        session, "positions", ("position", "entry", "leaf"), range(row.size, tree.size), [n for n, _ in found], leaves
    )
    if nodes:
        _insert(session, "nodes", ("level", "number", "hash"), *zip(*nodes, strict=True))
    placed = sa.select(PositionRow.entry).where(PositionRow.position >= row.size)
    gone = sa.delete(PendingRow).where(PendingRow.entry.in_(placed))
    session.execute(gone, execution_options={"synchronize_session": False})
    row.size, row.frontier, row.root = tree.size, b"".join(tree.hashes), tree.root()
    session.flush()
    return len(found)


def position(session: Session, entry: int) -> int:
    """Return the place of an entry in the tree, from 0.

    Raises:
        NotFound: there is no such entry, or it was committed a moment ago and has no place yet.
    """
    found = session.scalar(sa.select(PositionRow.position).where(PositionRow.entry == entry))
    if found is None:
        raise NotFound("this entry has no place in the log yet")
    return found


def inclusion(session: Session, index: int, size: int) -> list[bytes]:
    """Return the audit path of the entry at ``index`` in the tree of ``size`` entries."""
    return inclusion_path(index, size, _subtrees(session))


def consistency(session: Session, old: int, new: int) -> list[bytes]:
    """Return the proof that the first ``old`` entries begin the first ``new``."""
    return consistency_path(old, new, _subtrees(session))


def root(session: Session, size: int) -> bytes:
    """Return the root of the first ``size`` entries."""
    return root_at(size, _subtrees(session))


def hashes(session: Session, level: int, begin: int, end: int) -> list[bytes]:
    """Return the stored hashes ``begin`` to ``end`` (excluded) of a level that is a multiple of 8.

    Raises:
        Tampered: one is missing.
    """
    if level == 0:
        wanted = sa.select(PositionRow.leaf).where(PositionRow.position >= begin, PositionRow.position < end)
        found = session.scalars(wanted.order_by(PositionRow.position)).all()
    else:
        nodes = sa.select(NodeRow.hash).where(NodeRow.level == level, NodeRow.number >= begin, NodeRow.number < end)
        found = session.scalars(nodes.order_by(NodeRow.number)).all()
    if len(found) != end - begin:
        raise Tampered("the log has lost a part of its tree")
    return list(found)


def _waiting(session: Session, limit: int) -> list[tuple[int, bytes]]:
    """Return waiting entries by number. SQLite gives them as one row: each row would let go of the interpreter, and
    appends wait for this turn to end.
    """
    connection = session.connection()
    if connection.dialect.name != "sqlite":
        return [tuple(row) for row in connection.exec_driver_sql(_WAITING.format(limit=int(limit))).all()]
    numbers, bodies = connection.exec_driver_sql(_JOINED.format(limit=int(limit))).one()
    if numbers is None:
        return []
    return list(zip(map(int, numbers.split(",")), map(bytes.fromhex, bodies.split(",")), strict=True))


def _insert(session: Session, table: str, names: tuple[str, ...], *columns: Iterable[int | bytes]) -> None:
    """Insert rows, given as columns: in bulk, because a busy facility appends thousands of entries in a second."""
    connection, into = session.connection(), f"insert into {table} ({', '.join(names)})"
    if connection.dialect.name == "sqlite":
        for some in shares(list(zip(*columns, strict=True))):
            values = tuple(value for row in some for value in row)
            connection.exec_driver_sql(f"{into} values {marks(len(names), len(some))}", values)
    else:
        arrays = ", ".join(f"%b::{kind}[]" for kind in ("bigint", "bigint", "bytea"))
        whole = tuple(list(one) for one in columns)
        connection.exec_driver_sql(f"{into} select * from unnest({arrays})", whole)  # noqa: S608  # constants


def _subtrees(session: Session) -> Subtree:
    known: dict[tuple[int, int], bytes] = {}

    def subtree(level: int, number: int) -> bytes:
        if (level, number) not in known:
            below = level - level % STEP
            width = 1 << (level - below)
            parts = hashes(session, below, number * width, (number + 1) * width)
            while len(parts) > 1:
                parts = [node_hash(left, right) for left, right in zip(parts[::2], parts[1::2], strict=True)]
            known[level, number] = parts[0]
        return known[level, number]

    return subtree


def _hashes(joined: bytes) -> list[bytes]:
    return [joined[begin : begin + HASH_BYTES] for begin in range(0, len(joined), HASH_BYTES)]
