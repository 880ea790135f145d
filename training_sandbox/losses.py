"""The trusted losses by name. No partner code computes a loss.

Each is a function of one record alone: (output with a leading 1, label) -> () float32, written so that it can be run
for many records at once.
"""

from collections.abc import Callable

import torch
from torch.nn.functional import softplus

from training_sandbox.settings import Loss, Task

LossFunction = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def function(loss: Loss) -> LossFunction:
    """Return the loss of one record; its label has the shape that ``Task.label`` says."""
    return _FUNCTIONS[loss]


def scores(output: torch.Tensor, loss: Loss, task: Task | None = None) -> torch.Tensor:
    """Return what is ranked or compared, from (records, ...) outputs.

    One number for each record: log-odds of label 1 (two outputs, or bce), the prediction in the target's unit
    (regression), or the expected number of intervals before the event, negated (survival). Several numbers: logits,
    (records, classes) or (records, labels), or (records, classes, positions).
    """
    kind = task.kind if task else None
    flat = output.flatten(1)
    if task is not None and task.kind == "regression":
        return task.lower + (flat[:, 0].clamp(-1, 1) + 1) / 2 * (task.upper - task.lower)
    if kind == "survival":
        return -torch.cumprod(torch.sigmoid(-flat), 1).sum(1)
    if task is not None and task.kind == "segmentation":
        return output.reshape(len(output), task.classes, task.positions)
    if kind == "multi-label":
        return flat
    if loss == "bce":
        return flat[:, 0]
    return flat[:, 1] - flat[:, 0] if flat.shape[1] == 2 else flat


def synthetic_labels(task: Task, count: int, generator: torch.Generator) -> torch.Tensor:
    """Return (count, *label) labels drawn at random, as :func:`function` takes them."""
    if task.kind == "regression":
        return torch.rand(count, generator=generator) * 2 - 1
    high = 2 if task.kind == "multi-label" else task.classes
    drawn = torch.randint(0, high, (count, *task.label), generator=generator)
    if task.kind == "survival":
        drawn[:, 1] %= 2
    return drawn


def _cross_entropy(output: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    if label.dim():  # one label for each position: the classes are the output's first dimension
        logs = torch.log_softmax(output[0].flatten(1), 0)
        return -logs.gather(0, label.unsqueeze(0)).mean()
    return -torch.log_softmax(output, -1).reshape(-1).gather(0, label.reshape(1)).reshape(())


def _bce(output: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    """Binary cross-entropy, the mean over the labels where there are several."""
    logit = output.reshape(-1)
    return (softplus(logit) - label.reshape(-1) * logit).mean()


def _squared(output: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    return (output.reshape(()) - label).square()


def _huber(output: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    """Squared near zero, linear beyond a tenth of the target's range; targets lie in [-1, 1]."""
    error, edge = (output.reshape(()) - label).abs(), 0.2
    return torch.where(error <= edge, error.square() / 2, edge * (error - edge / 2))


def _hazard(output: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    """Negative log-likelihood of a discrete-time hazard model: logits of the hazard in each interval.

    A patient survived every interval before ``label[0]``; in that one the event came (``label[1]`` = 1), or the
    patient was lost from sight.

    Source: Gensheimer and Narasimhan 2019, "A scalable discrete-time survival model for neural networks", eq. 3.
    """
    logits = output.reshape(-1)
    place = torch.arange(logits.shape[0], device=logits.device)
    survived = torch.where(place < label[0], softplus(logits), 0.0).sum()
    died = torch.where((place == label[0]) & (label[1] > 0), softplus(-logits), 0.0).sum()
    return survived + died


def _dice(output: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    """One minus the soft Dice overlap of one record, the mean over classes.

    Source: Milletari et al. 2016, "V-Net", with squares in the denominator, plus one in both parts.
    """
    shares = torch.softmax(output[0].flatten(1), 0)
    classes = torch.arange(shares.shape[0], device=shares.device).unsqueeze(1)
    truth = (label.unsqueeze(0) == classes).to(shares.dtype)
    both = (shares * truth).sum(1)
    return 1 - ((2 * both + 1) / (shares.square().sum(1) + truth.sum(1) + 1)).mean()


_FUNCTIONS: dict[Loss, LossFunction] = {
    "cross-entropy": _cross_entropy,
    "bce": _bce,
    "squared": _squared,
    "huber": _huber,
    "hazard": _hazard,
    "dice": _dice,
}
