"""Poisson sampling of patients. It sees the plan and the key, never the data, so neither does what it decides."""

import numpy as np

from training_sandbox.noise import words
from training_sandbox.plan import DPPlan

EMPTY = -1
"""What pads a batch to the cap."""


def draw(plan: DPPlan, run_key: bytes, step: int) -> np.ndarray:
    """Return the slots of step ``step``: (cap,) int64, each in [0, public patients), the rest :data:`EMPTY`.

    Each of the ``public_patients`` slots enters independently with probability ``sampling_rate`` (rounded down to a
    multiple of 2^-64). Of a draw larger than the cap a uniformly random subset is kept: given that a slot's word
    lies below the threshold it is uniform there, so the ``cap`` smallest words are such a subset. Slots without a
    patient are drawn like the others.
    """
    batch = np.full(plan.cap, EMPTY, np.int64)
    if plan.sampling_rate == 1:
        batch[:] = np.arange(plan.cap)
        return batch
    slots = words(run_key, "sample", step, "", plan.public_patients)
    chosen = np.flatnonzero(slots < np.uint64(int(plan.sampling_rate * 2**64)))
    if len(chosen) > plan.cap:
        chosen = np.sort(chosen[np.argsort(slots[chosen], kind="stable")[: plan.cap]])
    batch[: len(chosen)] = chosen
    return batch
