"""What one backward pass leaves of a batch in a static layout, and the form in which norms and sums are had of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch


@dataclass(frozen=True, slots=True)
class Layout:
    """Static sizes of a batch: rows (records), patient slots, records of one patient at most."""

    rows: int
    patients: int
    records: int

    @property
    def whole(self) -> bool:
        """Return whether every patient has as many rows as it may have records."""
        return self.rows == self.patients * self.records

    @property
    def units(self) -> int:
        """Return how many things norms are taken of: patients where they are :attr:`whole`, else rows."""
        return self.patients if self.whole else self.rows


@dataclass(frozen=True, slots=True)
class Factors:
    """What every patient's gradient is multiplied by, and whether it is finite; by patient, by row and by unit."""

    patients: torch.Tensor
    patients_finite: torch.Tensor
    rows: torch.Tensor
    rows_finite: torch.Tensor
    whole: bool

    @property
    def units(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return (factor, finite) of each of the layout's units."""
        return (self.patients, self.patients_finite) if self.whole else (self.rows, self.rows_finite)


Weighted = Callable[[Factors], torch.Tensor]


@dataclass(frozen=True, slots=True)
class Heard:
    """What one backward pass leaves: inputs and output gradients of every tap, and which patient a row belongs to."""

    layout: Layout
    tape: Sequence[torch.Tensor]
    back: Sequence[torch.Tensor]
    patient: torch.Tensor

    def by_unit(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the sum over each unit's rows."""
        units = self.layout.units
        return rows if len(rows) == units else rows.reshape(units, -1, *rows.shape[1:]).sum(1)

    def by_patient(self, units: torch.Tensor) -> torch.Tensor:
        """Return the sum over each patient's units; not by a matrix product, in which 0 * nan is nan."""
        if self.layout.whole:
            return units
        total = units.new_zeros((self.layout.patients + 1, *units.shape[1:]))
        return total.index_add(0, self.patient, units)[: self.layout.patients]

    def band(self, pairs: Sequence["Pairs"]) -> torch.Tensor:
        """Return, by patient, the sum of all ``pairs`` over all pairs of the patient's units."""
        first = sum_of([each(0) for each in pairs])
        if self.layout.whole:
            return first
        total = first.new_zeros(self.layout.patients + 1).index_add(0, self.patient, first)
        for distance in range(1, self.layout.records):
            left, right = self.patient[: -distance or None], self.patient[distance:]
            found = sum_of([each(distance) for each in pairs])
            total = total.index_add(0, left, torch.where(left == right, 2 * found, 0.0))
        return total[: self.layout.patients]


Pairs = Callable[[int], torch.Tensor]
"""Distance d -> (units - d,): the product of the gradients of unit r and unit r + d."""


@dataclass(frozen=True, slots=True)
class Norm:
    """The squared norms of one parameter's gradients: by patient, or as pairs of units; and the weighted sum."""

    weighted: Weighted
    patients: torch.Tensor | None = None
    pairs: Pairs | None = None


def sum_of(values: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return the sum of one or more tensors."""
    total = values[0]
    for value in values[1:]:
        total = total + value
    return total


def dense(heard: Heard, gradient: torch.Tensor) -> Norm:
    """Return the norm of gradients that exist, (rows, *shape)."""
    each = heard.by_patient(heard.by_unit(gradient.float().flatten(1)))
    return Norm(lambda f: f.patients @ finite(each, f.patients_finite), patients=squares(each))


def squares(each: torch.Tensor) -> torch.Tensor:
    """Return the squared norm of each row, in one pass."""
    norm: torch.Tensor = torch.linalg.vector_norm(each, dim=1)
    return norm.square()


def finite(value: torch.Tensor, which: torch.Tensor) -> torch.Tensor:
    """Return the value with what is not finite zeroed, before any product: 0 * nan is nan."""
    return torch.where(along(which, value), value, 0.0)


def scaled(value: torch.Tensor, f: Factors) -> torch.Tensor:
    """Return the units of a value times their factors."""
    factor, which = f.units
    return finite(value, which) * along(factor, value)


def scaled_rows(value: torch.Tensor, f: Factors) -> torch.Tensor:
    """Return the rows of a value times their factors."""
    return finite(value, f.rows_finite) * along(f.rows, value)


def along(factor: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """Return one number for each first index of ``value``, in a shape that multiplies it."""
    return factor.view(-1, *[1] * (value.dim() - 1))
