"""Submissions."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Header
from fastapi.responses import HTMLResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel, Field

from service import jobs, steps, submissions
from service.api.caller import Caller, Here, Key

router = APIRouter(prefix="/submissions", tags=["submissions"])


class NewSubmission(BaseModel):
    """What an officer hands in."""

    dataset: str
    mapping: str = Field(description="The mapping, YAML text.")
    profile: str = "cn_enclave"
    data_class: str = "sensitive"
    declared_patients: int = Field(description="A public upper bound of the number of patients, declared by the owner.")
    genetic_approval: str = Field(default="", description="Number of the approval or filing, where there are genomes.")


class Reason(BaseModel):
    """Why."""

    reason: str = Field(min_length=1, max_length=200)


@router.get("")
def get_submissions(here: Here, caller: Caller) -> dict[str, Any]:
    """List the submissions you may see, newest first."""
    return {"items": submissions.listing(here, caller)}


@router.post("", status_code=201)
def post_submission(here: Here, caller: Caller, new: NewSubmission, key: Key = None) -> dict[str, Any]:
    """Announce records; then upload the archive."""
    return submissions.create(here, caller, new.model_dump(), key)


@router.put("/{submission}/archive")
def put_archive(
    submission: str,
    here: Here,
    caller: Caller,
    archive: Annotated[bytes, Body(media_type="application/zip")],
    content_sha256: Annotated[str, Header()],
) -> dict[str, Any]:
    """Upload the records as one zip archive, with its SHA-256 in the header ``Content-SHA256``."""
    return submissions.upload(here, caller, submission, archive, content_sha256)


@router.post("/{submission}/processing", status_code=202)
def post_processing(submission: str, here: Here, caller: Caller) -> dict[str, Any]:
    """Start cleaning and de-identification."""
    row = submissions.check_processing(here, caller, submission)
    jobs.begin_processing(submission)
    return submissions.shape(row)


@router.get("/{submission}")
def get_submission(submission: str, here: Here, caller: Caller) -> dict[str, Any]:
    """Show a submission."""
    return submissions.show(here, caller, submission)


def _watched(submission: str, here: Here, caller: Caller) -> str:
    """Return the id of a submission that the caller may see; one look is one log entry, however long it lasts."""
    submissions.show(here, caller, submission)
    return submission


@router.get("/{submission}/events", response_class=EventSourceResponse)
async def get_events(
    submission: Annotated[str, Depends(_watched)], here: Here, last_event_id: Annotated[int, Header()] = -1
) -> AsyncIterator[ServerSentEvent]:
    """Follow a submission: one event for each change of its state, ``end`` when it has ended or waits for a person."""
    async for step in steps.follow(here, "submission", submission, last_event_id):
        yield ServerSentEvent(data=step.as_dict(), event="state", id=str(step.entry))
    yield ServerSentEvent(data={}, event="end")


@router.get("/{submission}/report")
def get_report(submission: str, here: Here, caller: Caller) -> dict[str, Any]:
    """Show what was cleaned, found and refused: counts only."""
    found: dict[str, Any] = submissions.report(here, caller, submission)["report"]
    return found


@router.get("/{submission}/report.html")
def get_report_page(submission: str, here: Here, caller: Caller) -> HTMLResponse:
    """Return the report as a page."""
    return HTMLResponse(submissions.report(here, caller, submission)["html"])


@router.get("/{submission}/quarantine")
def get_quarantine(submission: str, here: Here, caller: Caller) -> dict[str, Any]:
    """List refused rows: source, file, position and reason."""
    return {"items": submissions.quarantine(here, caller, submission)}


@router.post("/{submission}/acceptance")
def post_acceptance(submission: str, here: Here, caller: Caller) -> dict[str, Any]:
    """Publish the result as the dataset's next version."""
    return submissions.accept(here, caller, submission)


@router.post("/{submission}/rejection")
def post_rejection(submission: str, here: Here, caller: Caller, why: Reason) -> dict[str, Any]:
    """Throw the result away."""
    return submissions.reject(here, caller, submission, why.reason)
