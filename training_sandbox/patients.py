"""Records grouped by patient, in the static layout that training uses: (patients, records of a patient, features)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import torch

from policies.errors import BadInput


@dataclass(frozen=True, slots=True)
class Patients:
    """The records of some patients, padded to the same number of records each.

    Attributes:
        features: (patients, records, features) float32.
        labels: (patients, records) int64, all in [0, classes).
        weights: (patients, records) float32: 1 / (records of this patient), 0 where padding.
    """

    features: torch.Tensor
    labels: torch.Tensor
    weights: torch.Tensor

    def __len__(self) -> int:
        return int(self.features.shape[0])

    def __repr__(self) -> str:
        return "Patients(...)"  # neither a record nor a count

    def take(self, index: torch.Tensor) -> "Patients":
        """Return the patients at ``index`` (int64), in that order."""
        return Patients(self.features[index], self.labels[index], self.weights[index])


def gather(frame: pl.DataFrame, features: Sequence[str], *, classes: int, records_per_patient: int) -> Patients:
    """Return the patients of ``frame``, ordered by the column ``patient``.

    Columns: ``patient``, the named features (any number type) and ``label``. Of each patient the first
    ``records_per_patient`` records are kept. A record whose label is not in [0, classes) is left out like
    padding: what is wrong with one patient's records changes what that patient contributes, nothing else.

    Raises:
        BadInput: a column is missing.
    """
    missing = [name for name in ("patient", *features, "label") if name not in frame.columns]
    if missing:
        raise BadInput(f"the training table lacks {len(missing)} of its columns, the first is {missing[0]!r}")
    ordered = frame.sort("patient", maintain_order=True)
    groups = ordered["patient"].rle_id().to_numpy().astype(np.int64)
    x = ordered.select(pl.col(name).cast(pl.Float32) for name in features).to_numpy()
    y = ordered["label"].cast(pl.Int64).fill_null(-1).to_numpy()
    count = int(groups[-1]) + 1 if len(groups) else 0
    starts = np.searchsorted(groups, np.arange(count))
    rank = np.arange(len(groups)) - starts[groups]
    kept = (rank < records_per_patient) & (y >= 0) & (y < classes)
    shape = (count, records_per_patient)
    out_x, out_y = np.zeros((*shape, len(features)), np.float32), np.zeros(shape, np.int64)
    present = np.zeros(shape, np.float32)
    out_x[groups[kept], rank[kept]] = x[kept]
    out_y[groups[kept], rank[kept]] = y[kept]
    present[groups[kept], rank[kept]] = 1
    weights = present / np.maximum(present.sum(1, keepdims=True), 1)
    return Patients(torch.from_numpy(out_x), torch.from_numpy(out_y), torch.from_numpy(weights))
