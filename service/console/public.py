"""What everybody may read without signing in: the state of the facility, and who uses which data for what."""

from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Request
from fastapi.responses import Response

from policies.errors import NotFound
from policies.proof import open_checkpoint
from policies.states import PermitState, RunState
from policies.thresholds import budget, release_rules
from service.api.caller import Here
from service.console.drawing import page, table
from service.database import reading
from service.facility import Facility
from service.models import DatasetRow, PermitRow, RunRow

router = APIRouter()
IN_USE = (PermitState.ACTIVE, PermitState.EXPIRED, PermitState.REVOKED, PermitState.CLOSED)
COLUMNS = ("permit", "holder", "purpose", "dataset", "data_class", "state", "not_before", "not_after", "released")


@router.get("/status")
def get_status(request: Request, here: Here) -> Response:
    """Show whether the facility works, the head of its log and the rules in force."""
    return page(
        request, "status.html", checkpoint=_checkpoint(here), origin=here.log.origin, vkey=here.log.vkey,
        budget=budget(), rules=release_rules(),
    )  # fmt: skip


@router.get("/register")
def get_register(request: Request, here: Here, format: str = "") -> Response:  # noqa: A002  # the address's own word
    """Show the data-use register: permits that were granted, and what came of them."""
    rows = register(here)
    return table("register", COLUMNS, rows) if format == "csv" else page(request, "register.html", rows=rows)


def register(facility: Facility) -> list[dict[str, Any]]:
    """Return the permits that were ever in force, the newest first, with the number of models released under each."""
    released = sa.select(RunRow.permit, sa.func.count()).where(RunRow.state == RunState.RELEASED)
    with reading(facility.database) as session:
        count = dict(session.execute(released.group_by(RunRow.permit)).all())
        found = session.execute(
            sa.select(PermitRow.id, DatasetRow.data_class)
            .join(DatasetRow, DatasetRow.id == PermitRow.dataset)
            .where(PermitRow.state.in_(IN_USE))
            .order_by(PermitRow.not_before.desc())
        )
        known = [(facility.permits.get(one), data_class) for one, data_class in found.all()]
    return [
        {
            "permit": permit.id,
            "holder": permit.holder_org,
            "purpose": permit.purpose,
            "dataset": permit.dataset,
            "data_class": data_class,
            "state": permit.state.value,
            "not_before": permit.as_dict()["not_before"],
            "not_after": permit.as_dict()["not_after"],
            "released": count.get(permit.id, 0),
        }
        for permit, data_class in known
    ]


def _checkpoint(facility: Facility) -> dict[str, Any] | None:
    try:
        note = facility.log.checkpoint()
    except NotFound:
        return None
    head = open_checkpoint(note, facility.log.vkey)
    return {"size": head.size, "root": head.root.hex(), "note": note.decode()}
