"""Who was in the training data? Attacks by loss, and by the likelihood ratio over shadow models.

Sources: Yeom et al., CSF 2018 (a threshold on the loss); Carlini et al., IEEE S&P 2022, arXiv 2112.03570 (LiRA, with
the global variance of section VI-B). Success is told at low false positive rates, where a confident attack would hurt.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

LOW_RATES = (0.001, 0.01, 0.1)


@dataclass(frozen=True, slots=True)
class Attack:
    """How well an attack tells members from others.

    Attributes:
        name: Of the attack.
        auc: 0.5 is guessing.
        true_positive: At each of ``LOW_RATES`` false positives.
        curve: Points (false, true) of the ROC curve, at most 64.
        members, others: How many of each were tried.
    """

    name: str
    auc: float
    true_positive: tuple[float, ...]
    curve: tuple[tuple[float, float], ...]
    members: int
    others: int

    def as_dict(self) -> dict[str, Any]:
        """Return the figures as JSON values."""
        return {**asdict(self), "true_positive": list(self.true_positive), "curve": [list(p) for p in self.curve]}


def by_score(name: str, members: np.ndarray, others: np.ndarray) -> Attack:
    """Return the attack that calls the higher scores members. Ties count half."""
    scores = np.concatenate((members, others))
    values, place = np.unique(scores, return_inverse=True)
    inside = np.bincount(place[: len(members)], minlength=len(values))[::-1].cumsum() / max(len(members), 1)
    outside = np.bincount(place[len(members) :], minlength=len(values))[::-1].cumsum() / max(len(others), 1)
    true, false = np.concatenate(([0.0], inside)), np.concatenate(([0.0], outside))
    auc = float(np.sum(np.diff(false) * (true[1:] + true[:-1]) / 2)) if len(members) and len(others) else 0.5
    rates = tuple(float(true[false <= rate].max()) for rate in LOW_RATES)
    kept = np.unique(np.linspace(0, len(true) - 1, 64).astype(int))
    curve = tuple((round(float(false[i]), 5), round(float(true[i]), 5)) for i in kept)
    return Attack(name, round(auc, 4), tuple(round(r, 4) for r in rates), curve, len(members), len(others))


def confidence(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the log-odds of each patient's own label, (patients,).

    Args:
        scores: (patients,) log-odds of label 1, or (patients, classes) logits.
        labels: (patients,) int.
    """
    if scores.ndim == 1:
        signed: np.ndarray = np.where(labels == 1, scores, -scores).astype(np.float64)
        return signed
    held = scores.astype(np.float64)
    own = np.take_along_axis(held, labels[:, None], 1)[:, 0]
    rest = np.where(np.arange(held.shape[1]) == labels[:, None], -np.inf, held)
    top = rest.max(1)
    odds: np.ndarray = own - (top + np.log(np.exp(rest - top[:, None]).sum(1)))
    return odds


def likelihood_ratio(target: np.ndarray, shadows: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Return LiRA's score of each patient: how much likelier the target's confidence is if the patient was a member.

    Args:
        target: (patients,) confidences by the model under attack.
        shadows: (models, patients) confidences by shadow models.
        inside: (models, patients) bool: who each shadow was trained on; of each patient both must occur.
    """
    mean_in, mean_out = (_mean(shadows, mask) for mask in (inside, ~inside))
    spread_in = np.sqrt(np.square(np.where(inside, shadows - mean_in, 0)).sum() / max(inside.sum(), 1)) + 1e-12
    spread_out = np.sqrt(np.square(np.where(~inside, shadows - mean_out, 0)).sum() / max((~inside).sum(), 1)) + 1e-12

    def log_density(mean: np.ndarray, spread: float) -> np.ndarray:
        found: np.ndarray = -0.5 * np.square((target - mean) / spread) - np.log(spread)
        return found

    ratio: np.ndarray = log_density(mean_in, float(spread_in)) - log_density(mean_out, float(spread_out))
    return ratio


def halves(models: int, patients: int, seed: int) -> np.ndarray:
    """Return (models, patients) bool: each patient is in exactly half of an even number of shadow models."""
    random = np.random.default_rng(seed)
    order = np.argsort(random.random((models, patients)), axis=0)
    found: np.ndarray = order < models // 2
    return found


def _mean(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    found: np.ndarray = np.where(mask, values, 0).sum(0) / np.maximum(mask.sum(0), 1)
    return found
