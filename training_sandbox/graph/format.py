"""``medtrain.graph/1``: a partner's model as strict JSON, read and checked without torch.

A graph is for ONE record: every shape is static and starts with a batch of one. It names its inputs, its
parameters (values lie in a safetensors file), its nodes in the order of execution, and one output. Nothing in it is
ever evaluated, imported or unpickled. Standard library only: the partner's client carries this file unchanged.
"""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .ops import OPS, refusal

SCHEMA = "medtrain.graph/1"
DTYPES = ("float32", "int64", "bool")
STRINGS = ("none", "tanh", "same", "valid")
MAXIMUM_BYTES = 8 << 20
MAXIMUM_NODES = 20_000
MAXIMUM_PARAMETERS = 4_096
MAXIMUM_VALUES = 50_000_000
MAXIMUM_DIMENSIONS = 8
MAXIMUM_LIST = 4_096
MAXIMUM_INTEGER = 2**53
MAXIMUM_LAYERS = 16

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.]{0,127}\Z")
_NUMBER = (int, float)


class Refusal(ValueError):
    """A graph or weight file was refused. ``code`` is a stable ``MT-…`` code, ``detail`` says what to change."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code, self.detail = code, detail


@dataclass(frozen=True, slots=True)
class Ref:
    """The tensor of that name."""

    name: str


Value = Ref | tuple[Ref, ...] | tuple[int, ...] | int | float | bool | str | None


@dataclass(frozen=True, slots=True)
class Tensor:
    """A named input or parameter, static shape."""

    name: str
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Node:
    """One operation. ``outs`` are names; an operation that gives a list names each member."""

    op: str
    args: tuple[Value, ...]
    kwargs: tuple[tuple[str, Value], ...]
    outs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Graph:
    """A checked model: inputs, parameters, nodes in order, the name of the output.

    Attributes:
        frozen: Names of parameters that are not trained: the public base under an adapter.
    """

    inputs: tuple[Tensor, ...]
    parameters: tuple[Tensor, ...]
    nodes: tuple[Node, ...]
    output: str
    frozen: tuple[str, ...] = ()

    @property
    def trained(self) -> tuple[str, ...]:
        """Return the names of the parameters that are trained, in the order of the file."""
        frozen = set(self.frozen)
        return tuple(tensor.name for tensor in self.parameters if tensor.name not in frozen)

    def to_json(self) -> bytes:
        """Return the graph file: UTF-8 JSON with sorted keys and no spaces."""
        value = {
            "schema": SCHEMA,
            "inputs": [_tensor_json(t) for t in self.inputs],
            "parameters": [_tensor_json(t) for t in self.parameters],
            "nodes": [_node_json(n) for n in self.nodes],
            "output": self.output,
        }
        if self.frozen:
            value["frozen"] = list(self.frozen)
        return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def read(raw: bytes) -> Graph:
    """Return the graph in ``raw``, every structural rule checked.

    Raises:
        Refusal: naming the rule broken.
    """
    value = strict_json(raw, MAXIMUM_BYTES)
    keys = ("schema", "inputs", "parameters", "nodes", "output")
    frozen = isinstance(value, dict) and "frozen" in value
    top = _object(value, "the graph", (*keys, "frozen") if frozen else keys)
    _must(top["schema"] == SCHEMA, "MT-IR", f"the schema must be {SCHEMA}")
    graph = Graph(
        inputs=tuple(_tensor(t, "an input") for t in _list(top["inputs"], "inputs", 16)),
        parameters=tuple(_tensor(t, "a parameter") for t in _list(top["parameters"], "parameters", MAXIMUM_PARAMETERS)),
        nodes=tuple(_node(n) for n in _list(top["nodes"], "nodes", MAXIMUM_NODES)),
        output=_name(top["output"]),
        frozen=tuple(_name(n) for n in _list(top["frozen"], "frozen", MAXIMUM_PARAMETERS)) if frozen else (),
    )
    check(graph)
    return graph


def check(graph: Graph) -> None:
    """Refuse a graph that breaks a rule between its parts.

    Raises:
        Refusal: naming the rule broken.
    """
    _must(bool(graph.inputs) and bool(graph.parameters), "MT-IR", "a model needs an input and a parameter")
    for tensor in graph.inputs:
        batch_of_one = len(tensor.shape) > 1 and tensor.shape[0] == 1
        _must(batch_of_one, "MT-SHAPE", f"input {tensor.name} must have a batch of one: shape [1, …]")
        _must(tensor.dtype in ("float32", "int64"), "MT-SHAPE", f"input {tensor.name} must be float32 or int64")
    for tensor in graph.parameters:
        _must(tensor.dtype == "float32", "MT-SHAPE", f"parameter {tensor.name} must be float32")
    values = sum(math.prod(t.shape) for t in graph.parameters)
    _must(values <= MAXIMUM_VALUES, "MT-SIZE", f"{values:,} parameter values; {MAXIMUM_VALUES:,} are allowed")
    names = {tensor.name for tensor in graph.parameters}
    known = len(set(graph.frozen)) == len(graph.frozen) and set(graph.frozen) <= names
    _must(known, "MT-IR", "frozen must name parameters, each once")
    _must(len(graph.frozen) < len(names), "MT-IR", "every parameter is frozen: nothing is left to train")
    defined: set[str] = set()
    for tensor in (*graph.inputs, *graph.parameters):
        _define(tensor.name, defined)
    used: set[str] = set()
    for position, node in enumerate(graph.nodes):
        for name in references(node):
            _must(name in defined, "MT-IR", f"node {position} uses {name} before it is defined")
            used.add(name)
        _check_call(node, position)
        for name in node.outs:
            _define(name, defined)
    _must(any(graph.output in n.outs for n in graph.nodes), "MT-IR", "the output must be the result of a node")
    for tensor in graph.parameters:
        _must(tensor.name in used, "MT-IR", f"parameter {tensor.name} is never used; remove it from the model")


def references(node: Node) -> Iterator[str]:
    """Yield the names of the tensors that a node takes, in order."""
    for value in (*node.args, *(value for _, value in node.kwargs)):
        if isinstance(value, Ref):
            yield value.name
        elif isinstance(value, tuple):
            yield from (member.name for member in value if isinstance(member, Ref))


def strict_json(raw: bytes, limit: int) -> Any:
    """Return the value of UTF-8 JSON text; refuse duplicate keys, NaN, infinities, huge numbers and deep nesting.

    Raises:
        Refusal: the text is too long or not strict JSON.
    """
    _must(len(raw) <= limit, "MT-SIZE", f"the JSON is longer than {limit:,} bytes")
    try:
        return json.loads(raw.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
    except Refusal:
        raise
    except (RecursionError, ValueError) as problem:
        raise Refusal("MT-IR", f"not strict JSON ({type(problem).__name__})") from None


def _check_call(node: Node, position: int) -> None:
    where = f"node {position}, {node.op}"
    if node.op not in OPS:
        code, hint = refusal(node.op)
        raise Refusal(code, f"{where}: {hint}")
    signature = OPS[node.op]
    positional = [a for a in signature.arguments if not a.keyword_only]
    _must(len(node.args) <= len(positional), "MT-IR", f"{where}: too many arguments")
    given = dict(zip((a.name for a in positional), node.args, strict=False))
    for name, value in node.kwargs:
        _must(name not in given, "MT-IR", f"{where}: argument {name} is given twice")
        given[name] = value
    known = {a.name: a for a in signature.arguments}
    for name, value in given.items():
        _must(name in known, "MT-IR", f"{where}: there is no argument {name}")
        _must(_fits(value, known[name].type), "MT-IR", f"{where}: argument {name} must be {known[name].type}")
    for argument in signature.arguments:
        _must(not argument.required or argument.name in given, "MT-IR", f"{where}: argument {argument.name} is missing")
    one = signature.gives_list or len(node.outs) == signature.results
    _must(one and bool(node.outs), "MT-IR", f"{where}: the wrong number of results")
    _check_special(node, given, where)


def _check_special(node: Node, given: dict[str, Value], where: str) -> None:
    base = node.op.split(".")[0]
    for name in ("p", "dropout", "dropout_p"):
        share = given.get(name, 0.0)
        inside = type(share) in _NUMBER and 0 <= share < 1  # type: ignore[operator]  # a number by the test before
        _must(inside, "MT-RNG", f"{where}: the share that is dropped must lie in [0, 1)")
    if base in ("gru", "lstm"):
        _check_recurrent(given, where)
    if base == "scaled_dot_product_attention":
        _must(not given.get("enable_gqa"), "MT-OP", f"{where}: grouped-query attention is not supported")
    if base == "embedding":
        plain = not given.get("scale_grad_by_freq") and not given.get("sparse")
        _must(plain, "MT-OP", f"{where}: scale_grad_by_freq and sparse must be false")


def _check_recurrent(given: dict[str, Value], where: str) -> None:
    """A recurrent layer names its weights in a list: there must be as many as its settings say."""
    layers = given["num_layers"]
    plausible = isinstance(layers, int) and 1 <= layers <= MAXIMUM_LAYERS
    _must(plausible, "MT-SIZE", f"{where}: 1 to {MAXIMUM_LAYERS} layers")
    each = (4 if given["has_biases"] else 2) * (2 if given["bidirectional"] else 1)
    params, state = given["params"], given["hx"]
    right = isinstance(params, tuple) and isinstance(layers, int) and len(params) == each * layers
    _must(right, "MT-IR", f"{where}: the wrong number of weights (a projection is not supported)")
    _must(not isinstance(state, tuple) or len(state) == 2, "MT-IR", f"{where}: a state is two tensors")


def _fits(value: Value, kind: str) -> bool:
    if kind.endswith("?"):
        return value is None or _fits(value, kind[:-1])
    if kind in ("scalar", "float"):
        return type(value) in _NUMBER
    if kind == "operand":
        return isinstance(value, Ref) or type(value) in _NUMBER
    if kind == "tensors":
        return isinstance(value, tuple) and bool(value) and all(isinstance(v, Ref) for v in value)
    if kind == "ints":
        return isinstance(value, tuple) and all(type(v) is int for v in value)
    if kind == "dtype":
        return value in DTYPES
    if kind == "str":
        return value in STRINGS
    if kind == "floats":
        return False  # null alone: what a scale means is written as a size
    types: dict[str, type] = {"tensor": Ref, "int": int, "bool": bool}
    return type(value) is types[kind]


def _define(name: str, defined: set[str]) -> None:
    _must(name not in defined, "MT-IR", f"the name {name} is defined twice")
    defined.add(name)


def _node(value: Any) -> Node:
    fields = _object(value, "a node", ("op", "args", "kwargs", "outs"))
    _must(isinstance(fields["op"], str) and len(fields["op"]) <= 128, "MT-IR", "the name of an operation must be text")
    _must(isinstance(fields["kwargs"], dict), "MT-IR", "the keyword arguments of a node must be an object")
    return Node(
        op=fields["op"],
        args=tuple(_value(v) for v in _list(fields["args"], "arguments", 16)),
        kwargs=tuple((_name(k), _value(v)) for k, v in sorted(fields["kwargs"].items())),
        outs=tuple(_name(o) for o in _list(fields["outs"], "results", MAXIMUM_LIST)),
    )


def _value(value: Any) -> Value:
    if isinstance(value, dict):
        if list(value) == ["tensor"]:
            return Ref(_name(value["tensor"]))
        _must(list(value) == ["tensors"], "MT-IR", "an argument object must be a tensor or tensors")
        return tuple(Ref(_name(v)) for v in _list(value["tensors"], "tensors", MAXIMUM_LIST))
    if isinstance(value, list):
        return tuple(_integer(v) for v in _list(value, "integers", MAXIMUM_LIST))
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, int):
        return _integer(value)
    _must(isinstance(value, float) and math.isfinite(value), "MT-IR", "a number is not finite")
    return float(value)


def _tensor(value: Any, what: str) -> Tensor:
    fields = _object(value, what, ("name", "dtype", "shape"))
    _must(fields["dtype"] in DTYPES, "MT-SHAPE", f"{what} has an unknown dtype")
    shape = tuple(_integer(n) for n in _list(fields["shape"], "a shape", MAXIMUM_DIMENSIONS))
    _must(all(n >= 1 for n in shape), "MT-SHAPE", f"{what} has an empty or negative dimension")
    return Tensor(_name(fields["name"]), fields["dtype"], shape)


def _object(value: Any, what: str, keys: tuple[str, ...]) -> dict[str, Any]:
    _must(isinstance(value, dict) and set(value) == set(keys), "MT-IR", f"{what} must have exactly {', '.join(keys)}")
    found: dict[str, Any] = value
    return found


def _list(value: Any, what: str, limit: int) -> list[Any]:
    _must(isinstance(value, list), "MT-IR", f"{what}: a list was expected")
    found: list[Any] = value
    _must(len(found) <= limit, "MT-SIZE", f"{what}: more than {limit:,}")
    return found


def _name(value: Any) -> str:
    _must(isinstance(value, str) and bool(_NAME.match(value)), "MT-IR", "a name must be 1 to 128 of A-Z a-z 0-9 _ .")
    return str(value)


def _integer(value: Any) -> int:
    _must(type(value) is int and abs(value) <= MAXIMUM_INTEGER, "MT-IR", "an integer within ±2^53 was expected")
    return int(value)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    _must(len(found) == len(pairs), "MT-IR", "duplicate key")
    return found


def _no_constant(word: str) -> Any:
    raise Refusal("MT-IR", f"{word} is not JSON")


def _must(holds: bool, code: str, detail: str) -> None:
    if not holds:
        raise Refusal(code, detail)


def _tensor_json(tensor: Tensor) -> dict[str, Any]:
    return {"name": tensor.name, "dtype": tensor.dtype, "shape": list(tensor.shape)}


def _node_json(node: Node) -> dict[str, Any]:
    return {
        "op": node.op,
        "args": [_value_json(v) for v in node.args],
        "kwargs": {name: _value_json(v) for name, v in node.kwargs},
        "outs": list(node.outs),
    }


def _value_json(value: Value) -> Any:
    if isinstance(value, Ref):
        return {"tensor": value.name}
    if isinstance(value, tuple):
        refs = [v.name for v in value if isinstance(v, Ref)]
        return {"tensors": refs} if refs else list(value)
    return value
