"""The one way to the rows: what it bounds, counts and adds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from policies.errors import Misuse, TrainingFailed
from training_sandbox import noise
from training_sandbox.algorithms.rows import one_each, rows, scaled
from training_sandbox.algorithms.teller import ROW_GRID, WEIGHT_GRID, Teller, bounded, plan_of
from training_sandbox.patients import gather
from training_sandbox.plan import DPPlan

KEY = b"k" * 32
PLAN = DPPlan(
    sampling_rate=1.0,
    cap=50,
    clip=1.0,
    noise_multiplier=0.5,
    steps=3,
    delta=1e-5,
    public_patients=50,
    records_per_patient=1,
)
FLOATS = st.floats(allow_nan=True, allow_infinity=True, width=64)


def quiet(teller: Teller) -> Teller:
    """Return the teller with noise too small for the lattice."""
    teller._plan = DPPlan(**{**PLAN.as_dict(), "noise_multiplier": 1e-12})
    return teller


@settings(max_examples=60, deadline=None)
@given(arrays(np.float64, (4, 3), elements=FLOATS), arrays(np.float64, (4, 2), elements=FLOATS))
def test_one_patient_moves_an_answer_by_at_most_one(x: np.ndarray, w: np.ndarray) -> None:
    with np.errstate(all="ignore"):
        both = quiet(Teller(PLAN, KEY)).sum(bounded(x), w)
        without = quiet(Teller(PLAN, KEY)).sum(bounded(x[1:]), w[1:])
    assert np.isfinite(both).all()
    assert np.linalg.norm(both - without) <= 1


def test_a_sum_is_exact_in_any_order() -> None:
    random = np.random.default_rng(0)
    x, w = random.normal(size=(50, 7)), random.normal(size=(50, 2))
    one = Teller(PLAN, KEY).sum(bounded(x), w)
    turned = Teller(PLAN, KEY).sum(bounded(x[::-1]), w[::-1])
    assert np.array_equal(one, turned)
    assert np.array_equal(one / noise.GRID, np.rint(one / noise.GRID))


def test_rows_and_weights_lie_on_lattices_whose_product_is_the_noises() -> None:
    assert ROW_GRID * WEIGHT_GRID == noise.GRID
    values = bounded(np.array([[0.3, 5.0], [0.1, 0.2]])).values
    assert np.array_equal(values / ROW_GRID, np.trunc(values / ROW_GRID))
    assert np.linalg.norm(values, axis=1).max() <= 1


def test_the_noise_is_the_plans() -> None:
    plan = DPPlan(**{**PLAN.as_dict(), "noise_multiplier": 3.0})
    drawn = Teller(plan, KEY).sum(bounded(np.zeros((5, 100))), np.zeros((5, 100)))
    assert abs(drawn.std() / 3 - 1) < 0.04
    assert abs(drawn.mean()) < 0.15


def test_two_answers_have_different_noise_and_the_same_run_key_the_same() -> None:
    nothing, weight = bounded(np.zeros((1, 4))), np.zeros((1, 1))
    teller, again = Teller(PLAN, KEY), Teller(PLAN, KEY)
    first, second = teller.sum(nothing, weight), teller.sum(nothing, weight)
    assert not np.array_equal(first, second)
    assert np.array_equal(first, again.sum(nothing, weight))
    assert not np.array_equal(first, Teller(PLAN, KEY, purpose="/site1").sum(nothing, weight))


def test_no_more_and_no_fewer_answers_than_were_charged() -> None:
    heard: list[int] = []
    teller = Teller(PLAN, KEY, heard.append)
    for _ in range(3):
        with pytest.raises(TrainingFailed, match="less than"):
            teller.close()
        teller.sum(bounded(np.zeros((1, 1))), np.zeros((1, 1)))
    teller.close()
    with pytest.raises(TrainingFailed, match="more than"):
        teller.sum(bounded(np.zeros((1, 1))), np.zeros((1, 1)))
    assert heard == [1, 2, 3]


def test_more_rows_than_declared_are_refused() -> None:
    with pytest.raises(TrainingFailed, match="declared"):
        Teller(PLAN, KEY).sum(bounded(np.zeros((51, 1))), np.zeros((51, 1)))


@pytest.mark.parametrize("change", [{"sampling_rate": 0.5}, {"clip": 2.0}, {"records_per_patient": 2}])
def test_a_plan_of_another_mechanism_is_refused(change: dict) -> None:
    plan = DPPlan(**{**PLAN.as_dict(), **change})
    with pytest.raises(Misuse, match="one row each"):
        Teller(plan, KEY)
    assert Teller(plan_of(plan, 2), KEY).left == 2


def test_values_are_cut_to_their_declared_bounds() -> None:
    table = rows(np.array([[np.nan, np.inf, -np.inf, 3.0, 0.5]]), np.array([7]), 2)
    assert table.x.tolist() == [[0, 1, -1, 1, 0.5]]
    assert table.y.tolist() == [0]
    assert repr(table) == "Rows(...)"
    assert repr(bounded(table.x)) == "Bounded(...)"
    with pytest.raises(Misuse, match="bounds"):
        scaled(np.zeros((1, 1)), np.array([1.0]), np.array([1.0]))
    with pytest.raises(Misuse, match="one row"):
        rows(np.zeros((2, 1)), np.zeros(3), 2)


def test_one_record_of_each_patient_is_taken() -> None:
    import polars as pl

    frame = pl.DataFrame({"patient": [1, 1, 2, 3], "f0": [0.1, 0.2, 0.3, 0.4], "label": [1, 0, 0, 9]})
    table = one_each(gather(frame, ["f0"], classes=2, records_per_patient=1), 2)
    assert np.allclose(table.x.ravel(), [0.1, 0.3])
    assert table.y.tolist() == [1, 0]
    with pytest.raises(Misuse, match="one record"):
        one_each(gather(frame, ["f0"], classes=2, records_per_patient=2), 2)
