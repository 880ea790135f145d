"""Norms of per-patient gradients, and their weighted sum, from what went into a node and what came back.

A patient's records and their positions form one sequence (a_s, g_s); the gradient of a matrix is sum_s g_s a_s^T.

    ghost      |sum_s g_s a_s^T|^2 = sum_{s,t} (a_s . a_t)(g_s . g_t): Gram matrices, no gradient is formed
    product    the gradients themselves, by one batched product; kept, for the weighted sum needs them again
    grouped    the same for a convolution, as one convolution with a group for each record
    shifted    the same for a convolution of stride 1, one product for each place of its kernel, without patches

Where every patient has the same number of rows, all of them are one sequence, and a patient is what norms are taken of.
Where only real records are laid out, that is a row. Records of one patient lie next to each other, at most ``records``
of them, so a Gram matrix over a patient is the band of pairs at distance 0 .. records - 1: record r is compared with
r + d, twice for d > 0.

Source: Goodfellow 2015 (arXiv:1510.01799); Bu et al. 2023, "Differentially private optimization on large model at small
cost", sections 3 and 4 (book-keeping); the band over patients is our own.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import torch
import torch.nn.functional as F  # noqa: N812  # as torch's own documentation writes it

from training_sandbox.engines import convolutions
from training_sandbox.engines.heard import (
    Factors,
    Heard,
    Norm,
    Pairs,
    Weighted,
    dense,
    finite,
    scaled,
    scaled_rows,
    sum_of,
)
from training_sandbox.engines.rules import CLASS, Normaliser, Window
from training_sandbox.engines.uses import Site, Use

Kernel = Literal["ghost", "product", "grouped", "shifted", "only"]


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
    if not _is_one_convolution(uses):
        return ("ghost", "product")
    window: Window = uses[0].meta
    plain = window.groups == 1 and set(window.stride) == {1}
    return ("ghost", "product", "grouped", "shifted") if plain else ("ghost", "product", "grouped")


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


def squared(uses: Sequence[Use], kernel: Kernel, heard: Heard, parameter: torch.Tensor, *, bias: bool = False) -> Norm:
    """Return the norm of one parameter's gradients, by ``kernel``; with that of the node's bias where ``bias``."""
    kind = CLASS[uses[0].kind]
    if kind == "vector":
        return dense(heard, sum_of([_vector(use, heard, parameter) for use in uses]))
    if kind == "rows":
        return _rows(uses, heard, parameter)
    if kernel == "grouped":
        return dense(heard, convolutions.grouped(uses[0], heard, parameter))
    if kernel == "shifted":
        return convolutions.shifted(uses[0], heard)
    if kernel == "product" and _is_one_convolution(uses):
        return dense(heard, convolutions.product(uses[0], heard))
    left, right = _sequences(uses, heard)
    if kernel == "product":
        return dense(heard, (left.mT @ right).flatten(1))
    pairs = _pairs(left, right, heard.layout.units, bias=bias)
    weighted = (
        convolutions.convolved(uses[0], heard, parameter) if _is_one_convolution(uses) else _multiplied(left, right)
    )
    return Norm(weighted, pairs=pairs)


def bias_sum(use: Use, heard: Heard) -> Weighted:
    """Return the weighted sum of a bias whose norm its matrix has."""
    back = heard.back[use.site].float()
    back = back.reshape(heard.layout.units, 1, -1, back.shape[-1])  # as its matrix has it: the same nodes when traced
    return lambda f: scaled(back if back.shape[2] > 1 else back.flatten(1), f).reshape(-1, back.shape[-1]).sum(0)


def _pairs(left: torch.Tensor, right: torch.Tensor, units: int, *, bias: bool) -> Pairs:
    """A bias is a further input that is always 1: it adds 1 to each product of inputs."""
    if left.shape[1] * left.shape[2] == 1:  # one position: two dot products, no Gram matrix
        flat_left, flat_right = left.reshape(units, -1), right.reshape(units, -1)

        def dots(value: torch.Tensor, distance: int) -> torch.Tensor:
            return (value[: units - distance] * value[distance:]).sum(1)

        return lambda distance: dots(flat_left, distance) * (dots(flat_right, distance) + int(bias))

    def gram(value: torch.Tensor, distance: int) -> torch.Tensor:
        return value[: units - distance] @ value[distance:].mT

    return lambda distance: (gram(left, distance) * (gram(right, distance) + int(bias))).flatten(1).sum(1)


def _multiplied(left: torch.Tensor, right: torch.Tensor) -> Weighted:
    """Sum of factor * g a^T over rows and positions: one matrix product (for each group)."""

    def weighted(f: Factors) -> torch.Tensor:
        g, a = left, right
        if left.shape[1] * left.shape[2] == 1:
            g, a = left.reshape(-1, left.shape[-1]), right.reshape(-1, right.shape[-1])
        g, a = scaled(g, f), finite(a, f.units[1])
        if left.shape[1] == 1:
            return g.reshape(-1, g.shape[-1]).t() @ a.reshape(-1, a.shape[-1])
        groups = left.shape[1]
        g = g.transpose(0, 1).reshape(groups, -1, g.shape[-1])
        return g.mT @ a.transpose(0, 1).reshape(groups, -1, a.shape[-1])

    return weighted


def _rows(uses: Sequence[Use], heard: Heard, parameter: torch.Tensor) -> Norm:
    """An embedding: positions of one patient with the same index add up.

    The positions are sorted by (patient, index), so that those which add up are one segment. Sums of segments take as
    many additions as there are positions; a Gram matrix would take their square.
    """
    indices, parts = [], []
    for use in uses:
        index, back = heard.tape[use.site], heard.back[use.site].float()
        back = back.reshape(len(back), -1, back.shape[-1])
        index = index.reshape(len(back), -1)
        indices.append(index)
        parts.append(torch.where((index == use.meta).unsqueeze(-1), 0.0, back) if use.meta >= 0 else back)
    index, back = (torch.cat(v, 1) if len(v) > 1 else v[0] for v in (indices, parts))
    flat = back.reshape(-1, back.shape[-1])

    def weighted(f: Factors) -> torch.Tensor:
        total = torch.zeros(parameter.shape, dtype=back.dtype, device=back.device)
        return total.index_add(0, index.reshape(-1), scaled_rows(back, f).reshape(flat.shape))

    key = (heard.patient.unsqueeze(1) * parameter.shape[0] + index).reshape(-1)
    found, order = key.sort(stable=True)
    segment = torch.cat((torch.zeros_like(found[:1]), (found[1:] != found[:-1]).long())).cumsum(0)
    owner = torch.full_like(key, heard.layout.patients).scatter(0, segment, found // parameter.shape[0])
    place = torch.zeros_like(key).scatter(0, order, segment)
    square = torch.zeros_like(flat).index_add(0, place, flat).square().sum(1)
    total = square.new_zeros(heard.layout.patients + 1).index_add(0, owner, square)
    return Norm(weighted, patients=total[: heard.layout.patients])


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
    """Return (left, right), (units, groups, positions, outputs or inputs), so that a gradient is left^T right."""
    lefts, rights = [], []
    units = heard.layout.units
    for use in uses:
        if use.kind == "matrix":
            a, g = heard.tape[use.site].float(), heard.back[use.site].float()
            a, g = a.reshape(units, 1, -1, a.shape[-1]), g.reshape(units, 1, -1, g.shape[-1])
            left, right = (a, g) if use.meta else (g, a)
        else:
            left, right = (convolutions.one_after_another(value, units) for value in convolutions.windows(use, heard))
        lefts.append(left)
        rights.append(right)
    return (lefts[0], rights[0]) if len(uses) == 1 else (torch.cat(lefts, 2), torch.cat(rights, 2))


def _is_one_convolution(uses: Sequence[Use]) -> bool:
    return len(uses) == 1 and uses[0].kind == "patches"
