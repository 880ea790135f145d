"""Checking the whole log: the published folder with public values only, and the database behind it."""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.orm import Session

from policies.errors import NotFound, Tampered
from policies.proof import Checkpoint, Frontier, open_checkpoint
from service.database import reading
from service.log import tiles, tree
from service.log.log import Log
from service.models_log import EntryRow, NodeRow, PendingRow, PositionRow

COPIED = ("at", "actor", "action", "kind", "object", "permit", "decision")
"""What the database copies out of an entry into columns, for searching."""


@dataclass(frozen=True, slots=True)
class LogVerification:
    """What was verified.

    Attributes:
        size: Entries in the log.
        checkpoint: The published signed checkpoint, for keeping elsewhere.
        since: Size of the older checkpoint that the log was shown to continue.
        pending: Committed entries that wait for their place.
    """

    size: int
    checkpoint: str
    since: int | None
    pending: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return JSON types only."""
        return {
            "verified": True,
            "size": self.size,
            "checkpoint": self.checkpoint,
            "since": self.since,
            "pending": self.pending,
        }

    def sentence(self) -> str:
        """Return what was found, for people."""
        older = "" if self.since is None else f", and continues the checkpoint of {self.since} entries"
        return f"the log of {self.size} entries is whole{older}"


def verify_folder(folder: Path, trusted: str, since: bytes | None = None) -> LogVerification:
    """Return what was verified of a published log, against its public key and an older checkpoint kept elsewhere.

    Raises:
        Tampered: an entry, tile or checkpoint was changed, lost or slipped in, or the log does not continue ``since``.
        NotFound: there is no log in that folder.
    """
    note = tiles.read_checkpoint(folder)
    if note is None:
        raise NotFound("there is no published log in this folder")
    checkpoint, older = open_checkpoint(note, trusted), _opened(since, trusted)
    grown = _Grown(older)
    for number in range(-(-checkpoint.size // tiles.WIDTH)):
        width = min(tiles.WIDTH, checkpoint.size - number * tiles.WIDTH)
        entries = tiles.read_bundle(folder, number, width)
        for shorter, raw in tiles.narrower(folder, "entries", number, width):
            if raw != tiles.encode_bundle(entries[:shorter]):
                raise Tampered(f"bundle {number} of the log is not what it was when it had {shorter} entries")
        leaves = [sha256(b"\0" + entry).digest() for entry in entries]
        grown.check_tile(folder, 0, number, leaves)
        for level, node, value in grown.extend(leaves):
            grown.keep(folder, level, node, value)
    grown.finish(folder, checkpoint)
    return LogVerification(checkpoint.size, note.decode(), older.size if older else None)


def verify_log(log: Log, since: bytes | None = None) -> LogVerification:
    """Return what was verified of a facility's log: the published folder, the database, and that they agree.

    Raises:
        Tampered: see ``verify_folder``; or the database's entries, columns or hashes are not the published ones.
    """
    published = verify_folder(log.folder, log.vkey, since)
    with reading(log.database) as session:
        pending = session.scalar(sa.select(sa.func.count()).select_from(PendingRow)) or 0
        unknown = sa.select(EntryRow.id).where(
            ~sa.exists().where(PositionRow.entry == EntryRow.id), ~sa.exists().where(PendingRow.entry == EntryRow.id)
        )
        if session.scalar(unknown.limit(1)) is not None:
            raise Tampered("an entry of the database is neither in the log nor waiting for it")
        _verify_database(session, open_checkpoint(published.checkpoint.encode(), log.vkey))
    return LogVerification(published.size, published.checkpoint, published.since, pending)


class _Grown:
    """The tree as it grows while the log is read: compared with an older checkpoint, and with the stored hashes."""

    def __init__(self, older: Checkpoint | None) -> None:
        self._tree, self._older = Frontier(), older
        self._tiles: dict[int, list[bytes]] = {}
        self._check_older()

    def add(self, leaf: bytes) -> list[tuple[int, int, bytes]]:
        done = self._tree.add(leaf)
        self._check_older()
        return done

    def extend(self, leaves: list[bytes]) -> list[tuple[int, int, bytes]]:
        """Append leaves; return the subtrees they complete, as ``add`` does. A whole tile is hashed level by level."""
        begin, size = self._tree.size, len(leaves)
        watched = self._older is not None and begin < self._older.size < begin + size
        if size < tiles.WIDTH or watched:
            return [done for leaf in leaves for done in self.add(leaf)]
        done = self._tree.add_subtree(tree.STEP, top(leaves))
        self._check_older()
        return done

    def keep(self, folder: Path, level: int, node: int, value: bytes) -> None:
        """Collect the hashes of a higher tile; compare it when it is full."""
        if level % tree.STEP:
            return
        tile = self._tiles.setdefault(level // tree.STEP, [])
        tile.append(value)
        if len(tile) == tiles.WIDTH:
            self.check_tile(folder, level // tree.STEP, node // tiles.WIDTH, tile)
            tile.clear()

    def check_tile(self, folder: Path, level: int, number: int, expected: list[bytes]) -> None:
        if tiles.read_tile(folder, level, number, len(expected)) != expected:
            raise Tampered(f"tile {level}/{number} of the log does not fit the entries")
        for shorter, raw in tiles.narrower(folder, level, number, len(expected)):
            if raw != b"".join(expected[:shorter]):
                raise Tampered(f"tile {level}/{number} of the log is not what it was when it had {shorter} hashes")

    def finish(self, folder: Path, checkpoint: Checkpoint) -> None:
        for level, tile in self._tiles.items():
            if tile:
                self.check_tile(folder, level, (checkpoint.size >> (tree.STEP * level)) // tiles.WIDTH, tile)
        self.check(checkpoint)
        if self._older is not None and self._older.size > checkpoint.size:
            raise Tampered("the log is shorter than it was")

    def check(self, checkpoint: Checkpoint) -> None:
        if self._tree.size != checkpoint.size or self._tree.root() != checkpoint.root:
            raise Tampered("the entries do not give the root that was signed")

    def _check_older(self) -> None:
        older = self._older
        if older is not None and older.size == self._tree.size and older.root != self._tree.root():
            raise Tampered("the log is not a continuation of the older checkpoint: it was rewritten")


def top(hashes: list[bytes]) -> bytes:
    """Return the root over a power of two of hashes."""
    while len(hashes) > 1:
        hashes = [sha256(b"\1" + left + right).digest() for left, right in zip(hashes[::2], hashes[1::2], strict=True)]
    return hashes[0]


def _verify_database(session: Session, published: Checkpoint) -> None:
    grown, head = _Grown(published), tree.head(session)
    copies = [getattr(EntryRow, name) for name in COPIED]
    rows = sa.select(PositionRow.position, PositionRow.leaf, EntryRow.body, *copies)
    rows = rows.join(EntryRow, EntryRow.id == PositionRow.entry).order_by(PositionRow.position)
    stored = sa.select(NodeRow.level, NodeRow.number, NodeRow.hash)
    nodes = {(level, number): value for level, number, value in session.execute(stored)}
    size = 0
    with session.connection().execution_options(yield_per=tiles.WIDTH).execute(rows) as found:
        for some in found.partitions():
            for expected, (place, leaf, body, *copied) in enumerate(some, size):
                if place != expected or leaf != sha256(b"\0" + body).digest():
                    raise Tampered("an entry of the database is not the one that has its place in the log")
                if copied != _copied(body):
                    raise Tampered("a searchable column of the database does not fit its entry")
            size += len(some)
            for level, number, value in grown.extend([row[1] for row in some]):
                if level % tree.STEP == 0 and nodes.get((level, number)) != value:
                    raise Tampered("a stored hash of the database does not fit the entries")
    grown.check(Checkpoint(published.origin, head.size, head.root))
    if published.size > head.size:
        raise Tampered("the database holds fewer entries than were published")


def _copied(body: bytes) -> list[str | None]:
    """Return what the columns must hold. Whether the bytes are an entry was decided when they were written."""
    try:
        value = orjson.loads(body)
        return [value[name] for name in COPIED]
    except (ValueError, TypeError, KeyError):
        raise Tampered("an entry of the database is not one") from None


def _opened(note: bytes | None, trusted: str) -> Checkpoint | None:
    return None if note is None else open_checkpoint(note, trusted)
