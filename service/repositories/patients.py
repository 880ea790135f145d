"""Which patient of the facility's index each pseudonym of a project stands for."""

from collections.abc import Iterable

from sqlalchemy.orm import Session

from service.models import PatientRow
from service.repositories.place import batches, inserting


def put_patients(session: Session, project: str, names: Iterable[tuple[str, str]]) -> None:
    """Write (pseudonym, token) pairs, over what was there: a hospital's index in few statements.

    One statement for each patient would hold the database's only write lock for minutes, and nobody else could act.
    """
    rows = [{"project": project, "pseudonym": pseudonym, "token": token} for pseudonym, token in names]
    for some in batches(rows):
        fresh = inserting(session, PatientRow).values(some)
        session.execute(
            fresh.on_conflict_do_update(index_elements=["project", "pseudonym"], set_={"token": fresh.excluded.token})
        )
