"""Without labels: k-means and principal components from noisy sums.

Sources: Blum et al., PODS 2005 (noisy Lloyd steps); Dwork et al., STOC 2014 (Analyze Gauss: noise on the covariance).
"""

from dataclasses import dataclass
from math import sqrt

import numpy as np

from policies.errors import Misuse
from training_sandbox import noise
from training_sandbox.algorithms.graphs import affine
from training_sandbox.algorithms.rows import Rows
from training_sandbox.algorithms.teller import Answers, bounded
from training_sandbox.graph.format import Graph

_STARTS = bytes(32)


@dataclass(frozen=True, kw_only=True, slots=True)
class KMeans:
    """Centres of clusters. A record's nearest centre has the largest of the model's outputs.

    Attributes:
        clusters: How many.
        rounds: Noisy Lloyd steps.
    """

    clusters: int = 4
    rounds: int = 6

    def __post_init__(self) -> None:
        if not (2 <= self.clusters <= 1024 and self.rounds >= 1):
            raise Misuse("k-means: 2 to 1,024 clusters and at least one round")

    def releases(self, width: int, classes: int) -> int:
        """Return how many sums are asked for."""
        del width, classes
        return self.rounds

    def graph(self, width: int, classes: int) -> Graph:
        """Return the model's graph."""
        del classes
        return affine(width, self.clusters)

    def fit(self, rows: Rows, teller: Answers) -> dict[str, np.ndarray]:
        """Return the graph's parameters."""
        width = rows.x.shape[1]
        scale = sqrt(width + 1)
        kept = bounded(np.concatenate((rows.x, np.ones((len(rows), 1))), 1) / scale)
        centres = self._starts(width)
        for _ in range(self.rounds):
            distance = np.square(centres).sum(1) - 2 * rows.x @ centres.T
            nearest = np.eye(self.clusters)[distance.argmin(1)]
            found = teller.sum(kept, nearest).T * scale  # (clusters, features + 1)
            counts = found[:, -1:]
            enough = counts > 2 * teller.sigma * scale  # a cluster of noise alone keeps its centre
            centres = np.where(enough, np.clip(found[:, :-1] / np.maximum(counts, 1), -1, 1), centres)
        return {"weight": 2 * centres, "bias": -np.square(centres).sum(1)}

    def _starts(self, width: int) -> np.ndarray:
        """Return first centres that depend on nothing but the numbers of clusters and features: the most spread of
        many.
        """
        drawn = noise.words(_STARTS, "starts", 0, "", 64 * self.clusters * width) / 2.0**64
        many = drawn.reshape(64, self.clusters, width) * 1.2 - 0.6
        gaps = np.square(many[:, :, None] - many[:, None]).sum(-1) + 1e9 * np.eye(self.clusters)
        best: np.ndarray = many[gaps.min((1, 2)).argmax()]
        return best


@dataclass(frozen=True, kw_only=True, slots=True)
class Components:
    """Principal components of the features about their noisy mean.

    Attributes:
        components: How many.
    """

    components: int = 2

    def __post_init__(self) -> None:
        if self.components < 1:
            raise Misuse("principal components: at least one")

    def releases(self, width: int, classes: int) -> int:
        """Return how many sums are asked for: the second moments, the first among them.

        Raises:
            Misuse: there are fewer features than components.
        """
        del classes
        if self.components > width:
            raise Misuse("there are fewer features than components")
        return 1

    def graph(self, width: int, classes: int) -> Graph:
        """Return the model's graph."""
        del classes
        return affine(width, self.components)

    def fit(self, rows: Rows, teller: Answers) -> dict[str, np.ndarray]:
        """Return the graph's parameters."""
        width = rows.x.shape[1]
        unit = np.concatenate((rows.x, np.ones((len(rows), 1))), 1) / sqrt(width + 1)
        moments = teller.sum(bounded(unit), unit) * (width + 1)
        count = max(moments[-1, -1], 1.0)
        mean = (moments[-1, :-1] + moments[:-1, -1]) / (2 * count)
        spread = (moments[:-1, :-1] + moments[:-1, :-1].T) / (2 * count) - np.outer(mean, mean)
        directions = np.linalg.eigh(spread)[1][:, ::-1][:, : self.components].T
        signs = np.sign(directions[np.arange(self.components), np.abs(directions).argmax(1)])
        directions = directions * signs[:, None]
        return {"weight": directions, "bias": -directions @ mean}
