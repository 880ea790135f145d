"""One private step: draw patients, sum their clipped gradients, add noise, divide by a public number."""

from collections.abc import Mapping
from typing import Protocol

import torch

from training_sandbox import noise, sampler
from training_sandbox.graph.run import Forward
from training_sandbox.losses import LossFunction
from training_sandbox.patients import Patients
from training_sandbox.plan import DEFAULT_SPEED, DPPlan, Speed

Tensors = dict[str, torch.Tensor]


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
) -> Tensors:
    """Return the private gradient of one step (float64). The last patient of ``table`` must be the empty one."""
    slots = torch.from_numpy(sampler.draw(plan, run_key, step))
    empty = len(table) - 1
    batch = table.take(torch.where((slots >= 0) & (slots < empty), slots, empty))
    total = engine(forward, loss, params, batch, plan.clip, microbatch=speed.microbatch)
    scale = plan.clip / plan.expected_patients
    return {name: noise.add(value, plan.noise_multiplier, run_key, step, name) * scale for name, value in total.items()}
