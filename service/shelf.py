"""The catalogue in memory: read once, and again only when a dataset, its versions or its words have changed.

Every change of what is searched adds to a counter of the dataset, inside the database (migration 0080), so whoever
changes it, by whichever way, is noticed at the next question: the number of counters and their sum are asked each
time. A catalogue of more than ``MOST`` datasets is not kept in memory; then the database searches.
"""

import threading
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from sqlalchemy.orm import Session

from policies.access import Resource
from service.models import DatasetRow
from service.models_governance import ChangesRow, TermRow
from service.sight import resources_in

MOST = 20_000
Shape: TypeAlias = Callable[[DatasetRow], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Kept:
    """A dataset as it is searched and shown.

    Attributes:
        shown: What the catalogue says of it.
        resource: As the access rules see it.
    """

    shown: dict[str, Any]
    resource: Resource
    data_class: str
    purposes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Shelf:
    """All datasets at one moment.

    Attributes:
        stamp: How many there were, and the sum of their counters.
        kept: Id -> dataset, by id.
        words: Term -> id -> weight.
    """

    stamp: tuple[int, int]
    kept: dict[str, Kept] = field(default_factory=dict)
    words: dict[str, dict[str, int]] = field(default_factory=dict)

    def ranked(self, terms: Collection[str]) -> Iterable[str]:
        """Return the ids of the datasets that have all of the terms, the best first, then by id; without terms all."""
        if not terms:
            return self.kept
        first, *rest = sorted((self.words.get(term, {}) for term in terms), key=len)
        score = dict(first)
        for more in rest:
            score = {name: weight + more[name] for name, weight in score.items() if name in more}
        return sorted(score, key=lambda name: (-score[name], name))


_shelves: "WeakKeyDictionary[sa.Engine, Shelf]" = WeakKeyDictionary()
_FILLING = threading.Lock()


def shelf(session: Session, database: sa.Engine, shape: Shape) -> Shelf | None:
    """Return the catalogue as it stands in this session's view of the database; None where it is too large to keep.

    Args:
        shape: Returns what is shown of a dataset's row.
    """
    stamp = _stamp(session)
    if stamp[0] > MOST:
        return None
    found = _shelves.get(database)
    if found is None or found.stamp != stamp:
        with _FILLING:
            found = _shelves.get(database)
            if found is None or found.stamp != stamp:
                found = _filled(session, stamp, shape)
                _shelves[database] = found
    return found


def _stamp(session: Session) -> tuple[int, int]:
    many, changes = session.execute(_STAMP).one()
    return int(many), int(changes)


_STAMP = sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(ChangesRow.changes), 0))


def _filled(session: Session, stamp: tuple[int, int], shape: Shape) -> Shelf:
    rows = session.scalars(sa.select(DatasetRow).order_by(DatasetRow.id)).all()
    made = Shelf(stamp)
    for row, resource in zip(rows, resources_in(session, rows), strict=True):
        purposes = tuple(row.document.get("purposes", ()))
        made.kept[row.id] = Kept(shape(row), resource, row.data_class, purposes)
    for term, dataset, weight in session.execute(sa.select(TermRow.term, TermRow.dataset, TermRow.weight)):
        made.words.setdefault(term, {})[dataset] = weight
    return made
