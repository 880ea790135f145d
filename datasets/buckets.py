"""How tables fall into buckets by patient, and how a batch of buckets becomes encrypted objects."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Self, TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

from datasets import parquet
from datasets.keys import KEY_BYTES, Random, ScopeKey, WrappedKeys, wrap
from datasets.manifest import Part
from datasets.objects import Objects, Staged
from policies.entry import Entry
from policies.errors import BadInput

BUCKETS = 128
AHEAD = 8
PATIENT = "patient"
AT_ONCE = 1 << 18
WORD = 8

Rows: TypeAlias = Callable[[], pl.DataFrame]
"""The rows of one bucket, put together where they are encrypted: all in order of bucket would be a second table."""


@dataclass(frozen=True, slots=True)
class _Made:
    """A part, who is in it, and its staged bytes with their key where it is not one of an older version."""

    part: Part
    patients: pl.Series
    staged: Staged | None = None
    key: bytes = field(default=b"", repr=False)


@dataclass(kw_only=True, slots=True)
class Batch:
    """Parts on their way: made side by side and staged; then their keys are committed; then they become objects."""

    objects: Objects
    keys: WrappedKeys
    scope_key: ScopeKey
    content_key: bytes = field(repr=False)
    dataset: str
    version: int
    entry: Entry
    random: Random
    readable: frozenset[str] = frozenset()
    parts: list[Part] = field(default_factory=list)
    patients: int = 0
    _making: "list[Part | Future[_Made | None]]" = field(default_factory=list)
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(AHEAD))

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *_error: object) -> None:
        """End, whatever happened: what was not begun is not begun any more."""
        self._pool.shutdown(cancel_futures=True)

    def keep(self, part: Part) -> None:
        """Share a part of an older version."""
        self._making.append(part)

    def add(self, table: str, number: int, rows: Rows, before: Part | None) -> None:
        """Stage the rows of one bucket, unless there are none, or the part before holds the same and can be read.

        Args:
            rows: Puts them together; called in another thread.
            before: Of the version before; whether it can be read stands in ``readable``.
        """
        behind = self._making[-AHEAD] if len(self._making) >= AHEAD else None
        if isinstance(behind, Future):  # disks are slow to promise: a few at once, and not all of them in memory
            behind.result()
        key = self.random(KEY_BYTES)
        self._making.append(self._pool.submit(self._make, table, number, rows, before, key))

    def finish(self) -> tuple[Part, ...]:
        """Return all parts; from now on they can be read by who knows them. ``patients`` counts those of new parts."""
        made = [one.result() if isinstance(one, Future) else one for one in self._making]
        found = [one for one in made if isinstance(one, _Made)]
        fresh = [(one.part.sha256, one.key, one.staged) for one in found if one.staged is not None]
        if fresh:
            at = self.entry.at
            self.keys.put([wrap(self.scope_key, key, name, at, self.random) for name, key, _ in fresh], self.entry)
        self.objects.settle(*(staged for _, _, staged in fresh))
        self.parts = [one.part if isinstance(one, _Made) else one for one in made if one is not None]
        self.patients = _together(found)
        return tuple(self.parts)

    def _make(self, table: str, number: int, rows: Rows, before: Part | None, key: bytes) -> _Made | None:
        frame = rows()
        if not frame.height:
            return None
        patients = frame[PATIENT].unique()
        content, frame = parquet.hashed(frame, self.content_key)
        if before is not None and before.content == content and before.sha256 in self.readable:
            return _Made(before, patients)
        sealed = parquet.encrypt(frame, key, aad(self.dataset, table, number, self.version))
        staged = self.objects.stage((sealed,))
        part = Part(table, number, staged.name, frame.height, patients.len(), self.version, content)
        return _Made(part, patients, staged, key)


def bucket(patient: str, buckets: int) -> int:
    """Return the bucket of a pseudonym; it is the same for ever, which polars' ``hash`` is not.

    >>> bucket("p-1", 128)
    31
    """
    return int(numbers(pl.Series([patient]), buckets)[0])


def numbers(patients: pl.Series, buckets: int) -> npt.NDArray[np.uint16]:
    """Return the bucket of each pseudonym: one pass over the bytes, no table of patients.

    The text's words of eight bytes, little-endian and padded with zeros, are each multiplied by an odd constant of
    their own and added up modulo 2**64, after the length; the sum is mixed, and its upper half scaled to the buckets.
    Pseudonyms are already random (they come from a keyed function), so nothing more is asked of this than balance.
    Source: multilinear hashing (Carter & Wegman 1979); the constants are SHA-256 of ``medtrain.cut/2|0``, ``|1``, ...
    """
    texts = patients.rechunk().to_arrow(compat_level=parquet.OLDEST)
    _, offsets, values = texts.buffers()
    ends = np.frombuffer(offsets, "<i8", count=len(texts) + 1, offset=8 * texts.offset)
    raw = np.frombuffer(values if values is not None else b"", np.uint8)
    found = np.empty(len(texts), np.uint16)
    lengths = np.diff(ends)
    for length in np.unique(lengths).tolist():
        chosen = np.flatnonzero(lengths == length)
        for begin in range(0, len(chosen), AT_ONCE):
            some = chosen[begin : begin + AT_ONCE]
            words = np.zeros((len(some), -(-length // WORD) * WORD), np.uint8)
            if len(chosen) == len(texts):  # the usual case: all are equally long, and lie one after the other
                words[:, :length] = raw[ends[begin] : ends[begin + len(some)]].reshape(len(some), length)
            else:
                words[:, :length] = raw[ends[some][:, None] + np.arange(length)]
            found[some] = _bucket(words.view("<u8"), length, buckets)
    return found


def cut(tables: Mapping[str, pl.DataFrame], buckets: int) -> Iterator[tuple[str, int, Rows]]:
    """Yield (table, bucket, rows) in order of table and bucket; rows keep theirs.

    Raises:
        BadInput: a table has no patient column, a row without a patient, or a column that cannot be stored.
    """
    for table in sorted(tables):
        rows = tables[table]
        if rows.schema.get(PATIENT) != pl.String or rows[PATIENT].has_nulls():
            raise BadInput(f"every row of the table {table} needs a patient")
        if "" in rows.columns:
            raise BadInput(f"the table {table} has a column without a name")
        if not {kind for _, kind in columns(rows)} <= parquet.TYPES.keys():
            raise BadInput(f"the table {table} has a column of a type that is not stored")
        number = numbers(rows[PATIENT], buckets)
        order = pl.Series(np.argsort(number, kind="stable").astype(np.uint32))
        counts = np.bincount(number, minlength=buckets)
        begins = np.cumsum(counts) - counts
        for one in np.flatnonzero(counts).tolist():
            yield table, one, partial(rows.__getitem__, order.slice(int(begins[one]), int(counts[one])))


def columns(rows: pl.DataFrame) -> tuple[tuple[str, str], ...]:
    """Return the name and type of every column, in order."""
    return tuple((name, str(kind)) for name, kind in rows.schema.items())


def aad(dataset: str, table: str, number: int, born: int) -> str:
    """Return what the encrypted rows of a bucket are bound to.

    >>> aad("demo", "person", 7, 2)
    'demo/person/7/2'
    """
    return f"{dataset}/{table}/{number}/{born}"


def distinct(some: list[pl.Series]) -> int:
    """Return how many different patients there are."""
    return pl.concat(some).n_unique() if some else 0


def _together(made: list[_Made]) -> int:
    """Return the number of patients of several tables' parts. A patient is in the same bucket of each."""
    of: dict[int, list[pl.Series]] = {}
    for one in made:
        of.setdefault(one.part.bucket, []).append(one.patients)
    return sum(distinct(some) for some in of.values())


def _bucket(words: npt.NDArray[np.uint64], length: int, buckets: int) -> npt.NDArray[np.uint16]:
    total = np.full(len(words), length, np.uint64) * _constant(0)
    for place in range(words.shape[1]):
        total += words[:, place] * _constant(place + 1)
    total ^= total >> np.uint64(32)
    total *= _constant(0)
    scaled: npt.NDArray[np.uint64] = ((total >> np.uint64(32)) * np.uint64(buckets)) >> np.uint64(32)
    return scaled.astype(np.uint16)


@cache
def _constant(place: int) -> np.uint64:
    digest = hashlib.sha256(f"medtrain.cut/2|{place}".encode()).digest()
    return np.uint64(int.from_bytes(digest[:WORD], "little") | 1)
