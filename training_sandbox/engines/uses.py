"""Where each parameter of a graph is used, and the pass over one record that listens there.

A node with a rule gives ``its output + tap``, tap = 0: the gradient at the tap is the gradient at the node's output,
and what went into the node is kept on the tape. Weight gradients are never formed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from training_sandbox.engines.rules import CLASS, Claim, Kind, Rule, View, find, follow
from training_sandbox.graph.format import Graph
from training_sandbox.graph.run import MADE, Compiled, Runner, compiled, feed, width

_MATERIALISED = frozenset(
    {"scaled_dot_product_attention.default", "dropout.default", "gather.default", "index_select.default"}
)
_RECURRENT = frozenset({"gru.input", "lstm.input"})
_WHOLE = frozenset(
    {
        "group_norm.default",
        "layer_norm.default",
        "rms_norm.default",
        "softmax.int",
        "log_softmax.int",
        "logsumexp.default",
    }
)
"""Operations that stay in float32 when the rest runs in bfloat16."""


@dataclass(frozen=True, slots=True)
class Use:
    """One use of a parameter: the tap it is seen at, and how."""

    kind: Kind
    site: int
    meta: Any


@dataclass(frozen=True, slots=True)
class Site:
    """A tap: shapes of one record's input and output there, leading ones included."""

    inside: tuple[int, ...]
    output: tuple[int, ...]
    dtype: torch.dtype


@dataclass(frozen=True, slots=True)
class Uses:
    """What a plan knows of a graph.

    Attributes:
        ruled: Parameter -> its uses, all of one class.
        dense: Trained parameters that get one gradient for each record.
        sites: The taps in order.
    """

    ruled: Mapping[str, tuple[Use, ...]]
    dense: tuple[str, ...]
    sites: tuple[Site, ...]


class Tapped(Runner):
    """A pass that follows parameters; with ``taps`` it adds them and fills the tape."""

    def __init__(
        self,
        graph: Graph,
        calls: Compiled,
        ruled: frozenset[str],
        taps: Sequence[torch.Tensor] | None = None,
        seed: torch.Tensor | None = None,
        *,
        half: bool = False,
    ) -> None:
        super().__init__(graph, calls, seed)
        self._ruled, self._taps, self._half = ruled, taps, half
        self.tape: list[torch.Tensor] = []
        self.sites: list[Site] = []
        self.claims: list[tuple[int, Claim]] = []
        self.otherwise: set[str] = set()

    def call(self, op: str, *args: Any, **kwargs: Any) -> Any:
        if op in _MATERIALISED:
            args, kwargs = self._plain(args), self._plain(kwargs)
        elif op in _RECURRENT:
            args = (*self._plain(args[:2]), *args[2:])
        return super().call(op, *args, **kwargs)

    def apply(self, op: str, *args: Any, **kwargs: Any) -> Any:
        if any(isinstance(a, View) for a in args):
            view = follow(op, args)
            if view is not None:
                return view
            rule = None if kwargs else find(op, args)
            if rule is not None and all(c.name in self._ruled for c in rule.claims):
                return self._tap(op, args, rule)
            if rule is not None and rule.claims[0].kind == "rows":
                return self._looked_up(op, args, rule)
        return self._run(op, self._plain(args), self._plain(kwargs))

    def _tap(self, op: str, args: Sequence[Any], rule: Rule) -> torch.Tensor:
        site = len(self.sites)
        self.claims += [(site, claim) for claim in rule.claims]
        output = self._run(op, [a.tensor if isinstance(a, View) else a for a in args], {})
        self.sites.append(Site(tuple(rule.activation.shape), tuple(output.shape), output.dtype))
        self.tape.append(rule.activation)
        return output + self._taps[site] if self._taps else output  # type: ignore[no-any-return]  # torch.ops

    def _looked_up(self, op: str, args: Sequence[Any], rule: Rule) -> torch.Tensor:
        """Torch's batching rule of an embedding with a batched weight forgets the padding index."""
        output = self._run(op, self._plain(args), {})
        padding = rule.claims[0].meta
        still = torch.where((args[1] == padding).unsqueeze(-1), output.detach(), output)
        return still if padding >= 0 else output

    def _run(self, op: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        if self._half and op in MADE:
            made = super().apply(op, *args, **kwargs)
            return made.bfloat16() if made.is_floating_point() else made
        if not (self._half and op in _WHOLE):
            return super().apply(op, *args, **kwargs)
        whole = [a.float() if isinstance(a, torch.Tensor) and a.is_floating_point() else a for a in args]
        return super().apply(op, *whole, **kwargs).bfloat16()

    def _plain(self, value: Any) -> Any:
        """Return the value with parameters as tensors: used in a way no rule knows."""
        if isinstance(value, View):
            self.otherwise.add(value.name)
            return value.tensor
        if isinstance(value, dict):
            return {name: self._plain(member) for name, member in value.items()}
        if isinstance(value, (list, tuple)):
            return type(value)(self._plain(member) for member in value)
        return value


def known(graph: Graph, params: Mapping[str, torch.Tensor], x: torch.Tensor) -> dict[str, Any]:
    """Return the inputs and parameters of a pass by name; trained parameters as views of themselves."""
    trained = set(graph.trained)
    views = {name: View(name, value) if name in trained else value for name, value in params.items()}
    return {**views, **feed(graph, x)}


def find_uses(graph: Graph, params: Mapping[str, torch.Tensor], *, dense: frozenset[str] = frozenset()) -> Uses:
    """Return how the graph uses its trained parameters, found by a pass over a record of zeros.

    A parameter that is used in a way no rule knows, or in ways of two classes, is dense; so are then all uses of its
    node, which may make another parameter dense: repeated until nothing changes.

    Args:
        dense: Parameters to make dense whatever their uses.
    """
    calls = compiled(graph)
    ruled = frozenset(graph.trained) - dense
    while True:
        seen = Tapped(graph, calls, ruled)
        with torch.no_grad():
            output = seen.run(known(graph, params, _zeros(graph, params)))
        if isinstance(output, View):
            seen.otherwise.add(output.name)
        found: dict[str, list[Use]] = {}
        for site, claim in seen.claims:
            found.setdefault(claim.name, []).append(Use(claim.kind, site, claim.meta))
        mixed = {name for name, uses in found.items() if len({CLASS[use.kind] for use in uses}) > 1}
        bad = (seen.otherwise | mixed | (ruled - set(found))) & ruled
        if not bad:
            rest = tuple(name for name in graph.trained if name not in found)
            return Uses({name: tuple(uses) for name, uses in found.items()}, rest, tuple(seen.sites))
        ruled -= bad


def _zeros(graph: Graph, params: Mapping[str, torch.Tensor]) -> torch.Tensor:
    device = next(iter(params.values())).device
    if len(graph.inputs) > 1:
        return torch.zeros((1, width(graph)), device=device)
    dtype = torch.int64 if graph.inputs[0].dtype == "int64" else torch.float32
    return torch.zeros(graph.inputs[0].shape, dtype=dtype, device=device)
