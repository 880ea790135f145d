"""What everybody may read without signing in: the state of the facility, and who uses which data for what."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from policies.errors import NotFound
from policies.proof import open_checkpoint
from policies.thresholds import budget, release_rules
from service import openness
from service.api.caller import Here
from service.console.drawing import page, table
from service.facility import Facility

router = APIRouter()
COLUMNS = (
    "permit", "holder", "controller", "purpose", "legal_basis", "ethics", "dataset", "owner", "data_class", "state",
    "not_before", "not_after", "epsilon", "runs", "released", "statement",
)  # fmt: skip


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
    rows = openness.register(here)
    return table("register", COLUMNS, rows) if format == "csv" else page(request, "register.html", rows=rows)


def _checkpoint(facility: Facility) -> dict[str, Any] | None:
    try:
        note = facility.log.checkpoint()
    except NotFound:
        return None
    head = open_checkpoint(note, facility.log.vkey)
    return {"size": head.size, "root": head.root.hex(), "note": note.decode()}
