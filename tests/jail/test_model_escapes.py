"""Attempts 73 to 86 of the escape suite: what a hostile model file tries, through the doors a partner has.

The doors take ``graph.json`` and ``init.safetensors``; a ``.pt2`` archive is not read, whatever lies in it.
"""

import io
import json
import os
import pickle
import struct
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from policies.errors import GraphRefused
from training_sandbox import egress, losses
from training_sandbox.engines import vmap
from training_sandbox.graph.check import preflight
from training_sandbox.graph.format import Graph, Node, Ref, Tensor
from training_sandbox.graph.reader import check_weights, read_graph, read_weights
from training_sandbox.graph.run import bind
from training_sandbox.patients import Patients

GRAPH = Graph(
    inputs=(Tensor("x", "float32", (1, 3)),),
    parameters=(Tensor("w", "float32", (2, 3)), Tensor("b", "float32", (2,))),
    nodes=(Node("linear.default", (Ref("x"), Ref("w"), Ref("b")), (), ("o",)),),
    output="o",
)


def safetensors(header: dict | bytes, data: bytes) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


HEADER = {
    "w": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
    "b": {"dtype": "F32", "shape": [2], "data_offsets": [24, 32]},
}


class Gadget:
    """Makes an empty folder when it is unpickled: a marker, no harm."""

    def __init__(self, marker: Path) -> None:
        self.marker = str(marker)

    def __reduce__(self) -> tuple:
        return (os.mkdir, (self.marker,))


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Return the entries of an honest .pt2 of a model with a dynamic batch."""
    path = tmp_path_factory.mktemp("pt2") / "model.pt2"
    batch = torch.export.Dim("batch", min=2, max=64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.export(torch.nn.Linear(3, 2), (torch.zeros(4, 3),), dynamic_shapes=({0: batch},))
        torch.export.save(program, path)
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def archive(entries: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as made:
        for name, raw in entries.items():
            made.writestr(name, raw)
    return buffer.getvalue()


def pickled(gadget: Gadget) -> bytes:
    buffer = io.BytesIO()
    torch.save(gadget, buffer)
    return buffer.getvalue()


def by_pickled_weight(entries: dict[str, bytes], marker: Path) -> bytes:
    changed = dict(entries)
    name = next(n for n in changed if n.endswith("model_weights_config.json"))
    config = json.loads(changed[name])
    first = next(iter(config["config"].values()))
    first["use_pickle"] = True
    changed[name] = json.dumps(config).encode()
    changed[next(n for n in changed if n.endswith("/" + first["path_name"]))] = pickled(Gadget(marker))
    return archive(changed)


def by_sample_inputs(entries: dict[str, bytes], marker: Path) -> bytes:
    name = next(n for n in entries if n.endswith("sample_inputs/model.pt"))
    return archive({**entries, name: pickled(Gadget(marker))})


def by_expression(entries: dict[str, bytes], marker: Path) -> bytes:
    changed = dict(entries)
    name = next(n for n in changed if n.endswith("models/model.json"))

    def poison(value: object) -> object:
        if isinstance(value, dict):
            return {
                k: f"open({str(marker)!r}, 'w').close()" if k == "expr_str" else poison(v) for k, v in value.items()
            }
        return [poison(v) for v in value] if isinstance(value, list) else value

    changed[name] = json.dumps(poison(json.loads(changed[name]))).encode()
    return archive(changed)


GADGETS = {73: by_pickled_weight, 74: by_sample_inputs, 75: by_expression}


@pytest.mark.parametrize("number", sorted(GADGETS))
def test_a_file_that_runs_code_in_torch_does_nothing_here(number: int, exported: dict, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    raw = GADGETS[number](exported, marker)
    with pytest.raises(GraphRefused, match="MT-IR"):
        read_graph(raw)
    with pytest.raises(GraphRefused, match="MT-SHAPE"):
        check_weights(GRAPH, raw)
    with pytest.raises(GraphRefused, match="MT-SHAPE"):
        read_weights(GRAPH, raw)
    assert not marker.exists()


@pytest.mark.parametrize("number", sorted(GADGETS))
def test_the_gadgets_have_teeth(number: int, exported: dict, tmp_path: Path) -> None:
    """The stock loader runs all three: what the product is protected from is real."""
    marker, path = tmp_path / "marker", tmp_path / "model.pt2"
    path.write_bytes(GADGETS[number](exported, marker))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(Exception):  # noqa: B017  # it fails after the code has run
            torch.export.load(path)
    assert marker.exists()


def overlapping() -> bytes:
    raw = bytearray(archive({"model/a": b"1" * 64, "model/b": b"2" * 64}))
    first, second = raw.index(b"PK\x01\x02"), raw.rindex(b"PK\x01\x02")
    raw[second + 42 : second + 46] = raw[first + 42 : first + 46]
    return bytes(raw)


def renamed(name: str, **attributes: int) -> bytes:
    info = zipfile.ZipInfo(name)
    for key, value in attributes.items():
        setattr(info, key, value)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        made.writestr(info, b"payload")
    return buffer.getvalue()


def deflated() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("model/graph.json", bytes(50 << 20))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("number", "what", "raw"),
    [
        (76, "a native library", archive({"model/data/aotinductor/model.so": b"\x7fELF"})),
        (76, "an extra file", archive({"model/extra/run.py": b"import os"})),
        (76, "a custom object", archive({"model/data/constants/custom_obj_0": pickle.dumps(object)})),
        (77, "a deflate bomb", deflated()),
        (77, "5,000 entries", archive({f"model/{n}": b"" for n in range(5000)})),
        (77, "a parent folder", renamed("../graph.json")),
        (77, "an absolute name", renamed("/etc/passwd")),
        (77, "a symbolic link", renamed("graph.json", external_attr=0o120777 << 16)),
        (77, "an encrypted entry", renamed("graph.json", flag_bits=1)),
        (77, "overlapping entries", overlapping()),
        (
            77,
            "a lie of zip64",
            archive({"model/graph.json": b"{}"})[:-22] + b"PK\x06\x07" + b"\xff" * 16 + b"PK\x05\x06",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_an_archive_is_no_model(number: int, what: str, raw: bytes) -> None:
    with pytest.raises(GraphRefused, match=r"MT-(IR|SIZE)"):
        read_graph(raw)
    with pytest.raises(GraphRefused, match=r"MT-(SHAPE|IR|SIZE)"):
        check_weights(GRAPH, raw)


@pytest.mark.parametrize(
    ("what", "raw", "code"),
    [
        ("nesting bomb", b"[" * 200_000, "MT-IR"),
        ("nesting bomb in a value", GRAPH.to_json().replace(b'"o"', b'{"a":' * 50_000, 1), "MT-IR"),
        ("duplicate key", GRAPH.to_json()[:-1] + b',"output":"o"}', "MT-IR"),
        ("NaN", GRAPH.to_json().replace(b'"args":[', b'"args":[NaN,', 1), "MT-IR"),
        ("infinity", GRAPH.to_json().replace(b'"args":[', b'"args":[-Infinity,', 1), "MT-IR"),
        ("1e999", GRAPH.to_json().replace(b'"args":[', b'"args":[1e999,', 1), "MT-IR"),
        ("a huge integer", GRAPH.to_json().replace(b'"args":[', b'"args":[' + b"9" * 5000 + b",", 1), "MT-IR"),
        ("not UTF-8", b"\xff\xfe" + GRAPH.to_json(), "MT-IR"),
    ],
)
def test_json_that_is_not_strict_is_refused(what: str, raw: bytes, code: str) -> None:
    with pytest.raises(GraphRefused, match=code):
        read_graph(raw)


@pytest.mark.parametrize(
    ("what", "raw"),
    [
        ("a header of 2^62 bytes", (1 << 62).to_bytes(8, "little") + b"{}"),
        ("a header of 101 MB", safetensors(b" " * (101 << 20), b"")),
        ("overlap", safetensors({**HEADER, "b": {**HEADER["b"], "data_offsets": [16, 24]}}, bytes(24))),
        ("trailing bytes", safetensors(HEADER, bytes(40))),
        ("a shape that overflows", safetensors({**HEADER, "w": {**HEADER["w"], "shape": [2**40, 2**40]}}, bytes(32))),
        ("deep JSON", safetensors(b"[" * 200_000, bytes(32))),
        ("a duplicate name", safetensors(json.dumps(HEADER).encode()[:-1] + b',"b":{}}', bytes(32))),
        ("metadata", safetensors({**HEADER, "__metadata__": {"note": "x" * (1 << 19)}}, bytes(32))),
        ("a long name on nothing", safetensors({**HEADER, "x" * 200_000: HEADER["b"]}, bytes(32))),
        ("a NaN payload", safetensors(HEADER, struct.pack("<I", 0x7FC0BEEF) * 8)),
    ],
)
def test_a_weight_file_with_a_trick_is_refused(what: str, raw: bytes) -> None:
    with pytest.raises(GraphRefused):
        check_weights(GRAPH, raw)
    with pytest.raises(egress.EgressRefused):
        egress.canonical_model(raw, GRAPH)


def with_op(op: str, *args: object) -> bytes:
    node = {"op": op, "args": [{"tensor": "x"}, *args], "kwargs": {}, "outs": ["extra"]}
    value = json.loads(GRAPH.to_json())
    value["nodes"].insert(0, node)
    return json.dumps(value).encode()


@pytest.mark.parametrize(
    ("op", "code"),
    [
        ("from_file.default", "MT-OP"),
        ("prim.device", "MT-OP"),
        ("evil::run", "MT-OP"),
        ("torch.ops.aten.relu.default", "MT-OP"),
        ("__import__", "MT-OP"),
        ("linear.out", "MT-OP"),
        ("relu_.default", "MT-MUTATION"),
        ("add_.Tensor", "MT-MUTATION"),
        ("copy_.default", "MT-MUTATION"),
        ("batch_norm.default", "MT-BUFFER"),
        ("randn_like.default", "MT-RNG"),
        ("nonzero.default", "MT-DYNSHAPE"),
        ("_assert_async.default", "MT-SIDECHANNEL"),
    ],
)
def test_an_operation_off_the_list_is_refused(op: str, code: str) -> None:
    with pytest.raises(GraphRefused, match=code):
        read_graph(with_op(op))


@pytest.mark.parametrize("member", ["buffers", "constants", "code", "stack_trace"])
def test_a_graph_has_no_room_for_state_or_constants(member: str) -> None:
    value = json.loads(GRAPH.to_json())
    value[member] = [{"name": "steal", "values": [1.0] * 64}]
    with pytest.raises(GraphRefused, match="MT-IR"):
        read_graph(json.dumps(value).encode())


def test_a_small_file_that_asks_for_terabytes_is_refused_before_anything_is_made() -> None:
    bomb = read_graph(with_op("expand.default", [10**12, 3]))
    with pytest.raises(GraphRefused, match="MT-SIZE"):
        preflight(bomb)


def test_a_million_nodes_are_refused() -> None:
    nodes = ",".join(['{"args":[],"kwargs":{},"op":"a","outs":[]}'] * 20_001)
    raw = GRAPH.to_json().replace(b'"nodes":[', b'"nodes":[' + nodes.encode() + b",", 1)
    with pytest.raises(GraphRefused, match="MT-SIZE"):
        read_graph(raw)
    with pytest.raises(GraphRefused, match="MT-SIZE"):
        read_graph(raw.replace(b'"nodes":[', b'"nodes":[' + nodes.encode() * 39 + b","))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_weight_that_is_not_finite_is_refused(value: float) -> None:
    with pytest.raises(GraphRefused, match="MT-NAN"):
        check_weights(GRAPH, safetensors(HEADER, np.full(8, value, "<f4").tobytes()))


def test_denormal_weights_are_flushed_while_training_and_at_the_gate() -> None:
    """Numbers that small make a step slower, which is a clock somebody could read."""
    raw = safetensors(HEADER, np.full(8, 1e-40, "<f4").tobytes())
    assert egress.canonical_model(raw, GRAPH).endswith(bytes(32))
    assert torch.set_flush_denormal(True)
    try:
        assert not (torch.full((8,), 1e-39) * 0.5).any()
    finally:
        torch.set_flush_denormal(False)
    worker = (Path(egress.__file__).parent / "worker.py").read_text("utf-8")
    assert worker.index("set_flush_denormal(True)") < worker.index("learning.learn(")


EMBEDDED = Graph(
    inputs=(Tensor("x", "int64", (1, 2)),),
    parameters=(Tensor("table", "float32", (4, 2)),),
    nodes=(
        Node("embedding.default", (Ref("table"), Ref("x")), (), ("e",)),
        Node("sum.dim_IntList", (Ref("e"), (1,)), (), ("o",)),
    ),
    output="o",
)


def test_an_index_out_of_range_makes_no_error() -> None:
    table = {"table": torch.arange(8.0).reshape(4, 2)}
    forward = bind(EMBEDDED)
    wild = forward(table, torch.tensor([[-7, 2**40]]))
    assert torch.equal(wild, forward(table, torch.tensor([[0, 3]])))


def test_nothing_of_a_partner_runs_beside_the_trainer(tmp_path: Path) -> None:
    """86: noise and optimiser could only be replaced by code; a graph names operations, and this one is not there."""
    for op in ("training_sandbox.noise.add", "setattr", "torch.optim.Optimizer.step"):
        with pytest.raises(GraphRefused, match="MT-OP"):
            read_graph(with_op(op))


@pytest.mark.parametrize("value", [1e30, float("inf"), float("nan")])
def test_one_record_moves_the_sum_by_at_most_the_clip(value: float) -> None:
    """88"""
    params = {"w": torch.ones(2, 3), "b": torch.zeros(2)}
    x = torch.randn(6, 1, 3, generator=torch.Generator().manual_seed(0))
    table = Patients(x, torch.tensor([0, 1] * 3).unsqueeze(1), torch.ones(6, 1))
    wild = x.clone()
    wild[2] = value
    sums = [
        vmap.clipped_sum(bind(GRAPH), losses.function("cross-entropy"), params, t, 0.1, microbatch=6)
        for t in (Patients(wild, table.labels, table.weights), table.take(torch.tensor([0, 1, 3, 4, 5])))
    ]
    moved = torch.cat([(sums[0][n] - sums[1][n]).flatten() for n in params])
    assert float(moved.norm()) <= 1 + 1e-6
    assert bool(torch.isfinite(moved).all())
