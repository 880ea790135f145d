"""One row for each patient, with declared bounds: what every algorithm but the graph trainer learns from."""

from dataclasses import dataclass

import numpy as np
import torch

from policies.errors import Misuse
from training_sandbox.patients import Patients


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of some patients, one each.

    Attributes:
        x: (patients, features) float64, each value in [-1, 1].
        y: (patients,) int64 labels in [0, classes); float64 in [-1, 1] where ``classes`` is 1: a real value.
        classes: How many labels there are. Public.
        site: (patients,) int64, the hospital of each patient; public, and nobody has two.
    """

    x: np.ndarray
    y: np.ndarray
    classes: int
    site: np.ndarray

    def __post_init__(self) -> None:
        if self.x.ndim != 2 or len(self.x) != len(self.y) or len(self.x) != len(self.site):
            raise Misuse("an algorithm needs one row, one label and one site for each patient")

    def __len__(self) -> int:
        return len(self.x)

    def __repr__(self) -> str:
        return "Rows(...)"  # neither a value nor a count


def rows(x: np.ndarray, y: np.ndarray, classes: int, site: np.ndarray | None = None) -> Rows:
    """Return rows cut to their declared bounds: what is not finite counts as 0, labels out of range as 0."""
    inside = np.clip(np.nan_to_num(np.asarray(x, np.float64), nan=0.0, posinf=1.0, neginf=-1.0), -1, 1)
    if classes == 1:
        labels = np.clip(np.nan_to_num(np.asarray(y, np.float64)), -1, 1)
    else:
        labels = np.asarray(y, np.int64)
        labels = np.where((labels >= 0) & (labels < classes), labels, 0)
    where = np.zeros(len(labels), np.int64) if site is None else np.asarray(site, np.int64)
    return Rows(inside, labels, classes, where)


def scaled(values: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return ``values`` (patients, features) with the declared bounds [low, high] of each feature moved to [-1, 1].

    >>> scaled(np.array([[0.0], [5.0], [99.0]]), np.array([0.0]), np.array([10.0])).ravel().tolist()
    [-1.0, 0.0, 1.0]
    """
    if not (np.isfinite(low).all() and np.isfinite(high).all() and (high > low).all()):
        raise Misuse("the declared bounds of a feature are two finite numbers, the lower one first")
    moved: np.ndarray = np.clip(2 * (np.asarray(values, np.float64) - low) / (high - low) - 1, -1, 1)
    return moved


def one_each(patients: Patients, classes: int) -> Rows:
    """Return the rows of patients of whom one record each was kept; a patient without a labelled record gives none.

    A label of several numbers is for algorithms that look at no label: their rows have label 0.

    Raises:
        Misuse: more than one record of a patient was kept.
    """
    if patients.labels.shape[1] != 1:
        raise Misuse("this algorithm learns from one record of each patient: plan with records_per_patient 1")
    here = (patients.weights[:, 0] > 0).numpy()
    where = None if patients.sites is None else patients.sites.numpy()[here]
    labels = patients.labels[:, 0] if patients.labels.dim() == 2 else torch.zeros(len(patients), dtype=torch.int64)
    return rows(patients.features[:, 0].flatten(1).numpy()[here], labels.numpy()[here], classes, where)
