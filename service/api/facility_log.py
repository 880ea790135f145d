"""The access log, the facility's public keys, and the emergency stop."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel

from policies.errors import NotFound
from service import history, keeping, log_report, staff, witnessing
from service.api.caller import Caller, Here
from service.api.submissions import Reason
from service.log.witness import SIZE_TYPE, cosigned

router = APIRouter(tags=["facility"])
MOST_ASKED = 1 << 16  # bytes: a proof and a signed note are far smaller


async def raw(request: Request) -> bytes:
    """Return the body as it came; one that is too long to be a request is cut, and so malformed."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MOST_ASKED:
            return b""
    return body


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
    permit: str | None = None,
    decision: str | None = None,
    since: str | None = None,
    until: str | None = None,
    limit: int = 100,
    before: int | None = None,
) -> dict[str, Any]:
    """Search entries, newest first; ``since`` is included, ``until`` is not. ``before`` is the next page's cursor."""
    wanted = {"actor": actor, "action": action, "object": object, "permit": permit, "decision": decision}
    wanted |= {"since": since, "until": until}
    return history.search(here, caller, wanted, limit=limit, before=before)


@router.get("/log/entries/{entry}/receipt")
def get_receipt(entry: int, here: Here, caller: Caller) -> dict[str, str]:
    """Return an entry's bytes and its ``tlog-proof@v1``: what proves offline that it is in the log."""
    return history.receipt(here, caller, entry)


@router.get("/log/alerts")
def get_alerts(here: Here, caller: Caller, since: str | None = None, until: str | None = None) -> dict[str, Any]:
    """List what looks unusual: odd hours, volume, first uses, bursts of refusals."""
    return {"items": history.alerts(here, caller, since, until)}


@router.get("/log/retention")
def get_retention(here: Here, caller: Caller) -> dict[str, Any]:
    """List what is kept for how long: the access log, the records of processing, drafts; and what of it is due."""
    return {"items": [one.as_dict() for one in keeping.report(here, caller)]}


@router.get("/log/report")
def get_report(here: Here, caller: Caller, since: str, until: str, form: str = "pdf") -> Response:
    """Return the report on a period: ``pdf`` sums up, ``csv`` lists every entry."""
    kind = "application/pdf" if form == "pdf" else "text/csv; charset=utf-8"
    return Response(log_report.report(here, caller, since, until, form), media_type=kind)


@router.get("/log/checkpoint")
def get_checkpoint(here: Here) -> Response:
    """Return the newest signed checkpoint: keep it elsewhere. No sign-in, it holds a hash and a count."""
    return Response(history.checkpoint(here), media_type="text/plain; charset=utf-8")


@router.get("/log/checkpoint/cosigned")
def get_cosigned(here: Here) -> Response:
    """Return the newest checkpoint that witnesses cosigned, with their lines. No sign-in."""
    note = cosigned(here.log)
    if note is None:
        raise NotFound("no witness has cosigned a checkpoint of this log yet")
    return Response(note, media_type="text/plain; charset=utf-8")


@router.post("/log/cosignatures")
def post_cosignatures(here: Here, caller: Caller) -> dict[str, Any]:
    """Have the newest checkpoint cosigned by every witness of the settings."""
    return {"items": witnessing.ask_all(here, caller)}


@router.get("/witness")
def get_witness(here: Here) -> dict[str, Any]:
    """Return this facility's key as a witness, and the logs that it watches. No sign-in."""
    this = witnessing.witness(here)
    return {"vkey": this.vkey, "logs": sorted(this.logs)}


@router.post("/witness/add-checkpoint")
def post_checkpoint(here: Here, request: Annotated[bytes, Depends(raw)]) -> Response:
    """Cosign the checkpoint of a log that is watched, when it continues the last one (C2SP tlog-witness)."""
    status, answer = witnessing.add_checkpoint(here, request)
    return Response(answer, status, media_type=SIZE_TYPE if status == 409 else "text/plain; charset=utf-8")


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
