"""Planted bugs in the way to the rows: each is caught before an algorithm asks its first question."""

import numpy as np
import pytest

from policies.errors import TrainingFailed
from training_sandbox import noise
from training_sandbox.algorithms import teller
from training_sandbox.algorithms.selfcheck import self_check
from training_sandbox.plan import DPPlan

PLAN = DPPlan(
    sampling_rate=1.0,
    cap=500,
    clip=1.0,
    noise_multiplier=20.0,
    steps=30,
    delta=1e-5,
    public_patients=500,
    records_per_patient=1,
)


def test_the_right_teller_passes() -> None:
    self_check(PLAN)


def test_no_noise_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(noise, "add", lambda total, *_: total)
    with pytest.raises(TrainingFailed, match="same noise"):
        self_check(PLAN)


@pytest.mark.parametrize("factor", [0.5, 0.9, 1.1])
def test_noise_of_another_size_is_caught(monkeypatch: pytest.MonkeyPatch, factor: float) -> None:
    right = noise.add
    monkeypatch.setattr(noise, "add", lambda total, sigma, *rest: right(total, sigma * factor, *rest))
    with pytest.raises(TrainingFailed, match="plan's size"):
        self_check(PLAN)


def test_noise_off_centre_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    right = noise.add
    monkeypatch.setattr(noise, "add", lambda total, sigma, *rest: right(total, sigma, *rest) + sigma / 5)
    with pytest.raises(TrainingFailed, match="centred"):
        self_check(PLAN)


def test_noise_that_is_not_gaussian_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    right = noise.add

    def coins(total, sigma, *rest):
        drawn = right(total * 0, sigma, *rest)
        return total + sigma * drawn.sign()

    monkeypatch.setattr(noise, "add", coins)
    with pytest.raises(TrainingFailed, match="not Gaussian"):
        self_check(PLAN)


def test_a_patient_who_is_not_cut_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teller, "_cut", lambda values, grid: np.nan_to_num(np.trunc(values / grid) * grid))
    with pytest.raises(TrainingFailed, match="more than 1"):
        self_check(PLAN)


def test_a_row_that_is_not_finite_and_spreads_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def naive(values, grid):
        with np.errstate(all="ignore"):
            cut = values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1)
            return np.trunc(cut / grid) * grid

    monkeypatch.setattr(teller, "_cut", naive)
    with np.errstate(all="ignore"), pytest.raises(TrainingFailed, match="not finite"):
        self_check(PLAN)
