"""The access log: searching it, and checking that nothing in it was changed."""

from datetime import date, datetime, time, timedelta
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response

from policies.access import Action, Kind, Resource
from policies.entry import stamp
from policies.errors import Refused, Tampered
from service import history
from service.api.caller import Here
from service.console.drawing import ZONE, page, table
from service.console.session import Visitor
from service.console.words import ACTIONS

router = APIRouter(prefix="/log")
FILTERS = ("actor", "action", "object", "decision", "permit", "since", "until")
DAYS = ("since", "until")
COLUMNS = ("position", "at", "actor", "action", "kind", "object", "decision", "permit", "policies", "facts")
SHOWN = 50


@router.get("")
def get_log(
    request: Request,
    here: Here,
    visitor: Visitor,
    before: int | None = None,
    format: str = "",  # noqa: A002  # the address's own word
) -> Response:
    """Search: the address holds the whole filter. Who is no reviewer sees his own entries."""
    given = {name: request.query_params.get(name, "").strip() for name in FILTERS}
    wanted: dict[str, Any] = {name: text or None for name, text in given.items() if name not in DAYS}
    wanted |= {"since": _begin(given["since"]), "until": _begin(given["until"], days=1)}
    limit = history.LIMIT if format == "csv" else SHOWN
    found = history.search(here, visitor, wanted, limit=limit, before=before)
    if format == "csv":
        return table("access-log", COLUMNS, found["items"])
    older = {**{name: text for name, text in given.items() if text}, "before": found["next"]}
    may_verify = here.may(visitor, Action.LOG_VERIFY, Resource(Kind.LOG, "log"))
    return page(
        request, "log.html", rows=found["items"], given=given, may_verify=may_verify, actions=sorted(ACTIONS),
        older=f"/log?{urlencode(older)}" if found["next"] else "",
    )  # fmt: skip


def _begin(day: str, days: int = 0) -> str | None:
    """Return the first moment of a day in Shanghai, so many days on, as the log writes it; nothing if it is no day."""
    try:
        return stamp(datetime.combine(date.fromisoformat(day) + timedelta(days=days), time.min, ZONE))
    except (ValueError, OverflowError):
        return None


@router.get("/verification")
def get_verification(request: Request, here: Here, visitor: Visitor) -> Response:
    """Ask for an older checkpoint, if there is one."""
    if not here.may(visitor, Action.LOG_VERIFY, Resource(Kind.LOG, "log")):
        raise Refused("only compliance and auditors verify the whole log")
    return page(request, "verification.html", since="", verdict=None, tampered="")


@router.post("/verification")
def post_verification(
    request: Request, here: Here, visitor: Visitor, since: Annotated[str, Form(max_length=4000)] = ""
) -> Response:
    """Check the whole log, and that it continues the older checkpoint."""
    older = since.replace("\r\n", "\n")
    try:
        verdict = history.verify(here, visitor, older if older.strip() else None)
    except Tampered as problem:
        return page(request, "verification.html", 409, since=since, verdict=None, tampered=str(problem))
    return page(request, "verification.html", since=since, verdict=verdict, tampered="")


@router.get("/export")
def get_export(here: Here, visitor: Visitor) -> Response:
    """Download every entry as a line of canonical JSON."""
    headers = {"Content-Disposition": 'attachment; filename="access-log.jsonl"'}
    return Response(history.export(here, visitor), media_type="application/x-ndjson", headers=headers)
