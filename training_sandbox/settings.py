"""What a run is asked to do, as a job file names it: task, loss, optimiser, evaluation. Values only, no tensors."""

import math
from dataclasses import dataclass
from typing import Literal

from policies.errors import Misuse
from training_sandbox.plan import Mechanism

Kind = Literal["binary", "multi-class", "multi-label", "regression", "survival", "segmentation"]
Loss = Literal["cross-entropy", "bce", "squared", "huber", "hazard", "dice"]
_LOSSES: dict[str, tuple[Loss, ...]] = {
    "binary": ("cross-entropy", "bce"),
    "multi-class": ("cross-entropy",),
    "multi-label": ("bce",),
    "regression": ("squared", "huber"),
    "survival": ("hazard",),
    "segmentation": ("cross-entropy", "dice"),
}
METRICS: dict[Kind, tuple[str, ...]] = {
    "binary": ("auc", "accuracy"),
    "multi-class": ("auc", "accuracy"),
    "multi-label": ("auc", "accuracy"),
    "regression": ("mae", "r2"),
    "survival": ("concordance",),
    "segmentation": ("dice", "accuracy"),
}
"""What is measured on held-out patients; ``mae`` is a share of the target's declared range."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """What is predicted. Classification of texts and sequences is ``binary`` or ``multi-class`` with int64 inputs.

    Attributes:
        kind: See :data:`Kind`. ``survival`` is in discrete time; Cox's partial likelihood is not offered, because each
            of its terms compares a patient with all who are still at risk, so no patient has a gradient of his own.
        classes: Labels 0 to ``classes - 1``; for ``multi-label`` the number of labels, for ``survival`` of intervals,
            for ``regression`` 1.
        positions: Pixels of a ``segmentation``; else 1.
        lower, upper: Public bounds of a ``regression`` target; what lies outside is moved to the bound.
    """

    kind: Kind
    classes: int = 2
    positions: int = 1
    lower: float = -1.0
    upper: float = 1.0

    def __post_init__(self) -> None:
        if self.kind not in _LOSSES:
            raise Misuse(
                f"a task is one of {', '.join(_LOSSES)}; Cox models have no per-patient gradient: use survival"
            )
        if self.kind == "regression":
            _must(self.classes == 1, "a regression has one output")
            _must(
                math.isfinite(self.upper - self.lower) and self.lower < self.upper, "a regression needs finite bounds"
            )
        else:
            _must(self.classes >= 2, "a task has at least two classes, labels or intervals")
        _must(self.kind != "binary" or self.classes == 2, "a binary task has two classes")
        _must((self.positions > 1) == (self.kind == "segmentation"), "positions are for segmentation, more than one")

    @property
    def label(self) -> tuple[int, ...]:
        """Return the shape of one record's label: () for one number; (labels,), (interval, event) or (positions,)."""
        many = {"multi-label": self.classes, "survival": 2, "segmentation": self.positions}
        return (many[self.kind],) if self.kind in many else ()

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the table's label columns."""
        if self.kind == "survival":
            return ("label", "event")
        return tuple(f"label{i}" for i in range(self.label[0])) if self.label else ("label",)


def losses_of(kind: Kind) -> tuple[Loss, ...]:
    """Return the losses that fit a task, the usual one first."""
    return _LOSSES[kind]


def outputs(task: Task, loss: Loss) -> int:
    """Return how many numbers a model must give for one record.

    Raises:
        Misuse: the loss does not fit the task.

    >>> outputs(Task(kind="binary"), "bce")
    1
    """
    if loss not in _LOSSES[task.kind]:
        raise Misuse(f"the losses of a {task.kind} task are {' and '.join(_LOSSES[task.kind])}")
    if task.kind == "binary" and loss == "bce":
        return 1
    return task.classes * task.positions


@dataclass(frozen=True, kw_only=True, slots=True)
class Optimiser:
    """How noisy gradients become parameters.

    Attributes:
        name: ``sgd`` (with momentum), ``adam``, or ``adam-corrected``: Adam whose second moment is freed of the bias
            that the noise adds.
        learning_rate: Step size before the schedule.
        momentum: In [0, 1); Adam's first decay rate when ``name`` is ``adam``.
        weight_decay: L2 penalty added to the gradient.
        average: The model is the mean of the last this-much of the iterates, in [0, 1); 0 takes the last one.
        schedule: ``constant``, or ``cosine`` or ``linear`` down to zero.
        warmup: Share of the steps over which the step size rises from zero, in [0, 1).
        ema: Decay of an exponential moving average of the iterates, which is then the model; 0 is none.
        clipping: ``fixed`` scales gradients above the clip norm down to it; ``automatic`` scales every gradient to
            norm / (norm + 0.01). One patient weighs at most the clip norm in both.
        augmentations: Random flips and shifts of each image, all in the mean of its patient; 1 is the image alone.
    """

    name: Literal["sgd", "adam", "adam-corrected"] = "sgd"
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 0.0
    average: float = 0.0
    schedule: Literal["constant", "cosine", "linear"] = "constant"
    warmup: float = 0.0
    ema: float = 0.0
    clipping: Literal["fixed", "automatic"] = "fixed"
    augmentations: int = 1

    def __post_init__(self) -> None:
        _must(self.name in ("sgd", "adam", "adam-corrected"), "the optimisers are sgd, adam and adam-corrected")
        _must(self.schedule in ("constant", "cosine", "linear"), "the schedules are constant, cosine and linear")
        _must(self.clipping in ("fixed", "automatic"), "clipping is fixed or automatic")
        shares = (self.momentum, self.average, self.warmup, self.ema)
        if not (self.learning_rate > 0 and all(0 <= n < 1 for n in shares) and self.weight_decay >= 0):
            raise Misuse(
                "learning rate > 0, momentum, average, warmup and ema in [0, 1) and weight decay >= 0 are needed"
            )
        _must(
            not (self.ema and self.average),
            "a model is the mean of the last iterates or their moving average, not both",
        )
        _must(1 <= self.augmentations <= 32, "1 to 32 augmentations")


def _must(holds: bool, sentence: str) -> None:
    if not holds:
        raise Misuse(sentence)


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
