"""Training runs."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, File, Form, Header, UploadFile
from fastapi.sse import EventSourceResponse, ServerSentEvent

from policies.canonical import strict_json
from policies.errors import Misuse, Tampered
from service import jobs, rehearsal, runs, steps
from service.api.caller import Caller, Here, Key

router = APIRouter(prefix="/runs", tags=["runs"])


@router.get("")
def get_runs(here: Here, caller: Caller) -> dict[str, Any]:
    """List the runs you may see."""
    return {"items": runs.listing(here, caller)}


@router.post("", status_code=202)
def post_run(
    here: Here,
    caller: Caller,
    spec: Annotated[str, Form()],
    graph: Annotated[UploadFile | None, File(alias="graph.json")] = None,
    init: Annotated[UploadFile | None, File(alias="init.safetensors")] = None,
    key: Key = None,
) -> dict[str, Any]:
    """Submit a packed model, or choose an algorithm; its cost is reserved at once.

    ``spec`` is JSON: permit, epsilon, training, algorithm, search, examination.
    """
    made = runs.submit(here, caller, _spec(spec), _read(graph), _read(init), key)
    jobs.begin_runs()
    return made


@router.post("/estimates")
def post_estimate(here: Here, caller: Caller, spec: Annotated[str, Form()]) -> dict[str, Any]:
    """Show what a run would cost, before it is submitted."""
    return rehearsal.estimate(here, caller, _spec(spec))


@router.post("/rehearsals")
def post_rehearsal(
    here: Here,
    caller: Caller,
    spec: Annotated[str, Form()],
    graph: Annotated[UploadFile | None, File(alias="graph.json")] = None,
    init: Annotated[UploadFile | None, File(alias="init.safetensors")] = None,
) -> dict[str, Any]:
    """Try a run on synthetic patients, free of charge."""
    return rehearsal.rehearse(here, caller, _spec(spec), _read(graph), _read(init))


@router.get("/{run}")
def get_run(run: str, here: Here, caller: Caller) -> dict[str, Any]:
    """Show a run."""
    return runs.show(here, caller, run)


def _watched(run: str, here: Here, caller: Caller) -> str:
    """Return the id of a run that the caller may see; one look is one log entry, however long it lasts."""
    runs.show(here, caller, run)
    return run


@router.get("/{run}/events", response_class=EventSourceResponse)
async def get_events(
    run: Annotated[str, Depends(_watched)], here: Here, last_event_id: Annotated[int, Header()] = -1
) -> AsyncIterator[ServerSentEvent]:
    """Follow a run: one event for each change of its state, ``end`` when it has ended or waits for a person."""
    async for step in steps.follow(here, "run", run, last_event_id):
        yield ServerSentEvent(data=step.as_dict(), event="state", id=str(step.entry))
    yield ServerSentEvent(data={}, event="end")


@router.post("/{run}/cancellation")
def post_cancellation(run: str, here: Here, caller: Caller) -> dict[str, Any]:
    """Stop a run."""
    return runs.cancel(here, caller, run)


@router.get("/{run}/certificate")
def get_certificate(run: str, here: Here, caller: Caller) -> dict[str, Any]:
    """Show what the certificate says, or will say."""
    return runs.certificate(here, caller, run)


def _read(file: UploadFile | None) -> bytes:
    return b"" if file is None else file.file.read()


def _spec(text: str) -> dict[str, Any]:
    try:
        found = strict_json(text.encode())
    except Tampered as problem:
        raise Misuse(f"spec: {problem}") from None
    if not isinstance(found, dict) or not {"permit", "epsilon"} <= set(found):
        raise Misuse("spec is a JSON object with permit and epsilon")
    return found
