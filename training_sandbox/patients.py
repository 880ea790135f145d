"""Records grouped by patient, in the static layout that training uses: (patients, records of a patient, features)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import torch

from policies.errors import BadInput
from training_sandbox.settings import Task


@dataclass(frozen=True, slots=True)
class Patients:
    """The records of some patients, padded to the same number of records each.

    Attributes:
        features: (patients, records, features) float32.
        labels: (patients, records) int64, all in [0, classes); other tasks have (patients, records, *label), see
            ``settings.Task``.
        weights: (patients, records) float32: 1 / (records of this patient), 0 where padding.
        seeds: (patients, records) int64: what each record's dropout is drawn from; None drops nothing.
        sites: (patients,) int64: the hospital of each patient; None where the table does not say.
    """

    features: torch.Tensor
    labels: torch.Tensor
    weights: torch.Tensor
    seeds: torch.Tensor | None = None
    sites: torch.Tensor | None = None

    def __len__(self) -> int:
        return int(self.features.shape[0])

    def __repr__(self) -> str:
        return "Patients(...)"  # neither a record nor a count

    def to(self, device: torch.device) -> "Patients":
        """Return the patients on a device."""
        seeds = None if self.seeds is None else self.seeds.to(device)
        return Patients(self.features.to(device), self.labels.to(device), self.weights.to(device), seeds)

    def take(self, index: torch.Tensor) -> "Patients":
        """Return the patients at ``index`` (int64), in that order."""
        seeds = None if self.seeds is None else self.seeds[index]
        return Patients(self.features[index], self.labels[index], self.weights[index], seeds)


def gather(
    frame: pl.DataFrame,
    features: Sequence[str],
    *,
    records_per_patient: int,
    classes: int = 2,
    task: Task | None = None,
) -> Patients:
    """Return the patients of ``frame``, ordered by the column ``patient``.

    Columns: ``patient``, the named features (any number type), the label columns of the task (``label``; see
    ``Task.columns``) and perhaps ``site``, the same in all records of a patient. Of each patient the first
    ``records_per_patient`` records are kept. A record whose label is not one of the task's is left out like padding:
    what is wrong with one patient's records changes what that patient contributes, nothing else. A regression's target
    is moved to [-1, 1] by the task's public bounds.

    Args:
        task: Classification into ``classes`` classes where None.

    Raises:
        BadInput: a column is missing.
    """
    task = task or Task(kind="multi-class", classes=classes)
    missing = [name for name in ("patient", *features, *task.columns) if name not in frame.columns]
    if missing:
        raise BadInput(f"the training table lacks {len(missing)} of its columns, the first is {missing[0]!r}")
    ordered = frame.sort("patient", maintain_order=True)
    groups = ordered["patient"].rle_id().to_numpy().astype(np.int64)
    x = ordered.select(pl.col(name).cast(pl.Float32) for name in features).to_numpy()
    y, valid = _labels(ordered, task)
    count = int(groups[-1]) + 1 if len(groups) else 0
    starts = np.searchsorted(groups, np.arange(count))
    rank = np.arange(len(groups)) - starts[groups]
    kept = (rank < records_per_patient) & valid
    shape = (count, records_per_patient)
    out_x, out_y = np.zeros((*shape, len(features)), np.float32), np.zeros((*shape, *task.label), y.dtype)
    present = np.zeros(shape, np.float32)
    out_x[groups[kept], rank[kept]] = x[kept]
    out_y[groups[kept], rank[kept]] = y[kept]
    present[groups[kept], rank[kept]] = 1
    weights = present / np.maximum(present.sum(1, keepdims=True), 1)
    sites = torch.from_numpy(ordered["site"].to_numpy()[starts].astype(np.int64)) if "site" in ordered.columns else None
    return Patients(torch.from_numpy(out_x), torch.from_numpy(out_y), torch.from_numpy(weights), sites=sites)


def _labels(frame: pl.DataFrame, task: Task) -> tuple[np.ndarray, np.ndarray]:
    """Return (records, *label) labels, and which of them are labels of the task."""
    if task.kind == "regression":
        target = frame["label"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
        share = (np.nan_to_num(target) - task.lower) / (task.upper - task.lower)
        return (2 * share.clip(0, 1) - 1).astype(np.float32), np.isfinite(target)
    columns = frame.select(pl.col(name).cast(pl.Int64).fill_null(-1) for name in task.columns).to_numpy()
    high = np.array([task.classes, 2]) if task.kind == "survival" else 2 if task.kind == "multi-label" else task.classes
    valid = np.asarray(((columns >= 0) & (columns < high)).all(1))
    return (columns if task.label else columns[:, 0]).astype(np.int64), valid
