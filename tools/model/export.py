"""Write the trained tagger as one ONNX file with int8 weights, its vocabulary, its gate and its list of terms."""

import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tools.model import lac
from tools.model.notes import Notes


def network(tables: lac.Lac, model: lac.Tagger) -> bytes:
    """Return the ONNX file: characters (windows, length) and lengths to log-probabilities (length, windows, tags)."""
    weights = {name: value.detach().numpy() for name, value in model.named_parameters()}
    nodes, stored = [], []

    def constant(name: str, value: np.ndarray, axis: int | None) -> None:
        if axis is None:
            stored.append(numpy_helper.from_array(value, name))
            return
        other = tuple(n for n in range(value.ndim) if n != axis)
        scale = np.maximum(np.abs(value).max(axis=other), 1e-6).astype(np.float32) / 127
        shape = [-1 if n == axis else 1 for n in range(value.ndim)]
        stored.append(numpy_helper.from_array(np.round(value / scale.reshape(shape)).astype(np.int8), f"{name}_int8"))
        stored.append(numpy_helper.from_array(scale, f"{name}_scale"))
        nodes.append(helper.make_node("DequantizeLinear", [f"{name}_int8", f"{name}_scale"], [name], axis=axis))

    constant("embedding", weights["embedding.weight"], 0)
    nodes.append(helper.make_node("Gather", ["embedding", "characters"], ["read"]))
    nodes.append(helper.make_node("Transpose", ["read"], ["x0"], perm=[1, 0, 2]))
    constant("flat", np.array([0, 0, 256], np.int64), None)
    for n in (0, 1):
        both = [[weights[f"recurrent.{part}_l{n}{way}"] for way in ("", "_reverse")] for part in _PARTS]
        constant(f"w{n}", np.stack([lac.gates(v) for v in both[0]]), 1)
        constant(f"r{n}", np.stack([lac.gates(v) for v in both[1]]), 1)
        bias = [np.concatenate([lac.gates(a), lac.gates(b)]) for a, b in zip(both[2], both[3], strict=True)]
        constant(f"b{n}", np.stack(bias), None)
        nodes.append(
            helper.make_node(
                "GRU",
                [f"x{n}", f"w{n}", f"r{n}", f"b{n}", "lengths"],
                [f"y{n}"],
                hidden_size=128,
                direction="bidirectional",
                linear_before_reset=1,
            )
        )
        nodes.append(helper.make_node("Transpose", [f"y{n}"], [f"t{n}"], perm=[0, 2, 1, 3]))
        nodes.append(helper.make_node("Reshape", [f"t{n}", "flat"], [f"x{n + 1}"]))
    groups = np.zeros((len(tables.groups), lac.GROUPS), np.float32)
    groups[np.arange(len(tables.groups)), tables.groups] = 1.0
    constant("head", np.ascontiguousarray(weights["head.weight"].T), None)
    constant("bias", weights["head.bias"], None)
    constant("groups", groups, None)
    constant("little", np.float32([1e-9]), None)
    nodes += [
        helper.make_node("MatMul", ["x2", "head"], ["m"]),
        helper.make_node("Add", ["m", "bias"], ["s"]),
        helper.make_node("Softmax", ["s"], ["p"], axis=-1),
        helper.make_node("MatMul", ["p", "groups"], ["g"]),
        helper.make_node("Add", ["g", "little"], ["q"]),
        helper.make_node("Log", ["q"], ["tags"]),
    ]
    inputs = [
        helper.make_tensor_value_info("characters", TensorProto.INT32, ["windows", "length"]),
        helper.make_tensor_value_info("lengths", TensorProto.INT32, ["windows"]),
    ]
    output = helper.make_tensor_value_info("tags", TensorProto.FLOAT, ["length", "windows", lac.GROUPS])
    graph = helper.make_graph(nodes, "tagger", inputs, [output], stored)
    opset = [helper.make_opsetid("", 17)]
    whole = helper.make_model(graph, opset_imports=opset, ir_version=9, producer_name="medtrain")
    onnx.checker.check_model(whole)
    return whole.SerializeToString()


_PARTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


def vocabulary(tables: lac.Lac) -> str:
    """Return the JSON text of the characters the network knows, and of those it reads as another one."""
    others = {a: b for a, b in tables.half.items() if b in tables.vocabulary and ord(a) > 0x7F}
    written = {
        "characters": "".join(sorted(tables.vocabulary, key=tables.vocabulary.__getitem__)),
        "written": "".join(others),
        "read": "".join(others.values()),
    }
    return json.dumps(written, ensure_ascii=False, indent=0) + "\n"


def terms(notes: Notes) -> str:
    """Return the words that look like names and are none, a line each."""
    words = {word for kind in ("drug", "herb", "epo") for word in notes.words[kind]}
    return "\n".join(sorted(words)) + "\n"


def digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file of the model but its card."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.iterdir())
        if path.name != "model-card.md"
    }
