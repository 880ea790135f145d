"""Releases: what waits, one with everything that the decision rests on, and the decision."""

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from policies.access import Action
from policies.thresholds import budget
from service import history, releases, runs
from service.api.caller import Here
from service.console.drawing import page, table
from service.console.navigation import allowed
from service.console.session import Visitor
from service.console.words import N_
from service.facility import Facility

router = APIRouter(prefix="/releases")
COLUMNS = ("run", "org", "permit", "state", "tier", "data_class", "needed", "model")


@router.get("")
def get_releases(request: Request, here: Here, visitor: Visitor, format: str = "") -> Response:  # noqa: A002  # the address's own word
    """List the releases that the visitor may see."""
    rows = releases.listing(here, visitor)
    return table("releases", COLUMNS, rows) if format == "csv" else page(request, "releases.html", rows=rows)


@router.get("/{run}")
def get_release(request: Request, here: Here, visitor: Visitor, run: str) -> Response:
    """Show everything that the decision rests on."""
    one = _one(here, visitor, run)
    waits = one["state"] == "awaiting-release"
    mine = visitor.id in one["approvals"]
    may = {
        "approve": waits and not mine and allowed(here, visitor, Action.RELEASE_APPROVE, one),
        "refuse": waits and allowed(here, visitor, Action.RELEASE_REFUSE, one),
    }
    return page(
        request, "release.html", one=one, may=may, mine=mine, said=runs.certificate(here, visitor, run),
        plan=runs.show(here, visitor, run), permit=here.permits.get(one["permit"]), lifetime=budget(),
        happened=history.about(here, visitor, run),
    )  # fmt: skip


@router.get("/{run}/attacks")
def get_attacks(here: Here, visitor: Visitor, run: str) -> Response:
    """Show what attacks on the model found, with plots; for those who decide."""
    return Response(releases.attacks(here, visitor, run)["html"], media_type="text/html")


@router.get("/{run}/approval")
def get_approval(request: Request, here: Here, visitor: Visitor, run: str) -> Response:
    """Ask once more before approving."""
    return page(
        request, "confirm.html", title=N_("Approve this release"), one=_one(here, visitor, run),
        list=("/releases", N_("Releases")), back=f"/releases/{run}",
        sentence=N_("With the last approval needed the certificate is signed and the partner may fetch the model."),
        reason=False, dangerous=False,
    )  # fmt: skip


@router.post("/{run}/approval")
def post_approval(here: Here, visitor: Visitor, run: str) -> Response:
    """Approve."""
    releases.approve(here, visitor, run)
    return RedirectResponse(f"/releases/{run}", 303)


@router.get("/{run}/refusal")
def get_refusal(request: Request, here: Here, visitor: Visitor, run: str) -> Response:
    """Ask once more, and for the reason."""
    return page(
        request, "confirm.html", title=N_("Refuse this release"), one=_one(here, visitor, run),
        list=("/releases", N_("Releases")), back=f"/releases/{run}",
        sentence=N_("The model never leaves. What its training spent stays charged."), reason=True, dangerous=True,
    )  # fmt: skip


@router.post("/{run}/refusal")
def post_refusal(
    here: Here, visitor: Visitor, run: str, reason: Annotated[str, Form(min_length=1, max_length=200)]
) -> Response:
    """Refuse."""
    releases.refuse(here, visitor, run, reason)
    return RedirectResponse(f"/releases/{run}", 303)


def _one(here: Facility, visitor: Visitor, run: str) -> dict[str, Any]:
    one = releases.show(here, visitor, run)
    return {**one, "id": run, "author": runs.get(here, run).author}
