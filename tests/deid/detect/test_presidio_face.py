"""Presidio's way and the detector's way give the same spans."""

import json
import socket
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deid.detect import detector
from deid.detect.presidio import analyzer, spans

GOLD = Path(__file__).parents[2] / "gold"
TEXTS = [
    json.loads(line)["text"]
    for name in ("chinese", "english")
    for line in (GOLD / f"{name}.jsonl").read_text("utf-8").splitlines()
]


@pytest.fixture(scope="module")
def engine():
    return analyzer()


def places(found):
    return [(s.start, s.end, s.label) for s in found]


@pytest.mark.parametrize("language", ["zh", "en"])
def test_both_ways_give_the_same_spans_on_the_gold_notes(engine, language):
    for text in TEXTS:
        assert places(spans(text, engine.analyze(text, language=language))) == places(detector().find(text))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=60))
def test_both_ways_give_the_same_spans_on_any_text(engine, text):
    assert places(spans(text, engine.analyze(text, language="zh"))) == places(detector().find(text))


def test_a_context_word_in_the_window_raises_the_score():
    plain, cued = ("其它内容很长很长很长很长很长，138-1234-567-8", "联系电话是，138-1234-567-8")
    scores = [max(r.score for r in analyzer(frozenset({"patterns"})).analyze(t, language="zh")) for t in (plain, cued)]
    assert scores[0] < scores[1]


def test_known_identifiers_reach_the_propagation_layer():
    engines = (analyzer(known=(("郦舒窈", "NAME"),)), analyzer())
    known, unknown = ({(r.start, r.end) for r in e.analyze("术郦舒窈", language="zh")} for e in engines)
    assert known - unknown == {(1, 4)}


def test_only_the_asked_layers_and_entities_run():
    results = analyzer(frozenset({"ages"})).analyze("94岁，13812345678", language="zh")
    assert [r.entity_type for r in results] == ["AGE90"]
    assert analyzer().analyze("94岁", language="zh", entities=["PHONE"]) == []


def test_nothing_opens_a_connection(monkeypatch):
    def refuse(*_args, **_more):
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert analyzer().analyze("邮箱a@b.com，http://x.example", language="zh")
