"""The rounds: what time alone brings about. Permits end, holders are reminded, what was kept long enough goes."""

import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from datasets.deciding import due_reminders
from policies.entry import stamp
from policies.errors import MedtrainError
from policies.review import permit_rules, retention
from policies.states import ExtractState, PermitState, SubmissionState
from service import permits
from service.acts import system_entry
from service.database import reading, unit_of_work
from service.facility import Facility
from service.models import ExtractRow, PermitRow, SubmissionRow
from service.models_governance import DraftRow
from service.notices import tell
from service.retaining import end_versions
from service.stopping import shred_extracts, stop_runs
from service.submissions import shred_upload

_log = logging.getLogger("medtrain.rounds")
DONE = (SubmissionState.ACCEPTED, SubmissionState.REJECTED)


def make_rounds(facility: Facility) -> dict[str, int]:
    """Return how much was done of each kind. Made twice at the same moment, the second does nothing."""
    return {
        "expired": _end_permits(facility),
        "reminded": _remind(facility),
        "extracts": _expire_extracts(facility),
        "uploads": _shred_uploads(facility),
        "drafts": _drop_drafts(facility),
        "versions": end_versions(facility),
    }


class Rounds:
    """Makes the rounds every so many seconds, on a thread of its own; an error of one round is logged by its kind."""

    def __init__(self, work: Callable[[], object], seconds: float) -> None:
        self._work, self._seconds, self._end = work, seconds, threading.Event()
        self._thread = threading.Thread(target=self._go, name="rounds", daemon=True)

    def start(self) -> None:
        """Begin; the first round is made at once."""
        self._thread.start()

    def stop(self) -> None:
        """End, after the round that is being made."""
        self._end.set()
        self._thread.join(timeout=30)

    def _go(self) -> None:
        while not self._end.is_set():
            try:
                self._work()
            except Exception as problem:  # noqa: BLE001  # the rounds go on; what an error says may depend on data
                _log.error("a round failed: %s", type(problem).__name__)  # no trace: it may show data
            self._end.wait(self._seconds)


def _end_permits(facility: Facility) -> int:
    """End what has run out: the permit, its runs that have not ended, and its extracts."""
    with reading(facility.database) as session:
        ended = session.scalars(
            sa.select(PermitRow.id).where(
                PermitRow.state.in_((PermitState.ACTIVE, PermitState.APPROVED)),
                PermitRow.not_after <= stamp(facility.clock()),
            )
        ).all()
    for permit in ended:
        found = permits.in_force(facility, permit)
        with unit_of_work(facility.database, facility.clock) as work:
            tell(work, found.holder_org, "permit-expired", permit)
            work.add(system_entry(facility, "permit.tell", "permit", permit, permit=permit))
        stop_runs(facility, permits=(permit,), code="permit-expired")
        shred_extracts(facility, permits=(permit,))
    return len(ended)


def _remind(facility: Facility) -> int:
    rules, now = permit_rules(), facility.clock()
    horizon = stamp(now + timedelta(days=max(rules.reminders)))
    with reading(facility.database) as session:
        near = session.scalars(
            sa.select(PermitRow.id).where(PermitRow.state == PermitState.ACTIVE, PermitRow.not_after <= horizon)
        ).all()
    told = 0
    for permit_id in near:
        permit = facility.permits.get(permit_id)
        days = due_reminders(permit, rules, now)
        if not days:
            continue
        with unit_of_work(facility.database, facility.clock) as work:
            entry = system_entry(facility, "permit.remind", "permit", permit_id, permit=permit_id, days=min(days))
            facility.permits_in(work).put(replace(permit, reminded=(*permit.reminded, *days)), entry)
            tell(work, permit.holder_org, "permit-ends", permit_id, days=min(days), not_after=stamp(permit.not_after))
        told += 1
    return told


def _expire_extracts(facility: Facility) -> int:
    with unit_of_work(facility.database, facility.clock) as work:
        rows = work.session.scalars(
            sa.select(ExtractRow).where(
                ExtractRow.state.in_((ExtractState.PREPARED, ExtractState.DELIVERED)),
                ExtractRow.expires_at <= stamp(facility.clock()),
            )
        ).all()
        for row in rows:
            row.state = ExtractState.EXPIRED
            work.add(system_entry(facility, "extract.expire", "extract", row.id, permit=row.permit))
        return len(rows)


def _shred_uploads(facility: Facility) -> int:
    """Destroy the raw records of submissions that were decided long enough ago."""
    before = stamp(facility.clock() - timedelta(days=retention().upload_days))
    with reading(facility.database) as session:
        old = session.scalars(
            sa.select(SubmissionRow.id).where(
                SubmissionRow.state.in_(DONE),
                SubmissionRow.created_at <= before,
                SubmissionRow.document["held"].as_string().is_(None),  # these are the secrecy officer's to decide on
            )
        ).all()
    return sum(_shredded(facility, submission) for submission in old)


def _shredded(facility: Facility, submission: str) -> bool:
    try:
        return shred_upload(facility, submission)
    except MedtrainError as problem:
        _log.error("an upload could not be shredded: %s", problem.code)
        return False


def _drop_drafts(facility: Facility) -> int:
    before = stamp(facility.clock() - timedelta(days=retention().draft_days))
    with Session(facility.database) as session, session.begin():
        old = session.scalars(sa.select(DraftRow).where(DraftRow.saved_at <= before)).all()
        for row in old:
            session.delete(row)
        return len(old)
