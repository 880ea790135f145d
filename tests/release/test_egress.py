"""The gate: every covert channel of the model file and the result is closed."""

import json
import struct
from types import SimpleNamespace

import numpy as np
import pytest

from policies.canonical import canonical
from policies.errors import Tampered
from policies.thresholds import release_rules
from training_sandbox import egress


def file_of(header: dict | bytes, data: bytes) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def entry(shape: list[int], start: int, stop: int, dtype: str = "F32") -> dict:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, stop]}


GOOD = {"head.weight": entry([2, 3], 0, 24), "head.bias": entry([2], 24, 32)}
DATA = np.arange(8, dtype="<f4").tobytes()


def test_the_model_is_written_anew_with_sorted_names(made: SimpleNamespace) -> None:
    raw = egress.canonical_model(file_of(GOOD, DATA), made.GRAPH)
    length = int.from_bytes(raw[:8], "little")
    assert list(json.loads(raw[8 : 8 + length])) == ["head.bias", "head.weight"]
    assert length % 8 == 0
    assert raw[8 + length :] == np.array([6, 7, 0, 1, 2, 3, 4, 5], "<f4").tobytes()


def test_rewriting_twice_changes_nothing(made: SimpleNamespace) -> None:
    once = egress.canonical_model(file_of(GOOD, DATA), made.GRAPH)
    assert egress.canonical_model(once, made.GRAPH) == once


def test_the_order_of_tensors_and_the_spacing_of_the_header_carry_nothing(made: SimpleNamespace) -> None:
    other = {"head.bias": entry([2], 0, 8), "head.weight": entry([2, 3], 8, 32)}
    moved = file_of(json.dumps(other, indent=3).encode() + b"   ", DATA[24:] + DATA[:24])
    assert egress.canonical_model(moved, made.GRAPH) == egress.canonical_model(file_of(GOOD, DATA), made.GRAPH)


@pytest.mark.parametrize("value", [-0.0, 1e-39, -1e-45, 1.1754942e-38])
def test_minus_zero_and_denormals_become_zero(made: SimpleNamespace, value: float) -> None:
    raw = egress.canonical_model(file_of(GOOD, np.full(8, value, "<f4").tobytes()), made.GRAPH)
    assert raw.endswith(bytes(32))


def test_the_smallest_normal_number_stays(made: SimpleNamespace) -> None:
    raw = egress.canonical_model(file_of(GOOD, np.full(8, -(2.0**-126), "<f4").tobytes()), made.GRAPH)
    assert raw.endswith(np.full(8, -(2.0**-126), "<f4").tobytes())


@pytest.mark.parametrize(
    ("what", "raw"),
    [
        ("metadata", file_of({**GOOD, "__metadata__": {"note": "x"}}, DATA)),
        ("an extra tensor", file_of({**GOOD, "extra": entry([0], 32, 32)}, DATA)),
        ("a missing tensor", file_of({"head.weight": GOOD["head.weight"]}, DATA[:24])),
        ("a long name", file_of({**GOOD, "x" * 200_000: entry([0], 32, 32)}, DATA)),
        ("a duplicate name", file_of(json.dumps(GOOD).encode()[:-1] + b',"head.bias":{}}', DATA)),
        ("trailing bytes", file_of(GOOD, DATA + b"secret")),
        ("another shape", file_of({**GOOD, "head.bias": entry([1, 2], 24, 32)}, DATA)),
        ("another type", file_of({**GOOD, "head.bias": entry([4], 24, 32, "F16")}, DATA)),
        ("overlap", file_of({**GOOD, "head.bias": entry([2], 16, 24)}, DATA[:24])),
        ("a gap", file_of({**GOOD, "head.bias": entry([2], 28, 36)}, DATA + bytes(4))),
        ("a huge header", (1 << 62).to_bytes(8, "little") + b"{}"),
        ("deep JSON", file_of(b"[" * 200_000, DATA)),
        ("nothing", b""),
        ("NaN", file_of(GOOD, struct.pack("<8f", *[float("nan")] * 8))),
        ("a NaN payload", file_of(GOOD, struct.pack("<I", 0x7FC0BEEF) * 8)),
        ("infinity", file_of(GOOD, struct.pack("<8f", *[float("inf")] * 8))),
    ],
)
def test_a_model_file_with_room_for_a_message_is_refused(made: SimpleNamespace, what: str, raw: bytes) -> None:
    with pytest.raises(egress.EgressRefused):
        egress.canonical_model(raw, made.GRAPH)


def test_what_a_run_leaves_is_vetted(ran: tuple, vetted: egress.Vetted, made: SimpleNamespace) -> None:
    assert vetted.model == egress.canonical_model(ran[1][egress.MODEL], made.GRAPH)
    assert vetted.result.charged["accuracy"] is not None
    assert vetted.steps.count(b"\n") == made.PLAN.steps


@pytest.mark.parametrize("change", [{"extra.bin": b""}, {egress.MODEL: None}])
def test_a_file_too_many_or_too_few_is_refused(ran: tuple, made: SimpleNamespace, change: dict) -> None:
    outputs = {name: raw for name, raw in {**ran[1], **change}.items() if raw is not None}
    with pytest.raises(egress.EgressRefused, match="nothing else"):
        egress.vet(outputs, made.GRAPH, ran[0])


def test_a_model_above_the_size_of_the_rules_is_refused(ran: tuple, made: SimpleNamespace) -> None:
    rules = made.replace(release_rules(), maximum_parameters=7)
    with pytest.raises(egress.EgressRefused, match="more than 7"):
        egress.vet(ran[1], made.GRAPH, ran[0], rules)


FIGURES = {"auc": 0.7, "accuracy": 0.65}
RESULT = {
    "schema": egress.RESULT_SCHEMA,
    "run": "r-1",
    "outcome": "ok",
    "charged": FIGURES,
    "exact": FIGURES,
    "baseline": FIGURES,
}


@pytest.mark.parametrize(
    "change",
    [
        {"run": "r-2"},
        {"outcome": "failed"},
        {"schema": "x"},
        {"charged": None},
        {"charged": {"auc": 0.7}},
        {"charged": {"auc": 0.7, "accuracy": 0.123456789}},
        {"charged": {"auc": 0.7, "accuracy": 1.5}},
        {"charged": {"auc": 0.7, "accuracy": True}},
        {"charged": {"auc": 0.7, "accuracy": "0.6"}},
        {"exact": None},
        {"note": "hello"},
    ],
)
def test_a_result_with_room_for_a_message_is_refused(ran: tuple, change: dict) -> None:
    with pytest.raises(Tampered):
        egress.read_result(canonical({**RESULT, **change}), ran[0])


@pytest.mark.parametrize("raw", [b"[]", b"{", json.dumps(RESULT, indent=1).encode()])
def test_a_result_that_is_not_canonical_is_refused(ran: tuple, raw: bytes) -> None:
    with pytest.raises(Tampered):
        egress.read_result(raw, ran[0])


def test_exact_figures_of_sensitive_data_are_refused(ran: tuple, made: SimpleNamespace) -> None:
    job = made.replace(ran[0], data_class="sensitive", reveal_exact=False)
    with pytest.raises(Tampered, match="exact figures"):
        egress.read_result(canonical(RESULT), job)
    figures = egress.read_result(canonical({**RESULT, "exact": None, "baseline": None}), job)
    assert figures.as_dict() == {"charged": FIGURES, "exact": None, "baseline": None}


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (egress.write_failure("bad-input"), "bad-input"),
        (egress.write_failure("patient 7 is ill"), "training-failed"),
        (b'{"code":"patient-7"}', "training-failed"),
        (b'{"code":7}', "training-failed"),
        (b"[]", "training-failed"),
        (b"{", "training-failed"),
    ],
)
def test_a_failure_is_one_of_a_few_words(raw: bytes, code: str) -> None:
    assert egress.failure_code({egress.RESULT: raw}) == code


def test_a_job_that_left_nothing_has_failed_in_training() -> None:
    assert egress.failure_code({}) == "training-failed"
