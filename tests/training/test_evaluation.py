import math

import pytest
import torch
from scipy import stats

from policies.errors import Misuse
from training_sandbox import evaluation, noise
from training_sandbox.evaluation import charged, exact
from training_sandbox.settings import Evaluation

KEY = bytes(range(32))


def example(count=4000, records=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 2, (count, records), generator=generator)
    scores = torch.randn(count, records, generator=generator) + labels * 1.5 - 0.75
    return scores, labels, torch.full((count, records), 1 / records)


def test_the_exact_auc_is_mann_whitneys():
    scores, labels, _ = example(300, 1)
    positive, negative = scores[labels == 1].numpy(), scores[labels == 0].numpy()
    expected = stats.mannwhitneyu(positive, negative).statistic / (len(positive) * len(negative))
    assert exact(scores, labels, torch.ones(300, 1)).auc == pytest.approx(expected)


def test_ties_count_half():
    found = exact(torch.tensor([[0.0], [0.0]]), torch.tensor([[0], [1]]), torch.ones(2, 1))
    assert found.auc == 0.5


def test_the_charged_figures_are_near_the_exact_ones():
    data = example()
    noisy, truth = charged(*data, Evaluation(sigma=2.0), KEY), exact(*data)
    assert noisy.auc == pytest.approx(truth.auc, abs=0.02)
    assert noisy.accuracy == pytest.approx(truth.accuracy, abs=0.02)
    assert noisy.auc != truth.auc


def test_charged_figures_are_a_function_of_the_key():
    data = example(200)
    assert charged(*data, Evaluation(), KEY) == charged(*data, Evaluation(), KEY)
    assert charged(*data, Evaluation(), KEY) != charged(*data, Evaluation(), bytes(32))


@pytest.mark.parametrize("records", [1, 2, 3, 7])
def test_one_patient_moves_the_histogram_by_at_most_one(records):
    scores, labels, weights = example(5, records)
    whole = evaluation._histogram(scores, labels, weights, Evaluation())
    for i in range(5):
        keep = torch.arange(5) != i
        part = evaluation._histogram(scores[keep], labels[keep], weights[keep], Evaluation())
        moved = whole - part
        assert float(moved.min()) >= 0
        assert 0 < float(moved.norm()) <= 1


def test_the_histogram_lies_on_the_noise_lattice():
    whole = evaluation._histogram(*example(50, 3), Evaluation())
    assert torch.equal(torch.round(whole / noise.GRID) * noise.GRID, whole)


def test_scores_that_are_not_finite_fall_in_some_cell():
    scores = torch.tensor([[math.nan], [math.inf], [-math.inf]])
    found = evaluation._histogram(scores, torch.zeros(3, 1, dtype=torch.int64), torch.ones(3, 1), Evaluation(bins=4))
    assert found[0].tolist() == [1, 0, 1, 1]


def test_several_classes_give_accuracy_only():
    labels = torch.arange(300).reshape(300, 1) % 3
    scores = torch.nn.functional.one_hot(labels, 3).float()
    scores[:30] = scores[:30].roll(1, -1)
    weights = torch.ones(300, 1)
    assert exact(scores, labels, weights) == evaluation.Metrics(None, pytest.approx(0.9))
    noisy = charged(scores, labels, weights, Evaluation(sigma=0.5), KEY)
    assert noisy.auc is None
    assert noisy.accuracy == pytest.approx(0.9, abs=0.03)
    assert noisy.as_dict()["auc"] is None


def test_nobody_held_out_gives_chance_and_zero():
    empty = (torch.zeros(0, 1), torch.zeros(0, 1, dtype=torch.int64), torch.zeros(0, 1))
    assert exact(*empty) == evaluation.Metrics(0.5, 0.0)
    assert 0 <= charged(*empty, Evaluation(), KEY).auc <= 1


def test_the_charge_is_one_gaussian_release():
    charge = Evaluation(sigma=5.0).mechanism
    assert (charge.kind, charge.q, charge.sigma, charge.steps) == ("gaussian", 1.0, 5.0, 1)


@pytest.mark.parametrize("wrong", [{"sigma": 0}, {"sigma": 1e9}, {"bins": 3}, {"bins": 0}, {"span": 0}])
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(Misuse):
        Evaluation(**wrong)


def test_figures_are_rounded():
    assert evaluation.Metrics(0.123456, 0.98765).as_dict() == {"auc": 0.123, "accuracy": 0.988}
