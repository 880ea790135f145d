"""The non-private baseline and the slow oracle: ordinary gradients of the same graph."""

from collections.abc import Mapping

import torch
from torch.func import grad, vmap

from training_sandbox.graph.run import Forward
from training_sandbox.losses import LossFunction
from training_sandbox.patients import Patients

Params = Mapping[str, torch.Tensor]


def mean_gradient(forward: Forward, loss: LossFunction, params: Params, batch: Patients) -> dict[str, torch.Tensor]:
    """Return the gradient of the mean loss over patients, each patient the mean of its records. NOT private."""

    def mean(params: Params) -> torch.Tensor:
        x, y = batch.features.flatten(0, 1), batch.labels.flatten()
        each = vmap(lambda a, b: loss(forward(params, a.unsqueeze(0)), b))(x, y)
        return (each * batch.weights.flatten()).sum() / max(len(batch), 1)

    found: dict[str, torch.Tensor] = grad(mean)(dict(params))
    return {name: value.double() for name, value in found.items()}


def loop_sum(
    forward: Forward, loss: LossFunction, params: Params, batch: Patients, clip: float
) -> dict[str, torch.Tensor]:
    """Return the sum of clipped per-patient gradients by a plain loop and autograd, in units of ``clip``.

    The oracle that engines are compared with: one patient, one record at a time, no vmap, no rounding.
    """
    total = {name: torch.zeros(value.shape, dtype=torch.float64) for name, value in params.items()}
    for x, y, w in zip(batch.features, batch.labels, batch.weights, strict=True):
        leaves = {name: value.clone().requires_grad_() for name, value in params.items()}
        losses = [loss(forward(leaves, x[r : r + 1]), y[r]) * w[r] for r in range(len(y)) if w[r] > 0]
        if not losses:
            continue
        found = torch.autograd.grad(torch.stack(losses).sum(), list(leaves.values()), allow_unused=True)
        flat = [torch.zeros_like(v) if g is None else g for g, v in zip(found, leaves.values(), strict=True)]
        norm = float(torch.cat([g.double().flatten() for g in flat]).norm())
        if norm < float("inf"):
            for name, g in zip(leaves, flat, strict=True):
                total[name] += g.double() * (min(1.0, clip / max(norm, 1e-300)) / clip)
    return total
