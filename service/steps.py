"""How far a submission or a run has come: the changes of its state, as the access log has them, followed live."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from policies.states import RunState, SubmissionState
from service.database import reading
from service.facility import Facility
from service.models import RunRow, SubmissionRow
from service.models_log import EntryRow

PAUSE_SECONDS = 0.5
LONGEST_SECONDS = 600.0
"""A stream ends by then; who still watches connects again, and is asked again who he is."""

SUBMISSION = {
    "submission.profiled": SubmissionState.PROFILED.value,
    "submission.mapped": SubmissionState.MAPPED.value,
    "submission.processing": SubmissionState.PROCESSING.value,
    "submission.needs-review": SubmissionState.NEEDS_REVIEW.value,
    "submission.accept": SubmissionState.ACCEPTED.value,
    "submission.reject": SubmissionState.REJECTED.value,
    "submission.rejected": SubmissionState.REJECTED.value,
    "secrecy.readmit": SubmissionState.RECEIVED.value,
}
RUN = {
    "run.preparing": RunState.PREPARING.value,
    "run.training": RunState.TRAINING.value,
    "run.auditing": RunState.AUDITING.value,
    "run.awaiting-release": RunState.AWAITING_RELEASE.value,
    "run.cancel": RunState.CANCELLED.value,
    "release.issue": RunState.RELEASED.value,
    "release.refuse": RunState.REFUSED.value,
}
FAILED = "run.failed"
"""How it ended is in the run itself: refused before it saw a record, or failed."""
RESTS = frozenset(
    {"needs-review", "accepted", "rejected", "awaiting-release", "released", "refused", "failed", "cancelled"}
)
"""States that no job leaves: it has ended, or waits for a person."""


@dataclass(frozen=True, slots=True)
class Step:
    """One change of state.

    Attributes:
        entry: The log entry that was committed with it; 0 for the first, which the object was made in.
        at: When, in UTC.
        state: What it is since then.
    """

    entry: int
    at: str
    state: str

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {"entry": self.entry, "at": self.at, "state": self.state}


def of_submission(facility: Facility, submission: str) -> tuple[Step, ...]:
    """Return every change of a submission's state, oldest first."""
    with reading(facility.database) as session:
        row = session.get_one(SubmissionRow, submission)
    return _steps(facility, submission, SUBMISSION, Step(0, row.created_at, SubmissionState.RECEIVED.value))


def of_run(facility: Facility, run: str) -> tuple[Step, ...]:
    """Return every change of a run's state, oldest first."""
    with reading(facility.database) as session:
        row = session.get_one(RunRow, run)
    actions = {**RUN, FAILED: row.state.value}
    return _steps(facility, run, actions, Step(0, row.created_at, RunState.QUEUED.value))


async def follow(facility: Facility, kind: str, object_: str, after: int = -1) -> AsyncIterator[Step]:
    """Yield the steps behind the entry ``after`` as they are committed, until the object rests."""
    look = {"submission": of_submission, "run": of_run}[kind]
    until = time.monotonic() + LONGEST_SECONDS
    while True:
        steps = await asyncio.to_thread(look, facility, object_)
        for step in steps:
            if step.entry > after:
                after = step.entry
                yield step
        if steps[-1].state in RESTS or time.monotonic() > until:
            return
        await asyncio.sleep(PAUSE_SECONDS)


def _steps(facility: Facility, object_: str, actions: dict[str, str], first: Step) -> tuple[Step, ...]:
    query = (
        sa.select(EntryRow.id, EntryRow.at, EntryRow.action)
        .where(EntryRow.object == object_, EntryRow.action.in_(actions), EntryRow.decision != "deny")
        .order_by(EntryRow.id)
    )
    found = [first]
    with reading(facility.database) as session:
        for id_, at, action in session.execute(query):
            if found[-1].state != actions[action]:  # an act may write more than one entry
                found.append(Step(id_, at, actions[action]))
    return tuple(found)
