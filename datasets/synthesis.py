"""A synthetic preview: rows that look like what a recipe gives a model, drawn from a charged model of the data.

The method is MST (McKenna, Miklau & Sheldon, "Winning the NIST Contest", arXiv 2108.04978) on the columns of one
recipe: noisy counts of each column; noisy scores of how far each pair is from independence; a spanning tree of the
strongest; noisy counts of the tree's pairs; then rows drawn along the tree. Three Gaussian mechanisms in all, each with
exact discrete noise. The columns' ranges are public (a recipe's bounds and vocabulary), and each patient gives one row.

Selection uses a Gaussian on all scores at once, where the paper uses the exponential mechanism: the ledger knows
Gaussians only. One patient changes each score by at most 1 and there is one for each pair.
"""

import itertools
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from datasets.discrete import Below, noisy
from datasets.ledger import Event
from datasets.recipes import Label
from policies.errors import BadInput

BINS = 8
"""Into how many equal parts a number in [-1, 1] is cut."""
MOST_COLUMNS = 64


@dataclass(frozen=True, slots=True)
class Noise:
    """How much noise each of the three measurements gets, over what one patient can change (L2)."""

    single: float = 20.0
    scores: float = 60.0
    pairs: float = 20.0

    def events(self) -> tuple[Event, ...]:
        """Return the mechanisms that a preview is charged as."""
        return tuple(Event("gaussian", 1.0, sigma, 1) for sigma in (self.single, self.scores, self.pairs))


@dataclass(frozen=True, slots=True)
class Column:
    """One column's public range.

    Attributes:
        name: The feature's, or ``label``.
        values: What its bins stand for: bin centres of a number, or the whole numbers themselves.
        whole: Whether it is written as a whole number.
    """

    name: str
    values: tuple[float, ...]
    whole: bool = False

    def bins(self, column: pl.Series) -> np.ndarray:
        """Return the bin of each value: the nearest."""
        centres = np.asarray(self.values)
        values = column.to_numpy().astype(float)
        nearest: np.ndarray = np.abs(values[:, None] - centres[None, :]).argmin(axis=1)
        return nearest


@dataclass(frozen=True, slots=True)
class Model:
    """What was released: a tree of noisy counts. Drawing from it costs nothing more.

    Attributes:
        columns: In order.
        single: For each column its noisy counts, none below 0.
        tree: Pairs of columns, each later one hanging on an earlier one.
        pairs: For each pair of the tree its noisy counts, none below 0.
    """

    columns: tuple[Column, ...]
    single: tuple[np.ndarray, ...] = field(repr=False)
    tree: tuple[tuple[int, int], ...]
    pairs: tuple[np.ndarray, ...] = field(repr=False)

    @property
    def rows(self) -> int:
        """The noisy number of patients."""
        return max(1, round(float(np.mean([counts.sum() for counts in self.single]))))

    def draw(self, rows: int, seed: int) -> pl.DataFrame:
        """Return so many synthetic rows; the same seed gives the same rows."""
        source = np.random.default_rng(seed)
        root = self.tree[0][0] if self.tree else 0
        drawn: dict[int, np.ndarray] = {
            root: source.choice(len(self.columns[root].values), rows, p=_share(self.single[root]))
        }
        for (parent, child), counts in zip(self.tree, self.pairs, strict=True):
            size = len(self.columns[child].values)
            bins = np.empty(rows, dtype=int)
            for value in range(counts.shape[0]):
                at = np.flatnonzero(drawn[parent] == value)
                row = counts[value] if counts[value].sum() > 0 else self.single[child]
                bins[at] = source.choice(size, at.size, p=_share(row))
            drawn[child] = bins
        values = (np.asarray(column.values)[drawn[place]] for place, column in enumerate(self.columns))
        frame = pl.DataFrame({column.name: bins for column, bins in zip(self.columns, values, strict=True)})
        return frame.with_columns(
            pl.col(column.name).cast(pl.Int64 if column.whole else pl.Float32) for column in self.columns
        )


def columns_of(
    frame: pl.DataFrame, names: Sequence[str], labels: Sequence[Column], binary: frozenset[str]
) -> tuple[Column, ...]:
    """Return the public ranges of a recipe's features and its label.

    Args:
        frame: Gives the names that are there, nothing else.
        names: Feature columns, in order.
        labels: The label's columns.
        binary: Features that are 0 or 1.

    Raises:
        BadInput: there are too many columns for a preview.
    """
    if len(names) > MOST_COLUMNS:
        raise BadInput(f"a preview has at most {MOST_COLUMNS} features")
    features = (
        Column(name, (0.0, 1.0) if name in binary else centres(-1.0, 1.0)) for name in names if name in frame.columns
    )
    return (*features, *labels)


def centres(low: float, high: float) -> tuple[float, ...]:
    """Return the centres of the equal parts into which the range of a number is cut.

    >>> centres(0.0, 8.0)[:3]
    (0.5, 1.5, 2.5)
    """
    return tuple(low + (high - low) * (2 * place + 1) / (2 * BINS) for place in range(BINS))


def label_columns(label: Label) -> tuple[Column, ...]:
    """Return the public ranges of a recipe's label."""
    if label.kind == "number":
        return (Column("label", centres(*label.bounds)),)
    sizes = {name: 2 if label.kind == "set" or name == "event" else len(label.names) for name in label.columns}
    return tuple(Column(name, tuple(map(float, range(size))), whole=True) for name, size in sizes.items())


def fit(frame: pl.DataFrame, columns: tuple[Column, ...], noise: Noise, below: Below) -> Model:
    """Return the charged model of a recipe's rows, one for each patient.

    Args:
        frame: Columns by name; each patient has at most one row, which the caller sees to.
        columns: Their public ranges.
        noise: Of the three measurements.
        below: Randomness.
    """
    bins = [column.bins(frame[column.name]) for column in columns]
    sizes = [len(column.values) for column in columns]
    width = math.sqrt(len(columns))
    single = []
    for place, size in enumerate(sizes):
        counts = np.bincount(bins[place], minlength=size)
        single.append(np.maximum(noisy(counts.tolist(), noise.single * width, below), 0).astype(float))
    tree = _tree(bins, sizes, single, noise, below)
    step = math.sqrt(max(1, len(tree)))
    pairs = []
    for parent, child in tree:
        counts = _joint(bins[parent], bins[child], sizes[parent], sizes[child])
        cells = noisy(counts.ravel().tolist(), noise.pairs * step, below)
        pairs.append(np.maximum(cells, 0).astype(float).reshape(counts.shape))
    return Model(columns, tuple(single), tuple(tree), tuple(pairs))


def one_row_each(frame: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Return one row of each patient, drawn at random, without the patient."""
    order = list(range(frame.height))
    random.Random(seed).shuffle(order)
    return frame[order].unique("patient", keep="first", maintain_order=True).drop("patient")


def _tree(
    bins: list[np.ndarray], sizes: list[int], single: list[np.ndarray], noise: Noise, below: Below
) -> list[tuple[int, int]]:
    """Return the maximum spanning tree of the noisy scores, as pairs in the order in which they are drawn."""
    couples = list(itertools.combinations(range(len(sizes)), 2))
    total = max(1.0, float(np.mean([counts.sum() for counts in single])))
    exact = [
        round(
            float(np.abs(_joint(bins[a], bins[b], sizes[a], sizes[b]) - np.outer(single[a], single[b]) / total).sum())
        )
        for a, b in couples
    ]
    # A score is rounded, so one patient moves it by at most 2 after rounding; that is what the noise is scaled by.
    scores = noisy(exact, noise.scores * 2 * math.sqrt(max(1, len(couples))), below)
    best = sorted(zip(scores, couples, strict=True), key=lambda one: -one[0])
    reached, tree = {0}, list[tuple[int, int]]()
    while len(reached) < len(sizes):
        a, b = next(pair for _, pair in best if (pair[0] in reached) != (pair[1] in reached))
        parent, child = (a, b) if a in reached else (b, a)
        tree.append((parent, child))
        reached.add(child)
    return tree


def _joint(a: np.ndarray, b: np.ndarray, rows: int, columns: int) -> np.ndarray:
    return np.bincount(a * columns + b, minlength=rows * columns).reshape(rows, columns)


def _share(counts: np.ndarray) -> np.ndarray:
    total = counts.sum()
    return counts / total if total > 0 else np.full(counts.shape, 1 / counts.size)
