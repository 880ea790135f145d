"""Which kernel for which parameter: timed once on random data of the static shapes, never on records."""

import math
import time
from collections.abc import Mapping

import torch

from training_sandbox.engines import norms
from training_sandbox.engines.heard import Factors, Heard, Layout
from training_sandbox.engines.norms import Kernel
from training_sandbox.engines.uses import Site, Use, Uses

WORTH_TIMING = 2_000_000
"""Multiplications of a node over all rows below which the guess by counting is kept."""

_REPEATS = 3
_HOPELESS = 20


def tune(uses: Uses, params: Mapping[str, torch.Tensor], layout: Layout) -> tuple[tuple[str, Kernel], ...]:
    """Return (parameter, fastest kernel) for every parameter where that is worth finding out."""
    found: dict[object, Kernel] = {}
    chosen = []
    for name, of in uses.ruled.items():
        candidates = norms.kernels(of)
        if len(candidates) < 2:
            continue
        s, o, i = norms.sizes(of, uses.sites)
        if s * o * i * layout.rows < WORTH_TIMING:
            continue
        if layout.records * s * (o + i) > _HOPELESS * o * i:  # Gram matrices that might not even fit
            candidates = tuple(kernel for kernel in candidates if kernel != "ghost")
        alike = tuple((use.kind, uses.sites[use.site], use.meta) for use in of)
        if alike not in found:
            found[alike] = _fastest(of, uses.sites, candidates, params[name], layout)
        chosen.append((name, found[alike]))
    return tuple(chosen)


def _fastest(
    of: tuple[Use, ...],
    sites: tuple[Site, ...],
    candidates: tuple[Kernel, ...],
    parameter: torch.Tensor,
    layout: Layout,
) -> Kernel:
    heard, factors = _random(of, sites, parameter, layout)
    times: dict[Kernel, float] = {}
    with torch.no_grad():
        for kernel in candidates:
            for _ in range(_REPEATS):
                start = time.perf_counter()
                norm = norms.squared(of, kernel, heard, parameter)
                if norm.pairs is not None:
                    heard.band([norm.pairs])
                norm.weighted(factors)
                if parameter.is_cuda:
                    torch.cuda.synchronize()
                spent = time.perf_counter() - start
                times[kernel] = min(times.get(kernel, math.inf), spent)
                if spent > _HOPELESS * min(times.values()):
                    break
    return min(times, key=lambda kernel: times[kernel])


def _random(
    of: tuple[Use, ...], sites: tuple[Site, ...], parameter: torch.Tensor, layout: Layout
) -> tuple[Heard, Factors]:
    device, rows = parameter.device, layout.rows
    generator = torch.Generator(device).manual_seed(0)
    places = {use.site for use in of}
    empty = torch.zeros(0, device=device)
    tape, back = [], []
    for number, site in enumerate(sites):
        here = number in places
        tape.append(torch.randn((rows, *site.inside), generator=generator, device=device) if here else empty)
        back.append(torch.randn((rows, *site.output), generator=generator, device=device) if here else empty)
    slot = torch.arange(rows, device=device) * layout.patients // rows
    factor = torch.rand(layout.patients, generator=generator, device=device)
    by_row = factor[slot]
    return Heard(layout, tape, back, slot), Factors(factor, factor >= 0, by_row, by_row >= 0, layout.whole)
