"""How good a model is on held-out patients: a charged, noisy histogram, or exact figures for demonstration data."""

import math
from dataclasses import dataclass

import numpy as np
import torch

from training_sandbox import noise, tallies
from training_sandbox.settings import Evaluation, Task

_CLASSES = ("binary", "multi-class")
_FINE = Evaluation(bins=1024, span=20.0)


@dataclass(frozen=True, slots=True)
class Metrics:
    """Figures of one model.

    Attributes:
        auc: None for tasks with more than two classes.
        named: The figures of tasks beyond classification into classes, instead of the two others.
    """

    auc: float | None
    accuracy: float | None
    named: tuple[tuple[str, float | None], ...] = ()

    def as_dict(self) -> dict[str, float | None]:
        """Return the figures rounded to three places, as JSON values."""
        classes: dict[str, float | None] = {"auc": self.auc, "accuracy": self.accuracy}
        figures = dict(self.named) if self.named else classes
        return {name: None if value is None else round(value, 3) for name, value in figures.items()}


def charged(
    scores: torch.Tensor,
    labels: torch.Tensor,
    weights: torch.Tensor,
    settings: Evaluation,
    run_key: bytes,
    task: Task | None = None,
) -> Metrics:
    """Return metrics read off a noisy histogram: differentially private by ``settings.mechanism``.

    Args:
        scores: (patients, records) log-odds of a binary task, or (patients, records, classes) logits.
        labels: (patients, records) int64.
        weights: (patients, records), at most 1 in sum for each patient; 0 where padding.
        task: Needed for tasks beyond binary and multi-class.
    """
    if task is not None and task.kind not in _CLASSES:

        def noisy_sum(total: torch.Tensor) -> torch.Tensor:
            return noise.add(total, settings.sigma, run_key, 0, "evaluation")

        found = tallies.metrics(scores, labels, weights, task, settings, noisy_sum)
        return Metrics(None, None, tuple(found.items()))
    table = _histogram(scores, labels, weights, settings)
    noisy = noise.add(table, settings.sigma, run_key, 0, "evaluation").numpy()
    if scores.dim() == 3:
        return Metrics(None, _share(float(np.trace(noisy)), float(noisy.sum())))
    # Score bins that hold hardly more than noise are taken as empty: post-processing, and most bins are.
    noisy[:, noisy.sum(0) < 3 * settings.sigma * math.sqrt(2)] = 0
    half = settings.bins // 2
    right = float(noisy[0, :half].sum() + noisy[1, half:].sum())
    return Metrics(_share(tallies.area(noisy), 1.0), _share(right, float(noisy.sum())))


def exact(scores: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor, task: Task | None = None) -> Metrics:
    """Return the metrics themselves, each record weighted: not private, for class ``demonstration`` only."""
    if task is not None and task.kind not in _CLASSES:
        found = tallies.metrics(scores, labels, weights, task, _FINE)
        return Metrics(None, None, tuple(found.items()))
    here = weights > 0
    y, w = labels[here].numpy(), weights[here].double().numpy()
    if scores.dim() == 3:
        return Metrics(None, _share(float(w[scores[here].argmax(-1).numpy() == y].sum()), float(w.sum())))
    s = scores[here].double().numpy()
    _, place = np.unique(s, return_inverse=True)
    table = np.zeros((2, int(place.max()) + 1 if len(place) else 1))
    np.add.at(table, (y, place), w)
    return Metrics(tallies.area(table), _share(float(w[(s > 0) == (y == 1)].sum()), float(w.sum())))


def _histogram(scores: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor, settings: Evaluation) -> torch.Tensor:
    """Return (classes, cells) float64: each patient adds a vector with entries >= 0 that sum to at most 1."""
    if scores.dim() == 2:
        classes, cells = 2, settings.bins
        place = (torch.nan_to_num(scores) + settings.span) * (cells / (2 * settings.span))
        cell = place.floor().clamp(0, cells - 1).long()
    else:
        classes = cells = scores.shape[2]
        cell = torch.nan_to_num(scores).argmax(-1)
    total = torch.zeros(classes * cells, dtype=torch.float64)
    share = torch.floor(weights.double() / noise.GRID) * noise.GRID  # on the lattice, and never more than 1 in sum
    total.index_add_(0, (labels * cells + cell).reshape(-1), share.reshape(-1))
    return total.reshape(classes, cells)


def _share(part: float, whole: float) -> float:
    return min(max(part / whole, 0.0), 1.0) if whole > 0 else 0.0
