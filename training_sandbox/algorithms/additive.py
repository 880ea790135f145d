"""An additive model of step functions, boosted feature by feature over noisy histograms of residuals.

The explainable boosting machine under differential privacy (Nori et al., ICML 2021, arXiv 2106.09680), with two
differences: bins are of equal width over the declared bounds, which costs nothing, and one release of all counts serves
the whole run. Each boost is one histogram of one feature's residuals.
"""

from dataclasses import dataclass
from math import sqrt

import numpy as np

from policies.errors import Misuse
from training_sandbox.algorithms.graphs import stairs
from training_sandbox.algorithms.rows import Rows
from training_sandbox.algorithms.teller import Answers, bounded
from training_sandbox.graph.format import Graph


@dataclass(frozen=True, kw_only=True, slots=True)
class Additive:
    """One function of each feature, summed.

    Attributes:
        bins: Of equal width over [-1, 1].
        rounds: Boosts of every feature.
        learning_rate: Share of a Newton step taken at each boost.
        log_odds: First intercept of label 1: the published prevalence, not the data's.
    """

    bins: int = 8
    rounds: int = 4
    learning_rate: float = 0.5
    log_odds: float = 0.0

    def __post_init__(self) -> None:
        if not (2 <= self.bins <= 256 and self.rounds >= 1 and 0 < self.learning_rate <= 1 and abs(self.log_odds) < 20):
            raise Misuse("the additive model: 2 to 256 bins, at least one round, a learning rate in (0, 1]")

    def releases(self, width: int, classes: int) -> int:
        """Return how many sums are asked for.

        Raises:
            Misuse: there are more than two classes.
        """
        if classes != 2:
            raise Misuse("the additive model is for two classes")
        return 1 + self.rounds * width

    def graph(self, width: int, classes: int) -> Graph:
        """Return the model's graph."""
        return stairs(width, self.bins - 1, classes)

    def fit(self, rows: Rows, teller: Answers) -> dict[str, np.ndarray]:
        """Return the graph's parameters."""
        width = rows.x.shape[1]
        place = np.clip(((rows.x + 1) * (self.bins / 2)).astype(np.int64), 0, self.bins - 1)
        places = np.eye(self.bins)
        every = bounded(places[place].reshape(len(rows), -1) / sqrt(width))
        counts = teller.sum(every, np.ones((len(rows), 1))).reshape(width, self.bins) * sqrt(width)
        # A bin that holds hardly more than noise must not divide by it.
        floor = max(teller.patients / (4 * self.bins), 2 * teller.sigma)
        weight = 4.0 * self.learning_rate / np.maximum(counts, floor)  # 4: a Newton step where p = 1/2
        shape = np.zeros((width, self.bins))
        score = np.full(len(rows), self.log_odds)
        for _ in range(self.rounds):
            for feature in range(width):
                residual = (rows.y == 1) - 1 / (1 + np.exp(-np.clip(score, -50, 50)))
                found = teller.sum(bounded(places[place[:, feature]]), residual[:, None])[:, 0]
                move = found * weight[feature]
                shape[feature] += move
                score = score + move[place[:, feature]]
        return self._parameters(shape, width)

    def _parameters(self, shape: np.ndarray, width: int) -> dict[str, np.ndarray]:
        edges = np.linspace(-1, 1, self.bins + 1)[1:-1]
        weight = np.zeros((2, width * (self.bins - 1)))
        weight[1] = np.diff(shape, axis=1).reshape(-1)
        return {
            "choose": np.kron(np.eye(width), np.ones((self.bins - 1, 1))),
            "edge": np.tile(-edges, width),
            "weight": weight,
            "bias": np.array([0.0, self.log_odds + shape[:, 0].sum()]),
        }
