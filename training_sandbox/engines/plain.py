"""The non-private baseline and the slow oracle: ordinary gradients of the same graph."""

from collections.abc import Mapping, Sequence

import torch
from torch.func import grad, vmap

from training_sandbox.graph.run import Forward
from training_sandbox.losses import LossFunction
from training_sandbox.patients import Patients

Params = Mapping[str, torch.Tensor]


def mean_gradient(
    forward: Forward, loss: LossFunction, params: Params, batch: Patients, trained: Sequence[str] | None = None
) -> dict[str, torch.Tensor]:
    """Return the gradient of the mean loss over patients, each patient the mean of its records. NOT private."""
    names = tuple(params) if trained is None else tuple(trained)
    x, y, weights = (value.flatten(0, 1) for value in (batch.features, batch.labels, batch.weights))
    seeds = None if batch.seeds is None else batch.seeds.flatten()

    def mean(own: Params) -> torch.Tensor:
        every = {**params, **own}
        dims = (0, 0, None if seeds is None else 0)
        each = vmap(lambda a, b, s: loss(forward(every, a.unsqueeze(0), s), b), in_dims=dims)(x, y, seeds)
        return (each * weights).sum() / max(len(batch), 1)

    found: dict[str, torch.Tensor] = grad(mean)({name: params[name] for name in names})
    return {name: value.double() for name, value in found.items()}


def loop_sum(
    forward: Forward,
    loss: LossFunction,
    params: Params,
    batch: Patients,
    clip: float,
    *,
    trained: Sequence[str] | None = None,
    bound: float = 1.0,
    automatic: bool = False,
) -> dict[str, torch.Tensor]:
    """Return the sum of clipped per-patient gradients by a plain loop and autograd, in units of ``clip``.

    The oracle that engines are compared with: one patient, one record at a time, no vmap, no rounding.

    Args:
        trained: The parameters that are trained; all where None.
        bound: Share of ``clip`` to clip to.
        automatic: Automatic clipping (Bu et al. 2023, AUTO-S): norm / (norm + 0.01) instead of min(norm, clip).
    """
    names = tuple(params) if trained is None else tuple(trained)
    total = {name: torch.zeros(params[name].shape, dtype=torch.float64) for name in names}
    for i in range(len(batch)):
        x, y, w = batch.features[i], batch.labels[i], batch.weights[i]
        leaves = {name: params[name].clone().requires_grad_() for name in names}
        every = {**params, **leaves}
        seeds = [None] * len(y) if batch.seeds is None else list(batch.seeds[i])
        losses = [loss(forward(every, x[r : r + 1], seeds[r]), y[r]) * w[r] for r in range(len(y)) if w[r] > 0]
        if not losses:
            continue
        found = torch.autograd.grad(torch.stack(losses).sum(), list(leaves.values()), allow_unused=True)
        flat = [torch.zeros_like(v) if g is None else g for g, v in zip(found, leaves.values(), strict=True)]
        norm = float(torch.cat([g.double().flatten() for g in flat]).norm())
        if norm < float("inf"):
            for name, g in zip(leaves, flat, strict=True):
                share = 1 / (norm + 0.01) if automatic else min(1.0 / clip, bound / max(norm, 1e-300))
                total[name] += (g.double() * (bound * share if automatic else share)).cpu()
    return total
