"""Training runs: the list, one with its progress, its certificate and the files that were released."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from policies.access import Action, Kind, Resource
from policies.errors import NotFound
from service import releases, runs
from service.api.caller import Here
from service.console.drawing import STATIC, page, table
from service.console.navigation import allowed
from service.console.session import Visitor
from service.console.words import N_
from service.facility import Facility
from training_sandbox.release import FILES

router = APIRouter(prefix="/runs")
WAY = ("queued", "preparing", "training", "auditing", "awaiting-release", "released")
ENDED = ("released", "refused", "failed", "cancelled")
COLUMNS = ("id", "permit", "org", "dataset", "version", "recipe", "epsilon", "state", "created")


@router.get("")
def get_runs(request: Request, here: Here, visitor: Visitor, format: str = "") -> Response:  # noqa: A002  # the address's own word
    """List the runs that the visitor may see."""
    rows = runs.listing(here, visitor)
    return table("runs", COLUMNS, rows) if format == "csv" else page(request, "runs.html", rows=rows)


@router.get("/{run}")
def get_run(request: Request, here: Here, visitor: Visitor, run: str) -> Response:
    """Show a run: progress, plan, privacy, certificate and files."""
    one = _one(here, visitor, run)
    try:
        certificate: dict[str, Any] | None = runs.certificate(here, visitor, run)
    except NotFound:
        certificate = None
    files = Resource(Kind.RELEASE, run, org=one["org"], author=one["author"], state=one["state"])
    answer = page(
        request,
        "run.html",
        one=one,
        way=WAY,
        certificate=certificate,
        used=runs.usage(here, one["permit"]),
        permit=here.permits.get(one["permit"]),
        files=FILES if here.may(visitor, Action.RELEASE_FETCH, files) else (),
    )
    if one["going_on"] and not (STATIC / "vendor" / "htmx.min.js").is_file():
        answer.headers["Refresh"] = "5"
    return answer


@router.get("/{run}/progress")
def get_progress(request: Request, here: Here, visitor: Visitor, run: str) -> Response:
    """Show the progress alone, for a page that keeps asking; when the run has moved on, the page is drawn anew."""
    one = _one(here, visitor, run)
    answer = page(request, "progress.html", one=one, way=WAY)
    if not one["going_on"]:
        answer.headers["HX-Refresh"] = "true"
    return answer


@router.get("/{run}/files/{name}")
def get_file(here: Here, visitor: Visitor, run: str, name: str) -> Response:
    """Download one file of a released model."""
    raw = releases.fetch(here, visitor, run, name)
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(raw, media_type="application/octet-stream", headers=headers)


@router.get("/{run}/cancellation")
def get_cancellation(request: Request, here: Here, visitor: Visitor, run: str) -> Response:
    """Ask once more before stopping."""
    return page(
        request, "confirm.html", title=N_("Cancel this run"), one=_one(here, visitor, run), back=f"/runs/{run}",
        sentence=N_("What no worker has seen is given back to the patients' budget; the rest stays charged."),
        reason=False, dangerous=True,
    )  # fmt: skip


@router.post("/{run}/cancellation")
def post_cancellation(here: Here, visitor: Visitor, run: str) -> Response:
    """Stop the run."""
    runs.cancel(here, visitor, run)
    return RedirectResponse(f"/runs/{run}", 303)


def _one(here: Facility, visitor: Visitor, run: str) -> dict[str, Any]:
    one = {**runs.show(here, visitor, run), "author": runs.get(here, run).author}
    going_on = one["state"] not in (*ENDED, "awaiting-release")
    may_cancel = going_on and one["state"] != "auditing" and allowed(here, visitor, Action.RUN_CANCEL, one)
    return {**one, "going_on": going_on, "may_cancel": may_cancel}
