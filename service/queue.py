"""Which queued run is next: a fair share for every organisation, first come first served within one.

The organisation with the fewest runs under way is next; of several, the one that has had the fewest runs lately, then
the one that has waited longest. So an organisation that submits a hundred runs delays another's single one by at most
one.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from policies.states import RunState
from service.database import reading
from service.facility import Facility
from service.models import RunRow

UNDER_WAY = (RunState.PREPARING, RunState.TRAINING, RunState.AUDITING)
LATELY = 100
"""So many of the newest runs count as lately."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A queued run."""

    id: str
    org: str
    since: str


def order(waiting: Sequence[Waiting], active: Iterable[str], recent: Iterable[str]) -> list[str]:
    """Return the ids of the waiting runs in the order in which they start.

    Args:
        active: The organisations of the runs under way, one for each run.
        recent: The same of the runs that ended lately.

    >>> runs = [Waiting("a1", "a", "1"), Waiting("a2", "a", "2"), Waiting("b1", "b", "3")]
    >>> order(runs, ["a"], [])
    ['b1', 'a1', 'a2']
    """
    now, before = Counter(active), Counter(recent)
    left, found = sorted(waiting, key=lambda run: (run.since, run.id)), []
    while left:
        first = min(left, key=lambda run: (now[run.org], before[run.org], run.since, run.id))
        found.append(first.id)
        now[first.org] += 1
        left.remove(first)
    return found


def next_runs(facility: Facility, started: frozenset[str], most: int) -> list[str]:
    """Return the runs to start now, so that at most ``most`` are under way.

    Args:
        started: Runs handed to the workers whose state may still say queued.
    """
    with reading(facility.database) as session:
        queued = session.scalars(sa.select(RunRow).where(RunRow.state == RunState.QUEUED)).all()
        going = session.scalars(sa.select(RunRow).where(RunRow.state.in_(UNDER_WAY))).all()
        newest = sa.select(RunRow.org, RunRow.state).order_by(RunRow.created_at.desc()).limit(LATELY)
        recent = [org for org, state in session.execute(newest) if state not in (RunState.QUEUED, *UNDER_WAY)]
    begun = [run for run in queued if run.id in started]
    waiting = [Waiting(run.id, run.org, run.created_at) for run in queued if run.id not in started]
    free = max(0, most - len(going) - len(begun))
    return order(waiting, [run.org for run in (*going, *begun)], recent)[:free]
