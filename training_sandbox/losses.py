"""What a model is trained for: the task, and the trusted losses by name. No partner code computes a loss."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch

from policies.errors import Misuse

Loss = Literal["cross-entropy", "bce"]
LossFunction = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


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


def function(loss: Loss) -> LossFunction:
    """Return the loss of one record: (output (1, outputs) float32, label () int64) -> () float32."""
    return _bce if loss == "bce" else _cross_entropy


def scores(output: torch.Tensor, loss: Loss) -> torch.Tensor:
    """Return what is ranked: log-odds (records,) of label 1 for two outputs or bce, else logits (records, classes)."""
    if loss == "bce":
        return output[:, 0]
    return output[:, 1] - output[:, 0] if output.shape[1] == 2 else output


def _cross_entropy(output: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    return -torch.log_softmax(output, -1).reshape(-1).gather(0, label.reshape(1)).reshape(())


def _bce(output: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    logit = output.reshape(())
    return torch.nn.functional.softplus(logit) - label * logit
