"""The default engine: sums of clipped per-patient gradients by book-keeping on a graph that sees one record at a time.

    lift     the interpreter runs ONE record under vmap: every operation goes through its batching rule, nothing mixes
    tap      nodes with a rule give output + tap; one backward pass by the taps runs ordinary kernels on whole batches
    clip     norms and weighted sums by patient from inputs and output gradients (``norms``)
    flatten  all of it is traced once into one static graph without the taps (``flat``), compiled where that is faster

A parameter without a rule enters the pass once for each row; the gradient by that is its per-record gradient.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch.func import grad, vmap

from policies.errors import Misuse
from training_sandbox.engines import flat, norms
from training_sandbox.engines.heard import Factors, Heard, Layout, Norm, dense, sum_of
from training_sandbox.engines.norms import Kernel
from training_sandbox.engines.uses import Site, Tapped, Uses, find_uses, known
from training_sandbox.engines.vmap import GAMMA
from training_sandbox.graph.format import Graph
from training_sandbox.graph.run import Forward, compiled, needs_seeds, width
from training_sandbox.losses import LossFunction
from training_sandbox.noise import GRID
from training_sandbox.patients import Patients
from training_sandbox.vectors import named, pieces

Params = Mapping[str, torch.Tensor]
Precision = Literal["float32", "bfloat16"]
_TINY = 1e-30


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """How the step is computed. None of it changes what is computed, beyond rounding.

    Attributes:
        kernels: Parameter -> how its norm is had; the rest by a count of operations.
        compile: Through ``torch.compile``.
        precision: Of forward and backward pass; norms, factors and sums are always float32.
    """

    kernels: tuple[tuple[str, Kernel], ...] = ()
    compile: bool = False
    precision: Precision = "float32"


class Bookkeeping:
    """An engine for one graph, loss and layout."""

    def __init__(
        self,
        graph: Graph,
        loss: LossFunction,
        params: Params,
        layout: Layout,
        *,
        label: torch.Tensor,
        automatic: bool = False,
        settings: Settings | None = None,
        uses: Uses | None = None,
        traced: bool = True,
    ) -> None:
        """Trace the step.

        Args:
            label: One record's label, for its shape and type.
            traced: False runs the step as it is written, slowly: for tests of its parts.
            automatic: Automatic clipping: every gradient is scaled to norm / (norm + GAMMA).
        """
        self.graph, self.layout, self.automatic = graph, layout, automatic
        self.settings = settings or Settings()
        self.bound = bound(params, layout, graph.trained)
        self._loss, self._calls = loss, compiled(graph)
        self._half = self.settings.precision == "bfloat16"
        self.uses = uses or find_uses(graph, params)
        chosen = dict(self.settings.kernels)
        self.kernels = {
            name: chosen.get(name) or norms.guess(found, self.uses.sites, layout.records)
            for name, found in self.uses.ruled.items()
        }
        self._names, self._trained = tuple(t.name for t in graph.parameters), graph.trained
        self._device = next(iter(params.values())).device
        self._size = sum(params[name].numel() for name in self._trained)
        self.drops = needs_seeds(graph)
        self._taps = [self._tap(site) for site in self.uses.sites]
        self._function: Callable[..., Any] = self._flat
        if traced:
            self._trace(params, label)

    def __call__(
        self,
        forward: Forward,  # noqa: ARG002  # the engine is made for its graph
        loss: LossFunction,  # noqa: ARG002
        params: Params,
        batch: Patients,
        clip: float,
        *,
        microbatch: int,  # noqa: ARG002  # the layout is static
    ) -> dict[str, torch.Tensor]:
        """Return the sum of clipped per-patient gradients in units of ``clip`` (float64, on the lattice)."""
        total: torch.Tensor | None = None
        values = [params[name] for name in self._names]
        for part in chunks(batch, self.layout):
            found = self.run(values, part, clip)[1].double()
            total = found if total is None else total.add_(found)
        if total is None:
            total = torch.zeros(self._size, dtype=torch.float64, device=self._device)
        for place in pieces(total):
            total[place].mul_(1 / (clip * GRID)).round_().mul_(GRID)
        return named(total, {name: params[name].shape for name in self._trained})

    def run(self, values: Sequence[torch.Tensor], part: "Chunk", clip: float) -> Sequence[torch.Tensor]:
        """Return (norms by patient slot, the weighted sum of all trained parameters one after another), float32.

        Args:
            values: Every parameter in the graph's order.
            clip: A slot's gradient is scaled to at most this times :attr:`bound`.
        """
        limit = part.used * (clip * self.bound)
        with torch.no_grad():
            found: Sequence[torch.Tensor] = self._function(
                *values, *self._taps, part.x, part.y, part.weights, part.patient, limit, part.seeds
            )
        return found

    def _tap(self, site: Site) -> torch.Tensor:
        dtype = torch.bfloat16 if self._half else site.dtype
        return torch.zeros((), dtype=dtype, device=self._device).expand(self.layout.rows, *site.output)

    def _flat(self, *arguments: torch.Tensor) -> list[torch.Tensor]:
        first, last = len(self._names), len(self._names) + len(self.uses.sites)
        return self._step(arguments[:first], arguments[first:last], *arguments[last:])

    def _trace(self, params: Params, label: torch.Tensor) -> None:
        count = len(self._names)
        empty = blank(self.graph, self.layout, label, self._device)
        arguments = (empty.x, empty.y, empty.weights, empty.patient, empty.used, empty.seeds)
        values = [params[name].detach() for name in self._names]
        places = range(count, count + len(self._taps))
        self.traced, kept = flat.trace(self._flat, [*values, *self._taps, *arguments], places)
        self._taps = [self._taps[place - count] for place in kept]
        self._function = flat.compiled(self.traced) if self.settings.compile else self.traced

    def _step(
        self,
        values: Sequence[torch.Tensor],
        taps: Sequence[torch.Tensor],
        x: torch.Tensor,
        y: torch.Tensor,
        weights: torch.Tensor,
        patient: torch.Tensor,
        limit: torch.Tensor,
        seeds: torch.Tensor,
    ) -> list[torch.Tensor]:
        params = dict(zip(self._names, values, strict=True))
        rows = {n: params[n].unsqueeze(0).expand(self.layout.rows, *params[n].shape) for n in self.uses.dense}
        ruled = frozenset(self.uses.ruled)

        def record(
            taps: Sequence[torch.Tensor],
            own: Params,
            x: torch.Tensor,
            y: torch.Tensor,
            w: torch.Tensor,
            s: torch.Tensor,
        ) -> tuple[torch.Tensor, list[torch.Tensor]]:
            here = {**params, **own}
            record = x.unsqueeze(0)
            if self._half:
                here = {name: value.bfloat16() for name, value in here.items()}
                record = record.bfloat16() if len(self.graph.inputs) == 1 and x.is_floating_point() else record
            run = Tapped(self.graph, self._calls, ruled, taps, s if self.drops else None, half=self._half)
            output = run.run(known(self.graph, here, record))
            return self._loss(output.float(), y) * w, run.tape

        def total(taps: Sequence[torch.Tensor], own: Params) -> tuple[torch.Tensor, list[torch.Tensor]]:
            losses, tape = vmap(record, randomness="error")(taps, own, x, y, weights, seeds)
            return losses.sum(), tape

        (back, own), tape = grad(total, argnums=(0, 1), has_aux=True)(list(taps), rows)
        heard = Heard(self.layout, tape, back, patient)
        shares = norms.companion(self.uses.ruled, self.kernels)
        found = {name: self._norm(name, heard, params, own, shares) for name in self._trained if name not in shares}
        parts = [norm.patients for norm in found.values() if norm.patients is not None]
        pairs = [norm.pairs for norm in found.values() if norm.pairs is not None]
        square = sum_of([*parts, heard.band(pairs)] if pairs else parts)
        finite = torch.isfinite(square)
        norm = square.clamp_min(0).sqrt()  # the band's cross terms can round below zero
        share = limit / (norm + GAMMA) if self.automatic else (limit / norm.clamp_min(_TINY)).clamp(max=1.0)
        factor = torch.where(finite & (limit > 0), share, 0.0)
        f = self._factors(factor, finite, patient)
        sums = [
            norms.bias_sum(self.uses.ruled[name][0], heard)(f) if name in shares else found[name].weighted(f)
            for name in self._trained
        ]
        return [norm, torch.cat([value.flatten() for value in sums])]

    def _norm(self, name: str, heard: Heard, params: Params, own: Params, shares: Mapping[str, str]) -> Norm:
        if name not in self.uses.ruled:
            return dense(heard, own[name])
        bias = name in shares.values()
        return norms.squared(self.uses.ruled[name], self.kernels[name], heard, params[name], bias=bias)

    def _factors(self, factor: torch.Tensor, finite: torch.Tensor, patient: torch.Tensor) -> Factors:
        whole = self.layout.whole
        if self.layout.records == 1 and whole:
            return Factors(factor, finite, factor, finite, whole)
        rows = torch.cat((factor, factor.new_zeros(1)))[patient]
        rows_finite = torch.cat((finite, finite.new_zeros(1)))[patient]
        return Factors(factor, finite, rows, rows_finite, whole)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some patients in the static layout.

    Attributes:
        x, y: Records and labels, (rows, ...).
        weights: (rows,) 1 / (records of the patient), 0 where padding.
        patient: (rows,) int64: the row's slot; the number of slots where padding.
        used: (patients,) float32: 1 where the slot holds a patient.
        seeds: (rows,) int64, of the rows' dropout.
    """

    x: torch.Tensor
    y: torch.Tensor
    weights: torch.Tensor
    patient: torch.Tensor
    used: torch.Tensor
    seeds: torch.Tensor


def bound(params: Params, layout: Layout, trained: Sequence[str]) -> float:
    """Return the norm to clip to, as a share of the clip norm: less than 1 by what float32 may add.

    A factor errs by 1e-6 at most. A float32 sum over patients rounds relative to itself, so one patient more can move
    the rounding of the others: 2^-22 for each patient in it. The sum is then rounded to the lattice of the noise.
    """
    size = sum(params[name].numel() for name in trained)
    return 1 - 1e-5 - layout.patients * 2.0**-22 - GRID * math.sqrt(size)


def chunks(batch: Patients, layout: Layout) -> list[Chunk]:
    """Return the batch in chunks of the layout, records of a patient next to each other.

    With ``rows == patients * records`` every patient has as many rows as it could have and the number of chunks depends
    on the batch's size alone. With fewer rows only real records are laid out, and whole patients fill a chunk until
    it is full: faster, but the time of a step then tells how many records were drawn.
    """
    missing = layout.records - batch.weights.shape[1]
    if missing < 0:
        raise Misuse(f"the engine was made for {layout.records} records of a patient at most")
    if missing:
        batch = Patients(*(None if v is None else _wider(v, missing) for v in _fields(batch)))  # type: ignore[arg-type]  # None stays
    if layout.whole:
        return [_padded(batch, layout, start) for start in range(0, len(batch), layout.patients)]
    held = (batch.weights > 0).sum(1)
    if int(held.sum()) <= layout.rows and int((held > 0).sum()) <= layout.patients:
        return [_packed(batch, layout, held.nonzero()[:, 0])]
    found: list[Chunk] = []
    slots: list[int] = []
    rows = 0
    for slot, count in enumerate(held.tolist()):
        if slots and (rows + count > layout.rows or len(slots) == layout.patients):
            found.append(_packed(batch, layout, torch.tensor(slots)))
            slots, rows = [], 0
        if count:
            slots.append(slot)
            rows += count
    return [*found, _packed(batch, layout, torch.tensor(slots))]


def _fields(batch: Patients) -> tuple[torch.Tensor | None, ...]:
    return batch.features, batch.labels, batch.weights, batch.seeds


def _wider(value: torch.Tensor, missing: int) -> torch.Tensor:
    return torch.cat((value, value.new_zeros((value.shape[0], missing, *value.shape[2:]))), 1)


def _padded(batch: Patients, layout: Layout, start: int) -> Chunk:
    part = slice(start, min(start + layout.patients, len(batch)))
    here = part.stop - part.start
    missing = layout.patients - here

    def rows(value: torch.Tensor) -> torch.Tensor:
        if missing:
            value = torch.cat((value, value.new_zeros((missing, *value.shape[1:]))))
        return value.flatten(0, 1)

    weights = batch.weights[part]
    device = weights.device
    seeds = torch.zeros(weights.shape, dtype=torch.int64, device=device) if batch.seeds is None else batch.seeds[part]
    slot = torch.arange(layout.patients, device=device)
    return Chunk(
        rows(batch.features[part]),
        rows(batch.labels[part]),
        rows(weights),
        slot if layout.records == 1 else slot.repeat_interleave(layout.records),
        (slot < here).float(),
        rows(seeds),
    )


def _packed(batch: Patients, layout: Layout, slots: torch.Tensor) -> Chunk:
    real = batch.weights[slots] > 0
    who, record = real.nonzero(as_tuple=True)
    place = slots[who] * batch.weights.shape[1] + record
    count = len(place)

    def rows(value: torch.Tensor) -> torch.Tensor:
        total = value.new_zeros((layout.rows, *value.shape[2:]))
        torch.index_select(value.flatten(0, 1), 0, place, out=total[:count])
        return total

    patient = who.new_full((layout.rows,), layout.patients)
    patient[:count] = who
    return Chunk(
        rows(batch.features),
        rows(batch.labels),
        rows(batch.weights),
        patient,
        (torch.arange(layout.patients, device=real.device) < len(slots)).float(),
        torch.zeros_like(patient) if batch.seeds is None else rows(batch.seeds),
    )


def blank(graph: Graph, layout: Layout, label: torch.Tensor, device: torch.device) -> Chunk:
    """Return a chunk of zeros."""
    one = len(graph.inputs) == 1
    shape = graph.inputs[0].shape[1:] if one else (width(graph),)
    dtype = torch.int64 if one and graph.inputs[0].dtype == "int64" else torch.float32
    rows = layout.rows
    return Chunk(
        torch.zeros((rows, *shape), dtype=dtype, device=device),
        torch.zeros((rows, *label.shape), dtype=label.dtype, device=device),
        torch.ones(rows, device=device),
        torch.zeros(rows, dtype=torch.int64, device=device),
        torch.ones(layout.patients, device=device),
        torch.zeros(rows, dtype=torch.int64, device=device),
    )
