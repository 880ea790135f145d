"""The one way in which an algorithm sees its rows: noisy sums, as many as the plan was charged for.

A release is ``sum over patients of row x weight``, an outer product to which each patient adds a matrix of Frobenius
norm at most 1, plus Gaussian noise of the plan's size on every cell. Gradients of linear models, histograms of
residuals, moments and the sums of clusters are all of this form, so no algorithm needs another. The bound does not
rest on an algorithm's care: rows and weights are cut to norm 1 here, what is not finite counts as nothing.

Rows lie on a lattice of 2^-14 and weights on one of 2^-10, both rounded towards zero; their products lie on the
lattice of the noise, 2^-24, and a sum of them in float64 is exact in any order.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch

from policies.errors import Misuse, TrainingFailed
from training_sandbox import noise
from training_sandbox.plan import DPPlan

ROW_GRID, WEIGHT_GRID = 2.0**-14, 2.0**-10


@dataclass(frozen=True, slots=True)
class Bounded:
    """Rows cut to norm 1 on their lattice. Made by :func:`bounded` alone."""

    values: np.ndarray

    def __repr__(self) -> str:
        return "Bounded(...)"


def bounded(values: np.ndarray, grid: float = ROW_GRID) -> Bounded:
    """Return ``values`` (patients, d) with every row cut to an L2 norm of at most 1, on the lattice."""
    return Bounded(_cut(values, grid))


def plan_of(plan: DPPlan, releases: int) -> DPPlan:
    """Return the plan that charges ``releases`` sums over all patients, each of sensitivity 1.

    >>> from training_sandbox.plan import DPPlan
    >>> terms = dict(sampling_rate=0.5, cap=5, clip=2.0, noise_multiplier=3.0, steps=9, delta=1e-5)
    >>> plan_of(DPPlan(**terms, public_patients=10, records_per_patient=4), 2).steps
    2
    """
    return replace(plan, sampling_rate=1.0, cap=plan.public_patients, clip=1.0, steps=releases, records_per_patient=1)


class Teller:
    """Answers a plan's number of questions about rows, and no more."""

    def __init__(
        self,
        plan: DPPlan,
        run_key: bytes,
        on_step: Callable[[int], None] | None = None,
        purpose: str = "",
        share: int = 0,
    ) -> None:
        """Answer about the rows of everybody, or of those whom ``purpose`` names: ``share`` patients, as declared."""
        if plan.sampling_rate != 1 or plan.clip != 1 or plan.records_per_patient != 1:
            raise Misuse("sums over all patients are charged without sampling, with clip 1 and one row each")
        self._plan, self._key, self._on_step, self._purpose = plan, run_key, on_step, purpose
        self._asked, self._share = 0, share or plan.public_patients

    @property
    def patients(self) -> int:
        """The declared number of patients: what stands in a formula where a count is needed."""
        return self._share

    @property
    def sigma(self) -> float:
        """The standard deviation of the noise on every cell of an answer."""
        return self._plan.noise_multiplier

    @property
    def left(self) -> int:
        """How many answers are still to be had."""
        return self._plan.steps - self._asked

    def sum(self, rows: Bounded, weights: np.ndarray) -> np.ndarray:
        """Return the noisy sum of ``row x weight``: (d, k) float64 for rows (patients, d) and weights (patients, k).

        Raises:
            TrainingFailed: the plan's number of answers has been given, or there are more rows than were declared.
        """
        if self._asked >= self._plan.steps:
            raise TrainingFailed("the algorithm asks for more than the plan was charged for")
        if len(rows.values) > self._plan.public_patients:
            raise TrainingFailed("there are more rows than patients were declared")
        self._asked += 1
        total = torch.from_numpy(rows.values.T @ _cut(weights, WEIGHT_GRID))
        answer = noise.add(total, self.sigma, self._key, self._asked, f"sum{self._purpose}")
        if self._on_step is not None:
            self._on_step(self._asked)
        found: np.ndarray = answer.numpy()
        return found

    def close(self) -> None:
        """Refuse to end with other than the plan's number of answers: the step log says that number.

        Raises:
            TrainingFailed: there are answers left.
        """
        if self.left:
            raise TrainingFailed("the algorithm asked for less than the plan was charged for")


class Answers(Protocol):
    """What an algorithm may ask: see :class:`Teller`."""

    @property
    def patients(self) -> int: ...
    @property
    def sigma(self) -> float: ...
    def sum(self, rows: Bounded, weights: np.ndarray) -> np.ndarray: ...


def _cut(values: np.ndarray, grid: float) -> np.ndarray:
    """Return rows of norm at most 1 on the lattice; a row that is not finite becomes 0."""
    held = np.asarray(values, np.float64)
    norm = np.sqrt(np.square(held).sum(1, keepdims=True))
    finite = np.isfinite(norm)
    factor = np.where(finite, 1 / np.maximum(norm * (1 + 1e-12), 1), 0.0)
    cut = np.where(finite, held, 0.0) * factor
    found: np.ndarray = np.trunc(cut / grid) * grid  # towards zero: no norm grows
    return found
