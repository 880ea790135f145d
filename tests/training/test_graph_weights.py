import json
import math

import pytest
import torch
from safetensors.torch import save

from policies.errors import GraphRefused
from training_sandbox.graph import weights
from training_sandbox.graph.reader import check_weights, read_weights


def pack(header, data=b"", *, length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + data


def entry(start, stop, shape, dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, stop]}


def good():
    return {
        "a.weight": entry(0, 16, [2, 2]),
        "a.bias": entry(16, 24, [2]),
        "b.weight": entry(24, 40, [2, 2]),
        "b.bias": entry(40, 48, [2]),
    }


@pytest.fixture
def graph(make_graph):
    return make_graph(features=2, hidden=2)


def test_what_safetensors_writes_is_read_back(graph, make_params):
    params = make_params(graph)
    found = read_weights(graph, save(params))
    assert list(found) == [t.name for t in graph.parameters]
    assert all(torch.equal(found[name], params[name]) for name in params)


def test_a_canonical_file_passes(graph):
    check_weights(graph, pack(good(), bytes(48)))


def changed(name, **fields):
    return {**good(), name: {**good()[name], **fields}}


BAD = {
    "empty": b"",
    "seven_bytes": bytes(7),
    "header_longer_than_file": pack(good(), bytes(48), length=10_000),
    "huge_header": pack(good(), bytes(48), length=2**60),
    "header_is_a_list": pack([], bytes(48)),
    "duplicate_key": pack(json.dumps(good()).encode()[:-1] + b',"a.bias":{}}', bytes(48)),
    "metadata": pack({**good(), "__metadata__": {"note": "x" * 1000}}, bytes(48)),
    "extra_tensor": pack({**good(), "c": entry(48, 52, [1])}, bytes(52)),
    "extra_empty_tensor": pack({**good(), "secret": entry(48, 48, [0])}, bytes(48)),
    "missing_tensor": pack({k: v for k, v in good().items() if k != "b.bias"}, bytes(40)),
    "another_shape": pack(changed("a.weight", shape=[4]), bytes(48)),
    "bool_shape": pack(changed("a.bias", shape=[True, 2]), bytes(48)),
    "another_dtype": pack(changed("a.weight", dtype="F64"), bytes(48)),
    "extra_field": pack(changed("a.weight", note="x"), bytes(48)),
    "entry_is_a_list": pack({**good(), "a.weight": []}, bytes(48)),
    "offsets_not_numbers": pack(changed("a.weight", data_offsets=["0", "16"]), bytes(48)),
    "negative_offset": pack(changed("a.weight", data_offsets=[-16, 0]), bytes(48)),
    "three_offsets": pack(changed("a.weight", data_offsets=[0, 8, 16]), bytes(48)),
    "too_few_bytes": pack(changed("a.weight", data_offsets=[0, 12]), bytes(48)),
    "overlap": pack(changed("b.weight", data_offsets=[0, 16]), bytes(48)),
    "gap": pack(changed("b.bias", data_offsets=[44, 52]), bytes(52)),
    "trailing_bytes": pack(good(), bytes(49)),
    "missing_bytes": pack(good(), bytes(47)),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_weight_file_is_refused(graph, name):
    with pytest.raises(GraphRefused) as refused:
        check_weights(graph, BAD[name])
    assert refused.value.code in ("MT-SHAPE", "MT-IR")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", ["a.weight", "b.bias"])
def test_a_value_that_is_not_finite_is_refused(graph, make_params, name, value):
    params = make_params(graph)
    params[name].view(-1)[-1] = value
    with pytest.raises(GraphRefused, match=name) as refused:
        read_weights(graph, save(params))
    assert refused.value.code == "MT-NAN"


def test_infinities_that_cancel_are_seen(graph, make_params):
    params = make_params(graph)
    params["a.weight"][0] = torch.tensor([math.inf, -math.inf])
    with pytest.raises(GraphRefused, match="not finite"):
        read_weights(graph, save(params))


def test_the_largest_finite_values_pass(graph, make_params):
    params = {name: torch.full_like(v, torch.finfo(torch.float32).max) for name, v in make_params(graph).items()}
    assert read_weights(graph, save(params))["a.bias"][0] == torch.finfo(torch.float32).max


def test_a_file_above_the_limit_is_refused_unread(graph, monkeypatch):
    monkeypatch.setattr(weights, "MAXIMUM_BYTES", 10)
    with pytest.raises(GraphRefused, match="MT-SIZE"):
        check_weights(graph, pack(good(), bytes(48)))
