"""Permits in the database."""

import sqlalchemy as sa

from datasets.permits import Permit, check_change
from policies.entry import Entry, stamp
from policies.errors import NotFound
from service.models import PermitRow
from service.repositories.place import Place


class SqlPermits:
    """Implements ``datasets.permits.Permits``."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def get(self, permit_id: str) -> Permit:
        """Return a permit.

        Raises:
            NotFound: there is none of that id.
        """
        with self._place.reading() as session:
            row = session.get(PermitRow, permit_id)
            if row is None:
                raise NotFound("there is no such permit")
            return Permit.from_dict(row.document)

    def of(self, org: str) -> tuple[Permit, ...]:
        """Return the permits of an organisation, by id."""
        return self._where(PermitRow.org == org)

    def all(self) -> tuple[Permit, ...]:
        """Return every permit, by id: for those who decide, and for the timer that ends them."""
        return self._where(sa.true())

    def put(self, permit: Permit, entry: Entry) -> None:
        """Register a permit, or write its next state.

        Raises:
            Conflict: a granted term of it would change.
            IllegalTransition: the state cannot become that one.
        """
        with self._place.writing() as work:
            row = work.session.get(PermitRow, permit.id, with_for_update=True)
            if row is None:
                row = PermitRow(id=permit.id)
                work.session.add(row)
            else:
                check_change(Permit.from_dict(row.document), permit)
            row.org, row.author, row.dataset = permit.holder_org, permit.author, permit.dataset
            row.not_before, row.not_after = stamp(permit.not_before), stamp(permit.not_after)
            row.state, row.document = permit.state, permit.as_dict()
            work.add(entry)

    def _where(self, condition: sa.ColumnElement[bool]) -> tuple[Permit, ...]:
        with self._place.reading() as session:
            rows = session.scalars(sa.select(PermitRow).where(condition)).all()
            return tuple(Permit.from_dict(row.document) for row in sorted(rows, key=lambda row: row.id))
