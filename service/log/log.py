"""The access log of a facility: placing, publishing, receipts, search and export."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy.orm import Session

from policies.entry import Entry, decode
from policies.errors import NotFound, Tampered
from policies.proof import Checkpoint, open_checkpoint, receipt, sign, vkey
from service.database import appender, reading
from service.log import tiles, tree
from service.models_log import EntryRow, PositionRow


@dataclass(frozen=True, slots=True)
class Found:
    """An entry that a search found; ``position`` is its place in the tree, or nothing until it has one."""

    id: int
    position: int | None
    entry: Entry


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to search for; what is left out matches everything. ``since`` is included, ``until`` excluded."""

    actor: str | None = None
    action: str | None = None
    object: str | None = None
    permit: str | None = None
    decision: str | None = None
    since: str | None = None
    until: str | None = None


_ALL = Wanted()


@dataclass(frozen=True, slots=True)
class Log:
    """The log: its database, the folder it is published in, its public name and its signing key."""

    database: sa.Engine
    folder: Path
    origin: str
    key: Ed25519PrivateKey = field(repr=False)

    @property
    def vkey(self) -> str:
        """The public key, in the form that verifiers are given."""
        return vkey(self.origin, self.key.public_key())

    def catch_up(self) -> Checkpoint:
        """Give every waiting entry its place, publish, and return the signed checkpoint.

        Raises:
            Tampered: the database does not continue what was published; nothing is signed then.
        """
        while self._place() == tree.BATCH:
            pass
        return self.publish()

    def placed(self) -> int:
        """Return how many entries have their place in the tree."""
        with reading(self.database) as session:
            return tree.head(session).size

    def publish(self) -> Checkpoint:
        """Write tiles, bundles and a checkpoint for the entries that have a place; return the checkpoint.

        Raises:
            Tampered: the database does not continue what was published; nothing is signed then.
        """
        with tiles.publishing(self.folder), reading(self.database) as session:
            note = tiles.read_checkpoint(self.folder)
            old = open_checkpoint(note, self.vkey) if note else Checkpoint(self.origin, 0, tree.root(session, 0))
            now = tree.head(session)
            if old.size > now.size or tree.root(session, old.size) != old.root:
                raise Tampered("the database does not continue the log that was published")
            new = Checkpoint(self.origin, now.size, now.root)
            if note is None or new.size > old.size:
                _write_bundles(session, self.folder, old.size, new.size)
                _write_tiles(session, self.folder, old.size, new.size)
                tiles.write_checkpoint(self.folder, sign(new, self.key))
                _drop_narrower(self.folder, old.size, new.size)
        return new

    def checkpoint(self) -> bytes:
        """Return the published signed checkpoint, for keeping elsewhere.

        Raises:
            NotFound: the log was never published.
        """
        note = tiles.read_checkpoint(self.folder)
        if note is None:
            raise NotFound("the log has not been published yet")
        return note

    def receipt(self, entry: int) -> bytes:
        """Return the ``tlog-proof@v1`` receipt of an entry, by its id: the proof that anyone can check offline.

        Raises:
            NotFound: there is no such entry, or its place is not published yet.
        """
        note = self.checkpoint()
        size = open_checkpoint(note, self.vkey).size
        with reading(self.database) as session:
            index = tree.position(session, entry)
            if index >= size:
                raise NotFound("this entry has no published place in the log yet")
            return receipt(index, tree.inclusion(session, index, size), note)

    def inclusion(self, entry: int) -> tuple[int, list[bytes]]:
        """Return the place of an entry and its audit path in the tree as it stands."""
        with reading(self.database) as session:
            index = tree.position(session, entry)
            return index, tree.inclusion(session, index, tree.head(session).size)

    def consistency(self, old: int, new: int) -> list[bytes]:
        """Return the proof that the first ``old`` entries begin the first ``new``."""
        with reading(self.database) as session:
            return tree.consistency(session, old, new)

    def search(self, wanted: Wanted = _ALL, *, limit: int = 100, before: int | None = None) -> list[Found]:
        """Return matching entries, newest first; ``before`` is the id where the last page ended."""
        query = sa.select(EntryRow.id, EntryRow.body, PositionRow.position)
        query = query.outerjoin(PositionRow, PositionRow.entry == EntryRow.id).where(*_conditions(wanted))
        if before is not None:
            query = query.where(EntryRow.id < before)
        with reading(self.database) as session:
            rows = session.execute(query.order_by(EntryRow.id.desc()).limit(limit))
            return [Found(entry, position, decode(body)) for entry, body, position in rows]

    def export(self, wanted: Wanted = _ALL) -> Iterator[bytes]:
        """Yield the canonical bytes of matching entries, in the order of the tree: the leaves themselves."""
        query = sa.select(EntryRow.body).join(PositionRow, PositionRow.entry == EntryRow.id)
        query = query.where(*_conditions(wanted)).order_by(PositionRow.position)
        with reading(self.database) as session, session.execute(query.execution_options(yield_per=1_000)) as found:
            yield from found.scalars()

    def _place(self) -> int:
        with appender(self.database).turn(), Session(self.database) as session, session.begin():
            return tree.place(session)


def _conditions(wanted: Wanted) -> list[sa.ColumnElement[bool]]:
    columns = {
        EntryRow.actor: wanted.actor,
        EntryRow.action: wanted.action,
        EntryRow.object: wanted.object,
        EntryRow.permit: wanted.permit,
        EntryRow.decision: wanted.decision,
    }
    conditions = [column == value for column, value in columns.items() if value is not None]
    if wanted.since is not None:
        conditions.append(EntryRow.at >= wanted.since)
    if wanted.until is not None:
        conditions.append(EntryRow.at < wanted.until)
    return conditions


def _write_bundles(session: Session, folder: Path, old: int, new: int) -> None:
    for number in range(old // tiles.WIDTH, -(-new // tiles.WIDTH)):
        begin, end = number * tiles.WIDTH, min((number + 1) * tiles.WIDTH, new)
        bodies = sa.select(EntryRow.body).join(PositionRow, PositionRow.entry == EntryRow.id)
        placed = bodies.where(PositionRow.position >= begin, PositionRow.position < end).order_by(PositionRow.position)
        found = session.scalars(placed).all()
        if len(found) != end - begin:
            raise Tampered("the log has lost entries")
        tiles.write_bundle(folder, number, found)


def _write_tiles(session: Session, folder: Path, old: int, new: int) -> None:
    level = 0
    while have := new >> (tree.STEP * level):
        first = (old >> (tree.STEP * level)) // tiles.WIDTH
        for number in range(first, -(-have // tiles.WIDTH)):
            begin, end = number * tiles.WIDTH, min((number + 1) * tiles.WIDTH, have)
            tiles.write_tile(folder, level, number, tree.hashes(session, tree.STEP * level, begin, end))
        level += 1


def _drop_narrower(folder: Path, old: int, new: int) -> None:
    for number in range(old // tiles.WIDTH, new // tiles.WIDTH):
        tiles.drop_narrower(folder, "entries", number)
    level = 0
    while have := new >> (tree.STEP * level):
        for number in range((old >> (tree.STEP * level)) // tiles.WIDTH, have // tiles.WIDTH):
            tiles.drop_narrower(folder, level, number)
        level += 1
