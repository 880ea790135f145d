"""How tables fall into buckets by patient, and how a batch of buckets becomes encrypted objects."""

import hashlib
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import polars as pl

from datasets import parquet
from datasets.keys import KEY_BYTES, Random, ScopeKey, WrappedKey, WrappedKeys, wrap
from datasets.manifest import Part
from datasets.objects import Objects, Staged
from policies.entry import Entry
from policies.errors import BadInput

BUCKETS = 128
AHEAD = 8
PATIENT = "patient"


@dataclass(kw_only=True, slots=True)
class Batch:
    """Parts on their way: staged one by one; then their keys are committed together; then they become objects."""

    objects: Objects
    keys: WrappedKeys
    scope_key: ScopeKey
    content_key: bytes = field(repr=False)
    dataset: str
    version: int
    entry: Entry
    random: Random
    parts: list[Part] = field(default_factory=list)
    _staged: list[Staged] = field(default_factory=list)
    _rows: list[WrappedKey] = field(default_factory=list)
    _staging: list["Future[Staged]"] = field(default_factory=list)
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(AHEAD))

    def keep(self, part: Part) -> None:
        """Share a part of an older version."""
        self.parts.append(part)

    def add(self, table: str, number: int, rows: pl.DataFrame, before: Part | None) -> None:
        """Stage the rows of one bucket, unless the part before holds the same and can still be read."""
        content = parquet.content_hash(rows, self.content_key)
        if before is not None and before.content == content and self.keys.get(before.sha256) is not None:
            self.keep(before)
            return
        key = self.random(KEY_BYTES)
        sealed = parquet.encrypt(rows, key, aad(self.dataset, table, number, self.version))
        name = hashlib.sha256(sealed).hexdigest()
        if len(self._staging) >= AHEAD:  # disks are slow to promise: a few at once, and not all of them in memory
            self._staged.append(self._staging.pop(0).result())
        self._staging.append(self._pool.submit(self.objects.stage, (sealed,)))
        self._rows.append(wrap(self.scope_key, key, name, self.entry.at, self.random))
        self.parts.append(Part(table, number, name, rows.height, rows[PATIENT].n_unique(), self.version, content))

    def finish(self) -> tuple[Part, ...]:
        """Return all parts; from now on they can be read by who knows them."""
        self._staged += [one.result() for one in self._staging]
        self._pool.shutdown()
        if self._rows:
            self.keys.put(self._rows, self.entry)
        self.objects.settle(*self._staged)
        return tuple(self.parts)


def bucket(patient: str, buckets: int) -> int:
    """Return the bucket of a pseudonym. SHA-256, because it must stay the same for ever; polars' ``hash`` does not.

    >>> bucket("p-1", 128)
    62
    """
    return int.from_bytes(hashlib.sha256(patient.encode()).digest()[:4], "big") % buckets


def cut(tables: Mapping[str, pl.DataFrame], buckets: int) -> Iterator[tuple[str, int, pl.DataFrame]]:
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
        number_of = {name: bucket(name, buckets) for name in rows[PATIENT].unique()}
        numbers = rows[PATIENT].replace_strict(number_of, return_dtype=pl.UInt32).rename("")
        grouped = rows.with_columns(numbers).partition_by("", as_dict=True, include_key=False, maintain_order=True)
        for (number,), group in sorted(grouped.items()):
            yield table, number, group


def columns(rows: pl.DataFrame) -> tuple[tuple[str, str], ...]:
    """Return the name and type of every column, in order."""
    return tuple((name, str(kind)) for name, kind in rows.schema.items())


def aad(dataset: str, table: str, number: int, born: int) -> str:
    """Return what the encrypted rows of a bucket are bound to.

    >>> aad("demo", "person", 7, 2)
    'demo/person/7/2'
    """
    return f"{dataset}/{table}/{number}/{born}"
