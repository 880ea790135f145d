"""The facility: how it stands, and the emergency stop, which one person turns on and two lift."""

import shutil
from importlib.metadata import version
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from policies.access import Action, Kind, Resource
from policies.thresholds import release_rules
from service import staff
from service.acts import seen
from service.api.caller import Here
from service.console.drawing import page
from service.console.session import Visitor
from service.database import reading
from service.facility import Facility
from service.models import RunRow, SubmissionRow
from service.models_log import HeadRow, PendingRow

router = APIRouter(prefix="/facility")
FACILITY = Resource(Kind.FACILITY, "facility")


@router.get("")
def get_facility(request: Request, here: Here, visitor: Visitor) -> Response:
    """Show how the facility stands, whether the stop is on, and what the visitor may do about it."""
    seen(here, visitor, Action.FACILITY_SHOW, FACILITY)
    stop = staff.standing(here)
    may = {
        "freeze": stop is None and here.may(visitor, Action.FACILITY_FREEZE, FACILITY),
        "thaw": stop is not None
        and visitor.id not in stop["lifting"]
        and here.may(visitor, Action.FACILITY_THAW, FACILITY),
    }
    return page(request, "facility.html", may=may, needed=staff.NEEDED, stop=stop, facts=_facts(here))


@router.post("/freeze")
def post_freeze(here: Here, visitor: Visitor, reason: Annotated[str, Form(min_length=1, max_length=200)]) -> Response:
    """Stop everything."""
    staff.freeze(here, visitor, reason)
    return RedirectResponse("/facility", 303)


@router.post("/thaw")
def post_thaw(here: Here, visitor: Visitor) -> Response:
    """Say that it may go on; the second person's word lifts the stop."""
    staff.thaw(here, visitor)
    return RedirectResponse("/facility", 303)


def _facts(here: Facility) -> dict[str, Any]:
    """Return what whoever runs the service must know; nothing about a record, no address with a password in it."""
    settings, disk = here.settings, shutil.disk_usage(here.settings.home)
    with reading(here.database) as session:
        jobs = {
            name: session.execute(sa.select(row.state, sa.func.count()).group_by(row.state)).all()
            for name, row in (("submissions", SubmissionRow), ("runs", RunRow))
        }
        entries = session.scalar(sa.select(HeadRow.size)) or 0
        waiting = session.scalar(sa.select(sa.func.count()).select_from(PendingRow)) or 0
    return {
        "version": version("medtrain"),
        "database": here.database.dialect.name,
        "home": str(settings.home),
        "store": "S3" if "://" in settings.store else settings.store,
        "tier": settings.tier or release_rules().minimum_tier,
        "entries": entries,
        "waiting": waiting,
        "free": disk.free,
        "total": disk.total,
        **{name: [(state.value, count) for state, count in found] for name, found in jobs.items()},
    }
