"""The progress of a submission or a run: its states with their moments, drawn once, then followed live."""

from collections.abc import AsyncIterator
from typing import Any

from fastapi import Request
from fastapi.sse import ServerSentEvent

from service import steps as steps_of
from service.console.drawing import fragment
from service.facility import Facility

WAYS = {
    "submission": ("received", "profiled", "mapped", "processing", "needs-review", "accepted"),
    "run": ("queued", "preparing", "training", "auditing", "awaiting-release", "released"),
}
"""The states of what goes well, in order."""


def drawn(kind: str, object_: str, steps: tuple[steps_of.Step, ...], *, waits: bool = False) -> dict[str, Any]:
    """Return what the template ``progress.html`` draws; ``waits`` for a person, so that nothing is followed."""
    reached = {step.state: step.at for step in steps}
    now = steps[-1].state
    return {
        "kind": kind,
        "id": object_,
        "now": now,
        "way": [(state, reached.get(state)) for state in WAYS[kind]],
        "ended_badly": None if now in WAYS[kind] else (now, steps[-1].at),
        "live": now not in steps_of.RESTS and not waits,
    }


async def stream(
    request: Request, facility: Facility, kind: str, object_: str, after: int
) -> AsyncIterator[ServerSentEvent]:
    """Yield the progress as a piece of the page at each change; the last one makes the browser fetch the page anew."""
    steps: list[steps_of.Step] = []
    async for step in steps_of.follow(facility, kind, object_):
        steps.append(step)
        if step.entry > after:
            way = drawn(kind, object_, tuple(steps))
            piece = fragment(request, "progress_steps.html", progress=way, fresh=True)
            yield ServerSentEvent(raw_data=piece, id=str(step.entry))
    yield ServerSentEvent(raw_data="", event="end")
