"""The privacy budget of each patient: what was released about him, as mechanism events, and whether more may be.

The unit is the patient behind a facility index token; the relation is add-or-remove one patient. Admission is a Rényi
filter (Feldman & Zrnic, arXiv 2008.11193; concurrent runs: Haney et al., arXiv 2309.05901): partners may choose each
run after seeing the last, so composition must hold for parameters chosen adaptively. It composes at the one order
fixed in ``policies/budget.yaml``. The whole Rényi vector is stored with each charge, for looking back.

Amounts are exact decimals. Charges are rounded up and the cap is rounded down, at twelve places, so no sum is ever
too low. A mechanism may also lose a delta of its own; a fixed share of the lifetime delta is set aside for those.

A batch that outgrows its cap is part of the mechanism, not an afterthought: see ``rdp``.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from functools import lru_cache
from typing import Any, Literal

from policies.errors import BudgetExhausted, Misuse
from policies.states import ChargeState, check_transition
from policies.thresholds import Budget

PLACES = Decimal("1e-12")
FINE = Decimal("1e-18")
DELTA_SHARE = Decimal("0.1")
"""The part of the lifetime delta kept for mechanisms that lose a delta of their own."""

NUMERIC_SLACK = 1e-9
"""Relative safety on a Rényi divergence computed in floating point, added before it is rounded up."""

LEAST_SIGMA, MOST_SIGMA = 0.01, 2**20
MOST_STEPS = 10**9
"""Beyond these a mechanism protects nobody, or its divergence leaves the range in which decimals stay exact."""

Kind = Literal["gaussian", "poisson-gaussian"]


@dataclass(frozen=True, slots=True)
class Event:
    """One mechanism, as run for all its steps.

    Attributes:
        kind: ``gaussian`` (every patient in every step) or ``poisson-gaussian`` (each with probability ``q``).
        q: Sampling probability of one patient in one step; 1 for ``gaussian``.
        sigma: Noise standard deviation divided by the L2 sensitivity of one patient.
        steps: How often it runs.
        overflow: Bound on the probability that any batch of all the steps outgrows its cap and is cut, at random.
        delta: What all the steps together lose outright, for mechanisms that are only approximately Rényi private.
    """

    kind: Kind
    q: float
    sigma: float
    steps: int
    overflow: float = 0.0
    delta: float = 0.0

    def __post_init__(self) -> None:
        rules = (
            (self.kind in ("gaussian", "poisson-gaussian"), "its kind is gaussian or poisson-gaussian"),
            (0 < self.q <= 1, "q lies above 0 and at most at 1"),
            ((self.kind == "gaussian") == (self.q == 1), "a gaussian event has q = 1 and no other has"),
            (LEAST_SIGMA <= self.sigma <= MOST_SIGMA, f"sigma lies from {LEAST_SIGMA} to {MOST_SIGMA}"),
            (1 <= self.steps <= MOST_STEPS, f"there are from 1 to {MOST_STEPS} steps"),
            (0 <= self.overflow <= 1 and 0 <= self.delta < 1, "overflow and delta are probabilities"),
        )
        for holds, sentence in rules:
            if not holds:
                raise Misuse(f"not a mechanism event: {sentence}")

    def as_dict(self) -> dict[str, Any]:
        """Return JSON types only."""
        return {
            "kind": self.kind,
            "q": self.q,
            "sigma": self.sigma,
            "steps": self.steps,
            "overflow": self.overflow,
            "delta": self.delta,
        }


@dataclass(frozen=True, slots=True)
class Amount:
    """What one patient has been charged, or may be.

    Attributes:
        rho: Rényi divergence at the admission order.
        delta: What mechanisms lose outright.
    """

    rho: Decimal
    delta: Decimal

    def __add__(self, other: "Amount") -> "Amount":
        return Amount(self.rho + other.rho, self.delta + other.delta)

    def __sub__(self, other: "Amount") -> "Amount":
        return Amount(self.rho - other.rho, self.delta - other.delta)

    def fits(self, cap: "Amount") -> bool:
        """Return whether neither part is over the cap."""
        return self.rho <= cap.rho and self.delta <= cap.delta

    def units(self) -> tuple[int, int]:
        """Return both parts as whole numbers (of 1e-12 and 1e-18), for exact sums in any database.

        >>> Amount(Decimal("1.5"), Decimal("1e-9")).units()
        (1500000000000, 1000000000)
        """
        return int(self.rho * 10**12), int(self.delta * 10**18)

    @classmethod
    def of_units(cls, rho: int, delta: int) -> "Amount":
        """Return the amount that ``units`` wrote."""
        return cls(Decimal(rho).scaleb(-12), Decimal(delta).scaleb(-18))


NOTHING = Amount(Decimal(0), Decimal(0))


@dataclass(frozen=True, slots=True)
class Charge:
    """One entry of the ledger. Every patient it hits is charged the same.

    Attributes:
        id: Unique and chosen by the caller, so that a step done twice charges once.
        run: What it is for: a run, a release of statistics, an evaluation.
        events: The mechanisms.
        tokens: Facility index tokens of the patients whose data the mechanisms see.
        vector: Rényi divergences at ``Budget.rdp_orders``.
        amount: What admission adds up.
        state: Reserved, spent or voided.
    """

    id: str
    run: str
    events: tuple[Event, ...]
    tokens: frozenset[str]
    vector: tuple[Decimal, ...]
    amount: Amount
    state: ChargeState = ChargeState.RESERVED


def charge(id_: str, run: str, events: Sequence[Event], tokens: frozenset[str], rules: Budget) -> Charge:
    """Return the charge for ``events`` on the patients behind ``tokens``, reserved.

    Raises:
        Misuse: there is no event or no patient: a charge that charges nobody is a mistake.
    """
    if not events or not tokens:
        raise Misuse("a charge needs at least one event and one patient")
    vectors = [rdp(event, rules.rdp_orders) for event in events]
    vector = tuple(sum(column, Decimal(0)) for column in zip(*vectors, strict=True))
    rho = vector[rules.rdp_orders.index(rules.admission_order)]
    delta = sum((_up(event.delta, FINE) for event in events), Decimal(0))
    return Charge(id_, run, tuple(events), tokens, vector, Amount(rho, delta))


def move(now: Charge, state: ChargeState) -> Charge:
    """Return the charge in its next state; the state it is in already is no step.

    Raises:
        IllegalTransition: a spent charge is never voided, a voided one never spent.
    """
    if now.state is state:
        return now
    check_transition(now.state, state)
    return replace(now, state=state)


@lru_cache(maxsize=1024)
def rdp(event: Event, orders: tuple[float, ...]) -> tuple[Decimal, ...]:
    """Return the Rényi divergences of an event at ``orders``, each rounded up at twelve places.

    Computed by dp-accounting (Mironov, Talwar & Zhang, arXiv 1908.10530, for sampled Gaussians). A value that is not
    finite is ``Infinity``, which fits no cap. A sampled Gaussian's divergence at a fractional order, where that
    computation may not converge, is taken at the next whole order: divergences grow with the order.

    Cut batches: pair the draws of two neighbouring tables. Where the draw without the patient is under the cap, he
    moves the sum by at most one sensitivity. Where it has reached the cap, he can take another's place and moves it
    by at most two: a sampled Gaussian of half the noise. That has probability at most b = overflow / (steps q), for
    a cut needs one more. The Rényi integral is jointly convex, so a step's is at most (1 - b) of the first and b of
    the second.
    """
    if event.kind == "poisson-gaussian":
        orders = tuple(float(math.ceil(order)) for order in orders)
    plain = _sampled_gaussian(event.kind, event.q, event.sigma, orders)
    if event.overflow:
        b = min(1.0, event.overflow / (event.steps * event.q))
        halved = _sampled_gaussian(event.kind, event.q, event.sigma / 2, orders)
        plain = tuple(_mixed(b, one, two, order) for one, two, order in zip(plain, halved, orders, strict=True))
    return tuple(_up(event.steps * value, PLACES) for value in plain)


def rho_budget(epsilon: float, delta: float, order: float) -> Decimal:
    """Return the most Rényi divergence at ``order`` that still gives (epsilon, delta), rounded down.

    The inverse of dp-accounting's conversion (Canonne, Kamath & Steinke, arXiv 2004.00010, proposition 12). It is
    negative where no divergence at all gives so small a delta at this order.
    """
    rho = epsilon - math.log1p(-1 / order) + math.log(delta * order) / (order - 1)
    return Decimal(rho - abs(rho) * NUMERIC_SLACK).quantize(PLACES, ROUND_FLOOR)


def epsilon_at(rho: Decimal, delta: float, order: float) -> float:
    """Return the epsilon that a divergence of ``rho`` at ``order`` gives with ``delta``; never below 0."""
    return max(0.0, float(rho) + math.log1p(-1 / order) - math.log(delta * order) / (order - 1))


def cap(rules: Budget) -> Amount:
    """Return the lifetime cap of one patient.

    Raises:
        Misuse: the rules leave no budget at all.
    """
    kept = (Decimal(str(rules.delta)) * DELTA_SHARE).quantize(FINE, ROUND_FLOOR)
    rho = rho_budget(rules.epsilon, float(Decimal(str(rules.delta)) - kept), rules.admission_order)
    if rho <= 0:
        raise Misuse("the lifetime budget leaves nothing at its admission order")
    return Amount(rho, kept)


def check_admission(spent: Mapping[str, Amount], asked: Mapping[str, Amount], rules: Budget) -> None:
    """Refuse unless every patient can bear what is asked on top of what he has spent or reserved.

    Args:
        spent: Token -> live charges so far; a token that is missing has none.
        asked: Token -> what all charges to be admitted together cost (``together``).
        rules: The lifetime budget.

    Raises:
        BudgetExhausted: without saying which patient, how many or by how much, which would tell about them.
    """
    limit = cap(rules)
    if not all((spent.get(token, NOTHING) + amount).fits(limit) for token, amount in asked.items()):
        raise BudgetExhausted("at least one patient of this extract has too little privacy budget left")


def together(charges: Iterable[Charge], patient: Callable[[str], str] = str) -> dict[str, Amount]:
    """Return what each patient pays for ``charges`` in all.

    Args:
        charges: A patient hit by several, or under several tokens, pays for each.
        patient: Token -> the token of the patient it was merged into.
    """
    total: dict[str, Amount] = {}
    for one in charges:
        for token in one.tokens:
            whose = patient(token)
            total[whose] = total.get(whose, NOTHING) + one.amount
    return total


def runs_left(spent: Amount, one: Amount, rules: Budget) -> int:
    """Return how many more charges like ``one`` a patient can bear: what-if, for officers of the owning hospital.

    A partner is told yes or no only, by ``check_admission``.

    Raises:
        Misuse: the charge costs nothing.
    """
    left = cap(rules) - spent
    ratios = [have // need for have, need in ((left.rho, one.rho), (left.delta, one.delta)) if need]
    if not ratios:
        raise Misuse("a charge that costs nothing cannot be counted")
    return max(0, int(min(ratios)))


def _sampled_gaussian(kind: Kind, q: float, sigma: float, orders: tuple[float, ...]) -> tuple[float, ...]:
    import dp_accounting as dp
    from dp_accounting.rdp import RdpAccountant

    step: dp.DpEvent = dp.GaussianDpEvent(sigma)
    if kind == "poisson-gaussian":
        step = dp.PoissonSampledDpEvent(q, step)
    accountant = RdpAccountant(list(orders), dp.NeighboringRelation.ADD_OR_REMOVE_ONE)
    accountant.compose(step)
    return tuple(float(value) for value in accountant.rdp)


def _mixed(b: float, one: float, two: float, order: float) -> float:
    """Return the divergence whose integral is (1 - b) of the one's and b of the other's; computed in logarithms."""
    if b == 1 or not math.isfinite(two):
        return two
    low, high = sorted((math.log1p(-b) + (order - 1) * one, math.log(b) + (order - 1) * two))
    return (high + math.log1p(math.exp(low - high))) / (order - 1)


def _up(value: float, places: Decimal) -> Decimal:
    if not math.isfinite(value):
        return Decimal("Infinity")
    return Decimal(value * (1 + NUMERIC_SLACK)).quantize(places, ROUND_CEILING)
