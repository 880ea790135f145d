"""From a PyTorch module to the facility's graph format, with words on what to change where it does not fit.

The module is exported at batch one with static shapes on the partner's machine. What is sent is JSON and safetensors.
"""

import hashlib
import io
import json
import logging
import operator
import platform
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch.export.graph_signature import InputKind, OutputKind

from medtrain_client.graph import format as form
from medtrain_client.graph import weights
from medtrain_client.graph.ops import OPS, refusal

SCHEMA = "medtrain.pack/1"
_DTYPES = {torch.float32: "float32", torch.int64: "int64", torch.bool: "bool"}
_TRUSTED_SIDE = {"device", "layout", "memory_format", "pin_memory", "non_blocking", "copy"}
_SPEC = re.compile(r"(float32|int64)\[(\d+(?:,\d+)*)\]\Z")
_TO_THE_END = 2**63 - 1  # how torch writes the open end of a slice
_WITHOUT_EFFECT = {"aten._assert_tensor_metadata.default"}
_SAME_AS_INPUT = {"aten.alias.default", "aten.detach.default", "aten.lift_fresh_copy.default"}


@dataclass(frozen=True, slots=True)
class Packed:
    """The three files of a pack, and how many parameter values the model has."""

    graph: bytes
    weights: bytes
    manifest: bytes
    values: int

    def write(self, folder: Path) -> None:
        """Write ``graph.json``, ``init.safetensors`` and ``pack.json`` into ``folder``, made if missing."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "graph.json").write_bytes(self.graph)
        (folder / "init.safetensors").write_bytes(self.weights)
        (folder / "pack.json").write_bytes(self.manifest)


def pack(module: torch.nn.Module, spec: str) -> Packed:
    """Return the pack of ``module`` for one record of ``spec``: ``float32[1,12]``, or several inputs joined by ``+``.

    A parameter that does not require a gradient is frozen: kept as it is, the base under an adapter.

    Raises:
        Refusal: the module does not fit the format; the sentence says what to change.
    """
    examples = tuple(_example(part) for part in spec.split("+"))
    _check_modules(module)
    graph, names = _graph(_exported(module, examples))
    form.check(graph)
    raw_graph = graph.to_json()
    form.read(raw_graph)
    raw_weights = save({name: value.detach().contiguous().clone() for name, value in names.items()})
    weights.read(graph, raw_weights)
    manifest = {
        "schema": SCHEMA,
        "input": spec,
        "files": {"graph.json": _sha256(raw_graph), "init.safetensors": _sha256(raw_weights)},
        "made_with": {"python": platform.python_version(), "torch": str(torch.__version__)},
    }
    raw_manifest = json.dumps(manifest, sort_keys=True, indent=2).encode() + b"\n"
    return Packed(raw_graph, raw_weights, raw_manifest, sum(v.numel() for v in names.values()))


def _example(spec: str) -> torch.Tensor:
    found = _SPEC.match(spec.replace(" ", ""))
    if not found:
        raise form.Refusal("MT-SHAPE", f"the input {spec!r} is not of the form float32[1,12] or int64[1,64]")
    shape = tuple(int(n) for n in found[2].split(","))
    if shape[0] != 1 or len(shape) < 2:
        raise form.Refusal("MT-SHAPE", "the input must be one record: its first dimension is 1, as in float32[1,12]")
    return torch.zeros(shape, dtype=torch.float32 if found[1] == "float32" else torch.int64)


def _check_modules(module: torch.nn.Module) -> None:
    """Refuse early, and by the name of the layer, what would fail later in less helpful words."""
    for name, layer in module.named_modules():
        kind = type(layer).__name__
        where = f"layer {name or 'the model'} ({kind})"
        if isinstance(layer, torch.nn.modules.batchnorm._BatchNorm):  # noqa: SLF001  the only common base
            raise form.Refusal(
                "MT-BUFFER", f"{where} mixes patients; use torch.nn.GroupNorm(groups, channels) or LayerNorm"
            )
        channels = (torch.nn.Dropout1d, torch.nn.Dropout2d, torch.nn.Dropout3d, torch.nn.AlphaDropout)
        if isinstance(layer, channels) and layer.p > 0:
            raise form.Refusal("MT-RNG", f"{where}: use nn.Dropout; dropping whole channels is not supported")
        if isinstance(layer, torch.nn.RNNBase) and (layer.mode.startswith("RNN") or layer.proj_size):
            raise form.Refusal("MT-OP", f"{where}: use nn.GRU, or nn.LSTM without proj_size")
    for name, _ in module.named_buffers():
        raise form.Refusal("MT-BUFFER", f"buffer {name}: a model has parameters only; compute it in forward instead")
    for name, value in module.named_parameters():
        if value.dtype != torch.float32:
            raise form.Refusal("MT-SHAPE", f"parameter {name} is {value.dtype}; use float32")


def _exported(module: torch.nn.Module, examples: tuple[torch.Tensor, ...]) -> Any:
    try:
        with _quiet():
            exported = torch.export.export(module, examples)
            if any(_mutates(node) for node in exported.graph.nodes):
                exported = exported.run_decompositions({})  # writes in place become functional where nobody can tell
    except Exception as problem:  # noqa: BLE001  torch.export raises many types; all mean: cannot be exported
        words = str(problem).strip().splitlines()
        raise form.Refusal(
            "MT-DYNSHAPE",
            "torch.export could not follow the model at batch one with static shapes; use torch.where or masks instead "
            f"of `if` and indexing that depend on values. It said: {words[0] if words else type(problem).__name__}",
        ) from None
    return exported


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep torch's own log and deprecation warnings away from the partner: our sentence says what to change."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with redirect_stderr(io.StringIO()):
                yield
    finally:
        logging.disable(before)


def _mutates(node: Any) -> bool:
    return isinstance(node.target, torch._ops.OpOverload) and node.target._schema.is_mutable  # noqa: SLF001


def _graph(exported: Any) -> tuple[form.Graph, dict[str, torch.Tensor]]:
    """Return the graph and its parameters by name; a parameter used under two names keeps the first."""
    several = sum(spec.kind == InputKind.USER_INPUT for spec in exported.graph_signature.input_specs) > 1
    signature, state = exported.graph_signature, exported.state_dict
    parameters: dict[str, torch.Tensor] = {}
    known: dict[str, form.Value] = {}
    inputs: list[form.Tensor] = []
    first_name: dict[int, str] = {}
    placeholders = {n.name: n for n in exported.graph.nodes if n.op == "placeholder"}
    for spec in signature.input_specs:
        if spec.kind == InputKind.USER_INPUT:
            value = placeholders[spec.arg.name].meta["val"]
            name = f"input{len(inputs)}" if several else "input"
            inputs.append(form.Tensor(name, _DTYPES[value.dtype], tuple(value.shape)))
            known[spec.arg.name] = form.Ref(name)
        elif spec.kind == InputKind.PARAMETER:
            name = first_name.setdefault(state[spec.target].data_ptr(), spec.target)
            parameters[name] = state[name]
            known[spec.arg.name] = form.Ref(name)
        else:
            raise form.Refusal("MT-CONST", f"constant {spec.target}: make it an nn.Parameter or compute it in forward")
    if any(spec.kind != OutputKind.USER_OUTPUT for spec in signature.output_specs):
        raise form.Refusal("MT-MUTATION", "the model changes its input or its own state in forward")
    if len(signature.output_specs) != 1:
        raise form.Refusal("MT-SHAPE", "forward must return exactly one tensor")
    fresh = _fresh({*(tensor.name for tensor in inputs), *parameters})
    nodes = tuple(_nodes(exported.graph, known, fresh))
    output = known[signature.output_specs[0].arg.name]
    if not isinstance(output, form.Ref):
        raise form.Refusal("MT-SHAPE", "forward must return exactly one tensor")
    tensors = tuple(form.Tensor(name, _DTYPES[v.dtype], tuple(v.shape)) for name, v in parameters.items())
    frozen = tuple(name for name, value in parameters.items() if not value.requires_grad)
    return form.Graph(tuple(inputs), tensors, nodes, output.name, frozen), parameters


def _fresh(taken: set[str]) -> Iterator[str]:
    """Yield short names that no parameter has."""
    number = 0
    while True:
        name = f"v{number}"
        if name not in taken:
            yield name
        number += 1


def _nodes(graph: Any, known: dict[str, form.Value], fresh: Iterator[str]) -> Iterator[form.Node]:
    for node in graph.nodes:
        target = str(node.target)
        if node.op in ("placeholder", "output") or target in _WITHOUT_EFFECT:
            continue
        if node.target is operator.getitem:
            members = known[node.args[0].name]
            known[node.name] = members[node.args[1]] if isinstance(members, tuple) else None
            continue
        if target in _SAME_AS_INPUT:
            known[node.name] = known[node.args[0].name]
            continue
        yield _one(node, target, known, fresh)


def _one(node: Any, target: str, known: dict[str, form.Value], fresh: Iterator[str]) -> form.Node:
    op = target.removeprefix("aten.")
    args, kwargs = tuple(node.args), dict(node.kwargs)
    if op in ("to.dtype_layout", "_to_copy.default") and "dtype" in kwargs:
        op, args = "to.dtype", (args[0], kwargs.pop("dtype"))
    if op == "to.dtype":
        args = args[:2]
    if op.startswith("upsample"):
        args = _sized(op, args, node)
    if op not in OPS or not target.startswith("aten."):
        code, hint = refusal(op)
        raise form.Refusal(code, f"{op}{_line(node)}: {hint}")
    signature = OPS[op]
    values = tuple(_value(a, known, node) for a in args)
    named = tuple(sorted((k, _value(v, known, node)) for k, v in kwargs.items() if k not in _TRUSTED_SIDE))
    several = signature.gives_list or signature.results > 1
    count = len(node.meta["val"]) if several else 1
    outs = tuple(next(fresh) for _ in range(count))
    known[node.name] = tuple(form.Ref(o) for o in outs) if several else form.Ref(outs[0])
    return form.Node(op, values, named, outs)


def _sized(op: str, args: tuple[Any, ...], node: Any) -> tuple[Any, ...]:
    """Return the arguments with the output's size in the place of a scale; they agree where the scale is whole."""
    scales = args[-1]
    if scales is None or len(args) < 3:
        return args
    if any(scale != int(scale) for scale in scales):
        raise form.Refusal("MT-SHAPE", f"{op}{_line(node)}: give Upsample a whole scale_factor, or a size")
    size = [int(n) for n in node.meta["val"].shape[2:]]
    return (args[0], size, *args[2:-1], None)


def _value(value: Any, known: dict[str, form.Value], node: Any) -> form.Value:
    if isinstance(value, torch.fx.Node):
        return known[value.name]
    if value == _TO_THE_END:
        return None
    if isinstance(value, torch.dtype):
        if value not in _DTYPES:
            raise form.Refusal("MT-SHAPE", f"{value}{_line(node)}: use float32, int64 or bool")
        return _DTYPES[value]
    if isinstance(value, (list, tuple)):
        members: Any = tuple(_value(v, known, node) for v in value)
        return members  # type: ignore[no-any-return]  # the format's own check follows
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise form.Refusal("MT-IR", f"{node.target}{_line(node)}: an argument of type {type(value).__name__}")


def _line(node: Any) -> str:
    """Return where in the partner's own source the operation stands."""
    trace = node.meta.get("stack_trace") or ""
    own = [line.strip() for line in trace.splitlines() if 'File "' in line and "site-packages" not in line]
    found = re.search(r'File "([^"]+)", line (\d+)', own[-1]) if own else None
    return f" at {Path(found[1]).name} line {found[2]}" if found else ""


def _sha256(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()
