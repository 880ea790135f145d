"""Submissions: the list, one with its report, the refused rows, and the decision."""

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from policies.access import Action
from policies.errors import NotFound
from service import submissions
from service.api.caller import Here
from service.console.drawing import page, table
from service.console.navigation import allowed
from service.console.session import Visitor
from service.console.words import N_

router = APIRouter(prefix="/submissions")
WORKING = ("received", "profiled", "mapped", "processing")
COLUMNS = ("id", "dataset", "data_class", "org", "author", "state", "created", "version")
QUARANTINE = ("source", "file", "position", "reason")


@router.get("")
def get_submissions(request: Request, here: Here, visitor: Visitor, format: str = "") -> Response:  # noqa: A002  # the address's own word
    """List the submissions that the visitor may see."""
    rows = submissions.listing(here, visitor)
    if format == "csv":
        return table("submissions", COLUMNS, rows)
    return page(request, "submissions.html", rows=rows)


@router.get("/{submission}")
def get_submission(request: Request, here: Here, visitor: Visitor, submission: str) -> Response:
    """Show one submission: what was cleaned, found and refused, and why."""
    one = submissions.show(here, visitor, submission)
    try:
        report: dict[str, Any] | None = submissions.report(here, visitor, submission)["report"]
    except NotFound:
        report = None
    may = {
        name: allowed(here, visitor, action, one)
        for name, action in (
            ("accept", Action.SUBMISSION_ACCEPT),
            ("reject", Action.SUBMISSION_REJECT),
            ("quarantine", Action.SUBMISSION_READ_QUARANTINE),
        )
    }
    answer = page(request, "submission.html", one=one, report=report, may=may, shares=_shares(report))
    if one["state"] in WORKING[1:]:
        answer.headers["Refresh"] = "5"
    return answer


@router.get("/{submission}/report.html")
def get_report(here: Here, visitor: Visitor, submission: str) -> Response:
    """Download the report as a page that stands alone."""
    raw = submissions.report(here, visitor, submission)["html"]
    name = f'attachment; filename="report-{submission}.html"'
    return Response(raw, media_type="text/html; charset=utf-8", headers={"Content-Disposition": name})


@router.get("/{submission}/quarantine")
def get_quarantine(request: Request, here: Here, visitor: Visitor, submission: str, format: str = "") -> Response:  # noqa: A002  # the address's own word
    """List the refused rows of the officer's own hospital: where they are, and why; not what they say."""
    rows = submissions.quarantine(here, visitor, submission)
    if format == "csv":
        return table(f"quarantine-{submission}", QUARANTINE, rows)
    return page(request, "quarantine.html", one=submissions.show(here, visitor, submission), rows=rows)


@router.get("/{submission}/acceptance")
def get_acceptance(request: Request, here: Here, visitor: Visitor, submission: str) -> Response:
    """Ask once more before publishing."""
    one = submissions.show(here, visitor, submission)
    return page(
        request, "confirm.html", title=N_("Accept this submission"), one=one, back=f"/submissions/{submission}",
        sentence=N_("The draft is published as the dataset's next version. A published version is never changed."),
        reason=False, dangerous=False,
    )  # fmt: skip


@router.post("/{submission}/acceptance")
def post_acceptance(here: Here, visitor: Visitor, submission: str) -> Response:
    """Publish."""
    submissions.accept(here, visitor, submission)
    return RedirectResponse(f"/submissions/{submission}", 303)


@router.get("/{submission}/rejection")
def get_rejection(request: Request, here: Here, visitor: Visitor, submission: str) -> Response:
    """Ask once more, and for the reason."""
    one = submissions.show(here, visitor, submission)
    return page(
        request, "confirm.html", title=N_("Reject this submission"), one=one, back=f"/submissions/{submission}",
        sentence=N_("The draft is withdrawn and the uploaded records are destroyed. This cannot be undone."),
        reason=True, dangerous=True,
    )  # fmt: skip


@router.post("/{submission}/rejection")
def post_rejection(
    here: Here, visitor: Visitor, submission: str, reason: Annotated[str, Form(min_length=1, max_length=200)]
) -> Response:
    """Throw the result away."""
    submissions.reject(here, visitor, submission, reason)
    return RedirectResponse(f"/submissions/{submission}", 303)


def _shares(report: dict[str, Any] | None) -> list[tuple[str, int, int]]:
    """Return (state, rows, width in thousandths) of the bar that shows what became of the rows."""
    if report is None:
        return []
    totals = report["totals"]
    parts = ("accepted", "repaired", "quarantined")
    return [(part, totals[part], round(1000 * totals[part] / max(1, totals["rows_in"]))) for part in parts]
