"""Several devices on one step: each process takes a share of the drawn patients, the sums are added up.

Every share is rounded to the noise's lattice, so the sum in float64 is exact: it depends neither on the order in which
processes answer nor, beyond the rounding of each share, on how many there are. All draw the same patients and the same
noise from the run's key, so their parameters stay equal to the bit without being sent.
"""

from collections.abc import Mapping
from typing import Any

import torch
import torch.distributed as dist

from training_sandbox.graph.run import Forward
from training_sandbox.losses import LossFunction
from training_sandbox.patients import Patients
from training_sandbox.step import ClippedSum


class Shared:
    """An engine over the processes of a group; each has the same data, key and engine."""

    def __init__(self, engine: ClippedSum, group: Any = None) -> None:
        self._engine, self._group = engine, group
        self.bound: float = getattr(engine, "bound", 1.0)

    def __call__(
        self,
        forward: Forward,
        loss: LossFunction,
        params: Mapping[str, torch.Tensor],
        batch: Patients,
        clip: float,
        *,
        microbatch: int,
    ) -> dict[str, torch.Tensor]:
        """Return the sum over the whole batch; this process computes every n-th patient's part."""
        rank, count = dist.get_rank(self._group), dist.get_world_size(self._group)
        own = batch.take(torch.arange(rank, len(batch), count, device=batch.features.device))
        found = self._engine(forward, loss, params, own, clip, microbatch=microbatch)
        flat = torch.cat([value.flatten() for value in found.values()])
        dist.all_reduce(flat, group=self._group)
        parts = torch.split(flat, [value.numel() for value in found.values()])
        return {name: part.view(found[name].shape) for name, part in zip(found, parts, strict=True)}
