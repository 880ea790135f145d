"""The slow engine: per-patient gradients by ``vmap(grad)`` over a graph that sees one record at a time.

Records cannot mix, because each is run through the batch-of-one graph on its own. Every gradient is formed: an oracle
for the other engines, and what trains a graph that they cannot.
"""

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch.func import grad, vmap

from training_sandbox.graph.run import Forward
from training_sandbox.losses import LossFunction
from training_sandbox.noise import GRID
from training_sandbox.patients import Patients

Params = Mapping[str, torch.Tensor]
GAMMA = 0.01
"""The stability constant of automatic clipping (Bu et al. 2023, AUTO-S)."""

FLOAT32_SLACK = 1e-6
"""Relative error that a float32 gradient's norm may carry."""


def clipped_sum(
    forward: Forward,
    loss: LossFunction,
    params: Params,
    batch: Patients,
    clip: float,
    *,
    microbatch: int,
    trained: Sequence[str] | None = None,
    automatic: bool = False,
) -> dict[str, torch.Tensor]:
    """Return the sum over patients of each patient's clipped gradient, in units of ``clip`` (float64, on the lattice).

    A patient's gradient is that of the mean loss of that patient's records. It is scaled to an L2 norm of at most
    ``clip`` over all parameters together; one that is not finite counts as zero, whatever made it so. Before summing
    it is rounded to multiples of ``GRID``, so the sum is exact, and the norm after rounding is still at most 1.

    Args:
        trained: The parameters that are trained; all where None.
        automatic: Automatic clipping, see ``plain.loop_sum``.
    """
    names = tuple(params) if trained is None else tuple(trained)
    gradient = per_patient(forward, loss, names)
    device = batch.features.device
    total = {name: torch.zeros(params[name].shape, dtype=torch.float64, device=device) for name in names}
    bound = target({name: params[name] for name in names})
    for start in range(0, len(batch), microbatch):
        part = batch.take(torch.arange(start, min(start + microbatch, len(batch)), device=device))
        for name, value in _clip(gradient(params, part), clip, bound, automatic=automatic).items():
            total[name] += value.sum(0)
    return total


def per_patient(
    forward: Forward, loss: LossFunction, trained: Sequence[str] | None = None
) -> Callable[[Params, Patients], dict[str, torch.Tensor]]:
    """Return a function from (params, patients) to unclipped gradients, each (patients, *shape) float32."""

    def one_record(
        own: Params, fixed: Params, x: torch.Tensor, y: torch.Tensor, seed: torch.Tensor | None
    ) -> torch.Tensor:
        return loss(forward({**fixed, **own}, x.unsqueeze(0), seed), y)

    def one_patient(
        own: Params, fixed: Params, x: torch.Tensor, y: torch.Tensor, w: torch.Tensor, seeds: torch.Tensor | None
    ) -> torch.Tensor:
        dims = (None, None, 0, 0, None if seeds is None else 0)
        each = vmap(one_record, in_dims=dims, randomness="error")(own, fixed, x, y, seeds)
        return torch.where(w > 0, each * w, 0.0).sum()

    def run(params: Params, batch: Patients) -> dict[str, torch.Tensor]:
        own = {name: params[name] for name in (params if trained is None else trained)}
        fixed = {name: value for name, value in params.items() if name not in own}
        dims = (None, None, 0, 0, 0, None if batch.seeds is None else 0)
        gradients = vmap(grad(one_patient), in_dims=dims, randomness="error")
        found: dict[str, torch.Tensor] = gradients(own, fixed, batch.features, batch.labels, batch.weights, batch.seeds)
        return found

    return run


def target(params: Params) -> float:
    """Return the norm to clip to, as a share of ``clip``: a little below 1, so that rounding cannot exceed 1.

    Rounding d numbers to a lattice moves a vector by at most GRID / 2 * sqrt(d).
    """
    size = sum(value.numel() for value in params.values())
    return 1 - FLOAT32_SLACK - GRID / 2 * math.sqrt(size)


def _clip(
    gradients: dict[str, torch.Tensor], clip: float, bound: float, *, automatic: bool = False
) -> dict[str, torch.Tensor]:
    exact = {name: value.double() for name, value in gradients.items()}
    norm = torch.stack([value.flatten(1).square().sum(1) for value in exact.values()]).sum(0).sqrt()
    finite = torch.isfinite(norm)
    if automatic:
        factor = torch.where(finite, bound / (norm + GAMMA), 0.0)
    else:
        factor = torch.where(finite, (bound / norm.clamp(min=1e-300)).clamp(max=1 / clip), 0.0)
    clipped = {}
    for name, value in exact.items():
        shape = (-1, *(1,) * (value.dim() - 1))
        kept = torch.where(finite.view(shape), value, 0.0)  # before the product: 0 * nan is nan
        clipped[name] = torch.round(kept * (factor.view(shape) / GRID)) * GRID
    return clipped
