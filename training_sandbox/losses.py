"""The trusted losses by name. No partner code computes a loss."""

from collections.abc import Callable

import torch

from training_sandbox.settings import Loss

LossFunction = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


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
