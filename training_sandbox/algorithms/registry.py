"""The algorithms by name, as a job file names them."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Protocol, runtime_checkable

import numpy as np

from policies.errors import Misuse
from training_sandbox.algorithms.additive import Additive
from training_sandbox.algorithms.federated import Federated
from training_sandbox.algorithms.regression import Linear, Logistic
from training_sandbox.algorithms.rows import Rows
from training_sandbox.algorithms.shapes import Components, KMeans
from training_sandbox.algorithms.teller import Answers, Teller, plan_of
from training_sandbox.graph.format import Graph
from training_sandbox.plan import DPPlan
from training_sandbox.settings import Task


@runtime_checkable
class Algorithm(Protocol):
    """A way to learn from one row for each patient by a number of noisy sums that is known beforehand."""

    def releases(self, width: int, classes: int) -> int: ...
    def graph(self, width: int, classes: int) -> Graph: ...


class Asking(Algorithm, Protocol):
    """An algorithm that asks one teller about all rows."""

    def fit(self, rows: Rows, teller: Answers) -> dict[str, np.ndarray]: ...


Named = Logistic | Linear | Additive | KMeans | Components | Federated
FEDERATED = "federated-averaging"
ALGORITHMS: dict[str, type[Named]] = {
    "logistic-regression": Logistic,
    "linear-regression": Linear,
    "additive-boosting": Additive,
    "k-means": KMeans,
    "principal-components": Components,
    FEDERATED: Federated,
}
UNLABELLED = ("k-means", "principal-components")
"""These give no scores of labels, so there is nothing to evaluate."""
REAL = ("linear-regression",)
"""These predict a real value too."""


def check_fits(name: str, task: Task) -> None:
    """Refuse an algorithm for a label that it cannot predict.

    Raises:
        Misuse: naming the tasks it is for.
    """
    if name in UNLABELLED or task.kind in ("binary", "multi-class") or (name in REAL and task.kind == "regression"):
        return
    raise Misuse(f"{name} predicts classes{' and real values' if name in REAL else ''}, not a {task.kind} label")


def read(name: str, settings: Mapping[str, Any]) -> Named:
    """Return the algorithm of that name with these settings.

    Raises:
        Misuse: there is none, or a setting is not one of its own.
    """
    if name not in ALGORITHMS:
        raise Misuse(f"the algorithms are {', '.join(ALGORITHMS)}")
    kind = ALGORITHMS[name]
    try:
        made = kind(**settings)
    except TypeError:
        raise Misuse(f"{name} takes {', '.join(kind.__dataclass_fields__)}") from None
    if any(type(value) not in (int, float) for value in asdict(made).values()):
        raise Misuse("the settings of an algorithm are numbers")
    whole = [name for name, field in kind.__dataclass_fields__.items() if type(field.default) is int]
    if any(type(getattr(made, name)) is not int for name in whole):
        raise Misuse(f"whole numbers are needed for {', '.join(whole)}")
    return made


def plan_for(algorithm: Algorithm, plan: DPPlan, *, width: int, classes: int) -> DPPlan:
    """Return ``plan`` with the number of releases that the algorithm needs; its noise is the caller's to calibrate."""
    return plan_of(plan, algorithm.releases(width, classes))


def calibrate(
    algorithm: Algorithm, epsilon: float, delta: float, *, width: int, classes: int, public_patients: int
) -> DPPlan:
    """Return the plan with the least noise by which the algorithm spends at most ``epsilon`` at ``delta``.

    Composition of Gaussian mechanisms without sampling, accounted by PLD; no central limit is taken anywhere.
    """
    return DPPlan.calibrate(
        epsilon,
        delta,
        sampling_rate=1.0,
        steps=algorithm.releases(width, classes),
        clip=1.0,
        public_patients=public_patients,
        records_per_patient=1,
    )


def fit(
    algorithm: Asking | Federated,
    rows: Rows,
    plan: DPPlan,
    run_key: bytes,
    on_step: Callable[[int], None] | None = None,
) -> dict[str, np.ndarray]:
    """Return the parameters of the algorithm's graph, float32, learned under ``plan``.

    Raises:
        TrainingFailed: the algorithm asked for more or less than the plan was charged for.
        Misuse: the plan is not one of sums over all patients.
    """
    if isinstance(algorithm, Federated):
        found = algorithm.fit(rows, plan, run_key, on_step)
    else:
        teller = Teller(plan, run_key, on_step)
        found = algorithm.fit(rows, teller)
        teller.close()
    return {name: np.ascontiguousarray(value, np.float32) for name, value in found.items()}
