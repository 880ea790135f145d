"""Epsilon of plans and events, by two accountants that know nothing of each other.

The reported figure is the PLD accountant's of dp-accounting on a grid of 1e-3, rounded pessimistically. Opacus' PRV
accountant cross-checks it, RDP is shown beside it. Central-limit (GDP) accounting is not offered: under subsampling
it reports too little, by up to 12 % for the plans of the tests.
"""

import logging
import math
import warnings
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from policies.errors import Misuse
from training_sandbox.plan import OVERFLOW_SHARE, DPPlan, Mechanism

GRID = 1e-3
PRV_ERROR = 0.01
_absl = logging.getLogger("absl")
LEAST_SIGMA = 0.2
"""Calibration gives no less noise, whatever epsilon it may spend."""
_remembered = lru_cache(maxsize=1024)
"""A service asks for the same plan at the estimate, at submission and for the certificate: once is enough."""


@dataclass(frozen=True, slots=True)
class Epsilon:
    """What a release costs one patient at ``delta``, add-or-remove one patient.

    Attributes:
        pld: The reported figure.
        prv: The cross-check, an upper bound that includes its own error term.
        rdp: The looser figure that adaptive admission composes.
    """

    pld: float
    prv: float
    rdp: float
    delta: float

    def as_dict(self) -> dict[str, float]:
        """Return the figures as JSON values."""
        return asdict(self)


def epsilon(plan: DPPlan) -> Epsilon:
    """Return epsilon of the whole run at the plan's delta, overflow of the cap included.

    Raises:
        Misuse: the cap is so small that its overflow costs more than its share of delta.
    """
    if plan.cap == plan.public_patients:
        return epsilon_of_events([plan.mechanism], plan.delta)
    core = epsilon_of_events([plan.mechanism], (1 - OVERFLOW_SHARE) * plan.delta)
    worst = max(core.pld, core.prv, core.rdp)
    if (1 + math.exp(min(worst, 700))) * plan.overflow > OVERFLOW_SHARE * plan.delta:
        raise Misuse("the cap is too small: batches that outgrow it would cost more than a hundredth of delta")
    return Epsilon(core.pld, core.prv, core.rdp, plan.delta)


def epsilon_of_events(events: Iterable[Mechanism], delta: float) -> Epsilon:
    """Return epsilon of several mechanisms on the same patients, fixed in advance, at ``delta``."""
    charged = tuple(events)
    return Epsilon(_pld(charged, delta), _prv(charged, delta), _rdp(charged, delta), delta)


def pld_epsilon(events: Iterable[Mechanism], delta: float) -> float:
    """Return the reported figure alone, several times faster than with its cross-checks."""
    return _pld(tuple(events), delta)


def noise_multiplier(target: float, delta: float, *, sampling_rate: float, steps: int) -> float:
    """Return the least sigma, to 1e-3 and rounded up, whose PLD epsilon is at most ``target``.

    One hundredth of ``delta`` is left for the overflow of the cap when ``sampling_rate`` is below 1.

    Raises:
        Misuse: the target cannot be met with sigma up to 1,000.
    """
    if not (target > 0 and 0 < delta < 1 and 0 < sampling_rate <= 1 and steps >= 1):
        raise Misuse("calibration needs epsilon > 0, 0 < delta < 1, a sampling rate in (0, 1] and at least one step")
    core = delta if sampling_rate == 1 else (1 - OVERFLOW_SHARE) * delta

    def spent(sigma: float) -> float:
        kind: Any = "gaussian" if sampling_rate == 1 else "poisson-gaussian"
        return _pld((Mechanism(kind=kind, q=sampling_rate, sigma=sigma, steps=steps),), core)

    high = 1.0
    while spent(high) > target:
        high *= 2
        if high > 1_000:
            raise Misuse(f"epsilon {target:g} cannot be met with this sampling rate and number of steps")
    low = high / 2
    while low > LEAST_SIGMA and spent(low) <= target:
        low, high = max(low / 2, LEAST_SIGMA), low
    while high - low > 1e-3:  # false position: log epsilon is nearly a line, and a look is slow
        above, below = (math.log(max(spent(end), 1e-9) / target) for end in (low, high))
        share = above / (above - below) if above > below else 0.5
        middle = min(max(low + (high - low) * share, low + 5e-4), high - 5e-4)
        low, high = (low, middle) if spent(middle) <= target else (middle, high)
    return math.ceil(high * 1e4) / 1e4


def _event(mechanism: Mechanism) -> Any:
    import dp_accounting as da

    if mechanism.q == 1:  # without sampling, steps of noise sigma are exactly one of sigma / sqrt(steps)
        return da.GaussianDpEvent(mechanism.sigma / math.sqrt(mechanism.steps))
    once = da.PoissonSampledDpEvent(mechanism.q, da.GaussianDpEvent(mechanism.sigma))
    return da.SelfComposedDpEvent(once, mechanism.steps)


def _tells_more(record: logging.LogRecord) -> bool:
    """A few fractional orders do not converge and are left out: the bound stays a bound, and nobody can act on it."""
    return "failed to converge" not in str(record.msg)


@_remembered
def _pld(events: tuple[Mechanism, ...], delta: float) -> float:
    from dp_accounting.pld import PLDAccountant

    accountant = PLDAccountant(value_discretization_interval=GRID)
    for event in events:
        accountant.compose(_event(event))
    return float(accountant.get_epsilon(delta))


@_remembered
def _rdp(events: tuple[Mechanism, ...], delta: float) -> float:
    from dp_accounting.rdp import RdpAccountant

    _absl.addFilter(_tells_more)
    accountant = RdpAccountant()
    for event in events:
        accountant.compose(_event(event))
    return float(accountant.get_epsilon(delta))


@_remembered
def _prv(events: tuple[Mechanism, ...], delta: float) -> float:
    from opacus.accountants import PRVAccountant

    accountant = PRVAccountant()
    accountant.history = [(event.sigma, event.q, event.steps) for event in events]
    with warnings.catch_warnings(), np.errstate(divide="ignore"):  # it takes log(1 - q) at q = 1
        # It sizes its own grid by RDP over few orders and says that a wider set would be tighter: true, and harmless.
        warnings.filterwarnings("ignore", message="Optimal order is the")
        return float(accountant.get_epsilon(delta, eps_error=PRV_ERROR))
