"""Training runs: the list, a new one, one with its progress, its certificate and the files that were released."""

import io
import secrets
import zipfile
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, File, Form, Header, Request, UploadFile
from fastapi.responses import RedirectResponse, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent

from policies.access import Action, Kind, Resource
from policies.errors import MedtrainError, NotFound
from service import jobs, permits, releases, runs
from service import steps as steps_of
from service.api.caller import Here
from service.console import progress
from service.console.drawing import page, scripts, table
from service.console.navigation import allowed
from service.console.session import Visitor
from service.console.words import N_
from service.facility import Facility
from training_sandbox.release import FILES

router = APIRouter(prefix="/runs")
COLUMNS = ("id", "permit", "org", "dataset", "version", "recipe", "epsilon", "state", "created")
CHOICES = {
    "epsilon": "",
    "steps": "200",
    "sampling_rate": "0.25",
    "clip": "1.0",
    "optimiser": "sgd",
    "learning_rate": "0.1",
}
"""What the form asks for, and what stands there at first: the defaults of ``service.training``."""


@router.get("")
def get_runs(request: Request, here: Here, visitor: Visitor, format: str = "") -> Response:  # noqa: A002  # the address's own word
    """List the runs that the visitor may see."""
    rows = runs.listing(here, visitor)
    if format == "csv":
        return table("runs", COLUMNS, rows)
    return page(request, "runs.html", rows=rows, may_submit=bool(_permits(here, visitor)))


@router.get("/new")
def get_new(request: Request, here: Here, visitor: Visitor, permit: str = "") -> Response:
    """Show the form: which permit, what it may cost, and the packed model."""
    return _form(request, here, visitor, {**CHOICES, "permit": permit, "key": secrets.token_hex(8)})


@router.post("/new")
def post_new(
    request: Request,
    here: Here,
    visitor: Visitor,
    graph: Annotated[UploadFile, File()],
    init: Annotated[UploadFile, File()],
    permit: Annotated[str, Form(max_length=60)] = "",
    epsilon: Annotated[str, Form(max_length=20)] = "",
    steps: Annotated[str, Form(max_length=9)] = "",
    sampling_rate: Annotated[str, Form(max_length=20)] = "",
    clip: Annotated[str, Form(max_length=20)] = "",
    optimiser: Annotated[str, Form(max_length=10)] = "",
    learning_rate: Annotated[str, Form(max_length=20)] = "",
    key: Annotated[str, Form(max_length=40)] = "",
) -> Response:
    """Reserve the cost and start; what is wrong is said above the form."""
    given = {
        "permit": permit, "epsilon": epsilon, "steps": steps, "sampling_rate": sampling_rate, "clip": clip,
        "optimiser": optimiser, "learning_rate": learning_rate,
    }  # fmt: skip
    try:
        training = {
            "steps": _number(steps, int),
            "sampling_rate": _number(sampling_rate, float),
            "clip": _number(clip, float),
            "optimiser": {"name": optimiser, "learning_rate": _number(learning_rate, float)},
        }
        spec = {"permit": permit, "epsilon": epsilon, "training": training}
        made = runs.submit(here, visitor, spec, graph.file.read(), init.file.read(), key or None)
    except MedtrainError as problem:
        fresh = {**given, "key": secrets.token_hex(8)}
        return _form(request, here, visitor, fresh, problem.http_status, wrong=str(problem))
    jobs.begin_runs()
    return RedirectResponse(f"/runs/{made['id']}", 303)


@router.get("/{run}")
def get_run(request: Request, here: Here, visitor: Visitor, run: str) -> Response:
    """Show a run: progress, plan, privacy, certificate and files."""
    one = _one(here, visitor, run)
    try:
        certificate: dict[str, Any] | None = runs.certificate(here, visitor, run)
    except NotFound:
        certificate = None
    files = Resource(Kind.RELEASE, run, org=one["org"], author=one["author"], state=one["state"])
    way = progress.drawn("run", run, steps_of.of_run(here, run))
    answer = page(
        request,
        "run.html",
        one=one,
        progress=way,
        certificate=certificate,
        used=runs.usage(here, one["permit"]),
        permit=here.permits.get(one["permit"]),
        files=FILES if here.may(visitor, Action.RELEASE_FETCH, files) else (),
    )
    if way["live"] and not scripts():
        answer.headers["Refresh"] = "5"
    return answer


def _watched(here: Here, visitor: Visitor, run: str) -> str:
    runs.show(here, visitor, run)
    return run


@router.get("/{run}/events", response_class=EventSourceResponse)
async def get_events(
    request: Request, here: Here, run: Annotated[str, Depends(_watched)], last_event_id: Annotated[int, Header()] = -1
) -> AsyncIterator[ServerSentEvent]:
    """Follow the progress: one look in the access log, however long it lasts."""
    async for event in progress.stream(request, here, "run", run, last_event_id):
        yield event


@router.get("/{run}/release.zip")
def get_release(here: Here, visitor: Visitor, run: str) -> Response:
    """Download every file of a released model at once."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in releases.names(here, visitor, run):
            member = zipfile.ZipInfo(f"release-{run}/{name}", date_time=(1980, 1, 1, 0, 0, 0))
            archive.writestr(member, releases.fetch(here, visitor, run, name), zipfile.ZIP_DEFLATED)
    headers = {"Content-Disposition": f'attachment; filename="release-{run}.zip"'}
    return Response(packed.getvalue(), media_type="application/zip", headers=headers)


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
        request, "confirm.html", title=N_("Cancel this run"), one=_one(here, visitor, run),
        list=("/runs", N_("Training runs")), back=f"/runs/{run}",
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
    stoppable = one["state"] in ("queued", "preparing", "training")
    return {**one, "may_cancel": stoppable and allowed(here, visitor, Action.RUN_CANCEL, one)}


def _permits(here: Facility, visitor: Visitor) -> list[dict[str, Any]]:
    """Return the permits under which the visitor may train now, with what their runs have used."""
    mine = [{**one, "org": one["holder_org"]} for one in permits.listing(here, visitor)]
    found = [
        one
        for one in mine
        if one["state"] == "active"
        and visitor.id in one["people"]
        and here.may(visitor, Action.PERMIT_SUBMIT, Resource(Kind.PERMIT, one["id"], org=one["org"]))
    ]
    return [{**one, "used": runs.usage(here, one["id"])} for one in found]


def _form(
    request: Request, here: Facility, visitor: Visitor, given: dict[str, str], status: int = 200, *, wrong: str = ""
) -> Response:
    known = {"permits": _permits(here, visitor), "optimisers": ("sgd", "adam")}
    return page(request, "run_new.html", status, given=given, known=known, wrong=wrong)


def _number(text: str, kind: type[int] | type[float]) -> Any:
    """Return the number; what is none is passed on as it is, for the rules to refuse by name."""
    try:
        return kind(text)
    except ValueError:
        return text
