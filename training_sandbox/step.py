"""One private step: draw patients, sum their clipped gradients, add noise, divide by a public number."""

from collections.abc import Mapping
from typing import Protocol

import torch

from training_sandbox import noise, sampler
from training_sandbox.graph.run import Forward
from training_sandbox.losses import LossFunction
from training_sandbox.patients import Patients
from training_sandbox.plan import DEFAULT_SPEED, DPPlan, Speed
from training_sandbox.vectors import joined, named

Tensors = dict[str, torch.Tensor]
GRADIENT = "gradient"
"""The name under which a step's noise is drawn: one stream for all parameters, in the graph's order."""


class Prepare(Protocol):
    """(drawn patients, run key, step) -> the patients as the engine sees them; each patient by itself."""

    def __call__(self, batch: Patients, run_key: bytes, step: int) -> Patients: ...


class ClippedSum(Protocol):
    """An engine: the sum of clipped per-patient gradients, in units of ``clip``, on the noise lattice."""

    def __call__(
        self,
        forward: Forward,
        loss: LossFunction,
        params: Mapping[str, torch.Tensor],
        batch: Patients,
        clip: float,
        *,
        microbatch: int,
    ) -> Tensors: ...


def gradient(
    forward: Forward,
    loss: LossFunction,
    params: Mapping[str, torch.Tensor],
    table: Patients,
    plan: DPPlan,
    *,
    run_key: bytes,
    step: int,
    engine: ClippedSum,
    speed: Speed = DEFAULT_SPEED,
    prepare: Prepare | None = None,
) -> Tensors:
    """Return the private gradient of one step (float64). The last patient of ``table`` must be the empty one.

    Args:
        prepare: What is done to the drawn patients before the engine sees them: seeds of dropout, augmentation.
    """
    slots = torch.from_numpy(sampler.draw(plan, run_key, step)).to(table.weights.device)
    empty = len(table) - 1
    batch = table.take(torch.where((slots >= 0) & (slots < empty), slots, empty))
    if prepare is not None:
        batch = prepare(batch, run_key, step)
    total = engine(forward, loss, params, batch, plan.clip, microbatch=speed.microbatch)
    flat = joined(total.values())
    noisy = noise.add(flat, plan.noise_multiplier, run_key, step, GRADIENT).mul_(plan.clip / plan.expected_patients)
    return named(noisy, {name: value.shape for name, value in total.items()})
