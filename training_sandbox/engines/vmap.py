"""The default engine: per-patient gradients by ``vmap(grad)`` over a graph that sees one record at a time.

Records cannot mix, because each is run through the batch-of-one graph on its own.
"""

import math
from collections.abc import Callable, Mapping

import torch
from torch.func import grad, vmap

from training_sandbox.graph.run import Forward
from training_sandbox.losses import LossFunction
from training_sandbox.noise import GRID
from training_sandbox.patients import Patients

Params = Mapping[str, torch.Tensor]
FLOAT32_SLACK = 1e-6
"""Relative error that a float32 gradient's norm may carry."""


def clipped_sum(
    forward: Forward, loss: LossFunction, params: Params, batch: Patients, clip: float, *, microbatch: int
) -> dict[str, torch.Tensor]:
    """Return the sum over patients of each patient's clipped gradient, in units of ``clip`` (float64, on the lattice).

    A patient's gradient is that of the mean loss of that patient's records. It is scaled to an L2 norm of at most
    ``clip`` over all parameters together; one that is not finite counts as zero, whatever made it so. Before summing
    it is rounded to multiples of ``GRID``, so the sum is exact, and the norm after rounding is still at most 1.
    """
    gradient = per_patient(forward, loss)
    total = {name: torch.zeros(value.shape, dtype=torch.float64) for name, value in params.items()}
    bound = target(params)
    for start in range(0, len(batch), microbatch):
        part = batch.take(torch.arange(start, min(start + microbatch, len(batch))))
        for name, value in _clip(gradient(params, part), clip, bound).items():
            total[name] += value.sum(0)
    return total


def per_patient(forward: Forward, loss: LossFunction) -> Callable[[Params, Patients], dict[str, torch.Tensor]]:
    """Return a function from (params, patients) to unclipped gradients, each (patients, *shape) float32."""

    def one_record(params: Params, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return loss(forward(params, x.unsqueeze(0)), y)

    def one_patient(params: Params, x: torch.Tensor, y: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        each = vmap(one_record, in_dims=(None, 0, 0), randomness="error")(params, x, y)
        return torch.where(w > 0, each * w, 0.0).sum()

    gradients = vmap(grad(one_patient), in_dims=(None, 0, 0, 0), randomness="error")

    def run(params: Params, batch: Patients) -> dict[str, torch.Tensor]:
        found: dict[str, torch.Tensor] = gradients(dict(params), batch.features, batch.labels, batch.weights)
        return found

    return run


def target(params: Params) -> float:
    """Return the norm to clip to, as a share of ``clip``: a little below 1, so that rounding cannot exceed 1.

    Rounding d numbers to a lattice moves a vector by at most GRID / 2 * sqrt(d).
    """
    size = sum(value.numel() for value in params.values())
    return 1 - FLOAT32_SLACK - GRID / 2 * math.sqrt(size)


def _clip(gradients: dict[str, torch.Tensor], clip: float, bound: float) -> dict[str, torch.Tensor]:
    exact = {name: value.double() for name, value in gradients.items()}
    norm = torch.stack([value.flatten(1).square().sum(1) for value in exact.values()]).sum(0).sqrt()
    finite = torch.isfinite(norm)
    factor = torch.where(finite, (bound / (norm / clip).clamp(min=1e-300)).clamp(max=bound) / clip, 0.0)
    clipped = {}
    for name, value in exact.items():
        shape = (-1, *(1,) * (value.dim() - 1))
        kept = torch.where(finite.view(shape), value, 0.0)  # before the product: 0 * nan is nan
        clipped[name] = torch.round(kept * (factor.view(shape) / GRID)) * GRID
    return clipped
