"""A dataset as the access rules see it, and whether somebody may see its exact figures."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from datasets.versions import USUAL_LEVEL, DataClass
from policies.access import Kind, Resource
from policies.errors import NotFound
from policies.people import Person, Role
from policies.states import VersionState
from service.database import reading
from service.facility import Facility
from service.models import DatasetRow, VersionRow

REVIEWERS = frozenset({Role.COMPLIANCE, Role.AUDITOR})


def resource_of_dataset(facility: Facility, dataset: str) -> Resource:
    """Return a dataset as the access rules see it.

    Raises:
        NotFound: there is none of that name.
    """
    with reading(facility.database) as session:
        return resource_in(session, dataset_in(session, dataset))


def dataset_in(session: Session, dataset: str) -> DatasetRow:
    """Return a dataset's row.

    Raises:
        NotFound: there is none of that name.
    """
    row = session.get(DatasetRow, dataset)
    if row is None:
        raise NotFound("there is no such dataset")
    return row


def resource_in(session: Session, row: DatasetRow) -> Resource:
    """Return a dataset's row as the access rules see it."""
    published = sa.select(VersionRow.number).where(
        VersionRow.dataset == row.id, VersionRow.state == VersionState.PUBLISHED
    )
    return resource_from(row, published=session.scalars(published.limit(1)).first() is not None)


def resources_in(session: Session, rows: Sequence[DatasetRow]) -> list[Resource]:
    """Return several datasets' rows as the access rules see them, by one question."""
    published = sa.select(VersionRow.dataset).where(
        VersionRow.dataset.in_([row.id for row in rows]), VersionRow.state == VersionState.PUBLISHED
    )
    known = set(session.scalars(published))
    return [resource_from(row, published=row.id in known) for row in rows]


def resource_from(row: DatasetRow, *, published: bool) -> Resource:
    """Return a dataset's row, of which it is known whether a version is published, as the access rules see it."""
    return Resource(
        Kind.DATASET,
        row.id,
        org=row.org,
        state="published" if published else "",
        level=level_of(row),
        genomic=bool(row.document.get("genomic")),
    )


def level_of(row: DatasetRow) -> int:
    """Return the classification level of a dataset (GB/T 39725-2020)."""
    return int(row.document.get("level", USUAL_LEVEL[DataClass(row.data_class)]))


def sees_exact(row: DatasetRow, person: Person) -> bool:
    """Return whether somebody may see exact figures: of his own hospital's patients, as a reviewer, or of level 1."""
    owner = Role.DATA_OFFICER in person.roles and person.org == row.org
    return row.data_class == DataClass.DEMONSTRATION or owner or bool(person.roles & REVIEWERS)
