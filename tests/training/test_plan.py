import math

import pytest
from scipy.stats import binom

from policies.errors import Misuse
from training_sandbox import accountant
from training_sandbox.plan import OVERFLOW_SHARE, DPPlan, Mechanism, overflow, smallest_cap


@pytest.mark.parametrize(
    "wrong",
    [
        {"sampling_rate": 0.0},
        {"sampling_rate": 1.1},
        {"sampling_rate": math.nan},
        {"clip": 0.0},
        {"clip": math.inf},
        {"noise_multiplier": 0.0},
        {"noise_multiplier": 1e6},
        {"steps": 0},
        {"records_per_patient": 0},
        {"delta": 0.0},
        {"delta": 1.0},
        {"public_patients": 2**23},
        {"cap": 0},
        {"cap": 21},
        {"unit": "record"},
        {"relation": "replace-one"},
    ],
)
def test_a_plan_out_of_range_is_refused(make_plan, wrong):
    with pytest.raises(Misuse, match="not a privacy plan"):
        make_plan(**wrong)


def test_the_mechanism_is_what_the_plan_charges(make_plan):
    assert make_plan(sampling_rate=0.5).mechanism == Mechanism(kind="poisson-gaussian", q=0.5, sigma=1.0, steps=3)
    assert make_plan(sampling_rate=1.0, cap=20).mechanism.kind == "gaussian"


def test_the_divisor_is_public(make_plan):
    assert make_plan(sampling_rate=0.25, public_patients=400, cap=200).expected_patients == 100


def test_every_term_changes_the_digest(make_plan):
    changes = [
        {"sampling_rate": 0.4},
        {"cap": 15},
        {"clip": 0.6},
        {"noise_multiplier": 1.1},
        {"steps": 4},
        {"delta": 1e-6},
        {"public_patients": 21},
        {"records_per_patient": 3},
    ]
    digests = {make_plan(**change).digest for change in [{}, *changes]}
    assert len(digests) == len(changes) + 1


def test_overflow_is_a_union_bound_over_the_binomial_tail():
    expected = 7 * sum(binom.pmf(k, 50, 0.3) for k in range(21, 51))
    assert overflow(20, 0.3, 7, 50) == pytest.approx(expected, rel=1e-9)
    assert overflow(1, 0.9, 1000, 50) == 1.0


def test_the_cap_is_the_smallest_that_keeps_overflow_within_its_share_of_delta():
    cap = smallest_cap(2.0, 1e-5, sampling_rate=0.25, steps=200, public_patients=4000)
    allowed = OVERFLOW_SHARE * 1e-5 / (1 + math.exp(3.0))
    assert overflow(cap, 0.25, 200, 4000) <= allowed < overflow(cap - 1, 0.25, 200, 4000)


def test_without_sampling_the_cap_is_everybody():
    assert smallest_cap(1.0, 1e-5, sampling_rate=1.0, steps=10, public_patients=300) == 300


@pytest.mark.parametrize(("q", "steps", "target"), [(1.0, 30, 1.0), (0.25, 40, 3.0), (0.05, 50, 8.0)])
def test_a_calibrated_plan_spends_at_most_its_target_and_nearly_all_of_it(q, steps, target):
    plan = DPPlan.calibrate(
        target, 1e-5, sampling_rate=q, steps=steps, clip=1.0, public_patients=1000, records_per_patient=2
    )
    assert target * 0.97 < accountant.epsilon(plan).pld <= target


def test_more_noise_is_calibrated_for_less_epsilon():
    sigma = [accountant.noise_multiplier(e, 1e-5, sampling_rate=1.0, steps=10) for e in (0.5, 1, 4)]
    assert sigma == sorted(sigma, reverse=True)


@pytest.mark.parametrize("wrong", [{"target": 0}, {"delta": 1}, {"sampling_rate": 0}, {"steps": 0}])
def test_calibration_refuses_impossible_numbers(wrong):
    terms = {"target": 1.0, "delta": 1e-5, "sampling_rate": 0.1, "steps": 10} | wrong
    with pytest.raises(Misuse, match="calibration needs"):
        accountant.noise_multiplier(terms.pop("target"), terms.pop("delta"), **terms)


def test_calibration_says_when_no_noise_is_enough():
    with pytest.raises(Misuse, match="cannot be met"):
        accountant.noise_multiplier(1e-6, 1e-9, sampling_rate=1.0, steps=1000)
