"""Every allowed operation: torch agrees on its signature, and one record at a time equals many at once."""

import math
from typing import Any

import pytest
import torch
from torch.func import grad, vmap

from training_sandbox.engines import plain
from training_sandbox.engines.bookkeeping import Bookkeeping
from training_sandbox.engines.heard import Layout
from training_sandbox.graph.format import Graph, Node, Ref, Tensor, check
from training_sandbox.graph.ops import OPS, refusal
from training_sandbox.graph.run import bind, overload
from training_sandbox.patients import Patients

TRUSTED_SIDE = {"device", "layout", "memory_format", "pin_memory", "non_blocking", "copy"}
TYPES = {
    "Tensor": "tensor",
    "Optional[Tensor]": "tensor?",
    "List[Tensor]": "tensors",
    "int": "int",
    "Optional[int]": "int?",
    "List[int]": "ints",
    "Optional[List[int]]": "ints?",
    "float": "float",
    "Optional[float]": "float?",
    "number": "scalar",
    "Optional[number]": "scalar?",
    "bool": "bool",
    "str": "str",
    "Optional[List[float]]": "floats?",
}
W = Ref("w")


@pytest.mark.parametrize("op", OPS)
def test_torch_has_the_operation_with_this_signature(op):
    schema = overload(op)._schema
    theirs = [a for a in schema.arguments if a.name not in TRUSTED_SIDE]
    assert [a.name for a in theirs] == [a.name for a in OPS[op].arguments]
    for ours, other in zip(OPS[op].arguments, theirs, strict=True):
        assert ours.required == (not other.has_default_value())
        assert ours.keyword_only == other.kwarg_only
        if other.name == "dtype":
            assert ours.type.rstrip("?") == "dtype"
        else:
            assert ours.type.replace("operand", "tensor") == TYPES[str(other.type)]
    assert OPS[op].gives_list == (str(schema.returns[0].type) == "List[Tensor]")
    assert OPS[op].results == len(schema.returns)


@pytest.mark.parametrize("op", OPS)
def test_the_operation_writes_nothing_and_draws_nothing(op):
    assert not overload(op)._schema.is_mutable
    random = torch.Tag.nondeterministic_seeded in overload(op).tags
    assert not random or op.startswith(("dropout", "scaled_dot", "gru", "lstm"))  # the trainer's own, see `Runner.drop`


# op -> (shape of one record without its leading 1, arguments; W is the parameter, "x" the record), shape of W
X = Ref("x")
CALLS: dict[str, tuple[tuple[int, ...], tuple[int, ...], tuple[Any, ...], dict[str, Any]]] = {
    "linear.default": ((4,), (3, 4), (X, W), {}),
    "mm.default": ((4,), (4, 3), (X, W), {}),
    "addmm.default": ((4,), (4, 4), (X, X, W), {"beta": 0.5, "alpha": 2}),
    "bmm.default": ((3, 4), (1, 4, 2), (X, W), {}),
    "matmul.default": ((3, 4), (4, 2), (X, W), {}),
    "conv1d.default": ((2, 7), (4, 2, 3), (X, W, None, (2,), (1,)), {}),
    "conv1d.padding": ((4, 7), (4, 1, 3), (X, W, None, (1,), "same", (1,), 4), {}),
    "conv2d.default": ((2, 5, 5), (4, 2, 3, 3), (X, W, None, (1, 1), (1, 1)), {}),
    "conv2d.padding": ((2, 5, 5), (4, 2, 3, 3), (X, W, None, (1, 1), "same"), {}),
    "baddbmm.default": ((3, 4), (1, 4, 2), (Ref("b"), X, W), {}),
    "prelu.default": ((2, 4), (2,), (X, W), {}),
    "conv_transpose1d.default": ((2, 5), (2, 3, 3), (X, W, None, (2,), (1,), (1,)), {}),
    "conv_transpose2d.input": ((2, 4, 4), (2, 3, 2, 2), (X, W, None, (2, 2)), {}),
    "gru.input": (
        (5, 3),
        (12, 4),
        (X, Ref("s"), (Ref("wi"), W, Ref("bi"), Ref("bi")), True, 1, 0.0, True, False, True),
        {},
    ),
    "lstm.input": ((5, 3), (16, 4), (X, (Ref("s"), Ref("s")), (Ref("wi"), W), False, 1, 0.0, True, False, True), {}),
    "gather.default": ((3, 4), (1, 3, 4), (Ref("h"), 1, Ref("i")), {}),
    "index_select.default": ((3, 4), (1, 3, 4), (Ref("h"), 1, Ref("i")), {}),
    "group_norm.default": ((4, 3), (4,), (X, 2, W), {}),
    "layer_norm.default": ((3, 4), (4,), (X, (4,), W), {}),
    "rms_norm.default": ((3, 4), (4,), (X, (4,), W), {}),
    "scaled_dot_product_attention.default": ((2, 3, 4), (4, 4), (Ref("h"), X, X), {"is_causal": True}),
    "embedding.default": ((4,), (6, 3), (W, Ref("i"), 0), {}),
}
ON_H: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    "gelu.default": ((), {"approximate": "tanh"}),
    "leaky_relu.default": ((0.2,), {}),
    "hardtanh.default": ((-0.5, 0.5), {}),
    "glu.default": ((1,), {}),
    "celu.default": ((0.7,), {}),
    "upsample_nearest1d.vec": (((9,), None), {}),
    "upsample_nearest2d.vec": (((8, 8), None), {}),
    "upsample_linear1d.vec": (((9,), False, None), {}),
    "upsample_bilinear2d.vec": (((8, 6), True, None), {}),
    "reflection_pad1d.default": (((1, 2),), {}),
    "reflection_pad2d.default": (((1, 1, 1, 1),), {}),
    "movedim.int": ((1, 2), {}),
    "repeat.default": (((1, 2, 1, 1),), {}),
    "flip.default": (((1,),), {}),
    "roll.default": (((1,), (2,)), {}),
    "_unsafe_view.default": (((1, -1),), {}),
    "pow.Tensor_Tensor": ((Ref("e"),), {}),
    "cumsum.default": ((1,), {}),
    "clamp_min.default": ((-0.5,), {}),
    "clamp_max.default": ((0.5,), {}),
    "max.dim": ((1,), {}),
    "min.dim": ((1,), {}),
    "var.correction": (((1,),), {"correction": 1}),
    "std.correction": (((1, 2),), {"correction": 0}),
    "logsumexp.default": (((1,),), {}),
    "linalg_vector_norm.default": ((2, (1,)), {}),
    "softmax.int": ((-1,), {}),
    "log_softmax.int": ((-1,), {"dtype": "float32"}),
    "max_pool1d.default": (((2,),), {}),
    "max_pool2d.default": (((2, 2), (1, 1), (1, 1)), {}),
    "avg_pool1d.default": (((2,),), {}),
    "avg_pool2d.default": (((2, 2),), {}),
    "adaptive_avg_pool1d.default": (((2,),), {}),
    "adaptive_avg_pool2d.default": (((1, 2),), {}),
    "constant_pad_nd.default": (((1, 1), 0.5), {}),
    "flatten.using_ints": ((1,), {}),
    "view.default": (((1, -1),), {}),
    "reshape.default": (((1, -1),), {}),
    "permute.default": (((0, 2, 1, 3),), {}),
    "transpose.int": ((1, 2), {}),
    "squeeze.dim": ((0,), {}),
    "squeeze.dims": (((0,),), {}),
    "unsqueeze.default": ((1,), {}),
    "select.int": ((1, 0), {}),
    "slice.Tensor": ((1, 0, 1), {}),
    "chunk.default": ((2, 1), {}),
    "split.Tensor": ((1, 1), {}),
    "split_with_sizes.default": (((1, 1), 1), {}),
    "unbind.int": ((1,), {}),
    "expand.default": (((3, 2, 4, 4),), {}),
    "unflatten.int": ((3, (2, 2)), {}),
    "to.dtype": (("float32",), {}),
    "add.Tensor": ((X,), {"alpha": 2}),
    "sub.Tensor": ((1.5,), {}),
    "mul.Tensor": ((X,), {}),
    "div.Tensor": ((2.0,), {}),
    "add.Scalar": ((2,), {}),
    "mul.Scalar": ((2,), {}),
    "rsub.Scalar": ((2,), {}),
    "pow.Tensor_Scalar": ((2,), {}),
    "clamp.default": ((-0.5, None), {}),
    "maximum.default": ((X,), {}),
    "minimum.default": ((X,), {}),
    "mean.dim": (((1, 2), True), {}),
    "sum.dim_IntList": ((None,), {}),
    "amax.default": (((1,),), {}),
    "amin.default": (((1,),), {}),
    "masked_fill.Scalar": ((Ref("m"), 0.0), {}),
    "dropout.default": ((0.5, False), {}),
}
POSITIVE = {"sqrt.default", "rsqrt.default", "log.default", "log1p.default", "reciprocal.default", "pow.Tensor_Tensor"}
POOLED = {
    "max_pool1d.default",
    "avg_pool1d.default",
    "adaptive_avg_pool1d.default",
    "upsample_nearest1d.vec",
    "upsample_linear1d.vec",
    "reflection_pad1d.default",
}
MADE = {
    "zeros.default": (((2, 4, 4),), {"dtype": "float32"}),
    "ones.default": (((2, 4, 4),), {}),
    "full.default": (((2, 4, 4), 0.5), {}),
    "arange.default": ((4,), {"dtype": "float32"}),
    "arange.start_step": ((1, 9, 2), {"dtype": "float32"}),
    "full_like.default": ((X, 0.5), {}),
    "scalar_tensor.default": ((0.5,), {"dtype": "float32"}),
    "arange.start": ((1, 5), {"dtype": "float32"}),
    "zeros_like.default": ((X,), {}),
    "ones_like.default": ((X,), {"dtype": "float32"}),
}
COMPARE = {"gt.Scalar", "ge.Scalar", "lt.Scalar", "le.Scalar", "eq.Scalar", "ne.Scalar"}
COMPARE_TWO = {
    "gt.Tensor",
    "lt.Tensor",
    "eq.Tensor",
    "logical_and.default",
    "logical_or.default",
    "logical_not.default",
}
SHUFFLED = {"pixel_shuffle.default": (4, 2, 2)}


def example(op: str) -> Graph:
    """Return a graph with one record as input in which ``op`` lies between the parameter and the output."""
    shape, weight = (2, 4, 4), (1, 2, 4, 4)
    nodes: list[Node] = []
    if op in CALLS:
        shape, weight, args, kwargs = CALLS[op]
        if op == "embedding.default":
            nodes.append(Node("to.dtype", (X, "int64"), (), ("i",)))
        if op.startswith("scaled_dot"):
            nodes.append(Node("matmul.default", (X, W), (), ("h",)))
        if op in ("gather.default", "index_select.default"):
            nodes.append(Node("mul.Tensor", (X, W), (), ("h",)))
            if op == "index_select.default":
                nodes += [Node("select.int", (X, 0, 0), (), ("f",)), Node("select.int", (Ref("f"), 0, 0), (), ("j",))]
            nodes.append(Node("to.dtype", (Ref("j") if op == "index_select.default" else X, "int64"), (), ("i",)))
        if op == "baddbmm.default":
            nodes.append(Node("zeros.default", ((1, 3, 2),), (), ("b",)))
        if op in ("gru.input", "lstm.input"):
            nodes.append(Node("zeros.default", ((1, 1, 4),), (), ("s",)))
            nodes.append(Node("slice.Tensor", (W, 1, 0, 3), (), ("wi",)))
            nodes.append(Node("select.int", (W, 1, 0), (), ("bi",)))
    else:
        nodes.append(Node("mul.Tensor", (X, W), (), ("h",)))
        if op in POSITIVE:
            nodes += [Node("abs.default", (Ref("h"),), (), ("p",)), Node("add.Scalar", (Ref("p"), 1), (), ("q",))]
        if op == "pow.Tensor_Tensor":
            nodes.append(Node("tanh.default", (X,), (), ("e",)))
            nodes.append(Node("clone.default", (Ref("q"),), (), ("q2",)))
        if op in COMPARE_TWO:
            nodes += [Node("gt.Scalar", (X, 0), (), ("m",)), Node("lt.Scalar", (X, 1), (), ("n",))]
        if op in SHUFFLED:
            nodes.append(Node("reshape.default", (Ref("h"), (1, 8, 2, 2)), (), ("q",)))
        if op in POOLED:
            nodes.append(Node("flatten.using_ints", (Ref("h"), 1, 2), (), ("q",)))
        if op == "t.default":
            nodes.append(Node("flatten.using_ints", (Ref("h"), 1), (), ("q",)))
        if op == "masked_fill.Scalar":
            nodes.append(Node("gt.Scalar", (X, 0), (), ("m",)))
        start = Ref("q" if any(n.outs == ("q",) for n in nodes) else "h")
        rest, kwargs = ON_H.get(op, ((), {}))
        args = (start, *rest)
        if op in ("cat.default", "stack.default"):
            args = ((start, start), 1)
        if op in MADE:
            args, kwargs = MADE[op]
        if op == "pixel_shuffle.default":
            args = (start, 2)
        if op in COMPARE:
            args = (X, 0)
        if op in COMPARE_TWO:
            two = (Ref("m"), Ref("n")) if op.startswith("logical") else (X, Ref("h"))
            args = two[:1] if op == "logical_not.default" else two
        if op.startswith("where"):
            nodes.append(Node("gt.Scalar", (X, 0), (), ("m",)))
            args = (Ref("m"), start, X if op == "where.self" else 0.0)
    outs = ("r", "s") if OPS[op].gives_list else ("r", "t", "u")[: OPS[op].results]
    nodes.append(Node(op, args, tuple(sorted(kwargs.items())), outs))
    if op in MADE or op == "argmax.default":
        nodes.append(Node("mul.Tensor", (Ref("h"), Ref("r")), (), ("out",)))
    elif op in COMPARE | COMPARE_TWO:
        nodes.append(Node("where.ScalarOther", (Ref("r"), W, 0), (), ("out",)))
    else:
        nodes.append(Node("tanh.default", (Ref("r"),), (), ("out",)))
    return Graph((Tensor("x", "float32", (1, *shape)),), (Tensor("w", "float32", weight),), tuple(nodes), "out")


@pytest.mark.parametrize("op", OPS)
def test_many_records_at_once_give_each_records_own_gradient(op):
    graph = example(op)
    check(graph)
    forward = bind(graph)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(5, *graph.inputs[0].shape[1:], generator=generator) * 3
    w = {"w": torch.randn(graph.parameters[0].shape, generator=generator)}

    def loss(params, record):
        output = forward(params, record.unsqueeze(0))
        return (output * torch.linspace(0.5, 1.5, output.numel()).reshape(output.shape)).sum()

    together = vmap(grad(loss), in_dims=(None, 0), randomness="error")(w, x)["w"]
    for record, found in zip(x, together, strict=True):
        leaf = w["w"].clone().requires_grad_()
        (expected,) = torch.autograd.grad(loss({"w": leaf}, record), leaf)
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("op", OPS)
def test_the_example_depends_on_the_parameter(op):
    graph = example(op)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(graph.inputs[0].shape, generator=generator)
    x[..., 0] = 0  # so that `eq` holds somewhere
    w = torch.rand(graph.parameters[0].shape, generator=generator)
    outputs = [bind(graph)({"w": v}, x) for v in (w, w.flip(0).square() - 1)]
    assert not torch.equal(*outputs) or op in ("zeros.default", "zeros_like.default")


@pytest.mark.parametrize("op", OPS)
def test_the_default_engines_plan_gives_the_loops_sums(op):
    """Through parameters that are followed, taps and the fallback; untraced, for speed."""
    graph = example(op)
    generator = torch.Generator().manual_seed(0)
    params = {"w": torch.randn(graph.parameters[0].shape, generator=generator)}
    batch = Patients(
        torch.randn(4, 2, *graph.inputs[0].shape[1:], generator=generator) * 3,
        torch.zeros(4, 2, dtype=torch.int64),
        torch.tensor([[1.0, 0], [0.5, 0.5], [0.5, 0.5], [1.0, 0]]),
    )

    def loss(output, _):
        return (output * torch.linspace(0.5, 1.5, output.numel()).reshape(output.shape)).sum()

    engine = Bookkeeping(graph, loss, params, Layout(8, 4, 2), label=torch.tensor(0), traced=False)
    for clip in (1e-2, 10.0):
        found = engine(None, loss, params, batch, clip, microbatch=4)["w"]
        expected = plain.loop_sum(bind(graph), loss, params, batch, clip, bound=engine.bound)["w"]
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=2e-6)


def test_fused_attention_is_its_definition():
    q, k, v = torch.randn(3, 1, 2, 5, 4)
    mask = torch.randn(5, 5)
    for given in ({}, {"is_causal": True}, {"attn_mask": mask}, {"attn_mask": mask > -1}, {"scale": 0.3}):
        keywords = {"w" if a == "attn_mask" else a: b for a, b in given.items()}
        params = {"q": q, "k": k, "w": keywords.pop("w", torch.zeros(0))}
        kwargs = tuple(sorted({**keywords, **({"attn_mask": W} if "attn_mask" in given else {})}.items()))
        node = Node("scaled_dot_product_attention.default", (Ref("q"), Ref("k"), X), kwargs, ("o",))
        graph = Graph((Tensor("x", "float32", (1, 2, 5, 4)),), (), (node,), "o")
        expected = torch.nn.functional.scaled_dot_product_attention(q, k, v, **given)
        torch.testing.assert_close(bind(graph)(params, v), expected)


@pytest.mark.parametrize("index", [-7.0, 99.0, math.nan, math.inf, 3e9])
def test_an_embedding_index_out_of_range_is_no_error(index):
    x = torch.tensor([[1.0, 2.0, index, 0.0]])
    assert bind(example("embedding.default"))({"w": torch.rand(6, 3)}, x).shape == (1, 4, 3)


@pytest.mark.parametrize(
    ("op", "code"),
    [
        ("batch_norm.default", "MT-BUFFER"),
        ("instance_norm.default", "MT-BUFFER"),
        ("randn_like.default", "MT-RNG"),
        ("bernoulli.p", "MT-RNG"),
        ("index.Tensor", "MT-DYNSHAPE"),
        ("nonzero.default", "MT-DYNSHAPE"),
        ("item.default", "MT-DYNSHAPE"),
        ("_assert_async.msg", "MT-SIDECHANNEL"),
        ("copy_.default", "MT-MUTATION"),
        ("relu_.default", "MT-MUTATION"),
        ("rnn_tanh.input", "MT-OP"),
        ("feature_dropout.default", "MT-RNG"),
        ("from_file.default", "MT-OP"),
        ("__import__", "MT-OP"),
    ],
)
def test_what_is_not_on_the_list_is_refused_with_the_reason(op, code):
    assert refusal(op)[0] == code
    assert op not in OPS
