"""What a run is asked to do, as a job file names it: task, loss, optimiser, evaluation. Values only, no tensors."""

from dataclasses import dataclass
from typing import Literal

from policies.errors import Misuse
from training_sandbox.plan import Mechanism

Loss = Literal["cross-entropy", "bce"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """What is predicted.

    Attributes:
        kind: ``binary`` or ``multi-class`` classification.
        classes: How many labels there are: 0 to ``classes - 1``.
    """

    kind: Literal["binary", "multi-class"]
    classes: int = 2

    def __post_init__(self) -> None:
        if self.kind not in ("binary", "multi-class"):
            raise Misuse("a task is binary or multi-class")
        if self.classes < 2 or (self.kind == "binary" and self.classes != 2):
            raise Misuse("a binary task has two classes, a multi-class task at least two")


def outputs(task: Task, loss: Loss) -> int:
    """Return how many numbers a model must give for one record, shape (1, outputs).

    Raises:
        Misuse: the loss does not fit the task.

    >>> outputs(Task(kind="binary"), "bce")
    1
    """
    if loss == "bce":
        if task.kind != "binary":
            raise Misuse("the loss bce is for binary tasks; use cross-entropy")
        return 1
    if loss != "cross-entropy":
        raise Misuse("the losses are cross-entropy and bce")
    return task.classes


@dataclass(frozen=True, kw_only=True, slots=True)
class Optimiser:
    """How noisy gradients become parameters.

    Attributes:
        name: ``sgd`` (with momentum) or ``adam`` (with bias correction).
        learning_rate: Step size, the same at every step.
        momentum: In [0, 1); Adam's first decay rate when ``name`` is ``adam``.
        weight_decay: L2 penalty added to the gradient.
        average: The model is the mean of the last this-much of the iterates, in [0, 1); 0 takes the last one.
    """

    name: Literal["sgd", "adam"] = "sgd"
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 0.0
    average: float = 0.0

    def __post_init__(self) -> None:
        if self.name not in ("sgd", "adam"):
            raise Misuse("the optimisers are sgd and adam")
        if not (self.learning_rate > 0 and 0 <= self.momentum < 1 and self.weight_decay >= 0 and 0 <= self.average < 1):
            raise Misuse("learning rate > 0, momentum and average in [0, 1) and weight decay >= 0 are needed")


@dataclass(frozen=True, kw_only=True, slots=True)
class Evaluation:
    """The one charged look at the held-out patients.

    Attributes:
        sigma: Noise standard deviation of each cell; one patient moves the histogram by at most 1 in L2 norm.
        bins: Score bins of a binary task, an even number, of equal width in log-odds over [-span, span].
        span: Public bound of the log-odds told apart.
    """

    sigma: float = 4.0
    bins: int = 24
    span: float = 4.0

    def __post_init__(self) -> None:
        if not (0 < self.sigma <= 2**16 and 0 < self.span <= 100 and 2 <= self.bins <= 1024 and self.bins % 2 == 0):
            raise Misuse("evaluation needs sigma > 0, an even number of bins from 2 to 1,024 and a positive span")

    @property
    def mechanism(self) -> Mechanism:
        """Return what the ledger charges the held-out patients."""
        return Mechanism(kind="gaussian", q=1.0, sigma=self.sigma, steps=1)
