"""Retention of versions: what a dataset's description, or the rules, say how long its data are kept, is kept no longer.

The period runs from the first version that was made of the same submissions: a withdrawal or a correction of the
index makes a new version of the same data, and no new period. Nothing is ended while records are under way.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import sqlalchemy as sa

from datasets.manifest import Manifest
from policies.entry import moment
from policies.review import retention
from policies.states import SubmissionState, VersionState
from service.acts import system_entry
from service.database import reading, unit_of_work
from service.facility import Facility
from service.models import DatasetRow, PatientRow, SubmissionRow, VersionRow
from service.notices import tell
from service.stopping import shred_extracts, stop_runs
from service.submissions import OPEN, shred_upload

DONE = (SubmissionState.ACCEPTED, SubmissionState.REJECTED)


def end_versions(facility: Facility) -> int:
    """Return how many versions ended because their data were kept long enough; ended again, none do."""
    now, rules = facility.clock(), retention()
    with reading(facility.database) as session:
        published = session.execute(
            sa.select(DatasetRow, VersionRow.number, VersionRow.created_at)
            .join(VersionRow, VersionRow.dataset == DatasetRow.id)
            .where(VersionRow.state == VersionState.PUBLISHED)
            .order_by(DatasetRow.id, VersionRow.number)
        ).all()
        busy = set(session.scalars(sa.select(SubmissionRow.project).where(SubmissionRow.state.in_(OPEN))))
    of: dict[str, tuple[DatasetRow, list[int], bool]] = {}
    for row, number, _ in published:
        of.setdefault(row.id, (row, [], row.id in busy))[1].append(number)
    done = 0
    for dataset, (row, numbers, under_way) in of.items():
        days = timedelta(days=int(row.document.get("about", {}).get("retention_days", rules.version_days)))
        if under_way or now - moment(row.created_at) < days:  # no version is older than its dataset
            continue
        history = facility.store.history(dataset)
        ended = [n for n in numbers if now - _begun(history, n) >= days]
        if ended:
            _end(facility, row, [history[n - 1] for n in numbers if n not in ended], history[-1], ended)
            done += len(ended)
    return done


def _begun(history: Sequence[Manifest], number: int) -> datetime:
    sources = history[number - 1].sources
    return min(moment(one.created) for one in history if one.sources == sources)


def _end(facility: Facility, row: DatasetRow, kept: list[Manifest], newest: Manifest, ended: list[int]) -> None:
    """Destroy what only ended versions hold, then say that they ended: cut off in between, it is done again."""
    dataset = row.id
    entry = system_entry(facility, "dataset.retention-end", "dataset", dataset, versions=tuple(map(str, ended)))
    stop_runs(facility, dataset=dataset, code="retention-ended", versions=ended)
    facility.store.forget(kept[-1] if kept else replace(newest, parts=()), entry, others=kept)
    if not kept:
        shred_extracts(facility, dataset=dataset)
        with reading(facility.database) as session:
            decided = sa.select(SubmissionRow.id).where(SubmissionRow.project == dataset, SubmissionRow.state.in_(DONE))
            uploads = session.scalars(decided).all()
        for upload in uploads:
            shred_upload(facility, upload)
    with unit_of_work(facility.database, facility.clock) as work:
        for number in ended:
            work.session.get_one(VersionRow, (dataset, number)).state = VersionState.WITHDRAWN
        if not kept:
            work.session.execute(sa.delete(PatientRow).where(PatientRow.project == dataset))
        tell(work, row.org, "retention-ended", dataset, versions=ended)
        work.add(entry)
