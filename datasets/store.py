"""The store of versions: tables cut into buckets by patient, each bucket one encrypted object.

Order of a write, which a crash may cut anywhere: bytes are staged; the data keys' rows are committed; bytes become
objects; the signed manifest is created. A manifest therefore never names what cannot be read, and what is left over
is ciphertext, most of it without a key, until ``sweep`` removes it. Plaintext is only ever in memory.
"""

import os
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path

import polars as pl

from datasets import manifest as manifests
from datasets import parquet
from datasets.buckets import AHEAD, BUCKETS, PATIENT, Batch, aad, columns, cut, distinct, numbers
from datasets.keys import Keystore, Random, WrappedKeys, data_key, rotate
from datasets.manifest import Anchor, Manifest, Part, Sources
from datasets.objects import Objects
from datasets.versions import DataClass
from policies.canonical import digest
from policies.entry import Entry, moment
from policies.errors import Conflict, NotFound, Tampered


class Store:
    """Versions of datasets on an object store.

    Args:
        objects: Where ciphertext and manifests lie.
        keystore: Holds the datasets' keys and the key that signs manifests.
        keys: The table of wrapped data keys.
        random: Source of data keys and nonces.
    """

    def __init__(self, objects: Objects, keystore: Keystore, keys: WrappedKeys, random: Random = os.urandom) -> None:
        self._objects, self._keystore, self._keys, self._random = objects, keystore, keys, random

    def write(
        self,
        dataset: str,
        tables: Mapping[str, pl.DataFrame],
        *,
        data_class: DataClass,
        sources: Sources,
        entry: Entry,
        buckets: int = BUCKETS,
        previous: Manifest | None = None,
    ) -> Manifest:
        """Return the unsigned manifest of the next version, its parts written. Nobody can see it before ``commit``.

        Args:
            dataset: The dataset's id.
            tables: Name -> rows; each has a ``patient`` column without nulls.
            data_class: Of the dataset.
            sources: What the tables were made from.
            entry: The log entry with which the data keys' rows are committed.
            buckets: Into how many buckets patients fall; a few for small data, ``BUCKETS`` for a city.
            previous: The version before, of the same number of buckets: unchanged parts are shared with it.

        Raises:
            BadInput: a table has no patient column, or a row without a patient.
            Conflict: the number of buckets changed.
        """
        if previous is not None and previous.buckets != buckets:
            raise Conflict("a dataset keeps its number of buckets")
        version = previous.version + 1 if previous else 1
        shared = {(part.table, part.bucket): part for part in previous.parts} if previous else {}
        with self._batch(dataset, version, entry, shared=bool(shared)) as batch:
            for table, number, rows in cut(tables, buckets):
                batch.add(table, number, rows, shared.get((table, number)))
            parts = batch.finish()
        return Manifest(
            dataset=dataset,
            version=version,
            previous=self._digest(previous) if previous else manifests.FIRST,
            data_class=data_class,
            created=entry.at,
            buckets=buckets,
            patients=batch.patients,
            columns={table: columns(tables[table]) for table in sorted(tables)},
            parts=parts,
            sources=sources,
            content=_content(parts),
        )

    def without(self, previous: Manifest, patients: Collection[str], entry: Entry) -> Manifest:
        """Return the unsigned manifest of the next version without some patients: only their buckets are rewritten."""
        names, before = list(patients), list[pl.Series]()
        touched = set(numbers(pl.Series(names, dtype=pl.String), previous.buckets).tolist())

        def kept(part: Part) -> pl.DataFrame:
            rows = self._verified(previous.dataset, part, opened[part])
            before.append(rows[PATIENT].unique())
            return rows.filter(~pl.col(PATIENT).is_in(names))

        opened = {part: self._open(previous.dataset, part) for part in previous.parts if part.bucket in touched}
        with self._batch(previous.dataset, previous.version + 1, entry) as batch:
            for part in previous.parts:
                if part in opened:
                    batch.add(part.table, part.bucket, partial(kept, part), None)
                else:
                    batch.keep(part)
            parts = batch.finish()
        return replace(
            previous,
            version=previous.version + 1,
            previous=self._digest(previous),
            created=entry.at,
            patients=previous.patients - distinct(before) + batch.patients,
            parts=parts,
            content=_content(parts),
        )

    def commit(self, manifest: Manifest) -> Anchor:
        """Return the anchor of a version that is now there for ever; the caller keeps it apart from this store.

        Committing again, or the same rows written again after a crash, returns the anchor of what is there.

        Raises:
            Conflict: another version took the number, or the version before is not the one this was made from.
        """
        expected = manifests.FIRST
        if manifest.version > 1:
            expected = self._stored(manifest.dataset, manifest.version - 1)
        if manifest.previous != expected:
            raise Conflict("another version came first: make this one again from it")
        name = manifests.name(manifest.dataset, manifest.version)
        envelope = manifests.sign(manifest, self._keystore.signing_key("manifest"))
        try:
            self._objects.put_named(name, envelope)
        except Conflict:
            there = self.load(manifest.dataset, manifest.version)
            if replace(there, created="", parts=()) != replace(manifest, created="", parts=()):
                raise
            envelope = self._objects.get_named(name)
        return Anchor(manifest.version, manifests.digest(envelope))

    def load(self, dataset: str, version: int, anchor: Anchor | None = None) -> Manifest:
        """Return a version's manifest, its signature verified.

        Raises:
            NotFound: there is none.
            Tampered: it is not signed, of another version, or not the one that ``anchor`` remembers.
        """
        try:
            envelope = self._objects.get_named(manifests.name(dataset, version))
        except NotFound:
            if anchor is not None:
                raise Tampered(f"version {version} was published and is gone") from None
            raise
        if anchor is not None:
            manifests.check_anchor(envelope, anchor)
        return manifests.read(
            envelope, self._keystore.signing_key("manifest").public_key(), dataset=dataset, version=version
        )

    def history(self, dataset: str, anchor: Anchor | None = None) -> tuple[Manifest, ...]:
        """Return all versions, oldest first, each chained to the one before.

        Raises:
            Tampered: one is missing or replaced, or the newest that ``anchor`` remembers is not among them.
        """
        names = self._objects.named(f"manifests/{dataset}")
        found: list[Manifest] = []
        previous = manifests.FIRST
        for version in range(1, max(len(names), anchor.version if anchor else 0) + 1):
            exact = Anchor(version, anchor.digest) if anchor and anchor.version == version else None
            try:
                manifest = self.load(dataset, version, exact)
            except NotFound:
                raise Tampered(f"version {version} is missing from the chain") from None
            if manifest.previous != previous:
                raise Tampered(f"version {version} does not follow the one before")
            previous = self._stored(dataset, version)
            found.append(manifest)
        return tuple(found)

    def read(self, dataset: str, part: Part) -> pl.DataFrame:
        """Return the rows of one part, compared with the manifest's plaintext hash.

        Raises:
            Shredded: its key was destroyed.
            Tampered: it is not the part that the manifest names.
        """
        return self._verified(dataset, part, self._open(dataset, part))

    def rows(self, manifest: Manifest, table: str) -> pl.DataFrame:
        """Return all rows of a table, buckets in order and read side by side. The caller logs the read.

        Raises:
            NotFound, Shredded, Tampered: as ``scan`` says.
        """
        parts = self._scans(manifest, table)
        with parquet.unopened():
            return pl.concat(pl.collect_all(parts), rechunk=False)

    def scan(self, manifest: Manifest, table: str) -> pl.LazyFrame:
        """Return the lazy rows of a table, buckets in order. The caller logs the read.

        Raises:
            NotFound: the version has no such table.
            Shredded: a part's key was destroyed.
            Tampered: an object is not the one that the manifest names.
        """
        return pl.concat(self._scans(manifest, table))

    def forget(self, live: Manifest, entry: Entry, others: Iterable[Manifest] = ()) -> int:
        """Destroy the keys of every object of the dataset that ``live`` and ``others`` do not name; return how many.

        The dataset's key is rotated, so that no old copy of the key table opens them either. Older versions stay
        listed and are unreadable where they held these objects. The caller keeps writers of the dataset out.
        """
        kept = {part.sha256 for manifest in (live, *others) for part in manifest.parts}
        dead = [row.object for row in self._keys.of(_scope(live.dataset)) if row.object not in kept]
        self._keys.delete(dead, entry)
        rotate(self._keystore, self._keys, _scope(live.dataset), entry, self._random)
        for name in dead:
            self._objects.delete(name)
        return len(dead)

    def sweep(self, datasets: Iterable[str], before: datetime, entry: Entry, others: Collection[str] = ()) -> int:
        """Return how many left-over objects and key rows were removed that were written before a moment.

        Args:
            datasets: All datasets of this store.
            before: Earlier than any write still at work.
            entry: The log entry with which the rows are deleted.
            others: Objects of other owners in the same object store.
        """
        live, orphans = set(others), list[str]()
        for dataset in datasets:
            named = {part.sha256 for manifest in self.history(dataset) for part in manifest.parts}
            rows = self._keys.of(_scope(dataset))
            orphans += [row.object for row in rows if row.object not in named and moment(row.at) < before]
            live |= {row.object for row in rows}  # what a manifest names and no key opens was shredded
        live -= set(orphans)
        if orphans:
            self._keys.delete(orphans, entry)
        return len(orphans) + self._objects.sweep(live, before)

    def _scans(self, manifest: Manifest, table: str) -> list[pl.LazyFrame]:
        if table not in manifest.columns:
            raise NotFound("the version has no such table")
        wanted = [part for part in manifest.parts if part.table == table]
        if not wanted:
            return [pl.LazyFrame(schema={name: parquet.TYPES[kind] for name, kind in manifest.columns[table]})]
        with ThreadPoolExecutor(AHEAD) as pool:  # comparing bytes with their names keeps a core busy for each
            return list(pool.map(lambda part: parquet.scan(*self._open(manifest.dataset, part)), wanted))

    def _verified(self, dataset: str, part: Part, opened: tuple[Path | bytes, bytes, str]) -> pl.DataFrame:
        rows = parquet.decrypt(*opened)
        if parquet.content_hash(rows, self._content_key(dataset)) != part.content:
            raise Tampered("decrypted rows are not those that were published")
        return rows

    def _batch(self, dataset: str, version: int, entry: Entry, *, shared: bool = False) -> Batch:
        return Batch(
            objects=self._objects,
            keys=self._keys,
            scope_key=self._keystore.scope_key(_scope(dataset)),
            content_key=self._content_key(dataset),
            dataset=dataset,
            version=version,
            entry=entry,
            random=self._random,
            readable=frozenset(row.object for row in self._keys.of(_scope(dataset))) if shared else frozenset(),
        )

    def _open(self, dataset: str, part: Part) -> tuple[Path | bytes, bytes, str]:
        key = data_key(self._keystore, self._keys, part.sha256, _scope(dataset))
        return self._objects.source(part.sha256), key, aad(dataset, part.table, part.bucket, part.born)

    def _content_key(self, dataset: str) -> bytes:
        return self._keystore.secret("content", dataset)

    def _stored(self, dataset: str, version: int) -> str:
        try:
            return manifests.digest(self._objects.get_named(manifests.name(dataset, version)))
        except NotFound:
            raise Conflict("the version before is not there") from None

    def _digest(self, manifest: Manifest) -> str:
        return manifests.digest_of(manifest, self._keystore.signing_key("manifest"))


def _content(parts: Iterable[Part]) -> str:
    return digest([[part.table, part.bucket, part.content] for part in parts])


def _scope(dataset: str) -> str:
    return f"dataset/{dataset}"
