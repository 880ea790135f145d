"""A lower bound on epsilon from one run: canary patients enter by a coin each, and the model is asked who was there.

Each canary's clipped gradient points along an axis of its own, which is the strongest patient there can be, so a bound
above the claim means that the program does not do what it is charged for. A bound below it proves nothing: an audit
finds mistakes, it does not replace the accounting. It runs on canaries alone, so it costs no patient anything.

Source: Steinke, Nasr & Jagielski, NeurIPS 2023, arXiv 2305.08846 (theorem 5.2 and algorithm 1).
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from scipy.stats import binom

from training_sandbox import accountant, noise, trainer
from training_sandbox.algorithms.teller import Teller, bounded
from training_sandbox.graph.format import Graph, Node, Ref, Tensor
from training_sandbox.patients import Patients
from training_sandbox.plan import DEFAULT_SPEED, DPPlan, Speed, smallest_cap
from training_sandbox.settings import Optimiser, Task

CONFIDENCE = 0.95
GUESSES = (100, 50, 20, 10, 5, 2)
"""A share 1/g of the canaries is guessed in, and as many out, for each of these g; the confidence is shared among
them.
"""

Train = Callable[[Graph, dict[str, torch.Tensor], Patients, DPPlan, bytes], dict[str, torch.Tensor]]
_PUBLIC = b"medtrain canary audit, no secret"
_RATE = 2.0**-20  # so small that no canary's own weight ever bends its gradient


@dataclass(frozen=True, slots=True)
class Bound:
    """What an audit found.

    Attributes:
        lower_bound: Epsilon is at least this, with probability 0.95 over canaries and noise.
        claimed: What the accountant says.
        canaries, guesses, correct: Of the guessing that gave the bound.
        delta: At which both hold.
    """

    lower_bound: float
    claimed: float
    canaries: int
    guesses: int
    correct: int
    delta: float

    @property
    def holds(self) -> bool:
        """Whether the claim survived."""
        return self.lower_bound <= self.claimed

    def as_dict(self) -> dict[str, Any]:
        """Return the figures as JSON values."""
        return {**asdict(self), "holds": self.holds}


def p_value(canaries: int, guesses: int, correct: int, epsilon: float, delta: float) -> float:
    """Return a bound on the chance of so many correct guesses if the run were (epsilon, delta) private.

    >>> round(p_value(100, 100, 50, 0.0, 0.0), 2)
    0.54
    """
    if correct < 1:
        return 1.0
    right = 1 / (1 + np.exp(-epsilon))
    beta = float(binom.sf(correct - 1, guesses, right))
    below = np.arange(1, correct + 1)
    alpha = float((np.cumsum(binom.pmf(correct - below, guesses, right)) / below).max())
    return min(1.0, beta + alpha * delta * 2 * canaries)


def lower_bound(canaries: int, guesses: int, correct: int, delta: float, p: float) -> float:
    """Return the largest epsilon, to 1e-3, that so many correct guesses refute at level ``p``; 0 where none is."""
    low, high = 0.0, 30.0
    if p_value(canaries, guesses, correct, low, delta) >= p:
        return 0.0
    while high - low > 1e-3:
        middle = (low + high) / 2
        low, high = (middle, high) if p_value(canaries, guesses, correct, middle, delta) < p else (low, middle)
    return low


def bound(inside: np.ndarray, scores: np.ndarray, claimed: float, delta: float) -> Bound:
    """Return the audit's bound from who was inside (bool) and how much each canary looks like it (float)."""
    m, order = len(inside), np.argsort(scores, kind="stable")
    best = Bound(0.0, claimed, m, 0, 0, delta)
    for share in GUESSES:
        k = max(m // share, 1)
        correct = int(inside[order[-k:]].sum() + (~inside[order[:k]]).sum())
        found = lower_bound(m, 2 * k, correct, delta, (1 - CONFIDENCE) / len(GUESSES))
        if found >= best.lower_bound:
            best = Bound(found, claimed, m, 2 * k, correct, delta)
    return best


def audit(
    plan: DPPlan, *, seed: int, canaries: int = 500, train: Train | None = None, speed: Speed = DEFAULT_SPEED
) -> Bound:
    """Return what one run of ``canaries`` under the noise, clip, sampling and steps of ``plan`` gives away.

    Args:
        seed: Chooses coins and noise; they are not secret, for nobody is protected here.
        train: How a model is trained; the product's own trainer where not given.
        speed: Of that trainer; it names the engine that is audited.
    """
    cap = smallest_cap(
        accountant.epsilon(plan).pld,
        plan.delta,
        sampling_rate=plan.sampling_rate,
        steps=plan.steps,
        public_patients=canaries,
    )
    terms = replace(plan, public_patients=canaries, cap=cap, records_per_patient=1)
    coins = noise.words(_PUBLIC, "coins", seed, "", canaries)
    inside = (coins >> np.uint64(63)).astype(bool)
    graph = Graph(
        inputs=(Tensor("x", "float32", (1, canaries)),),
        parameters=(Tensor("axis", "float32", (1, canaries)),),
        nodes=(Node("linear.default", (Ref("x"), Ref("axis")), (), ("score",)),),
        output="score",
    )
    members = int(inside.sum())
    axes = torch.eye(canaries)[torch.from_numpy(inside)] * (
        8 * terms.clip
    )  # half of it is the gradient: above the clip
    table = Patients(axes.unsqueeze(1), torch.ones(members, 1, dtype=torch.int64), torch.ones(members, 1))
    key = noise.words(_PUBLIC, "audit", seed, "", 4).tobytes()
    first = {"axis": torch.zeros(1, canaries)}
    last = (train or partial(_train, speed=speed))(graph, first, table, terms, key)
    return bound(inside, last["axis"][0].double().numpy(), accountant.epsilon(terms).pld, plan.delta)


def audit_sums(plan: DPPlan, *, seed: int, canaries: int = 500) -> Bound:
    """Return the same of the sums that algorithms learn from: each canary is a row along an axis of its own."""
    terms = replace(plan, public_patients=canaries, cap=canaries)
    inside = (noise.words(_PUBLIC, "coins", seed, "", canaries) >> np.uint64(63)).astype(bool)
    teller = Teller(terms, noise.words(_PUBLIC, "audit", seed, "", 4).tobytes())
    rows = bounded(np.eye(canaries)[inside])
    weights = np.ones((int(inside.sum()), 1))
    scores = np.sum([teller.sum(rows, weights)[:, 0] for _ in range(terms.steps)], axis=0)
    return bound(inside, scores, accountant.epsilon(terms).pld, plan.delta)


def _train(
    graph: Graph, first: dict[str, torch.Tensor], table: Patients, plan: DPPlan, key: bytes, *, speed: Speed
) -> dict[str, torch.Tensor]:
    return trainer.train(
        graph,
        first,
        table,
        plan=plan,
        task=Task(kind="binary"),
        loss="bce",
        optimiser=Optimiser(learning_rate=_RATE, momentum=0.0),
        run_key=key,
        speed=speed,
    ).params
