"""Random flips and shifts of images: several versions of each record, all in the mean of their patient.

Because the mean over versions is taken inside the patient's gradient, before clipping, they cost no privacy.

Source: De et al. 2022, "Unlocking high-accuracy differentially private image classification through scale", section
3.2 (augmentation multiplicity).
"""

import torch

from training_sandbox.noise import words
from training_sandbox.patients import Patients

SHIFT = 4
"""Pixels that an image moves at most, in each direction; fewer where it has fewer than 16."""


def augment(batch: Patients, count: int, run_key: bytes, step: int) -> Patients:
    """Return the patients with ``count`` versions of each record, its weight shared among them.

    Args:
        batch: Features of shape (patients, records, channels, height, width).
    """
    patients, records = batch.weights.shape
    height, width = batch.features.shape[-2:]
    total = patients * records * count
    drawn = torch.from_numpy(words(run_key, "augment", step, "", total).astype("int64") & 0xFFFFFF)
    drawn = drawn.to(batch.features.device)
    many = batch.features.repeat_interleave(count, 1).flatten(0, 1)
    across = _moved(width, drawn & 0xFFF, flipped=(drawn >> 23) == 1)
    down = _moved(height, drawn >> 12 & 0x7FF, flipped=torch.zeros_like(drawn, dtype=torch.bool))
    shape = many.shape
    many = many.gather(-1, across[:, None, None, :].expand(*shape[:-1], width))
    many = many.gather(-2, down[:, None, :, None].expand(*shape[:-2], height, width))
    seeds = None if batch.seeds is None else batch.seeds.repeat_interleave(count, 1)
    return Patients(
        many.reshape(patients, records * count, *shape[1:]),
        batch.labels.repeat_interleave(count, 1),
        batch.weights.repeat_interleave(count, 1) / count,
        seeds,
    )


def _moved(size: int, drawn: torch.Tensor, *, flipped: torch.Tensor) -> torch.Tensor:
    """Return (images, size) int64: where each pixel comes from; the edge is repeated."""
    most = min(SHIFT, size // 4)
    moved = torch.arange(size, device=drawn.device) + (drawn % (2 * most + 1) - most).unsqueeze(1)
    inside = moved.clamp(0, size - 1)
    return torch.where(flipped.unsqueeze(1), size - 1 - inside, inside)
