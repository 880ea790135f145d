"""How far a run is, from facts that do not depend on data: tenths of its steps, and what those cost.

A partner sees tenths alone, no speed and no time: how long a step takes is a channel. Staff see an estimate of the
rest. What a run says while it trains is kept in this process only; after a restart it says where it is at its next
tenth.
"""

import time
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from policies.people import Role
from policies.states import RunState
from service.models import RunRow
from training_sandbox.job import EVALUATION_ONLY

STAFF = frozenset({Role.COMPLIANCE, Role.AUDITOR, Role.SYSTEM_ADMIN})
_BEFORE = (RunState.QUEUED, RunState.PREPARING)


@dataclass(frozen=True, slots=True)
class Heard:
    """What a running job said last.

    Attributes:
        tenth: Tenths of the steps that are done.
        began, at: Seconds on a clock that only goes forward.
    """

    tenth: int
    began: float
    at: float


class Progress:
    """The running jobs of this process."""

    def __init__(self) -> None:
        self._heard: dict[str, Heard] = {}

    def hear(self, run: str, word: str) -> None:
        """Take a word of the worker's vocabulary."""
        now = time.monotonic()
        kind, _, number = word.partition(" ")
        known = self._heard.get(run, Heard(0, now, now))
        if kind == "started":
            self._heard[run] = Heard(0, now, now)
        elif kind == "tenth":
            self._heard[run] = Heard(int(number), known.began, now)

    def forget(self, run: str) -> None:
        """Drop what was heard of a run that has ended."""
        self._heard.pop(run, None)

    def get(self, run: str) -> Heard | None:
        """Return what was heard of a run last."""
        return self._heard.get(run)


HEARD = Progress()


def of(row: RunRow, *, staff: bool) -> dict[str, Any]:
    """Return a run's progress as the person may see it."""
    plan = row.document["plan"]
    heard = HEARD.get(row.id)
    if row.state in _BEFORE:
        tenth = 0
    elif row.state is RunState.TRAINING:
        tenth = heard.tenth if heard else 0
    else:
        tenth = 10 if row.state not in (RunState.FAILED, RunState.CANCELLED) else 0
    trains = row.document.get("algorithm", {}).get("name") != EVALUATION_ONLY
    steps = plan["steps"] * tenth // 10 if trains else 0
    shown: dict[str, Any] = {
        "tenth": tenth,
        "steps_of": plan["steps"] if trains else 0,
        "epsilon_of_steps": spent(plan["sampling_rate"], plan["noise_multiplier"], steps, plan["delta"]),
    }
    if staff:
        going = row.state is RunState.TRAINING and heard is not None and heard.tenth > 0
        shown["seconds_left"] = _left(heard) if going and heard is not None else None
    return shown


def _left(heard: Heard) -> int:
    return round((heard.at - heard.began) / heard.tenth * (10 - heard.tenth))


@lru_cache(maxsize=256)
def spent(sampling_rate: float, sigma: float, steps: int, delta: float) -> float:
    """Return epsilon (PLD) of the first ``steps``: what would be known of a patient if the run ended there."""
    from training_sandbox import accountant
    from training_sandbox.plan import Mechanism

    if steps == 0:
        return 0.0
    kind: Any = "gaussian" if sampling_rate == 1 else "poisson-gaussian"
    found = accountant.pld_epsilon([Mechanism(kind=kind, q=sampling_rate, sigma=sigma, steps=steps)], delta)
    return round(found, 3)
