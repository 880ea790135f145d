"""The reader of graphs against good and bad files; none of it needs torch."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from policies.errors import GraphRefused
from training_sandbox.graph import format as form
from training_sandbox.graph import reader

ROOT = Path(__file__).parents[2]


@pytest.fixture
def value(make_graph):
    return json.loads(make_graph().to_json())


def change(path, new):
    def apply(value):
        *way, last = path
        for key in way:
            value = value[key]
        value[last] = new

    return apply


def node(position, **fields):
    return lambda value: value["nodes"][position].update(fields)


def add(op, *args, outs=("z",), **kwargs):
    return lambda value: value["nodes"].insert(0, {"op": op, "args": list(args), "kwargs": kwargs, "outs": list(outs)})


X = {"tensor": "x"}
BAD = {
    "another_schema": (change(["schema"], "medtrain.graph/2"), "MT-IR"),
    "unknown_key": (change(["extra"], 1), "MT-IR"),
    "inputs_not_a_list": (change(["inputs"], {}), "MT-IR"),
    "too_many_inputs": (lambda v: v["inputs"].extend(v["inputs"] * 20), "MT-SIZE"),
    "no_input": (change(["inputs"], []), "MT-IR"),
    "batch_of_two": (change(["inputs", 0, "shape"], [2, 5]), "MT-SHAPE"),
    "no_batch_dimension": (change(["inputs", 0, "shape"], [1]), "MT-SHAPE"),
    "bool_input": (change(["inputs", 0, "dtype"], "bool"), "MT-SHAPE"),
    "unknown_dtype": (change(["inputs", 0, "dtype"], "complex64"), "MT-SHAPE"),
    "negative_dimension": (change(["inputs", 0, "shape"], [1, -5]), "MT-SHAPE"),
    "float_dimension": (change(["inputs", 0, "shape"], [1, 5.0]), "MT-IR"),
    "bool_dimension": (change(["inputs", 0, "shape"], [True, 5]), "MT-IR"),
    "huge_dimension": (change(["inputs", 0, "shape"], [1, 2**60]), "MT-IR"),
    "nine_dimensions": (change(["inputs", 0, "shape"], [1] * 9), "MT-SIZE"),
    "huge_parameter": (change(["parameters", 0, "shape"], [10**6, 10**6]), "MT-SIZE"),
    "integer_parameter": (change(["parameters", 0, "dtype"], "int64"), "MT-SHAPE"),
    "bad_name": (change(["parameters", 0, "name"], "../weight"), "MT-IR"),
    "newline_in_name": (change(["parameters", 0, "name"], "w\n"), "MT-IR"),
    "long_name": (change(["parameters", 0, "name"], "w" * 129), "MT-IR"),
    "name_is_a_number": (change(["parameters", 0, "name"], 3), "MT-IR"),
    "duplicate_name": (change(["parameters", 0, "name"], "a.bias"), "MT-IR"),
    "unused_parameter": (
        lambda v: v["parameters"].append({"name": "spare", "dtype": "float32", "shape": [1]}),
        "MT-IR",
    ),
    "used_before_defined": (lambda v: v["nodes"].reverse(), "MT-IR"),
    "undefined_tensor": (node(1, args=[{"tensor": "nobody"}]), "MT-IR"),
    "result_defined_twice": (node(1, outs=["h"]), "MT-IR"),
    "result_overwrites_parameter": (node(1, outs=["a.bias"]), "MT-IR"),
    "no_result": (node(1, outs=[]), "MT-IR"),
    "two_results": (node(1, outs=["r", "s"]), "MT-IR"),
    "output_is_an_input": (change(["output"], "x"), "MT-IR"),
    "output_is_nothing": (change(["output"], "nobody"), "MT-IR"),
    "too_many_arguments": (node(1, args=[{"tensor": "h"}, 1]), "MT-IR"),
    "missing_argument": (node(1, args=[]), "MT-IR"),
    "unknown_argument": (node(1, kwargs={"out": {"tensor": "h"}}), "MT-IR"),
    "device_argument": (add("zeros.default", [1], device="cuda"), "MT-IR"),
    "argument_twice": (node(1, kwargs={"self": {"tensor": "h"}}), "MT-IR"),
    "number_for_tensor": (node(1, args=[1]), "MT-IR"),
    "bool_for_integer": (add("softmax.int", X, True), "MT-IR"),
    "float_for_integer": (add("softmax.int", X, 1.0), "MT-IR"),
    "bool_for_number": (add("add.Scalar", X, True), "MT-IR"),
    "text_for_number": (add("add.Tensor", X, "1"), "MT-IR"),
    "free_text": (add("gelu.default", X, approximate="__import__('os')"), "MT-IR"),
    "unknown_dtype_argument": (add("to.dtype", X, "object"), "MT-IR"),
    "tensor_for_tensors": (add("cat.default", X), "MT-IR"),
    "no_tensors": (add("cat.default", {"tensors": []}), "MT-IR"),
    "integers_for_tensors": (add("cat.default", [1]), "MT-IR"),
    "tensors_for_integers": (add("reshape.default", X, {"tensors": ["x"]}), "MT-IR"),
    "mixed_argument_object": (add("relu.default", {"tensor": "x", "tensors": []}), "MT-IR"),
    "nested_list": (add("reshape.default", X, [[1]]), "MT-IR"),
    "huge_list": (add("reshape.default", X, [1] * 5000), "MT-SIZE"),
    "huge_integer": (add("softmax.int", X, 2**60), "MT-IR"),
    "infinite_number": (add("add.Scalar", X, "INFINITY"), "MT-IR"),
    "operation_is_a_number": (node(1, op=7), "MT-IR"),
    "operation_name_too_long": (node(1, op="a" * 200), "MT-IR"),
    "keywords_not_an_object": (node(1, kwargs=[]), "MT-IR"),
    "node_without_outs": (lambda v: v["nodes"][1].pop("outs"), "MT-IR"),
    "random_operation": (add("randn_like.default", X), "MT-RNG"),
    "write_in_place": (add("add_.Tensor", X, X), "MT-MUTATION"),
    "data_dependent_shape": (add("nonzero.default", X), "MT-DYNSHAPE"),
    "assertion_on_data": (add("_assert_async.default", X), "MT-SIDECHANNEL"),
    "batch_norm": (add("batch_norm.default", X), "MT-BUFFER"),
    "reads_a_file": (add("from_file.default", "/etc/passwd"), "MT-OP"),
    "grouped_query_attention": (add("scaled_dot_product_attention.default", X, X, X, enable_gqa=True), "MT-OP"),
    "sparse_embedding": (add("embedding.default", X, X, -1, False, True), "MT-OP"),
    "embedding_scaled_by_frequency": (add("embedding.default", X, X, scale_grad_by_freq=True), "MT-OP"),
    "too_many_nodes": (lambda v: v["nodes"].extend(v["nodes"][:1] * 20_001), "MT-SIZE"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_graph_is_refused_with_its_code(value, name):
    spoil, code = BAD[name]
    spoil(value)
    raw = json.dumps(value).replace('"INFINITY"', "1e999").encode()
    with pytest.raises(GraphRefused) as refused:
        reader.read_graph(raw)
    assert refused.value.code == code
    assert refused.value.exit_code == 3


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "MT-IR"),
        (b"\xff\xfe", "MT-IR"),
        (b"{", "MT-IR"),
        (b"[]", "MT-IR"),
        (b"null", "MT-IR"),
        (b'{"schema":1,"schema":2}', "MT-IR"),
        (b'{"schema":NaN}', "MT-IR"),
        (b'{"schema":-Infinity}', "MT-IR"),
        (b'{"schema":' + b"9" * 5000 + b"}", "MT-IR"),
        (b"[" * 200_000, "MT-IR"),
        (b" " * (9 << 20), "MT-SIZE"),
    ],
)
def test_text_that_is_not_strict_json_is_refused(raw, code):
    with pytest.raises(GraphRefused) as refused:
        reader.read_graph(raw)
    assert refused.value.code == code


def test_a_graph_survives_the_way_through_its_file(make_graph):
    graph = make_graph()
    assert reader.read_graph(graph.to_json()) == graph


def test_lists_of_tensors_and_numbers_survive_too(make_graph):
    graph = make_graph()
    both = form.Node("cat.default", ((form.Ref("x"), form.Ref("x")), 1), (), ("c",))
    zeros = form.Node("zeros.default", ((1, 2),), (("dtype", "float32"),), ("zz",))
    longer = form.Graph(graph.inputs, graph.parameters, (both, zeros, *graph.nodes), "o")
    assert reader.read_graph(longer.to_json()) == longer


def test_an_operation_that_gives_a_list_names_each_member(value):
    add("chunk.default", X, 2, 1, outs=("p", "q"))(value)
    assert reader.read_graph(json.dumps(value).encode()).nodes[0].outs == ("p", "q")


def test_the_file_fits_its_json_schema(value):
    import jsonschema

    schema = json.loads((ROOT / "training_sandbox/graph/graph.schema.json").read_text("utf-8"))
    jsonschema.validate(value, schema)
    value["nodes"][0]["outs"] = []
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(value, schema)


def test_the_checks_need_no_torch(make_graph):
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from training_sandbox.graph import reader\n"
        "graph = reader.read_graph(sys.stdin.buffer.read())\n"
        "print(len(graph.nodes), sys.modules['torch'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input=make_graph().to_json(), capture_output=True, cwd=ROOT, check=False
    )
    assert done.stdout.split() == [b"3", b"None"], done.stderr
