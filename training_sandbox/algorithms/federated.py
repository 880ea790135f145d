"""Averaging over hospitals: each trains on its own patients under differential privacy, a server averages the models.

Every hospital adds the plan's whole noise to what it sends, so the server and the other hospitals need not be trusted.
A patient's rows lie at one hospital, so the hospitals compose in parallel: a patient is charged for the releases of
one.
Source: McMahan et al., AISTATS 2017 (federated averaging); McSherry, SIGMOD 2009 (parallel composition).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from policies.errors import Misuse
from training_sandbox.algorithms.graphs import affine
from training_sandbox.algorithms.regression import Logistic
from training_sandbox.algorithms.rows import Rows
from training_sandbox.algorithms.teller import Teller
from training_sandbox.graph.format import Graph
from training_sandbox.plan import DPPlan


@dataclass(frozen=True, kw_only=True, slots=True)
class Federated:
    """Logistic regression in rounds over hospitals.

    Attributes:
        sites: Hospitals, numbered from 0. Public; the recipe says which.
        rounds: Of averaging.
        steps: Noisy steps that each hospital takes in a round, from the average it was sent.
        learning_rate, clip, momentum, row_norm, log_odds: Of those steps, as in ``Logistic``.
    """

    sites: int = 2
    rounds: int = 4
    steps: int = 10
    learning_rate: float = 4.0
    clip: float = 0.5
    momentum: float = 0.5
    row_norm: float = 0.0
    log_odds: float = 0.0

    def __post_init__(self) -> None:
        if self.sites < 1 or self.rounds < 1:
            raise Misuse("federated averaging: at least one site and one round")
        self.local()

    def local(self) -> Logistic:
        """Return what each hospital does in a round."""
        return Logistic(
            steps=self.steps,
            learning_rate=self.learning_rate,
            clip=self.clip,
            momentum=self.momentum,
            average=0.0,
            row_norm=self.row_norm,
            log_odds=self.log_odds,
        )

    def releases(self, width: int, classes: int) -> int:
        """Return how many sums are asked for at each hospital."""
        return self.rounds * self.local().releases(width, classes)

    def graph(self, width: int, classes: int) -> Graph:
        """Return the model's graph."""
        return affine(width, classes)

    def fit(
        self, rows: Rows, plan: DPPlan, run_key: bytes, on_step: Callable[[int], None] | None = None
    ) -> dict[str, np.ndarray]:
        """Return the graph's parameters.

        The public divisor of a hospital's sums is an even share of ``plan.public_patients``: how many patients each
        hospital has is not asked, and nothing depends on it.

        Raises:
            Misuse: a patient is of no hospital.
        """
        if len(rows) and not 0 <= rows.site.min() <= rows.site.max() < self.sites:
            raise Misuse("a row belongs to none of the sites")
        local, share = self.local(), -(-plan.public_patients // self.sites)
        tellers = [
            Teller(plan, run_key, on_step if site == 0 else None, f"/site{site}", share) for site in range(self.sites)
        ]
        parts = [_of(rows, site) for site in range(self.sites)]
        average = local.start(rows.x.shape[1], rows.classes)
        for _ in range(self.rounds):
            done = [local.descend(part, teller, average) for part, teller in zip(parts, tellers, strict=True)]
            average = np.mean(done, axis=0)
        for teller in tellers:
            teller.close()
        return local.parameters(average, rows.classes)


def _of(rows: Rows, site: int) -> Rows:
    here = rows.site == site
    return Rows(rows.x[here], rows.y[here], rows.classes, rows.site[here])
