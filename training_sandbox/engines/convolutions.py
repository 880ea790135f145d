"""Gradients of a convolution's weight, unit by unit: from patches, as a grouped convolution, or place by place.

``norms`` says which of them is meant by which name.
"""

import itertools
import math

import torch
import torch.nn.functional as F  # noqa: N812  # as torch's own documentation writes it
from torch.func import vmap

from training_sandbox.engines.heard import Factors, Heard, Norm, Weighted, finite, scaled_rows, squares, sum_of
from training_sandbox.engines.rules import Window
from training_sandbox.engines.uses import Use

_BACKWARD = torch.ops.aten.convolution_backward.default


def convolved(use: Use, heard: Heard, parameter: torch.Tensor) -> Weighted:
    a, g, rest = _convolution(use, heard)

    def weighted(f: Factors) -> torch.Tensor:
        found: torch.Tensor = _BACKWARD(scaled_rows(g, f), finite(a, f.rows_finite), parameter.float(), None, *rest)[1]
        return found

    return weighted


def windows(use: Use, heard: Heard) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the same of a convolution, for each row instead of each unit."""
    a, g, rows = heard.tape[use.site].float(), heard.back[use.site].float(), heard.layout.rows
    right = _patches(a, use.meta, rows).mT
    return g.reshape(rows, use.meta.groups, -1, right.shape[2]).mT, right


def one_after_another(value: torch.Tensor, units: int) -> torch.Tensor:
    """Return (rows, groups, positions, n) as (units, groups, positions of all the unit's rows, n)."""
    rows, groups, positions, n = value.shape
    if rows == units:
        return value
    value = value.reshape(units, rows // units, groups, positions, n).transpose(1, 2)
    return value.reshape(units, groups, rows // units * positions, n)


def product(use: Use, heard: Heard) -> torch.Tensor:
    """Return the gradients of a convolution, (units, numbers); patches are never copied to lie next to each other."""
    left, right = windows(use, heard)
    units, rows = heard.layout.units, heard.layout.rows
    if rows == units:
        return (left.mT @ right).flatten(1)
    each = rows // units
    left, right = (value.reshape(units, each, *value.shape[1:]) for value in (left, right))
    return sum_of([left[:, place].mT @ right[:, place] for place in range(each)]).flatten(1)


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


def grouped(use: Use, heard: Heard, parameter: torch.Tensor) -> torch.Tensor:
    a, g, rest = _convolution(use, heard)
    weight, units = parameter.float(), heard.layout.units

    def one(back: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = _BACKWARD(back, inside, weight, None, *rest)[1]
        return found

    found: torch.Tensor = vmap(one)(*(value.reshape(units, -1, *value.shape[1:]) for value in (g, a)))
    return found.flatten(1)


def shifted(use: Use, heard: Heard) -> Norm:
    """The gradient at one place of the kernel is the product with the input, moved by that place.

    Rows of an image are laid out one after another, and so are the unit's records; what a moved one meets beyond its
    own row or record are zeros of the output's gradient.
    """
    window: Window = use.meta
    rows, units, count = heard.layout.rows, heard.layout.units, len(window.kernel)
    a, g = heard.tape[use.site].float(), heard.back[use.site].float()
    a, g = a.reshape(rows, *a.shape[-count - 1 :]), g.reshape(rows, *g.shape[-count - 1 :])
    a = F.pad(a, [n for pair in reversed(window.padding) for n in pair])
    g = F.pad(g, [n for size, own in zip(a.shape[:1:-1], g.shape[:1:-1], strict=True) for n in (0, size - own)])
    steps = (a.shape[-1], 1)[-count:]
    a, g = (v.reshape(units, -1, *v.shape[1:3], math.prod(v.shape[3:])).transpose(1, 2).flatten(2) for v in (a, g))
    places = itertools.product(*(range(size) for size in window.kernel))
    offsets = [sum(n * s * d for n, s, d in zip(place, steps, window.dilation, strict=True)) for place in places]
    used = a.shape[2] - max(offsets)
    parts = [heard.by_patient((g[:, :, :used] @ a[:, :, n : n + used].mT).flatten(1)) for n in offsets]

    def weighted(f: Factors) -> torch.Tensor:
        found = torch.stack([f.patients @ finite(part, f.patients_finite) for part in parts], 1)
        return found.reshape(g.shape[1], a.shape[1], -1)

    return Norm(weighted, patients=sum_of([squares(part) for part in parts]))
