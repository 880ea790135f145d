"""The course of an application on its permit's pages: pre-check, reviews, conditions, signatures, return, closing."""

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from policies.access import Action
from policies.people import Role
from service import notices, permits
from service.api.caller import Here
from service.console.drawing import page
from service.console.navigation import allowed
from service.console.session import Visitor
from service.facility import Facility

router = APIRouter(prefix="/permits")
REVIEWS = ("hospital", "ethics", "privacy")


@router.get("/notices")
def get_notices(request: Request, here: Here, visitor: Visitor) -> Response:
    """List what the visitor's organisation was told."""
    return page(request, "notices.html", rows=notices.listing(here, visitor))


@router.get("/{permit}/course")
def get_course(request: Request, here: Here, visitor: Visitor, permit: str) -> Response:
    """Show how far an application has come, and what the visitor may do about it."""
    one = permits.show(here, visitor, permit)
    found = here.permits.get(permit)
    way = permits.way_of(here, found)
    return page(
        request,
        "course.html",
        one=one,
        way=way,
        findings=permits.findings_of(here, found),
        may=_may(here, visitor, one, way.reviews),
    )


@router.post("/{permit}/reviews")
def post_review(
    here: Here,
    visitor: Visitor,
    permit: str,
    kind: Annotated[str, Form()],
    verdict: Annotated[str, Form()],
    note: Annotated[str, Form(max_length=300)] = "",
) -> Response:
    """Give a review."""
    permits.review(here, visitor, permit, kind, positive=verdict == "positive", note=note)
    return _back(permit)


@router.post("/{permit}/conflict")
def post_conflict(here: Here, visitor: Visitor, permit: str) -> Response:
    """Say that the visitor has an interest in the application."""
    permits.declare_conflict(here, visitor, permit)
    return _back(permit)


@router.post("/{permit}/vote")
def post_vote(
    here: Here, visitor: Visitor, permit: str, condition: Annotated[str, Form(max_length=300)] = ""
) -> Response:
    """Vote for the application, under a further condition."""
    permits.approve(here, visitor, permit, (condition,))
    return _back(permit)


@router.post("/{permit}/return")
def post_return(
    here: Here, visitor: Visitor, permit: str, reason: Annotated[str, Form(min_length=1, max_length=200)]
) -> Response:
    """Return the application for amendment."""
    permits.give_back(here, visitor, permit, reason)
    return _back(permit)


@router.post("/{permit}/signature")
def post_signature(here: Here, visitor: Visitor, permit: str, party: Annotated[str, Form()]) -> Response:
    """Sign."""
    permits.sign(here, visitor, permit, party)
    return _back(permit)


@router.post("/{permit}/closure")
def post_closure(
    here: Here, visitor: Visitor, permit: str, statement: Annotated[str, Form(min_length=1, max_length=2000)]
) -> Response:
    """Close the permit."""
    permits.close(here, visitor, permit, statement)
    return _back(permit)


def _back(permit: str) -> RedirectResponse:
    return RedirectResponse(f"/permits/{permit}/course", 303)


def _may(here: Facility, visitor: Visitor, one: dict[str, Any], reviews: tuple[str, ...]) -> dict[str, Any]:
    """Return what the visitor may do now, by the rules that guard it."""
    seen = {**one, "org": one["holder_org"]}
    owned = {**seen, "org": here.datasets.get(one["dataset"]).owner_org}
    open_ = one["state"] == "submitted" and visitor.id not in one["conflicts"]
    given = {review["kind"] for review in one["reviews"]}
    signed = {signature["party"] for signature in one["signatures"]}
    decides = open_ and allowed(here, visitor, Action.PERMIT_REVIEW, seen)
    owner = Role.DATA_OFFICER in visitor.roles and allowed(here, visitor, Action.PERMIT_REVIEW_OWNER, owned)
    kinds = [kind for kind in reviews if kind not in given and (owner if kind == "hospital" else decides)]
    return {
        "reviews": kinds if open_ else [],
        "conflict": decides,
        "vote": decides and visitor.id not in (*one["approvals"], *one["rejections"]),
        "sign_holder": one["state"] == "approved"
        and "holder" not in signed
        and allowed(here, visitor, Action.PERMIT_SIGN, seen),
        "sign_owner": one["state"] == "approved" and "owner" not in signed and owner,
        "close": one["state"] in ("active", "expired", "revoked") and allowed(here, visitor, Action.PERMIT_CLOSE, seen),
    }
