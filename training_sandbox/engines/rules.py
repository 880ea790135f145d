"""How a node uses a parameter: the uses whose gradient is a product of what went in and what came back.

For these the gradient of one record is never formed: its norm and its weighted sum follow from the node's input and the
gradient at its output. Every other use is "dense": correct as well, at the price of one gradient for each record.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch

Kind = Literal["matrix", "patches", "rows", "shift", "scale"]
CLASS: dict[Kind, str] = {
    "matrix": "matrix",
    "patches": "matrix",
    "rows": "rows",
    "shift": "vector",
    "scale": "vector",
}
"""Uses of one parameter can be added up where they are of one class."""


@dataclass(frozen=True, slots=True)
class Window:
    """How a convolution moves over its input; ``padding`` is (before, after) for each dimension."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    groups: int


@dataclass(frozen=True, slots=True)
class Normaliser:
    """What a norm layer divides by: ``layer`` and ``rms`` over the last ``count`` dimensions, ``group`` in groups."""

    kind: Literal["layer", "rms", "group"]
    count: int
    eps: float | None


@dataclass(frozen=True, slots=True)
class Claim:
    """One parameter of a node.

    Attributes:
        meta: matrix: it is stored (in, out); patches: :class:`Window`; rows: the padding index; shift: the
            dimension of the channels; scale: :class:`Normaliser`.
    """

    name: str
    kind: Kind
    meta: Any


@dataclass(frozen=True, slots=True)
class Rule:
    """The input of a node, and its parameters."""

    activation: Any
    claims: tuple[Claim, ...]


@dataclass(frozen=True, slots=True)
class View:
    """A value that IS a parameter: perhaps transposed, perhaps with a leading dimension of one."""

    name: str
    value: torch.Tensor
    transposed: bool = False
    leading: bool = False

    @property
    def tensor(self) -> torch.Tensor:
        """Return the value as the graph sees it."""
        value = self.value.t() if self.transposed else self.value
        return value.unsqueeze(0) if self.leading else value

    @property
    def shape(self) -> torch.Size:
        """Return the shape as the graph sees it."""
        return self.tensor.shape


def follow(op: str, args: Sequence[Any]) -> View | None:
    """Return the parameter that a node passes on unchanged, transposed or with a leading one; else None."""
    view = args[0]
    if not isinstance(view, View) or any(isinstance(a, View) for a in args[1:]):
        return None
    shape, flat = tuple(view.shape), len(view.shape) == 2
    if op in ("clone.default", "contiguous.default"):
        return view
    if op in ("expand.default", "reshape.default", "_unsafe_view.default", "view.default"):
        size = tuple(args[1])
        if size == shape:
            return view
        return View(view.name, view.value, view.transposed, leading=True) if flat and size == (1, *shape) else None
    if op == "unsqueeze.default" and flat and args[1] == 0:
        return View(view.name, view.value, view.transposed, leading=True)
    if op == "squeeze.dim" and view.leading and args[1] == 0:
        return View(view.name, view.value, view.transposed)
    swapped = (
        op == "t.default"
        or (op == "transpose.int" and {args[1] % 2, args[2] % 2} == {0, 1})
        or (op == "permute.default" and [n % 2 for n in args[1]] == [1, 0])
    )
    return View(view.name, view.value, not view.transposed) if swapped and flat and not view.leading else None


def find(op: str, args: Sequence[Any]) -> Rule | None:
    """Return the rule for a node, or None where its parameters must be dense."""
    finder = _FINDERS.get(op)
    return finder(op, args) if finder else None


def _at(args: Sequence[Any], place: int, default: Any = None) -> Any:
    return args[place] if len(args) > place else default


def _is(value: Any) -> bool:
    return isinstance(value, View)


def _matrix(view: View, *, in_out: bool) -> Claim:
    return Claim(view.name, "matrix", in_out)


def _linear(_: str, args: Sequence[Any]) -> Rule | None:
    x, weight, bias = args[0], args[1], _at(args, 2)
    if _is(x) or not _is(weight) or len(weight.shape) != 2 or not (bias is None or _is(bias)):
        return None
    shift = (Claim(bias.name, "shift", -1),) if _is(bias) else ()
    return Rule(x, (_matrix(weight, in_out=weight.transposed), *shift))


def _addmm(_: str, args: Sequence[Any]) -> Rule | None:
    bias, x, weight = args
    if _is(x) or not (_is(weight) and _is(bias)) or len(bias.shape) != 1:
        return None
    return Rule(x, (_matrix(weight, in_out=not weight.transposed), Claim(bias.name, "shift", -1)))


def _product(op: str, args: Sequence[Any]) -> Rule | None:
    x, weight = args
    if _is(x) or not _is(weight):
        return None
    fits = weight.leading if op == "bmm.default" else len(weight.shape) == 2
    return Rule(x, (_matrix(weight, in_out=not weight.transposed),)) if fits and x.dim() > 1 else None


def _convolution(op: str, args: Sequence[Any]) -> Rule | None:
    x, weight, bias = args[0], args[1], _at(args, 2)
    if _is(x) or not _is(weight) or not (bias is None or _is(bias)):
        return None
    kernel = tuple(weight.shape[2:])
    count = len(kernel)
    stride, dilation = _spread(_at(args, 3, 1), count), _spread(_at(args, 5, 1), count)
    given = _at(args, 4, 0)
    if op.endswith(".padding"):
        total = [d * (k - 1) if given == "same" else 0 for d, k in zip(dilation, kernel, strict=True)]
        padding = tuple((t // 2, t - t // 2) for t in total)
    else:
        padding = tuple((p, p) for p in _spread(given, count))
    window = Window(kernel, stride, dilation, padding, _at(args, 6, 1))
    shift = (Claim(bias.name, "shift", 1),) if _is(bias) else ()
    return Rule(x, (Claim(weight.name, "patches", window), *shift)) if x.dim() == count + 2 else None


def _embedding(_: str, args: Sequence[Any]) -> Rule | None:
    weight, indices = args[0], args[1]
    if not _is(weight) or _is(indices) or weight.transposed or weight.leading:
        return None
    return Rule(indices, (Claim(weight.name, "rows", _at(args, 2, -1)),))


def _norm(op: str, args: Sequence[Any]) -> Rule | None:
    x, weight, bias = args[0], _at(args, 2), (None if op.startswith("rms") else _at(args, 3))
    if _is(x) or not all(v is None or _is(v) for v in (weight, bias)):
        return None
    kind: Any = op.split("_", maxsplit=1)[0]
    eps = _at(args, 3) if kind == "rms" else _at(args, 4, 1e-5)
    count = args[1] if kind == "group" else len(args[1])
    scale = (Claim(weight.name, "scale", Normaliser(kind, count, eps)),) if weight is not None else ()
    shift = (Claim(bias.name, "shift", 1 if kind == "group" else -count),) if bias is not None else ()
    return Rule(x, (*scale, *shift))


def _add(_: str, args: Sequence[Any]) -> Rule | None:
    x, bias = (args[1], args[0]) if _is(args[0]) else args
    fits = isinstance(x, torch.Tensor) and _is(bias) and len(bias.shape) == 1
    return Rule(x, (Claim(bias.name, "shift", -1),)) if fits and x.dim() > 1 and x.shape[-1:] == bias.shape else None


def _spread(value: Any, count: int) -> tuple[int, ...]:
    values = tuple(value) if isinstance(value, (list, tuple)) else (value,)
    return values * count if len(values) == 1 else values


_FINDERS: dict[str, Callable[[str, Sequence[Any]], Rule | None]] = {
    "linear.default": _linear,
    "addmm.default": _addmm,
    "mm.default": _product,
    "matmul.default": _product,
    "bmm.default": _product,
    "conv1d.default": _convolution,
    "conv1d.padding": _convolution,
    "conv2d.default": _convolution,
    "conv2d.padding": _convolution,
    "embedding.default": _embedding,
    "layer_norm.default": _norm,
    "rms_norm.default": _norm,
    "group_norm.default": _norm,
    "add.Tensor": _add,
}
