"""Logistic regression by noisy descent over all patients, linear regression from noisy moments.

Sources: Abadi et al., CCS 2016 (clip, sum, add noise); Wang, UAI 2018, arXiv 1803.02596 (regression from noisy
moments). The penalty of the linear one is a function of the noise, so nothing has to be tuned on data.
"""

from dataclasses import dataclass
from math import sqrt

import numpy as np

from policies.errors import Misuse
from training_sandbox.algorithms.graphs import affine
from training_sandbox.algorithms.rows import Rows
from training_sandbox.algorithms.teller import Answers, bounded
from training_sandbox.graph.format import Graph

Parameters = dict[str, np.ndarray]


@dataclass(frozen=True, kw_only=True, slots=True)
class Logistic:
    """Multinomial (or, for two classes, ordinary) logistic regression.

    Attributes:
        steps: Noisy full-batch steps.
        learning_rate: On the mean gradient of unit rows.
        clip: A patient's residual is cut to this norm. Below 1 it trades a little bias for less noise.
        momentum, average: Heavy ball; the model is the mean of the last this-much of the iterates.
        row_norm: Declared L2 bound of a row with a 1 beside it; longer ones are cut. 0 takes the longest that can be.
        log_odds: First bias of label 1, two classes only: the published prevalence, not the data's.
    """

    steps: int = 50
    learning_rate: float = 4.0
    clip: float = 0.5
    momentum: float = 0.9
    average: float = 0.5
    row_norm: float = 0.0
    log_odds: float = 0.0

    def __post_init__(self) -> None:
        numbers = (self.learning_rate > 0, 0 < self.clip <= 2, 0 <= self.momentum < 1, 0 <= self.average < 1)
        if self.steps < 1 or not all(numbers) or abs(self.log_odds) > 20 or self.row_norm < 0:
            raise Misuse("logistic regression: steps >= 1, rate > 0, clip in (0, 2], momentum and average in [0, 1)")

    def releases(self, width: int, classes: int) -> int:
        """Return how many sums are asked for."""
        del width, classes
        return self.steps

    def graph(self, width: int, classes: int) -> Graph:
        """Return the model's graph."""
        return affine(width, classes)

    def fit(self, rows: Rows, teller: Answers) -> Parameters:
        """Return the graph's parameters."""
        return self.parameters(self.descend(rows, teller, self.start(rows.x.shape[1], rows.classes)), rows.classes)

    def start(self, width: int, classes: int) -> np.ndarray:
        """Return the first weights and, last, biases, for rows divided by their bound."""
        first = np.zeros((width + 1, 1 if classes == 2 else classes))
        if classes == 2:
            first[-1] = self.log_odds * self._bound(width)
        return first

    def descend(self, rows: Rows, teller: Answers, first: np.ndarray) -> np.ndarray:
        """Return the weights and biases after ``steps`` noisy steps from ``first``."""
        unit = np.concatenate((rows.x, np.ones((len(rows), 1))), 1) / self._bound(rows.x.shape[1])
        kept = bounded(unit)
        theta, speed, total = first, np.zeros_like(first), np.zeros_like(first)
        begin = self.steps - max(1, int(self.steps * self.average))
        for step in range(self.steps):
            residual = _residual(unit @ theta, rows.y, first.shape[1])
            slope = teller.sum(kept, residual / self.clip) * (self.clip / teller.patients)
            speed = self.momentum * speed + slope
            theta = theta + self.learning_rate * speed
            if step >= begin:
                total += theta
        return total / (self.steps - begin)

    def parameters(self, theta: np.ndarray, classes: int) -> Parameters:
        """Return the graph's parameters; of two classes, label 0 scores zero."""
        width = len(theta) - 1
        plain = theta / self._bound(width)
        full = np.concatenate((np.zeros_like(plain), plain), 1) if classes == 2 else plain
        return {"weight": full[:-1].T, "bias": full[-1]}

    def _bound(self, width: int) -> float:
        return self.row_norm or sqrt(width + 1)


def _residual(score: np.ndarray, labels: np.ndarray, columns: int) -> np.ndarray:
    if columns == 1:
        found: np.ndarray = (labels == 1)[:, None] - 1 / (1 + np.exp(-np.clip(score, -50, 50)))
        return found
    shifted = np.exp(score - score.max(1, keepdims=True))
    other: np.ndarray = (labels[:, None] == np.arange(columns)) - shifted / shifted.sum(1, keepdims=True)
    return other


@dataclass(frozen=True, kw_only=True, slots=True)
class Linear:
    """Ridge regression on the label (a real value, or one column for each class) from noisy second moments.

    Attributes:
        penalty: Times the noise's own scale, ``sigma * sqrt(features)``, on the diagonal.
    """

    penalty: float = 2.0

    def __post_init__(self) -> None:
        if not self.penalty > 0:
            raise Misuse("linear regression: the penalty lies above 0")

    def releases(self, width: int, classes: int) -> int:
        """Return how many sums are asked for: the moments, and the products with the labels."""
        del width, classes
        return 2

    def graph(self, width: int, classes: int) -> Graph:
        """Return the model's graph."""
        return affine(width, classes)

    def fit(self, rows: Rows, teller: Answers) -> Parameters:
        """Return the graph's parameters."""
        width = rows.x.shape[1]
        unit = np.concatenate((rows.x, np.ones((len(rows), 1))), 1) / sqrt(width + 1)
        kept = bounded(unit)
        moments = teller.sum(kept, unit)
        real = rows.classes == 1
        truth = rows.y[:, None] if real else np.where(rows.y[:, None] == np.arange(rows.classes), 1.0, -1.0)
        targets = truth / sqrt(rows.classes)
        products = teller.sum(kept, targets) * sqrt(rows.classes)
        ridge = self.penalty * teller.sigma * sqrt(width + 1)
        theta = np.linalg.solve((moments + moments.T) / 2 + ridge * np.eye(width + 1), products) / sqrt(width + 1)
        return {"weight": theta[:-1].T, "bias": theta[-1]}
