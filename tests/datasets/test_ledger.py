import math
from dataclasses import replace
from decimal import Decimal

import pytest
from dp_accounting import GaussianDpEvent, NeighboringRelation, PoissonSampledDpEvent, SelfComposedDpEvent
from dp_accounting.rdp import RdpAccountant
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets import ledger
from datasets.ledger import (
    NOTHING,
    Amount,
    Event,
    cap,
    charge,
    check_admission,
    epsilon_at,
    move,
    rdp,
    rho_budget,
    runs_left,
    together,
)
from policies.errors import BudgetExhausted, IllegalTransition, Misuse
from policies.states import ChargeState
from policies.thresholds import Budget, budget

RULES = budget()
WHOLE = (2.0, 4.0, 8.0, 32.0)


def event(**changed) -> Event:
    return Event(**{"kind": "poisson-gaussian", "q": 0.01, "sigma": 1.0, "steps": 1000} | changed)


def gaussian(**changed) -> Event:
    return Event(**{"kind": "gaussian", "q": 1.0, "sigma": 12.0, "steps": 100} | changed)


PLANS = [event(), event(q=0.05, sigma=2.0, steps=400), event(q=0.2, sigma=5.0, steps=200), gaussian()]


@pytest.mark.parametrize("plan", PLANS)
def test_the_vector_agrees_with_dp_accounting_and_is_never_below_it(plan: Event) -> None:
    step = GaussianDpEvent(plan.sigma)
    sampled = step if plan.kind == "gaussian" else PoissonSampledDpEvent(plan.q, step)
    oracle = RdpAccountant(list(WHOLE), NeighboringRelation.ADD_OR_REMOVE_ONE)
    oracle.compose(SelfComposedDpEvent(sampled, plan.steps))
    for ours, theirs in zip(rdp(plan, WHOLE), oracle.rdp, strict=True):
        assert theirs <= float(ours) <= theirs * (1 + 1e-8) + 1e-11


@pytest.mark.parametrize("plan", PLANS)
def test_the_vector_agrees_with_opacus(plan: Event) -> None:
    from opacus.accountants.analysis.rdp import compute_rdp

    theirs = compute_rdp(q=plan.q, noise_multiplier=plan.sigma, steps=plan.steps, orders=list(WHOLE))
    assert [float(value) for value in rdp(plan, WHOLE)] == pytest.approx(list(theirs), rel=1e-6)


def test_a_gaussian_has_its_closed_form() -> None:
    assert float(rdp(gaussian(), (4.0,))[0]) == pytest.approx(100 * 4 / (2 * 12**2), rel=1e-8)


def test_a_fractional_order_is_charged_as_the_next_whole_one() -> None:
    assert rdp(event(), (1.5,)) == rdp(event(), (2.0,))


def test_divergences_grow_with_the_order() -> None:
    for plan in PLANS:
        vector = rdp(plan, RULES.rdp_orders)
        assert list(vector) == sorted(vector)


def test_a_batch_that_is_never_cut_costs_what_it_did() -> None:
    assert float(rdp(event(overflow=1e-15), (4.0,))[0]) == pytest.approx(float(rdp(event(), (4.0,))[0]), rel=1e-6)


def test_a_batch_that_is_always_cut_costs_half_the_noise() -> None:
    always = event(overflow=1.0, steps=1, q=0.5)
    assert rdp(always, (4.0,)) == rdp(replace(always, sigma=0.5, overflow=0.0), (4.0,))


@settings(max_examples=50, deadline=None)
@given(
    q=st.floats(0.01, 0.9), sigma=st.floats(0.5, 8), overflow=st.floats(1e-12, 1e-2), order=st.sampled_from([2, 4, 8])
)
def test_cut_batches_cost_as_the_mixture_of_both_integrals(q, sigma, overflow, order) -> None:
    one, two = (_integral(q, s, order) for s in (sigma, sigma / 2))
    b = min(1.0, overflow / q)
    expected = math.log((1 - b) * one + b * two) / (order - 1)
    found = float(rdp(event(q=q, sigma=sigma, steps=1, overflow=overflow), (float(order),))[0])
    assert found == pytest.approx(expected, rel=1e-6, abs=1e-10)
    assert found >= expected - 1e-14


def _integral(q: float, sigma: float, order: int) -> float:
    """Mironov, Talwar & Zhang, arXiv 1908.10530, equation for whole orders, written out."""
    terms = (
        math.comb(order, k) * (1 - q) ** (order - k) * q**k * math.exp((k * k - k) / (2 * sigma**2))
        for k in range(order + 1)
    )
    return math.fsum(terms)


@pytest.mark.parametrize("overflow", [0.0, 1e-9])
def test_a_divergence_that_cannot_be_computed_fits_no_cap(monkeypatch: pytest.MonkeyPatch, overflow: float) -> None:
    monkeypatch.setattr(ledger, "_sampled_gaussian", lambda *_: (math.inf,) * len(RULES.rdp_orders))
    one = charge("c", "r", [event(steps=977, overflow=overflow)], frozenset({"t"}), RULES)
    rdp.cache_clear()
    assert one.amount.rho == Decimal("Infinity")
    with pytest.raises(BudgetExhausted):
        check_admission({}, together([one]), RULES)


@pytest.mark.parametrize("plan", [event(sigma=0.01, steps=10**9), gaussian(sigma=0.01, steps=10**9, overflow=1e-9)])
def test_the_worst_mechanism_that_is_allowed_has_an_exact_charge_that_fits_no_cap(plan: Event) -> None:
    one = charge("c", "r", [plan], frozenset({"t"}), RULES)
    assert all(value.is_finite() for value in one.vector)
    assert runs_left(NOTHING, one.amount, RULES) == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "laplace"},
        {"q": 0.0},
        {"q": 1.1},
        {"q": 1.0},
        {"kind": "gaussian"},
        {"sigma": 0.0},
        {"sigma": math.inf},
        {"sigma": math.nan},
        {"steps": 0},
        {"steps": 10**10},
        {"overflow": 1.5},
        {"delta": -1e-9},
        {"delta": 1.0},
    ],
)
def test_an_impossible_mechanism_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(Misuse):
        event(**wrong)


def test_an_event_comes_back_from_its_json() -> None:
    one = event(overflow=1e-9, delta=1e-8)
    assert Event(**one.as_dict()) == one


@pytest.mark.parametrize(("events", "tokens"), [([], {"t"}), ([event()], set())])
def test_a_charge_that_charges_nobody_is_refused(events, tokens) -> None:
    with pytest.raises(Misuse):
        charge("c", "r", events, frozenset(tokens), RULES)


def test_the_events_of_a_charge_add_up() -> None:
    both = charge("c", "r", [event(), gaussian()], frozenset({"t"}), RULES)
    parts = [charge("c", "r", [one], frozenset({"t"}), RULES) for one in (event(), gaussian())]
    assert both.amount == parts[0].amount + parts[1].amount
    assert both.vector == tuple(a + b for a, b in zip(parts[0].vector, parts[1].vector, strict=True))


def test_a_mechanisms_own_delta_is_charged() -> None:
    one = charge("c", "r", [event(delta=4e-7)], frozenset({"t"}), RULES)
    assert Decimal("4e-7") <= one.amount.delta < Decimal("4.00001e-7")
    assert runs_left(NOTHING, one.amount, RULES) == 2


@settings(max_examples=200)
@given(epsilon=st.floats(0.5, 20), delta=st.floats(1e-9, 1e-3), order=st.integers(2, 64))
def test_the_conversion_of_the_budget_is_inverse_and_rounded_down(epsilon: float, delta: float, order: int) -> None:
    rho = rho_budget(epsilon, delta, order)
    if rho > 0:
        assert epsilon * (1 - 1e-6) - 1e-6 <= epsilon_at(rho, delta, order) <= epsilon


def test_the_lifetime_cap_converts_back_to_the_lifetime_budget_in_dp_accounting() -> None:
    from dp_accounting.rdp.rdp_privacy_accountant import compute_epsilon

    limit = cap(RULES)
    delta = RULES.delta - float(limit.delta)
    found, _ = compute_epsilon([RULES.admission_order], [float(limit.rho)], delta)
    assert found == pytest.approx(RULES.epsilon, abs=1e-6)
    assert found <= RULES.epsilon


def test_a_budget_with_nothing_at_its_order_is_refused() -> None:
    with pytest.raises(Misuse):
        cap(replace(RULES, epsilon=1.0))


def filled(left: Decimal) -> dict[str, Amount]:
    return {"t": Amount(cap(RULES).rho - left, Decimal(0))}


def test_a_charge_that_fits_exactly_is_admitted_and_the_smallest_more_is_not() -> None:
    one = charge("c", "r", [event()], frozenset({"t", "u"}), RULES)
    check_admission(filled(one.amount.rho), together([one]), RULES)
    with pytest.raises(BudgetExhausted):
        check_admission(filled(one.amount.rho - Decimal("1e-12")), together([one]), RULES)


def test_a_refusal_says_nothing_about_the_patient() -> None:
    one = charge("c", "r", [event()], frozenset({"token-of-a-patient"}), RULES)
    with pytest.raises(BudgetExhausted) as refusal:
        check_admission({"token-of-a-patient": cap(RULES)}, together([one]), RULES)
    assert "token" not in str(refusal.value)
    assert not any(letter.isdigit() for letter in str(refusal.value))


def test_a_patient_hit_by_two_charges_pays_for_both() -> None:
    one = charge("c", "r", [event()], frozenset({"t", "u"}), RULES)
    two = charge("d", "r", [gaussian()], frozenset({"t"}), RULES)
    assert together([one, two]) == {"t": one.amount + two.amount, "u": one.amount}


@settings(max_examples=200)
@given(spent=st.integers(0, 7 * 10**12), asked=st.integers(1, 7 * 10**12))
def test_runs_left_is_how_often_admission_says_yes(spent: int, asked: int) -> None:
    one, limit = Amount.of_units(asked, 0), cap(RULES)
    left = runs_left(Amount.of_units(spent, 0), one, RULES)
    total = Decimal(spent).scaleb(-12) + left * one.rho
    assert left == 0 or total <= limit.rho
    assert total + one.rho > limit.rho


def test_runs_of_nothing_cannot_be_counted() -> None:
    with pytest.raises(Misuse):
        runs_left(NOTHING, NOTHING, RULES)


@given(rho=st.integers(0, 10**14), delta=st.integers(0, 10**14))
def test_whole_numbers_and_amounts_are_the_same(rho: int, delta: int) -> None:
    assert Amount.of_units(rho, delta).units() == (rho, delta)


@pytest.mark.parametrize(("plan", "runs"), [(PLANS[0], 18), (PLANS[1], 11)])
def test_the_filter_admits_what_the_published_table_says(plan: Event, runs: int) -> None:
    """19 and 11 at the whole lifetime delta; a tenth of it is set aside here."""
    one = charge("c", "r", [plan], frozenset({"t"}), RULES)
    assert runs_left(NOTHING, one.amount, RULES) == runs


def test_a_charge_goes_from_reserved_to_spent_or_voided_only() -> None:
    one = charge("c", "r", [event()], frozenset({"t"}), RULES)
    spent, voided = move(one, ChargeState.SPENT), move(one, ChargeState.VOIDED)
    assert move(spent, ChargeState.SPENT) is spent
    for now, wanted in ((spent, ChargeState.VOIDED), (voided, ChargeState.SPENT), (spent, ChargeState.RESERVED)):
        with pytest.raises(IllegalTransition):
            move(now, wanted)


def test_the_rules_name_an_order_that_every_charge_stores() -> None:
    assert isinstance(RULES, Budget)
    assert len(charge("c", "r", [event()], frozenset({"t"}), RULES).vector) == len(RULES.rdp_orders)
