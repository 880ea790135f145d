"""Submissions: the list, handing records in, one with its report, the refused rows, and the decision."""

import hashlib
import secrets
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, File, Form, Header, Request, UploadFile
from fastapi.responses import RedirectResponse, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent

from policies.access import Action
from policies.errors import MedtrainError, NotFound
from policies.thresholds import FOLDER
from service import catalogue, jobs, submissions
from service import steps as steps_of
from service.api.caller import Here
from service.console import progress
from service.console.drawing import page, scripts, table
from service.console.navigation import allowed
from service.console.session import Visitor
from service.console.words import N_
from service.facility import Facility
from service.submissions import DATA_CLASSES

router = APIRouter(prefix="/submissions")
COLUMNS = ("id", "dataset", "data_class", "org", "author", "state", "created", "version")
QUARANTINE = ("source", "file", "position", "reason")
FIELDS = ("dataset", "mapping", "profile", "data_class", "declared_patients")


@router.get("")
def get_submissions(request: Request, here: Here, visitor: Visitor, format: str = "") -> Response:  # noqa: A002  # the address's own word
    """List the submissions that the visitor may see."""
    rows = submissions.listing(here, visitor)
    if format == "csv":
        return table("submissions", COLUMNS, rows)
    blank = {"id": "new", "org": visitor.org, "author": visitor.id, "state": "received"}
    may_create = allowed(here, visitor, Action.SUBMISSION_CREATE, blank)
    return page(request, "submissions.html", rows=rows, may_create=may_create)


@router.get("/new")
def get_new(request: Request, here: Here, visitor: Visitor) -> Response:
    """Show the empty form."""
    given = {"dataset": "", "mapping": "", "profile": "cn_enclave", "data_class": "sensitive", "declared_patients": ""}
    return _form(request, here, visitor, {**given, "key": secrets.token_hex(8)})


@router.post("/new")
def post_new(
    request: Request,
    here: Here,
    visitor: Visitor,
    archive: Annotated[UploadFile, File()],
    own_mapping: Annotated[UploadFile | None, File()] = None,
    dataset: Annotated[str, Form(max_length=60)] = "",
    mapping: Annotated[str, Form(max_length=60)] = "",
    profile: Annotated[str, Form(max_length=60)] = "",
    data_class: Annotated[str, Form(max_length=20)] = "",
    declared_patients: Annotated[str, Form(max_length=9)] = "",
    key: Annotated[str, Form(max_length=40)] = "",
) -> Response:
    """Announce the records, take the archive and start; what is wrong is said above the form."""
    given = dict(zip(FIELDS, (dataset, mapping, profile, data_class, declared_patients), strict=True))
    text = own_mapping.file.read().decode("utf-8", "replace") if own_mapping and own_mapping.filename else ""
    asked = {
        **given,
        "mapping": text or _shipped(mapping),
        "declared_patients": int(declared_patients) if declared_patients.isdecimal() else 0,
    }
    try:
        made = submissions.create(here, visitor, asked, key or None)
    except MedtrainError as problem:
        fresh = {**given, "key": secrets.token_hex(8)}
        return _form(request, here, visitor, fresh, problem.http_status, wrong=str(problem))
    return post_archive(request, here, visitor, made["id"], archive)


@router.get("/{submission}")
def get_submission(request: Request, here: Here, visitor: Visitor, submission: str) -> Response:
    """Show one submission: what was cleaned, found and refused, and why."""
    return _one(request, here, visitor, submission)


@router.post("/{submission}/archive")
def post_archive(
    request: Request, here: Here, visitor: Visitor, submission: str, archive: Annotated[UploadFile, File()]
) -> Response:
    """Take the archive of a submission that was announced, and start."""
    try:
        _hand_in(here, visitor, submission, archive.file.read())
    except MedtrainError as problem:
        return _one(request, here, visitor, submission, problem.http_status, wrong=str(problem))
    return RedirectResponse(f"/submissions/{submission}", 303)


@router.post("/{submission}/processing")
def post_processing(here: Here, visitor: Visitor, submission: str) -> Response:
    """Start what was uploaded and not started."""
    submissions.check_processing(here, visitor, submission)
    jobs.begin_processing(submission)
    return RedirectResponse(f"/submissions/{submission}", 303)


def _watched(here: Here, visitor: Visitor, submission: str) -> str:
    submissions.show(here, visitor, submission)
    return submission


@router.get("/{submission}/events", response_class=EventSourceResponse)
async def get_events(
    request: Request,
    here: Here,
    submission: Annotated[str, Depends(_watched)],
    last_event_id: Annotated[int, Header()] = -1,
) -> AsyncIterator[ServerSentEvent]:
    """Follow the progress: one look in the access log, however long it lasts."""
    async for event in progress.stream(request, here, "submission", submission, last_event_id):
        yield event


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
        request, "confirm.html", title=N_("Accept this submission"), one=one, list=("/submissions", N_("Submissions")),
        back=f"/submissions/{submission}",
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
        request, "confirm.html", title=N_("Reject this submission"), one=one, list=("/submissions", N_("Submissions")),
        back=f"/submissions/{submission}",
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


def _one(
    request: Request, here: Facility, visitor: Visitor, submission: str, status: int = 200, *, wrong: str = ""
) -> Response:
    one = submissions.show(here, visitor, submission)
    try:
        report: dict[str, Any] | None = submissions.report(here, visitor, submission)["report"]
    except NotFound:
        report = None
    asked = {
        "accept": one["state"] == "needs-review" and Action.SUBMISSION_ACCEPT,
        "reject": one["state"] in ("received", "needs-review") and Action.SUBMISSION_REJECT,
        "upload": one["state"] == "received" and Action.SUBMISSION_UPLOAD,
        "quarantine": report is not None and Action.SUBMISSION_READ_QUARANTINE,
    }
    may = {name: bool(action) and allowed(here, visitor, action, one) for name, action in asked.items() if action}
    uploaded = submissions.uploaded(here, submission)
    way = progress.drawn(
        "submission", submission, steps_of.of_submission(here, submission),
        waits=one["state"] == "received" and not uploaded,
    )  # fmt: skip
    answer = page(
        request, "submission.html", status, one=one, report=report, may=dict.fromkeys(asked, False) | may,
        shares=_shares(report), progress=way, uploaded=uploaded, wrong=wrong,
    )  # fmt: skip
    if way["live"] and not scripts():
        answer.headers["Refresh"] = "5"
    return answer


def _form(
    request: Request, here: Facility, visitor: Visitor, given: dict[str, str], status: int = 200, *, wrong: str = ""
) -> Response:
    known = {
        "datasets": [one["id"] for one in catalogue.listing(here, visitor) if one["owner"] == visitor.org],
        "mappings": _names("mappings"),
        "profiles": _names("profiles"),
        "classes": DATA_CLASSES,
    }
    return page(request, "submission_new.html", status, given=given, known=known, wrong=wrong)


def _hand_in(here: Facility, visitor: Visitor, submission: str, archive: bytes) -> None:
    submissions.upload(here, visitor, submission, archive, hashlib.sha256(archive).hexdigest())
    submissions.check_processing(here, visitor, submission)
    jobs.begin_processing(submission)


def _names(folder: str) -> list[str]:
    return sorted(path.stem for path in (FOLDER / folder).glob("*.yaml"))


def _shipped(name: str) -> str:
    """Return the text of a mapping that ships with the program; nothing where there is none of that name."""
    return (FOLDER / "mappings" / f"{name}.yaml").read_text("utf-8") if name in _names("mappings") else ""


def _shares(report: dict[str, Any] | None) -> list[tuple[str, int, int]]:
    """Return (state, rows, width in thousandths) of the bar that shows what became of the rows."""
    if report is None:
        return []
    totals = report["totals"]
    parts = ("accepted", "repaired", "quarantined")
    return [(part, totals[part], round(1000 * totals[part] / max(1, totals["rows_in"]))) for part in parts]
