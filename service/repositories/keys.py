"""Wrapped data keys in the database."""

from collections.abc import Iterable
from dataclasses import asdict

import sqlalchemy as sa

from datasets.keys import WrappedKey
from policies.entry import Entry
from service.models import WrappedKeyRow
from service.repositories.place import Place, batches, inserting


class SqlWrappedKeys:
    """Implements ``datasets.keys.WrappedKeys``."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def get(self, object_: str) -> WrappedKey | None:
        """Return the row of an object, or nothing where its key was destroyed or never existed."""
        with self._place.reading() as session:
            row = session.get(WrappedKeyRow, object_)
            return _value(row) if row else None

    def of(self, scope: str) -> tuple[WrappedKey, ...]:
        """Return all rows of a scope, by object name."""
        with self._place.reading() as session:
            wanted = sa.select(WrappedKeyRow).where(WrappedKeyRow.scope == scope).order_by(WrappedKeyRow.object)
            return tuple(_value(row) for row in session.scalars(wanted))

    def put(self, keys: Iterable[WrappedKey], entry: Entry) -> None:
        """Write rows, replacing those of the same objects (rewrapped under a new generation)."""
        with self._place.writing() as work:
            for some in batches(map(asdict, keys)):
                fresh = inserting(work.session, WrappedKeyRow).values(some)
                new = {name: fresh.excluded[name] for name in ("scope", "generation", "wrapped", "at")}
                work.session.execute(fresh.on_conflict_do_update(index_elements=["object"], set_=new))
            work.add(entry)

    def delete(self, objects: Iterable[str], entry: Entry) -> None:
        """Remove rows: the objects can no longer be read."""
        with self._place.writing() as work:
            for names in batches(objects):
                work.session.execute(sa.delete(WrappedKeyRow).where(WrappedKeyRow.object.in_(names)))
            work.add(entry)


def _value(row: WrappedKeyRow) -> WrappedKey:
    return WrappedKey(row.object, row.scope, row.generation, row.wrapped, row.at)
