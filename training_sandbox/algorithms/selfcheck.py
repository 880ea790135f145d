"""Before an algorithm asks its first question, the teller is tested on rows that are nobody's.

As in ``training_sandbox.selfcheck``: each check fails for a mistake that leaves a model looking well learned.
"""

import math
from dataclasses import replace

import numpy as np

from policies.errors import TrainingFailed
from training_sandbox import noise
from training_sandbox.algorithms.teller import Teller, bounded
from training_sandbox.plan import DPPlan

KEY = bytes(range(32))
"""A public key: what is drawn from it protects nobody."""

CELLS = 20_000
DEVIATIONS = 6.0


def self_check(plan: DPPlan) -> None:
    """Refuse to learn with a teller that does not do what ``plan`` is charged for.

    Raises:
        TrainingFailed: naming the check that failed.
    """
    small = replace(plan, steps=4, public_patients=8, cap=8)
    teller = Teller(small, KEY)
    nothing = bounded(np.zeros((1, CELLS)))
    first, second = (teller.sum(nothing, np.zeros((1, 1))).ravel() for _ in range(2))
    _must(not np.array_equal(first, second), "two answers have the same noise")
    every = np.concatenate((first, second)) / plan.noise_multiplier
    _must(abs(every.std() - 1) < DEVIATIONS / math.sqrt(2 * every.size), "the noise has not the plan's size")
    _must(abs(every.mean()) < DEVIATIONS / math.sqrt(every.size), "the noise is not centred")
    tail = float((np.abs(every) > 2).mean())
    _must(abs(tail - 0.0455) < DEVIATIONS * math.sqrt(0.0455 / every.size), "the noise is not Gaussian")
    for value in (0.5, 1e3, 1e30, math.inf, math.nan):
        rows = np.full((3, 4), 0.3)
        rows[0], weights = value, np.ones((3, 2))
        weights[0] = value
        moved = _bare(small, rows, weights) - _bare(small, rows[1:], weights[1:])
        _must(bool(np.isfinite(moved).all()), "a row that is not finite spoils the sum")
        _must(float(np.linalg.norm(moved)) <= 1 + 1e-9, "one patient moves a sum by more than 1")


def _bare(plan: DPPlan, rows: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return a sum without its noise, which is a function of key and number."""
    drawn = np.rint(noise.gaussian(KEY, 1, "sum", 4 * 2) * (plan.noise_multiplier / noise.GRID)) * noise.GRID
    found: np.ndarray = Teller(plan, KEY).sum(bounded(rows), weights) - drawn.reshape(4, 2)
    return found


def _must(holds: bool, sentence: str) -> None:
    if not holds:
        raise TrainingFailed(f"self-check: {sentence}; nothing was learned")
