"""Metrics of tasks beyond classification, read off a sum over patients that can be made private by noise.

Each task has a tally: a vector for each patient, of L2 norm at most 1, whose sum tells the metrics. With noise on the
sum they are charged; without, they are exact and for class ``demonstration`` only.
"""

import math
from collections.abc import Callable

import numpy as np
import torch

from training_sandbox.noise import GRID
from training_sandbox.settings import METRICS, Evaluation, Kind, Task

Noise = Callable[[torch.Tensor], torch.Tensor]


def metrics(
    scores: torch.Tensor,
    labels: torch.Tensor,
    weights: torch.Tensor,
    task: Task,
    settings: Evaluation,
    noise: Noise | None = None,
) -> dict[str, float]:
    """Return the figures named in ``settings.METRICS`` for the task, each in [0, 1].

    Args:
        scores: As ``losses.scores`` gives them, (patients, records, ...).
        labels: (patients, records, *label), see ``Task.label``.
        weights: (patients, records), at most 1 in sum for each patient; 0 where padding.
        noise: What makes the sum private: on the lattice, for sensitivity 1; None gives exact figures.
    """
    each, read = _TALLIES[task.kind](scores, labels, task, settings)
    share = weights.double().unsqueeze(-1) * each.double()
    total = torch.trunc(share.sum(1) / GRID).mul_(GRID).sum(0)  # towards zero: no patient weighs more for it
    level = 0.0 if noise is None else 3 * settings.sigma
    found = read((total if noise is None else noise(total)).numpy(), level)
    return {name: min(max(value, 0.0), 1.0) for name, value in zip(METRICS[task.kind], found, strict=True)}


Read = Callable[[np.ndarray, float], tuple[float, ...]]
Tally = Callable[[torch.Tensor, torch.Tensor, Task, Evaluation], tuple[torch.Tensor, Read]]


def area(table: np.ndarray) -> float:
    """Return the area under the ROC curve of (2, bins) masses, ties counted half; 0.5 where a class is empty."""
    negative, positive = table
    if negative.sum() <= 0 or positive.sum() <= 0:
        return 0.5
    below = np.cumsum(negative) - negative / 2
    return float((positive * below).sum()) / float(negative.sum() * positive.sum())


def _multi_label(
    scores: torch.Tensor, labels: torch.Tensor, task: Task, settings: Evaluation
) -> tuple[torch.Tensor, Read]:
    """Log-odds histograms, one for each label; a record spreads its weight evenly over the labels."""
    bins, count = settings.bins, task.classes
    place = (
        ((torch.nan_to_num(scores) + settings.span) * (bins / (2 * settings.span))).floor().clamp(0, bins - 1).long()
    )
    cell = (torch.arange(count) * 2 + labels) * bins + place
    each = torch.nn.functional.one_hot(cell, count * 2 * bins).sum(-2) / count

    def read(total: np.ndarray, level: float) -> tuple[float, ...]:
        tables = total.reshape(count, 2, bins).copy()
        tables[np.broadcast_to(tables.sum(1, keepdims=True) < level, tables.shape)] = 0
        right = tables[:, 0, : bins // 2].sum() + tables[:, 1, bins // 2 :].sum()
        return float(np.mean([area(table) for table in tables])), _share(right, tables.sum())

    return each, read


def _regression(scores: torch.Tensor, labels: torch.Tensor, task: Task, _: Evaluation) -> tuple[torch.Tensor, Read]:
    """Count, absolute and squared error, target and its square, each in [-1, 1]: a vector of norm sqrt(5) at most."""
    predicted = (torch.nan_to_num(scores) - task.lower) / (task.upper - task.lower) * 2 - 1
    error = (predicted.clamp(-1, 1) - labels) / 2
    each = torch.stack((torch.ones_like(error), error.abs(), error.square(), labels, labels.square()), -1) / math.sqrt(
        5
    )

    def read(total: np.ndarray, level: float) -> tuple[float, ...]:
        if total[0] <= level:
            return 1.0, 0.0
        mean = total / total[0]
        spread = mean[4] - mean[3] ** 2
        return float(mean[1]), float(1 - 4 * mean[2] / spread) if spread > 0 else 0.0

    return each, read


def _survival(
    scores: torch.Tensor, labels: torch.Tensor, task: Task, settings: Evaluation
) -> tuple[torch.Tensor, Read]:
    """A histogram of (interval, event, risk)."""
    bins, times = settings.bins, task.classes
    place = ((torch.nan_to_num(scores) + times) * (bins / times)).floor().clamp(0, bins - 1).long()
    cell = (labels[..., 0] * 2 + labels[..., 1]) * bins + place
    each = torch.nn.functional.one_hot(cell, times * 2 * bins)

    def read(total: np.ndarray, level: float) -> tuple[float, ...]:
        table = total.reshape(times, 2, bins).copy()
        table[table < level] = 0
        right = pairs = 0.0
        for time in range(times - 1):
            later = table[time + 1 :].sum((0, 1))
            died = table[time, 1]
            right += float((died * (np.cumsum(later) - later / 2)).sum())
            pairs += float(died.sum() * later.sum())
        return (right / pairs if pairs > 0 else 0.5,)

    return each, read


def _segmentation(scores: torch.Tensor, labels: torch.Tensor, task: Task, _: Evaluation) -> tuple[torch.Tensor, Read]:
    """Shares of pixels by class: in both, in the prediction, in the truth; each sums to at most 1."""
    classes = torch.arange(task.classes)
    said = (torch.nan_to_num(scores).argmax(-2).unsqueeze(-1) == classes).double()
    truth = (labels.unsqueeze(-1) == classes).double()
    parts = [value.mean(-2) for value in (said * truth, said, truth)]
    each = torch.cat(parts, -1) / math.sqrt(3)

    def read(total: np.ndarray, level: float) -> tuple[float, ...]:
        both, predicted, true = total.reshape(3, task.classes)
        size = predicted + true
        overlap = np.where(size > level, 2 * both / np.maximum(size, 1e-12), np.nan)
        known = overlap[~np.isnan(overlap)]
        return (float(known.mean()) if known.size else 0.0), _share(float(both.sum()), float(true.sum()))

    return each, read


def _share(part: float, whole: float) -> float:
    return float(part / whole) if whole > 0 else 0.0


_TALLIES: dict[Kind, Tally] = {
    "multi-label": _multi_label,
    "regression": _regression,
    "survival": _survival,
    "segmentation": _segmentation,
}
