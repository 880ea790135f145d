"""How long things have been kept, and what may go: the report on retention.

Access logs are kept six months at least, records of processing and of assessments three years at least (PIPL articles
54 to 56). The database's triggers refuse to delete either sooner; this report only says what is there. Nothing of it is
deleted by the program.
"""

from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute

from policies.access import Action, Kind, Resource
from policies.entry import moment, stamp
from policies.people import Person
from policies.review import retention
from service.acts import seen
from service.database import reading
from service.facility import Facility
from service.models import (
    ApprovalRow,
    ChargeRow,
    ExtractRow,
    FreezeRow,
    ReleaseRow,
    RunRow,
    SubmissionRow,
    VersionRow,
)
from service.models_governance import DraftRow, IncidentRow, RightsRow
from service.models_log import EntryRow

RECORDS: Final[dict[str, InstrumentedAttribute[str]]] = {
    "submissions": SubmissionRow.created_at,
    "versions": VersionRow.created_at,
    "extracts": ExtractRow.created_at,
    "runs": RunRow.created_at,
    "releases": ReleaseRow.created_at,
    "approvals": ApprovalRow.at,
    "charges": ChargeRow.at,
    "rights": RightsRow.created_at,
    "incidents": IncidentRow.at,
    "freezes": FreezeRow.at,
}
"""Records of processing and assessment, each by the moment that its period begins."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One kind of thing that is kept.

    Attributes:
        days: How long, at least.
        there: How many there are.
        due: How many of them have been kept that long.
        oldest: When the oldest was made, or nothing where there is none.
        free_at: From when on the oldest may go.
    """

    kind: str
    days: int
    there: int
    due: int
    oldest: str | None
    free_at: str | None

    def as_dict(self) -> dict[str, Any]:
        """Return JSON types only."""
        return asdict(self)


def report(facility: Facility, person: Person) -> list[Kept]:
    """Return what is kept and what of it is due: the access log, the records, and what applicants left lying.

    Raises:
        Refused: naming the rule.
    """
    seen(facility, person, Action.LOG_SEARCH, Resource(Kind.LOG, "log"), about="retention")
    rules = retention()
    kinds = {
        "log": (EntryRow.at, rules.access_log_days),
        **{name: (column, rules.record_days) for name, column in RECORDS.items()},
        "drafts": (DraftRow.saved_at, rules.draft_days),
    }
    return [_kept(facility, kind, column, days) for kind, (column, days) in kinds.items()]


def _kept(facility: Facility, kind: str, column: InstrumentedAttribute[str], days: int) -> Kept:
    period = timedelta(days=days)
    due = sa.func.sum(sa.case((column <= stamp(facility.clock() - period), 1), else_=0))
    with reading(facility.database) as session:
        there, over, oldest = session.execute(sa.select(sa.func.count(), due, sa.func.min(column))).one()
    free_at = None if oldest is None else stamp(moment(oldest) + period)
    return Kept(kind, days, int(there), int(over or 0), oldest, free_at)
