import numpy as np
import pytest
from scipy import stats

from training_sandbox import sampler

KEY = bytes(range(32))


def drawn(plan, step):
    slots = sampler.draw(plan, KEY, step)
    return slots[slots != sampler.EMPTY]


def test_a_draw_is_a_function_of_plan_key_and_step(make_plan):
    plan = make_plan()
    assert np.array_equal(sampler.draw(plan, KEY, 1), sampler.draw(plan, KEY, 1))
    assert not np.array_equal(sampler.draw(plan, KEY, 1), sampler.draw(plan, KEY, 2))
    assert not np.array_equal(sampler.draw(plan, KEY, 1), sampler.draw(plan, bytes(32), 1))


def test_every_batch_is_padded_to_the_cap(make_plan):
    plan = make_plan(sampling_rate=0.3, cap=18)
    assert {len(sampler.draw(plan, KEY, step)) for step in range(20)} == {18}


def test_batch_sizes_are_binomial(make_plan):
    plan = make_plan(sampling_rate=0.3, cap=200, public_patients=200)
    sizes = [len(drawn(plan, step)) for step in range(400)]
    assert np.mean(sizes) == pytest.approx(60, abs=1.5)
    assert np.var(sizes) == pytest.approx(42, rel=0.3)


def test_each_patient_enters_with_the_same_probability_independently_over_steps(make_plan):
    plan = make_plan(sampling_rate=0.25, cap=100, public_patients=100)
    inside = np.zeros((400, 100))
    for step in range(400):
        inside[step, drawn(plan, step)] = 1
    assert stats.chisquare(inside.sum(0)).pvalue > 0.001
    assert abs(np.corrcoef(inside[:-1].ravel(), inside[1:].ravel())[0, 1]) < 0.03


def test_full_batches_hold_everybody(make_plan):
    plan = make_plan(sampling_rate=1.0, cap=20)
    assert drawn(plan, 5).tolist() == list(range(20))


def test_an_overflowing_draw_is_cut_to_a_uniformly_random_subset(make_plan):
    plan = make_plan(sampling_rate=0.9, cap=5, public_patients=20)
    counts = np.zeros(20)
    for step in range(1500):
        slots = drawn(plan, step)
        assert len(slots) == len(set(slots)) == 5
        counts[slots] += 1
    assert stats.chisquare(counts).pvalue > 0.001


def test_the_empty_batch_is_possible(make_plan):
    plan = make_plan(sampling_rate=0.01, cap=20)
    assert any(len(drawn(plan, step)) == 0 for step in range(10))
