import math

import pytest

from policies.errors import Misuse
from training_sandbox.accountant import epsilon, epsilon_of_events
from training_sandbox.plan import Mechanism

GOLDEN = [  # q, sigma, steps, delta, PLD, PRV, RDP: computed once with dp-accounting 0.6.0 and opacus 1.6.0
    (0.01, 1.0, 1000, 1e-5, 1.82893, 1.838, 2.101),
    (0.05, 2.0, 400, 1e-4, 1.90236, 1.912, 2.124),
    (0.004, 0.8, 5000, 1e-5, 2.50187, 2.509, 2.925),
    (0.2, 5.0, 200, 1e-4, 2.0125, 2.023, 2.233),
    (1.0, 12.0, 100, 1e-4, 3.068, 3.078, 3.375),
]


def mechanism(q, sigma, steps):
    return Mechanism(kind="gaussian" if q == 1 else "poisson-gaussian", q=q, sigma=sigma, steps=steps)


@pytest.mark.parametrize(("q", "sigma", "steps", "delta", "pld", "prv", "rdp"), GOLDEN)
def test_the_three_accountants_give_the_golden_values(q, sigma, steps, delta, pld, prv, rdp):
    found = epsilon_of_events([mechanism(q, sigma, steps)], delta)
    assert found.pld == pytest.approx(pld, abs=2e-4)
    assert found.prv == pytest.approx(prv, abs=2e-3)
    assert found.rdp == pytest.approx(rdp, abs=2e-3)


@pytest.mark.parametrize(("q", "sigma", "steps", "delta", "pld", "prv", "rdp"), GOLDEN)
def test_the_reported_figure_lies_within_the_cross_check_and_below_rdp(q, sigma, steps, delta, pld, prv, rdp):
    found = epsilon_of_events([mechanism(q, sigma, steps)], delta)
    assert found.prv - 0.02 < found.pld < found.rdp


def test_one_gaussian_release_costs_what_the_analytic_formula_says():
    """Balle & Wang, ICML 2018, theorem 8: delta of one Gaussian release in closed form."""
    found = epsilon_of_events([mechanism(1.0, 4.0, 1)], 1e-5).pld
    phi = lambda x: 0.5 * math.erfc(-x / math.sqrt(2))  # noqa: E731
    delta = phi(1 / 8 - found * 4) - math.exp(found) * phi(-1 / 8 - found * 4)
    assert delta == pytest.approx(1e-5, rel=0.02)


def test_events_on_the_same_patients_compose():
    one = mechanism(1.0, 8.0, 1)
    twice = epsilon_of_events([one, one], 1e-5)
    assert twice.pld == pytest.approx(epsilon_of_events([mechanism(1.0, 8.0, 2)], 1e-5).pld, abs=2e-3)
    assert epsilon_of_events([one], 1e-5).pld < twice.pld


def test_a_plan_with_room_for_everybody_costs_its_mechanism(make_plan):
    plan = make_plan(sampling_rate=1.0, cap=20, noise_multiplier=12.0, steps=100, delta=1e-4)
    assert epsilon(plan).pld == pytest.approx(3.068, abs=2e-4)


def test_a_cap_that_may_overflow_costs_a_little_more(make_plan):
    terms = {"sampling_rate": 0.2, "noise_multiplier": 5.0, "steps": 200, "delta": 1e-4, "public_patients": 1000}
    capped, whole = epsilon(make_plan(cap=320, **terms)), epsilon(make_plan(cap=1000, **terms))
    assert whole.pld < capped.pld < whole.pld + 0.01
    assert capped.delta == 1e-4


def test_a_cap_that_overflows_often_is_refused(make_plan):
    with pytest.raises(Misuse, match="cap is too small"):
        epsilon(make_plan(sampling_rate=0.2, noise_multiplier=5.0, steps=200, public_patients=1000, cap=210))


def test_the_figures_are_json_values():
    assert set(epsilon_of_events([mechanism(1.0, 8.0, 1)], 1e-5).as_dict()) == {"pld", "prv", "rdp", "delta"}
