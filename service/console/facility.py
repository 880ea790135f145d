"""The emergency stop: one person turns it on, two lift it."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from policies.access import Action, Kind, Resource
from service import staff
from service.acts import is_frozen, seen
from service.api.caller import Here
from service.console.drawing import page
from service.console.session import Visitor

router = APIRouter(prefix="/facility")
FACILITY = Resource(Kind.FACILITY, "facility")


@router.get("")
def get_facility(request: Request, here: Here, visitor: Visitor) -> Response:
    """Show whether the stop is on, and what the visitor may do about it."""
    seen(here, visitor, Action.FACILITY_SHOW, FACILITY)
    stopped = is_frozen(here)
    may = {
        "freeze": not stopped and here.may(visitor, Action.FACILITY_FREEZE, FACILITY),
        "thaw": stopped and here.may(visitor, Action.FACILITY_THAW, FACILITY),
    }
    return page(request, "facility.html", may=may, needed=staff.NEEDED)


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
