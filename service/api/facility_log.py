"""The access log, the facility's public keys, and the emergency stop."""

from typing import Any

from fastapi import APIRouter, Response
from pydantic import BaseModel

from service import history, staff
from service.api.caller import Caller, Here
from service.api.submissions import Reason

router = APIRouter(tags=["facility"])


class Since(BaseModel):
    """An older signed checkpoint, kept elsewhere."""

    since: str | None = None


@router.get("/trust")
def get_trust(here: Here) -> Response:
    """Return the facility's public keys: what anybody needs to verify a release. No sign-in."""
    return Response(history.trust(here), media_type="application/json")


@router.get("/log/entries")
def get_entries(
    here: Here,
    caller: Caller,
    actor: str | None = None,
    action: str | None = None,
    object: str | None = None,  # noqa: A002  # the log's own word
    decision: str | None = None,
    limit: int = 100,
    before: int | None = None,
) -> dict[str, Any]:
    """Search entries, newest first. ``before`` is the cursor of the next page."""
    wanted = {"actor": actor, "action": action, "object": object, "decision": decision}
    return history.search(here, caller, wanted, limit=limit, before=before)


@router.get("/log/checkpoint")
def get_checkpoint(here: Here) -> Response:
    """Return the newest signed checkpoint: keep it elsewhere. No sign-in, it holds a hash and a count."""
    return Response(history.checkpoint(here), media_type="text/plain; charset=utf-8")


@router.post("/log/verification")
def post_verification(here: Here, caller: Caller, older: Since) -> dict[str, Any]:
    """Check that no entry was changed, lost or slipped in, also against an older checkpoint."""
    return history.verify(here, caller, older.since)


@router.get("/log/export")
def get_export(here: Here, caller: Caller) -> Response:
    """Return every entry as a line of canonical JSON."""
    return Response(history.export(here, caller), media_type="application/x-ndjson")


@router.post("/freeze")
def post_freeze(here: Here, caller: Caller, why: Reason) -> dict[str, Any]:
    """Emergency stop."""
    return staff.freeze(here, caller, why.reason)


@router.post("/thaw")
def post_thaw(here: Here, caller: Caller) -> dict[str, Any]:
    """Lift the emergency stop; it takes two people."""
    return staff.thaw(here, caller)
