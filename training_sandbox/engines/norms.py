"""Norms of per-patient gradients, and their weighted sum, from what went into a node and what came back.

A patient's records and their positions form one sequence (a_s, g_s); the gradient of a matrix is sum_s g_s a_s^T.

    ghost      |sum_s g_s a_s^T|^2 = sum_{s,t} (a_s . a_t)(g_s . g_t): Gram matrices, no gradient is formed
    product    the gradients themselves, by one batched product; kept, for the weighted sum needs them again
    grouped    the same for a convolution, as one convolution with a group for each record

Records of one patient lie next to each other, at most ``records`` of them, so a Gram matrix over a patient is the band
of pairs at distance 0 .. records - 1: record r is compared with r + d, twice for d > 0.

Source: Goodfellow 2015 (arXiv:1510.01799); Bu et al. 2023, "Differentially private optimization on large model at small
cost", sections 3 and 4 (book-keeping); the band over patients is our own.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F  # noqa: N812  # as torch's own documentation writes it
from torch.func import vmap

from training_sandbox.engines.rules import CLASS, Normaliser, Window
from training_sandbox.engines.uses import Site, Use

Kernel = Literal["ghost", "product", "grouped", "only"]
_BACKWARD = torch.ops.aten.convolution_backward.default


@dataclass(frozen=True, slots=True)
class Layout:
    """Static sizes of a batch: rows (records), patient slots, records of one patient at most."""

    rows: int
    patients: int
    records: int


@dataclass(frozen=True, slots=True)
class Factors:
    """What every patient's gradient is multiplied by, and whether it is finite; by patient and by row."""

    patients: torch.Tensor
    patients_finite: torch.Tensor
    rows: torch.Tensor
    rows_finite: torch.Tensor


Weighted = Callable[[Factors], torch.Tensor]


@dataclass(frozen=True, slots=True)
class Heard:
    """What one backward pass leaves: inputs and output gradients of every tap, and which patient a row belongs to."""

    layout: Layout
    tape: Sequence[torch.Tensor]
    back: Sequence[torch.Tensor]
    patient: torch.Tensor

    def by_patient(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the sum over each patient's rows; not by a matrix product, in which 0 * nan is nan."""
        if self.layout.records == 1:
            return rows
        total = rows.new_zeros((self.layout.patients + 1, *rows.shape[1:]))
        return total.index_add(0, self.patient, rows)[: self.layout.patients]

    def band(self, pairs: Sequence["Pairs"]) -> torch.Tensor:
        """Return, by patient, the sum of all ``pairs`` over all pairs of the patient's rows."""
        first = sum_of([each(0) for each in pairs])
        if self.layout.records == 1:
            return first
        total = first.new_zeros(self.layout.patients + 1).index_add(0, self.patient, first)
        for distance in range(1, self.layout.records):
            left, right = self.patient[: -distance or None], self.patient[distance:]
            found = sum_of([each(distance) for each in pairs])
            total = total.index_add(0, left, torch.where(left == right, 2 * found, 0.0))
        return total[: self.layout.patients]


Pairs = Callable[[int], torch.Tensor]
"""Distance d -> (rows - d,): the product of the gradients of row r and row r + d."""


@dataclass(frozen=True, slots=True)
class Norm:
    """The squared norms of one parameter's gradients: by patient, or as pairs of rows; and the weighted sum."""

    weighted: Weighted
    patients: torch.Tensor | None = None
    pairs: Pairs | None = None


def sum_of(values: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return the sum of one or more tensors."""
    total = values[0]
    for value in values[1:]:
        total = total + value
    return total


def companion(uses: Mapping[str, Sequence[Use]], kernels: Mapping[str, Kernel]) -> dict[str, str]:
    """Return bias -> matrix for biases whose norm the Gram matrices of their matrix hold already."""
    matrices = {
        of[0].site: name
        for name, of in uses.items()
        if len(of) == 1 and of[0].kind == "matrix" and not of[0].meta and kernels[name] == "ghost"
    }
    return {
        name: matrices[of[0].site]
        for name, of in uses.items()
        if len(of) == 1 and of[0].kind == "shift" and of[0].meta == -1 and of[0].site in matrices
    }


def kernels(uses: Sequence[Use]) -> tuple[Kernel, ...]:
    """Return the ways in which the norm of a parameter with these uses can be had."""
    if CLASS[uses[0].kind] != "matrix":
        return ("only",)
    return ("ghost", "product", "grouped") if _is_one_convolution(uses) else ("ghost", "product")


def sizes(uses: Sequence[Use], sites: Sequence[Site]) -> tuple[int, int, int]:
    """Return (positions, outputs, inputs) of a matrix over all of its uses, for one record."""
    positions = outputs = inputs = 0
    for use in uses:
        site = sites[use.site]
        if use.kind == "matrix":
            outputs, inputs = site.output[-1], site.inside[-1]
            positions += math.prod(site.output) // max(1, outputs)
        else:
            window: Window = use.meta
            outputs = site.output[1] // window.groups
            inputs = site.inside[1] // window.groups * math.prod(window.kernel)
            positions += math.prod(site.output[2:])
    return positions, outputs, inputs


def guess(uses: Sequence[Use], sites: Sequence[Site], records: int) -> Kernel:
    """Return the kernel that a count of operations favours; for large nodes it is timed instead."""
    if CLASS[uses[0].kind] != "matrix":
        return "only"
    s, o, i = sizes(uses, sites)
    return "ghost" if records * s * s * (o + i + 16) < s * o * i + 16 * o * i else "product"


def dense(heard: Heard, gradient: torch.Tensor) -> Norm:
    """Return the norm of gradients that exist, (rows, *shape)."""
    each = heard.by_patient(gradient.float().flatten(1))
    return Norm(lambda f: f.patients @ _finite(each, f.patients_finite), patients=each.square().sum(1))


def squared(uses: Sequence[Use], kernel: Kernel, heard: Heard, parameter: torch.Tensor, *, bias: bool = False) -> Norm:
    """Return the norm of one parameter's gradients, by ``kernel``; with that of the node's bias where ``bias``."""
    kind = CLASS[uses[0].kind]
    if kind == "vector":
        return dense(heard, sum_of([_vector(use, heard, parameter) for use in uses]))
    if kind == "rows":
        return _rows(uses, heard, parameter)
    if kernel == "grouped":
        return dense(heard, _grouped(uses[0], heard, parameter))
    left, right = _sequences(uses, heard)
    if kernel == "product":
        return dense(heard, (left.mT @ right).flatten(1))
    pairs = _pairs(left, right, heard.layout.rows, bias=bias)
    weighted = _convolved(uses[0], heard, parameter) if _is_one_convolution(uses) else _multiplied(left, right)
    return Norm(weighted, pairs=pairs)


def bias_sum(use: Use, heard: Heard) -> Weighted:
    """Return the weighted sum of a bias whose norm its matrix has."""
    back = heard.back[use.site].float()
    return lambda f: _scaled(back, f).reshape(-1, back.shape[-1]).sum(0)


def _pairs(left: torch.Tensor, right: torch.Tensor, rows: int, *, bias: bool) -> Pairs:
    """A bias is a further input that is always 1: it adds 1 to each product of inputs."""
    if left.shape[1] * left.shape[2] == 1:  # one position: two dot products, no Gram matrix
        flat_left, flat_right = left.reshape(rows, -1), right.reshape(rows, -1)

        def dots(value: torch.Tensor, distance: int) -> torch.Tensor:
            return (value[: rows - distance] * value[distance:]).sum(1)

        return lambda distance: dots(flat_left, distance) * (dots(flat_right, distance) + int(bias))

    def gram(value: torch.Tensor, distance: int) -> torch.Tensor:
        return value[: rows - distance] @ value[distance:].mT

    return lambda distance: (gram(left, distance) * (gram(right, distance) + int(bias))).flatten(1).sum(1)


def _multiplied(left: torch.Tensor, right: torch.Tensor) -> Weighted:
    """Sum of factor * g a^T over rows and positions: one matrix product (for each group)."""

    def weighted(f: Factors) -> torch.Tensor:
        g, a = left, right
        if left.shape[1] * left.shape[2] == 1:
            g, a = left.reshape(-1, left.shape[-1]), right.reshape(-1, right.shape[-1])
        g, a = _scaled(g, f), _finite(a, f.rows_finite)
        if left.shape[1] == 1:
            return g.reshape(-1, g.shape[-1]).t() @ a.reshape(-1, a.shape[-1])
        groups = left.shape[1]
        g = g.transpose(0, 1).reshape(groups, -1, g.shape[-1])
        return g.mT @ a.transpose(0, 1).reshape(groups, -1, a.shape[-1])

    return weighted


def _convolved(use: Use, heard: Heard, parameter: torch.Tensor) -> Weighted:
    a, g, rest = _convolution(use, heard)

    def weighted(f: Factors) -> torch.Tensor:
        found: torch.Tensor = _BACKWARD(_scaled(g, f), _finite(a, f.rows_finite), parameter.float(), None, *rest)[1]
        return found

    return weighted


def _rows(uses: Sequence[Use], heard: Heard, parameter: torch.Tensor) -> Norm:
    """An embedding: positions with the same index add up."""
    rows = heard.layout.rows
    indices = torch.cat([heard.tape[use.site].reshape(rows, -1) for use in uses], 1)
    parts = []
    for use in uses:
        back = heard.back[use.site].float()
        back = back.reshape(rows, -1, back.shape[-1])
        padded = (heard.tape[use.site].reshape(rows, -1) == use.meta).unsqueeze(-1)
        parts.append(torch.where(padded, 0.0, back) if use.meta >= 0 else back)
    back = parts[0] if len(parts) == 1 else torch.cat(parts, 1)

    def pairs(distance: int) -> torch.Tensor:
        same = indices[: rows - distance].unsqueeze(2) == indices[distance:].unsqueeze(1)
        return torch.where(same, back[: rows - distance] @ back[distance:].mT, 0.0).flatten(1).sum(1)

    def weighted(f: Factors) -> torch.Tensor:
        total = torch.zeros(parameter.shape, dtype=back.dtype, device=back.device)
        return total.index_add(0, indices.reshape(-1), _scaled(back, f).reshape(-1, back.shape[-1]))

    return Norm(weighted, pairs=pairs)


def _vector(use: Use, heard: Heard, parameter: torch.Tensor) -> torch.Tensor:
    """Return (rows, *shape): the gradient of a bias or of the scale of a norm layer, which is no larger than a row."""
    rows, back = heard.layout.rows, heard.back[use.site].float()
    if use.kind == "scale":
        back = _normalised(heard.tape[use.site].float(), use.meta, rows).reshape(back.shape) * back
    channels_first = use.meta == 1 if use.kind == "shift" else use.meta.kind == "group"
    if channels_first:
        return back.reshape(rows, parameter.shape[0], -1).sum(2)
    if back.numel() == rows * parameter.numel():
        return back.reshape(rows, *parameter.shape)
    return back.reshape(rows, -1, *parameter.shape).sum(1)


def _normalised(a: torch.Tensor, how: Normaliser, rows: int) -> torch.Tensor:
    if how.kind == "group":
        return F.group_norm(a.reshape(rows, *a.shape[2:]), how.count, None, None, float(how.eps or 0.0))
    shape = list(a.shape[a.dim() - how.count :])
    if how.kind == "rms":
        return F.rms_norm(a, shape, None, how.eps)
    return F.layer_norm(a, shape, None, None, float(how.eps or 0.0))


def _sequences(uses: Sequence[Use], heard: Heard) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (left, right), (rows, groups, positions, outputs or inputs), so that a gradient is left^T right."""
    lefts, rights = [], []
    rows = heard.layout.rows
    for use in uses:
        a, g = heard.tape[use.site].float(), heard.back[use.site].float()
        if use.kind == "matrix":
            a, g = a.reshape(rows, 1, -1, a.shape[-1]), g.reshape(rows, 1, -1, g.shape[-1])
            left, right = (a, g) if use.meta else (g, a)
        else:
            right = _patches(a, use.meta, rows).mT
            left = g.reshape(rows, use.meta.groups, -1, right.shape[2]).mT
        lefts.append(left)
        rights.append(right)
    return (lefts[0], rights[0]) if len(uses) == 1 else (torch.cat(lefts, 2), torch.cat(rights, 2))


def _patches(a: torch.Tensor, window: Window, rows: int) -> torch.Tensor:
    """Return (rows, groups, inputs, positions): what each position of a convolution looks at."""
    kernel, stride, dilation, padding = window.kernel, window.stride, window.dilation, window.padding
    a = a.reshape(rows, *a.shape[-len(kernel) - 1 :])
    if len(kernel) == 1:
        a = a.unsqueeze(2)
        kernel, stride, dilation, padding = (1, *kernel), (1, *stride), (1, *dilation), ((0, 0), *padding)
    even = [before for before, _ in padding]
    if any(before != after for before, after in padding):
        a, even = F.pad(a, [n for pair in reversed(padding) for n in pair]), [0, 0]
    found = F.unfold(a, kernel, dilation=dilation, padding=tuple(even), stride=stride)
    return found.reshape(rows, window.groups, -1, found.shape[-1])


def _convolution(use: Use, heard: Heard) -> tuple[torch.Tensor, torch.Tensor, tuple[object, ...]]:
    """Return what ``convolution_backward`` needs for a weight gradient."""
    window: Window = use.meta
    count, rows = len(window.kernel), heard.layout.rows
    a, g = heard.tape[use.site].float(), heard.back[use.site].float()
    a, g = a.reshape(rows, *a.shape[-count - 1 :]), g.reshape(rows, *g.shape[-count - 1 :])
    even = [before for before, _ in window.padding]
    if any(before != after for before, after in window.padding):
        a, even = F.pad(a, [n for pair in reversed(window.padding) for n in pair]), [0] * count
    fixed = (list(window.stride), even, list(window.dilation), False, [0] * count, window.groups, [False, True, False])
    return a, g, fixed


def _grouped(use: Use, heard: Heard, parameter: torch.Tensor) -> torch.Tensor:
    a, g, rest = _convolution(use, heard)
    weight = parameter.float()

    def one(back: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = _BACKWARD(back.unsqueeze(0), inside.unsqueeze(0), weight, None, *rest)[1]
        return found

    found: torch.Tensor = vmap(one)(g, a)
    return found.flatten(1)


def _is_one_convolution(uses: Sequence[Use]) -> bool:
    return len(uses) == 1 and uses[0].kind == "patches"


def _finite(value: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """Return the value with rows that are not finite zeroed, before any product: 0 * nan is nan."""
    return torch.where(rows.view(-1, *[1] * (value.dim() - 1)), value, 0.0)


def _scaled(value: torch.Tensor, f: Factors) -> torch.Tensor:
    return _finite(value, f.rows_finite) * f.rows.view(-1, *[1] * (value.dim() - 1))
