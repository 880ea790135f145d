"""Opacus as an engine: the graph's layers as torch modules that Opacus knows, everything else record by record.

Slower than book-keeping, and made by other people: a second opinion. A node with a rule becomes a layer of its own
(Linear, Conv1d, Conv2d, Embedding, LayerNorm, GroupNorm) over the whole batch; every other operation runs under vmap,
so records cannot mix there either. ``hooks`` forms every record's gradient; ``ghost`` computes norms alone and goes
through the model a second time.

Opacus knows records, not patients: with several records of a patient only ``hooks`` can add them up before clipping.
Clipping, what becomes of gradients that are not finite, and the noise are not Opacus' but the product's own.

Source: Yousefpour et al. 2021, "Opacus", arXiv:2109.12298; ghost clipping: Li et al. 2022, arXiv:2110.05679.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn
from torch.func import vmap

from policies.errors import TrainingFailed
from training_sandbox.engines.bookkeeping import bound
from training_sandbox.engines.heard import Layout
from training_sandbox.engines.rules import Rule, View, find, follow
from training_sandbox.engines.uses import known
from training_sandbox.engines.vmap import GAMMA
from training_sandbox.graph.format import Graph
from training_sandbox.graph.run import Compiled, Forward, Runner, compiled, feed, needs_seeds
from training_sandbox.losses import LossFunction
from training_sandbox.noise import GRID
from training_sandbox.patients import Patients
from training_sandbox.vectors import joined, named, pieces

Mode = Literal["hooks", "ghost"]
Params = Mapping[str, torch.Tensor]
_RECURRENT = frozenset({"gru.input", "lstm.input"})


class Opacus:
    """An engine over Opacus' per-sample gradients (``hooks``) or norms (``ghost``)."""

    def __init__(
        self,
        graph: Graph,
        loss: LossFunction,
        params: Params,
        layout: Layout,
        mode: Mode,
        *,
        automatic: bool = False,
    ) -> None:
        """Make the layers and let Opacus wrap them.

        Raises:
            TrainingFailed: Opacus does not run this graph, or not with several records of a patient.
        """
        from opacus.grad_sample import GradSampleModule
        from opacus.grad_sample.grad_sample_module_fast_gradient_clipping import GradSampleModuleFastGradientClipping

        if mode == "ghost" and layout.records > 1:
            raise TrainingFailed("Opacus' ghost clipping knows records, not patients: one record of a patient at most")
        if needs_seeds(graph):
            raise TrainingFailed("Opacus does not run what drops at random by the record's own seed")
        self.graph, self.layout, self.mode, self.automatic = graph, layout, mode, automatic
        self.bound = bound(params, layout, graph.trained)
        self._loss, self._calls = loss, compiled(graph)
        self._layers: dict[str, _Layer] = {}
        self._frozen = {name: params[name] for name in graph.frozen}
        with torch.no_grad():
            records = [torch.zeros(t.shape, dtype=getattr(torch, t.dtype)) for t in graph.inputs]
            row = records[0] if len(records) == 1 else torch.cat([r.flatten().float() for r in records]).unsqueeze(0)
            self._run(params, row.to(next(iter(params.values())).device), self._make(params))
        missing = set(graph.trained) - {name for layer in self._layers.values() for name in layer.names}
        if missing:
            raise TrainingFailed(f"Opacus does not know how {len(missing)} of the parameters are used")
        modules = nn.ModuleList(layer.module for layer in self._layers.values())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._wrapped: Any = (
                GradSampleModule(modules, loss_reduction="sum")
                if mode == "hooks"
                else GradSampleModuleFastGradientClipping(
                    modules, loss_reduction="sum", max_grad_norm=1.0, use_ghost_clipping=True
                )
            )

    def __call__(
        self,
        forward: Forward,  # noqa: ARG002  # the engine is made for its graph
        loss: LossFunction,  # noqa: ARG002
        params: Params,
        batch: Patients,
        clip: float,
        *,
        microbatch: int,
    ) -> dict[str, torch.Tensor]:
        """Return the sum of clipped per-patient gradients in units of ``clip`` (float64, on the lattice)."""
        shapes = {name: params[name].shape for name in self.graph.trained}
        size, device = sum(shape.numel() for shape in shapes.values()), batch.weights.device
        total = torch.zeros(size, dtype=torch.float64, device=device)
        self._load(params)
        for start in range(0, len(batch), microbatch):
            part = batch.take(torch.arange(start, min(start + microbatch, len(batch)), device=device))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that the first layer's input needs no gradient
                try:
                    found = (self._hooks if self.mode == "hooks" else self._ghost)(params, part, clip * self.bound)
                except NotImplementedError:
                    raise TrainingFailed("Opacus' ghost clipping does not run parameters that are used twice") from None
            total += joined(found[name].detach().double() for name in self.graph.trained)
            self._load(params)
        for place in pieces(total):
            total[place].mul_(1 / (clip * GRID)).round_().mul_(GRID)
        return named(total, shapes)

    def _hooks(self, params: Params, part: Patients, limit: float) -> dict[str, torch.Tensor]:
        _backward(self._losses(params, part.features.flatten(0, 1), part))
        found = {
            name: getattr(layer.module, role).grad_sample
            for layer in self._layers.values()
            for role, name in layer.parameters
        }
        each = {name: v.reshape(*part.weights.shape, *v.shape[1:]).sum(1) for name, v in found.items()}
        factor = self._factor(torch.stack([v.flatten(1).square().sum(1) for v in each.values()]).sum(0).sqrt(), limit)
        summed = {name: factor @ torch.where(factor.unsqueeze(1) > 0, v.flatten(1), 0.0) for name, v in each.items()}
        return self._as_stored(summed, params)

    def _ghost(self, params: Params, part: Patients, limit: float) -> dict[str, torch.Tensor]:
        x = part.features.flatten(0, 1)
        _backward(self._losses(params, x, part))
        factor = self._factor(self._wrapped.get_norm_sample().detach(), limit)
        for parameter in self._wrapped.parameters():
            parameter.grad = None
        self._wrapped.disable_hooks()
        kept = (factor > 0).view(-1, *[1] * (x.dim() - 1))
        losses = self._losses(params, torch.where(kept, x, torch.zeros_like(x)), part)  # 0 * nan is nan
        _backward(losses * factor)
        self._wrapped.enable_hooks()
        found = {
            name: getattr(layer.module, role).grad for layer in self._layers.values() for role, name in layer.parameters
        }
        return self._as_stored(found, params)

    def _factor(self, norm: torch.Tensor, limit: float) -> torch.Tensor:
        share = limit / (norm + GAMMA) if self.automatic else (limit / norm.clamp_min(1e-30)).clamp(max=1.0)
        return torch.where(torch.isfinite(norm), share, 0.0)

    def _losses(self, params: Params, x: torch.Tensor, part: Patients) -> torch.Tensor:
        output = self._run(params, x, lambda rule, _: self._layers[rule.claims[0].name])
        return vmap(self._loss)(output, part.labels.flatten(0, 1)) * part.weights.flatten()

    def _run(self, params: Params, x: torch.Tensor, layer: "Find") -> torch.Tensor:
        inputs = vmap(lambda one: feed(self.graph, one.unsqueeze(0)))(x)
        held = {name: value for name, value in known(self.graph, params, x[:1]).items() if name not in inputs}
        run = _Batched(self.graph, self._calls, layer)
        output = run.run({**held, **{name: _Batch(value) for name, value in inputs.items()}})
        if not isinstance(output, _Batch):
            raise TrainingFailed("the model's output does not depend on the record")
        return output.value

    def _make(self, params: Params) -> "Find":
        def make(rule: Rule, x: torch.Tensor) -> _Layer:
            name = rule.claims[0].name
            if name not in self._layers:
                self._layers[name] = _layer(rule, params, x)
            if self._layers[name].rule.claims != rule.claims:
                raise TrainingFailed("Opacus does not run parameters that are used in two ways")
            return self._layers[name]

        return make

    def _load(self, params: Params) -> None:
        for layer in self._layers.values():
            for role, name in layer.parameters:
                parameter = getattr(layer.module, role)
                value = params[name].t() if role == "weight" and layer.turned else params[name]
                parameter.data.copy_(value)
                parameter.grad = parameter.grad_sample = None

    def _as_stored(self, found: Mapping[str, torch.Tensor], params: Params) -> dict[str, torch.Tensor]:
        turned = {name for layer in self._layers.values() if layer.turned for role, name in layer.parameters[:1]}
        shaped = {}
        for name, value in found.items():
            shape = params[name].shape
            shaped[name] = value.reshape(shape[::-1]).t() if name in turned else value.reshape(shape)
        return shaped


@dataclass(frozen=True, slots=True)
class _Batch:
    """One value of every record: (records, *shape)."""

    value: torch.Tensor


@dataclass(frozen=True, slots=True)
class _Layer:
    """A module in place of a node.

    Attributes:
        parameters: (the module's attribute, the graph's name) of each.
        turned: The graph stores the weight as (in, out).
    """

    module: nn.Module
    rule: Rule
    parameters: tuple[tuple[str, str], ...]
    turned: bool

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for _, name in self.parameters)


Find = Callable[[Rule, torch.Tensor], _Layer]


class _Batched(Runner):
    """A pass over many records: layers whole, everything else one record at a time."""

    def __init__(self, graph: Graph, calls: Compiled, layer: Find) -> None:
        super().__init__(graph, calls)
        self._layer, self._one = layer, Runner(graph, calls)

    def call(self, op: str, *args: Any, **kwargs: Any) -> Any:
        if not any(isinstance(a, View) for a in _leaves((args, kwargs))):
            return self._each(op, args, kwargs)
        if op in _RECURRENT or kwargs:
            raise TrainingFailed(f"Opacus does not run {op}")
        view = follow(op, args)
        if view is not None:
            return view
        batch = next((a for a in args if isinstance(a, _Batch)), None)
        if batch is None:
            raise TrainingFailed(f"Opacus does not run {op} of parameters alone")
        rule = find(op, [a.value[0] if isinstance(a, _Batch) else a for a in args])
        if rule is None:
            raise TrainingFailed(f"Opacus does not know how {op} uses its parameters")
        return _Batch(_whole(self._layer(rule, batch.value), batch.value))

    def _each(self, op: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        batches = [a.value for a in _leaves((args, kwargs)) if isinstance(a, _Batch)]
        if not batches:
            return self._one.call(op, *args, **kwargs)

        def one(*values: torch.Tensor) -> Any:
            left = iter(values)
            found = self._one.call(op, *_put(tuple(args), left), **_put(dict(kwargs), left))
            return tuple(found) if isinstance(found, list) else found

        found = vmap(one)(*batches)
        return tuple(_Batch(v) for v in found) if isinstance(found, tuple) else _Batch(found)


def _backward(losses: torch.Tensor) -> None:
    torch.autograd.backward(losses.sum())


def _leaves(value: Any) -> list[Any]:
    members = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else None
    return [value] if members is None else [leaf for member in members for leaf in _leaves(member)]


def _put(value: Any, left: Any) -> Any:
    """Return the value with its batches replaced by the next of ``left``, in the order of :func:`_leaves`."""
    if isinstance(value, _Batch):
        return next(left)
    if isinstance(value, dict):
        return {name: _put(member, left) for name, member in value.items()}
    return type(value)(_put(member, left) for member in value) if isinstance(value, (list, tuple)) else value


def _layer(rule: Rule, params: Params, x: torch.Tensor) -> _Layer:
    first, *rest = rule.claims
    weight, meta, bias = params[first.name], first.meta, bool(rest)
    roles = [("weight", first.name), *(("bias", claim.name) for claim in rest)]
    if first.kind == "matrix":
        outputs, inputs = weight.shape[::-1] if meta else weight.shape
        return _Layer(nn.Linear(inputs, outputs, bias=bias).to(weight), rule, tuple(roles), bool(meta))
    if first.kind == "patches" and all(before == after for before, after in meta.padding):
        made: Any = nn.Conv1d if len(meta.kernel) == 1 else nn.Conv2d
        sizes = (meta.kernel, meta.stride, tuple(before for before, _ in meta.padding), meta.dilation)
        module: nn.Module = made(weight.shape[1] * meta.groups, weight.shape[0], *sizes, groups=meta.groups, bias=bias)
    elif first.kind == "rows":
        module = nn.Embedding(*weight.shape)
    elif first.kind == "scale" and meta.kind == "layer":
        module = nn.LayerNorm(weight.shape, eps=meta.eps, bias=bias)
    elif first.kind == "scale" and meta.kind == "group" and bias:
        module = nn.GroupNorm(meta.count, x.shape[2], eps=meta.eps)
    else:
        raise TrainingFailed(f"Opacus has no layer for a parameter that is used as {first.kind}")
    return _Layer(module.to(weight), rule, tuple(roles), turned=False)


def _whole(layer: _Layer, x: torch.Tensor) -> torch.Tensor:
    """Return the layer's output over the batch: x and output are (records, *one record's shape)."""
    kind, records = layer.rule.claims[0].kind, len(x)
    if kind == "matrix":
        inner = x.reshape(records, x.shape[-1]) if x[0].numel() == x.shape[-1] else x.reshape(records, -1, x.shape[-1])
        found: torch.Tensor = layer.module(inner)
        return found.reshape(*x.shape[:-1], found.shape[-1])
    if kind == "rows":
        weight: Any = layer.module.weight
        inside, padding = x.clamp(0, len(weight) - 1), layer.rule.claims[0].meta
        found = layer.module(inside.reshape(records, -1))
        found = found.reshape(*x.shape, found.shape[-1])
        # Opacus 1.6 gives the padding index a gradient like the others: none comes back from there instead.
        return torch.where((inside == padding).unsqueeze(-1), found.detach(), found) if padding >= 0 else found
    found = layer.module(x.reshape(records, *x.shape[2:]))
    return found.reshape(records, 1, *found.shape[1:])
