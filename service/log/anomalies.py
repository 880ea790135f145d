"""What in the access log a person should look at: four plain rules over committed entries, the same every time.

They find unusual hours, volume, the first use of a rare right, and bursts of refusals. Their numbers are people's, in
``policies/alerts.yaml``. Nothing is learned, so that an alert can be explained and asked for again.
"""

from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from policies.entry import moment
from policies.errors import BadMapping
from policies.thresholds import FOLDER
from service.database import reading
from service.models_log import EntryRow


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules' numbers; see ``policies/alerts.yaml``."""

    timezone: str
    working_hours: tuple[int, int]
    volume_per_hour: int
    denied: int
    denied_minutes: int
    first_use: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Alert:
    """One thing to look at.

    Attributes:
        rule: ``unusual-hour``, ``volume``, ``first-use`` or ``denied-burst``.
        entry: Id of the entry that completed it.
        count: How many entries it rests on.
    """

    rule: str
    at: str
    actor: str
    action: str
    entry: int
    count: int

    def as_dict(self) -> dict[str, Any]:
        """Return JSON types only."""
        return asdict(self)


@cache
def rules(path: Path = FOLDER / "alerts.yaml") -> Rules:
    """Return the rules.

    Raises:
        BadMapping: the file is not a valid one.
    """
    import yaml

    raw = yaml.safe_load(path.read_text("utf-8"))
    if not isinstance(raw, dict) or raw.pop("schema", None) != "medtrain.alerts/1":
        raise BadMapping(f"{path.name} is not a medtrain.alerts/1 file")
    try:
        begin, end = raw["working_hours"]
        found = Rules(**raw | {"working_hours": (int(begin), int(end)), "first_use": tuple(raw["first_use"])})
        ZoneInfo(found.timezone)
    except (KeyError, TypeError, ValueError) as problem:
        raise BadMapping(f"{path.name}: {type(problem).__name__}: {problem}") from None
    return found


def alerts(database: sa.Engine, since: str, until: str | None, by: Rules) -> list[Alert]:
    """Return what looks unusual in a period, newest first. ``since`` is included, ``until`` is not."""
    columns = (EntryRow.id, EntryRow.at, EntryRow.actor, EntryRow.action, EntryRow.decision)
    query = sa.select(*columns).where(EntryRow.at >= since, EntryRow.decision != "system")
    if until is not None:
        query = query.where(EntryRow.at < until)
    earlier = sa.select(EntryRow.actor, EntryRow.action).where(EntryRow.at < since, EntryRow.decision == "allow")
    with reading(database) as session:
        used = {(actor, action) for actor, action in session.execute(earlier.distinct())}
        rows = session.execute(query.order_by(EntryRow.at, EntryRow.id)).all()
    found = list(_judged(rows, used, by))
    return found[::-1]


def _judged(rows: Any, used: set[tuple[str, str]], by: Rules) -> Iterator[Alert]:
    zone, span = ZoneInfo(by.timezone), timedelta(minutes=by.denied_minutes)
    hours: dict[tuple[str, str], int] = defaultdict(int)
    odd: set[tuple[str, str]] = set()
    refused: dict[str, deque[Any]] = defaultdict(deque)
    for entry, at, actor, action, decision in rows:
        local = moment(at).astimezone(zone)
        hour = (actor, local.isoformat()[:13])
        hours[hour] += 1
        if not by.working_hours[0] <= local.hour < by.working_hours[1] and hour not in odd:
            odd.add(hour)
            yield Alert("unusual-hour", at, actor, action, entry, 1)
        if hours[hour] == by.volume_per_hour + 1:
            yield Alert("volume", at, actor, action, entry, hours[hour])
        if decision == "allow" and action in by.first_use and (actor, action) not in used:
            used.add((actor, action))
            yield Alert("first-use", at, actor, action, entry, 1)
        if decision == "deny":
            recent = refused[actor]
            recent.append(local)
            while local - recent[0] > span:
                recent.popleft()
            if len(recent) == by.denied:
                yield Alert("denied-burst", at, actor, action, entry, len(recent))
                recent.clear()
