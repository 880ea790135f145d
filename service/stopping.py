"""Stopping runs from outside: a permit was revoked, a patient withdrew, an incident happened."""

from collections.abc import Collection
from datetime import timedelta

import sqlalchemy as sa

from datasets.vault import Blob
from policies.states import ExtractState, RunState
from service.acts import system_entry
from service.database import reading, unit_of_work
from service.facility import Facility
from service.models import ExtractRow, RunRow
from service.repositories.charges import LEDGER
from service.repositories.place import take_turns

UNSEEN = (RunState.QUEUED, RunState.PREPARING)
LIVE = (*UNSEEN, RunState.TRAINING, RunState.AUDITING, RunState.AWAITING_RELEASE)
PATIENCE = timedelta(seconds=1)


def stop_runs(
    facility: Facility,
    *,
    permits: Collection[str] = (),
    dataset: str | None = None,
    versions: Collection[int] | None = None,
    code: str,
) -> tuple[str, ...]:
    """Return the runs that were stopped: of some permits, or all of a dataset, or of some of its versions.

    Stopping again stops nothing.

    A run that has not seen its data gives its charge back; of every other the charge stays. Its keys are destroyed,
    so its noise cannot be made again; a worker that still runs is ended at its next look (``is_stopped``).
    """
    asked = RunRow.permit.in_(list(permits)) if dataset is None else RunRow.document["dataset"].as_string() == dataset
    if versions is not None:
        asked = sa.and_(asked, RunRow.document["version"].as_integer().in_(list(versions)))
    with reading(facility.database) as session:
        found = session.scalars(sa.select(RunRow.id).where(asked, RunRow.state.in_(LIVE)).order_by(RunRow.id)).all()
    return tuple(run for run in found if _stop(facility, run, code))


def is_stopped(facility: Facility, run: str) -> bool:
    """Return whether a worker is to be ended now."""
    with reading(facility.database) as session:
        return session.get_one(RunRow, run).state is not RunState.TRAINING


def shred_extracts(facility: Facility, *, permits: Collection[str] = (), dataset: str | None = None) -> tuple[str, ...]:
    """Return the extracts that were shredded: of some permits, or all of a dataset."""
    asked = ExtractRow.permit.in_(list(permits)) if dataset is None else ExtractRow.dataset == dataset
    with reading(facility.database) as session:
        query = sa.select(ExtractRow.id).where(asked, ExtractRow.state != ExtractState.SHREDDED)
        found = session.scalars(query.order_by(ExtractRow.id)).all()
    for extract in found:
        with unit_of_work(facility.database, facility.clock) as work:
            row = work.session.get_one(ExtractRow, extract)
            row.state = ExtractState.SHREDDED
            work.add(system_entry(facility, "extract.shred", "extract", extract, permit=row.permit))
    return tuple(found)


def _stop(facility: Facility, run: str, code: str) -> bool:
    with unit_of_work(facility.database, facility.clock) as work:
        take_turns(work.session, LEDGER)  # before the row is locked, as in the job that spends
        row = work.session.get_one(RunRow, run, with_for_update=True)
        if row.state not in LIVE:
            return False
        entry = system_entry(facility, "run.stop", "run", run, permit=row.permit, code=code)
        if row.state in UNSEEN:
            facility.charges_in(work).void(run, entry)
        ended = RunState.REFUSED if row.state in (RunState.AUDITING, RunState.AWAITING_RELEASE) else RunState.CANCELLED
        row.state = ended
        row.document = {**row.document, "code": code}
        work.add(entry)
    if "key_blob" in row.document:
        entry = system_entry(facility, "run.destroy-keys", "run", run, permit=row.permit)
        facility.vault.shred(Blob(**row.document["key_blob"]), entry)
    return True
