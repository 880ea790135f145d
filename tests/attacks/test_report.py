"""Membership, inversion and attribute attacks, and the report that compliance sees."""

import json

import numpy as np
import pytest

from policies.errors import Tampered
from training_sandbox.attacks import inversion, membership, report


def test_a_perfect_attack_and_a_blind_one() -> None:
    sure = membership.by_score("loss", np.ones(50), np.zeros(50))
    blind = membership.by_score("loss", np.ones(50), np.ones(50))
    assert (sure.auc, sure.true_positive) == (1.0, (1.0, 1.0, 1.0))
    assert (blind.auc, blind.true_positive) == (0.5, (0.0, 0.0, 0.0))
    assert membership.by_score("loss", np.zeros(0), np.ones(3)).auc == 0.5


def test_the_area_is_the_chance_to_rank_a_pair_right() -> None:
    random = np.random.default_rng(0)
    a, b = random.normal(0.4, 1, 300).round(1), random.normal(0, 1, 200).round(1)
    pairs = (a[:, None] > b).mean() + (a[:, None] == b).mean() / 2
    assert membership.by_score("x", a, b).auc == pytest.approx(pairs, abs=1e-3)


def test_confidence_is_the_log_odds_of_the_own_label() -> None:
    assert membership.confidence(np.array([2.0, 2.0]), np.array([1, 0])).tolist() == [2.0, -2.0]
    logits = np.array([[0.0, 1.0, 2.0], [3.0, 0.0, 0.0]])
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    labels = np.array([2, 1])
    own = p[[0, 1], labels]
    assert np.allclose(membership.confidence(logits, labels), np.log(own / (1 - own)))


def test_every_patient_is_in_half_of_the_shadows() -> None:
    sets = membership.halves(8, 50, 0)
    assert (sets.sum(0) == 4).all()


def test_lira_finds_members_whom_a_threshold_on_the_loss_misses() -> None:
    """Patients differ in how hard they are; being trained on helps each by the same bit."""
    random = np.random.default_rng(0)
    hard, inside = random.normal(0, 5, 400), np.arange(400) < 200
    sets = membership.halves(16, 400, 1)
    shadows = hard + sets * 1.0 + random.normal(0, 0.5, (16, 400))
    target = hard + inside * 1.0 + random.normal(0, 0.5, 400)
    ratio = membership.likelihood_ratio(target, shadows, sets)
    lira = membership.by_score("lira", ratio[inside], ratio[~inside])
    loss = membership.by_score("loss", target[inside], target[~inside])
    assert lira.auc > 0.85
    assert loss.auc < 0.65
    assert lira.true_positive[1] > 0.2


def test_a_gradient_without_noise_is_the_record_and_with_noise_is_not() -> None:
    leak = inversion.gradient_leak(100, 1.0)
    assert leak.bare == 1.0
    assert leak.noisy < leak.chance + 0.15
    assert inversion.gradient_leak(100, 1e-4).noisy > 0.99


def test_an_attribute_that_the_model_depends_on_is_guessed() -> None:
    x = np.sign(np.random.default_rng(0).normal(size=(200, 2)))
    guessed, common = inversion.attribute_advantage(lambda r: r[:, 0] * x[:, 0], x, 0)
    assert guessed == 1.0
    assert common < 0.6


def examined(better: float = 0.0, count: int = 200):
    random = np.random.default_rng(0)
    train, holdout = ((random.normal(size=(count, 5)), np.arange(count) % 2) for _ in range(2))

    def predict(x: np.ndarray) -> np.ndarray:
        member = np.isclose(x[:, None, 1:], train[0][None, :, 1:]).all(2).any(1)
        sure = random.normal(size=len(x)) + better * member
        return np.where(np.arange(len(x)) % 2 == 1, sure, -sure)

    return report.examine(predict, train, holdout, sigma=1.0)


def test_an_honest_model_passes_and_one_that_remembers_does_not() -> None:
    assert report.refuted(examined(), 1.0, 1e-5) == ""
    assert report.refuted(examined(better=8.0), 1.0, 1e-5) == "loss"
    assert report.refuted(examined(better=8.0), 9.0, 1e-5) == ""
    assert report.refuted(report.nothing(), 0.1, 0.0) == ""


def test_the_report_survives_its_file_and_a_changed_one_does_not() -> None:
    found = examined()
    assert report.load(report.dump(found)) == json.loads(report.dump(found))
    for broken in (b"[]", b"{}", b"{", b" " * (report.MAXIMUM_BYTES + 1), report.dump({**found, "membership": [1]})):
        with pytest.raises(Tampered):
            report.load(broken)
    with pytest.raises(Tampered):
        report.load(report.dump({**found, "schema": "x"}))


def test_the_page_shows_plots_and_runs_nothing() -> None:
    bound = {"lower_bound": 0.4, "claimed": 1.0, "correct": 70, "guesses": 100}
    html = report.page(examined(), run="r-<1>", epsilon=1.0, canaries=bound)
    assert html.count("<svg") == 2
    assert "r-&lt;1&gt;" in html
    assert "<script" not in html
    assert "not asked for" in report.page(report.nothing(), run="r", epsilon=0.0, canaries=None)


def test_shadow_models_give_the_second_curve() -> None:
    random = np.random.default_rng(0)
    train, holdout = ((random.normal(size=(60, 3)), np.arange(60) % 2) for _ in range(2))
    sets = membership.halves(4, 120, 0)
    found = report.examine(
        lambda x: x[:, 0], train, holdout, sigma=1.0, shadows=lambda mask: mask + 0.0, shadow_sets=sets
    )
    assert [one["name"] for one in found["membership"]] == ["loss", "lira"]
