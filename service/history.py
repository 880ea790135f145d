"""What the access log shows to whom, and the keys by which anybody checks it."""

from datetime import timedelta
from typing import Any

from policies.access import Action, Kind, Resource
from policies.entry import stamp
from policies.errors import Misuse, NotFound
from policies.people import Person, Role
from service.acts import seen
from service.database import reading
from service.facility import Facility
from service.log import anomalies
from service.log.log import Wanted
from service.log.verify import verify_log
from service.models_log import EntryRow
from training_sandbox.certificate import Trust

LIMIT = 1000
LOOKS = frozenset(
    action.value
    for action in Action
    if action.value.split(".")[1] in ("show", "list", "report", "search", "read-quarantine")
)
"""Actions that change nothing."""
WEEK = timedelta(days=7)
REVIEWERS = frozenset({Role.COMPLIANCE, Role.AUDITOR})


def search(
    facility: Facility, person: Person, wanted: dict[str, str | None], *, limit: int, before: int | None
) -> dict[str, Any]:
    """Return matching entries, newest first, and the cursor of the next page. Who is no reviewer sees his own only.

    Raises:
        Refused, Misuse: naming the rule.
    """
    if not 1 <= limit <= LIMIT:
        raise Misuse(f"ask for 1 to {LIMIT} entries at a time")
    if not person.roles & REVIEWERS and wanted.get("actor") is None:
        wanted = {**wanted, "actor": person.id}
    seen(facility, person, Action.LOG_SEARCH, Resource(Kind.LOG, "log", author=wanted.get("actor") or ""))
    found = facility.log.search(Wanted(**wanted), limit=limit, before=before)
    items = [{"id": one.id, "position": one.position, **one.entry.as_dict()} for one in found]
    return {"items": items, "next": found[-1].id if len(found) == limit else None}


def about(facility: Facility, person: Person, object_: str) -> list[dict[str, Any]]:
    """Return what was done to an object, oldest first; nothing for who may not read the log.

    Who only looked is left out, and what one act wrote in several entries is told once. It is a part of the object's
    page: whoever asks has this look in the log already.
    """
    if not facility.may(person, Action.LOG_SEARCH, Resource(Kind.LOG, "log")):
        return []
    found = facility.log.search(Wanted(object=object_), limit=LIMIT, before=None)
    done: list[dict[str, Any]] = []
    for one in reversed(found):
        told = {"position": one.position, **one.entry.as_dict()}
        same = done and all(done[-1][name] == told[name] for name in ("actor", "action", "decision"))
        if one.entry.action not in LOOKS and not same:
            done.append(told)
    return done


def receipt(facility: Facility, person: Person, entry: int) -> dict[str, str]:
    """Return an entry's canonical text and its ``tlog-proof@v1``. Who is no reviewer gets those of his own acts.

    Raises:
        NotFound, Refused: naming the rule.
    """
    with reading(facility.database) as session:
        row = session.get(EntryRow, entry)
    if row is None:
        raise NotFound("there is no such entry")
    seen(facility, person, Action.LOG_SEARCH, Resource(Kind.LOG, "log", author=row.actor), receipt=entry)
    facility.log.catch_up()
    return {"entry": row.body.decode(), "proof": facility.log.receipt(entry).decode()}


def alerts(facility: Facility, person: Person, since: str | None, until: str | None) -> list[dict[str, Any]]:
    """Return what looks unusual in a period, newest first; without one, in the last week.

    Raises:
        Refused: naming the rule.
    """
    seen(facility, person, Action.LOG_SEARCH, Resource(Kind.LOG, "log"))
    begin = since or stamp(facility.clock() - WEEK)
    return [one.as_dict() for one in anomalies.alerts(facility.database, begin, until, anomalies.rules())]


def verify(facility: Facility, person: Person, since: str | None) -> dict[str, Any]:
    """Return the verdict on the whole log, after bringing it up to date.

    Raises:
        Tampered: something was changed, lost or slipped in.
    """
    seen(facility, person, Action.LOG_VERIFY, Resource(Kind.LOG, "log"))
    facility.log.catch_up()
    verdict = verify_log(facility.log, since.encode() if since else None)
    return {**verdict.as_dict(), "checkpoint": facility.log.checkpoint().decode()}


def export(facility: Facility, person: Person) -> bytes:
    """Return every entry as a line of canonical JSON."""
    seen(facility, person, Action.LOG_EXPORT, Resource(Kind.LOG, "log"))
    facility.log.catch_up()
    return b"".join(raw + b"\n" for raw in facility.log.export())


def checkpoint(facility: Facility) -> bytes:
    """Return the newest signed checkpoint."""
    facility.log.catch_up()
    return facility.log.checkpoint()


def trust(facility: Facility) -> bytes:
    """Return the trust file: the facility's public keys."""
    keys = facility.keystore
    return Trust(
        keys.signing_key("certificate").public_key(), facility.log.vkey, keys.signing_key("manifest").public_key()
    ).to_json()
