"""One flat functional graph out of a whole step: traced once, tidied, then run as it is or compiled.

FX writes Python for a graph and executes it; every name in that text is torch's own, none is a partner's.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.fx.experimental.proxy_tensor import make_fx
from torch.fx.passes.dialect.common.cse_pass import CSEPass

from policies.errors import TrainingFailed

_ATEN = torch.ops.aten
_VIEWS = frozenset({_ATEN.view.default, _ATEN._unsafe_view.default, _ATEN.reshape.default})  # noqa: SLF001  # torch.ops
_SAME_NUMBERS = _VIEWS | {
    _ATEN.permute.default,
    _ATEN.movedim.int,
    _ATEN.unsqueeze.default,
    _ATEN.squeeze.dim,
    _ATEN.transpose.int,
    _ATEN.alias.default,
    _ATEN.detach.default,
}
_NOTHING = frozenset({_ATEN.detach.default, _ATEN.alias.default})


def trace(
    step: Callable[..., Any], inputs: Sequence[torch.Tensor], taps: range
) -> tuple[torch.fx.GraphModule, tuple[int, ...]]:
    """Return (the graph of ``step``, which of ``taps`` it still takes).

    Args:
        step: A function of tensors only, of static shapes.
        taps: Positions of inputs that are zeros added to something. The derivative by them is in the graph already, so
            they are taken out where the addition changes no shape.
    """
    traced = make_fx(step, tracing_mode="fake")(*inputs)
    places = [node for node in traced.graph.nodes if node.op == "placeholder"]
    for place in taps:
        _erase(places[place])
    traced.graph.eliminate_dead_code()
    functional(traced)
    _tidy(traced)
    found = CSEPass()(traced)
    if found is not None and found.modified:
        traced.graph = found.graph_module.graph
    traced.graph.eliminate_dead_code()
    places = [node for node in traced.graph.nodes if node.op == "placeholder"]
    kept = tuple(place for place in taps if places[place].users)
    for place in taps:
        if place not in kept:
            traced.graph.erase_node(places[place])
    traced.graph.lint()
    traced.recompile()
    return traced, kept


def functional(traced: torch.fx.GraphModule) -> None:
    """Write every in-place operation as its functional form: merging equal nodes is silently wrong before that.

    Raises:
        TrainingFailed: one is not of the simple kind that composite operations leave.
    """
    for node in traced.graph.nodes:
        if not (isinstance(node.target, torch._ops.OpOverload) and node.target._schema.is_mutable):  # noqa: SLF001
            continue
        name = node.target._schema.name.split("::")[1]  # noqa: SLF001
        written = node.args[0]
        if not name.endswith("_") or len(written.users) != 1 or written.op == "placeholder":
            raise TrainingFailed(f"the traced step writes in place: {name}")
        node.target = getattr(getattr(_ATEN, name[:-1]), node.target._overloadname)  # noqa: SLF001


def _erase(tap: torch.fx.Node) -> None:
    waiting = list(tap.users)
    while waiting:
        user = waiting.pop()
        if user.target is _ATEN.add.Tensor and len(user.args) == 2:
            others = [a for a in user.args if isinstance(a, torch.fx.Node) and not _comes_from(a, tap)]
            if len(others) == 1 and _shape(others[0]) == _shape(user):
                user.replace_all_uses_with(others[0])
        elif user.target in _SAME_NUMBERS:
            waiting += list(user.users)


def _comes_from(node: torch.fx.Node, source: torch.fx.Node) -> bool:
    while node is not source and node.target in _SAME_NUMBERS:
        node = node.all_input_nodes[0]
    return node is source


def _tidy(traced: torch.fx.GraphModule) -> None:
    for node in list(traced.graph.nodes):
        if node.op != "call_function":
            continue
        first = node.args[0] if node.args else None
        if not isinstance(first, torch.fx.Node):
            continue
        if _changes_nothing(node, first):
            node.replace_all_uses_with(first)
        elif node.target in _VIEWS and first.op == "call_function" and first.target in _VIEWS:
            node.args = (first.args[0], list(_shape(node)))
        elif node.target is _ATEN.t.default and first.op == "call_function" and first.target is _ATEN.t.default:
            node.replace_all_uses_with(first.args[0])
        elif node.target is _ATEN.add.Tensor and len(node.args) == 2 and not node.kwargs:
            _fuse_bias(traced.graph, node)
    traced.graph.eliminate_dead_code()


def _changes_nothing(node: torch.fx.Node, first: torch.fx.Node) -> bool:
    if node.target in _NOTHING:
        return True
    if node.target is _ATEN.mul.Scalar or node.target is _ATEN.mul.Tensor:
        factor = node.args[1]
        return isinstance(factor, (int, float)) and factor == 1 and bool(_dtype(first) == _dtype(node))
    sized = node.target in _VIEWS or node.target in (_ATEN.expand.default, _ATEN.slice.Tensor)
    return sized and _shape(first) == _shape(node)


def _fuse_bias(graph: torch.fx.Graph, node: torch.fx.Node) -> None:
    """A matrix product plus a bias becomes one operation."""
    for bias, product in (node.args, node.args[::-1]):
        if not (isinstance(bias, torch.fx.Node) and isinstance(product, torch.fx.Node)):
            return
        inner: Any = product
        if product.op == "call_function" and product.target in _VIEWS and len(product.users) == 1:
            inner = product.args[0]
        fits = inner.op == "call_function" and inner.target is _ATEN.mm.default and len(inner.users) == 1
        if fits and len(_shape(bias)) == 1 and _shape(inner)[1] == _shape(bias)[0] == _shape(node)[-1]:
            with graph.inserting_before(node):
                fused = graph.call_function(_ATEN.addmm.default, (bias, *inner.args))
                fused.meta["val"] = inner.meta["val"]
                shaped = graph.call_function(_ATEN.view.default, (fused, list(_shape(node))))
                shaped.meta["val"] = node.meta["val"]
            node.replace_all_uses_with(shaped)
            return


def _shape(node: torch.fx.Node) -> tuple[int, ...]:
    value = node.meta.get("val")
    return tuple(value.shape) if isinstance(value, torch.Tensor) else (-1,)


def _dtype(node: torch.fx.Node) -> Any:
    return getattr(node.meta.get("val"), "dtype", None)


def compiler_settings() -> dict[str, Any]:
    """Return how Inductor is to compile these graphs.

    Its layout optimisation makes their convolutions two to three times slower on a CPU. Whether it may use vector
    instructions it asks a child process that loads a library without torch; that crashes now and then, and all code
    is then scalar and several times slower. This torch knows what the processor can do.
    """
    vectors = torch.backends.cpu.get_cpu_capability() not in ("DEFAULT", "NO AVX")
    return {"layout_optimization": False, **({"cpp.vec_isa_ok": True} if vectors else {})}


def compiled(traced: torch.fx.GraphModule) -> Callable[..., Any]:
    """Return the graph through the compiler, at its first call.

    Sizes are static and the graph is functional, so it goes to Inductor as it is: nothing is guarded at each call.
    On CUDA, Inductor records the whole of it as a CUDA graph.
    """
    import torch._inductor.config as inductor

    made: list[Callable[..., Any]] = []

    def call(*arguments: torch.Tensor) -> Any:
        if not made:
            on_gpu = any(a.is_cuda for a in arguments)
            with inductor.patch({**compiler_settings(), "triton.cudagraphs": on_gpu}):
                made.append(torch._inductor.compile(traced, list(arguments)))  # noqa: SLF001  # its documented entry
        return made[0](*arguments)

    return call
