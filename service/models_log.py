"""The tables of the access log. Entries, positions and nodes are append-only; the database itself enforces it.

``pending`` and ``positions`` have no foreign keys: what is never deleted need not be looked up for each row.
"""

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from service.models import MOMENT, Base

SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # SQLite counts by itself only in an INTEGER column


class EntryRow(Base):
    """One entry: the canonical bytes, which count, and columns copied out of them, which are searched."""

    __tablename__ = "entries"
    id: Mapped[int] = mapped_column(SERIAL, primary_key=True)
    at: Mapped[str] = mapped_column(MOMENT, index=True)
    actor: Mapped[str] = mapped_column(sa.String(200), index=True)
    action: Mapped[str] = mapped_column(sa.String(200), index=True)
    kind: Mapped[str] = mapped_column(sa.String(200))
    object: Mapped[str] = mapped_column(sa.String(200), index=True)
    permit: Mapped[str | None] = mapped_column(sa.String(200), index=True)
    decision: Mapped[str] = mapped_column(sa.String(8), index=True)
    body: Mapped[bytes]
    __table_args__ = ({"sqlite_autoincrement": True},)


class PendingRow(Base):
    """A committed entry that has no place in the tree yet; a trigger writes it with the entry."""

    __tablename__ = "pending"
    entry: Mapped[int] = mapped_column(SERIAL, primary_key=True, autoincrement=False)


class PositionRow(Base):
    """The place of an entry in the tree, from 0, and its leaf hash."""

    __tablename__ = "positions"
    position: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True, autoincrement=False)
    entry: Mapped[int] = mapped_column(SERIAL, unique=True)
    leaf: Mapped[bytes]


class NodeRow(Base):
    """The hash of one complete subtree of 256, 65,536, … entries: ``level`` counts in steps of 8, as tiles do."""

    __tablename__ = "nodes"
    level: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True, autoincrement=False)
    hash: Mapped[bytes]


class HeadRow(Base):
    """The tree as it stands: one row, which is also the lock of the one sequencer."""

    __tablename__ = "head"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    size: Mapped[int] = mapped_column(sa.BigInteger)
    frontier: Mapped[bytes]
    root: Mapped[bytes]
    __table_args__ = (sa.CheckConstraint("id = 1", name="one_row"),)
