"""The measure itself: counted by hand on small notes."""

import json

import pytest

from deid.detect import Span
from deid.evaluate import BadGold, evaluate, find_lines, find_text, read_gold
from policies.errors import Misuse


class Fixed:
    """A detector that finds what it is told."""

    def __init__(self, *spans):
        self.spans = tuple(Span(a, b, label, 1.0, "cues") for a, b, label in spans)

    def find_all(self, texts, known=()):
        return [self.spans for _ in texts]


def gold(text="王建国来诊。", spans=((0, 3, "NAME"),), **more):
    return read_gold([json.dumps({"id": "1", "lang": "zh", "text": text, "spans": list(spans), **more})])


def test_what_is_not_covered_is_leaked():
    scores = evaluate(gold(), Fixed((1, 3, "NAME")))
    assert scores["phi_char_leak"] == pytest.approx(1 / 3, abs=1e-6)
    assert scores["notes_fully_covered"] == 0
    assert scores["overall"]["exact"]["recall"] == 0
    assert scores["overall"]["character"]["recall"] == pytest.approx(2 / 3, abs=1e-6)


def test_hidden_under_another_label_is_no_leak_but_no_exact_hit():
    scores = evaluate(gold(), Fixed((0, 3, "ORG")))
    assert (scores["phi_char_leak"], scores["overall"]["exact"]["f1"]) == (0, 0)
    assert scores["labels"]["NAME"]["hidden_under_any_label"] == 1
    assert scores["labels"]["ORG"]["exact"] == {"precision": 0, "recall": None, "f1": 0}


def test_what_is_covered_without_need_is_over_redaction():
    scores = evaluate(gold(), Fixed((0, 4, "NAME")))
    assert scores["over_redaction"] == pytest.approx(1 / 3, abs=1e-6)
    low, high = scores["over_redaction_bounds"]
    assert 0 < low < 1 / 3 < high < 1


def test_optional_spans_cost_nothing_when_missed_and_nothing_when_found():
    note = gold("王建国12床", [(0, 3, "NAME"), (3, 6, "BED")], optional=[1])
    for spans in ([(0, 3, "NAME")], [(0, 3, "NAME"), (3, 6, "BED")]):
        scores = evaluate(note, Fixed(*spans))
        assert (scores["phi_char_leak"], scores["over_redaction"], scores["overall"]["exact"]["f1"]) == (0, None, 1)


def test_neutral_stretches_count_on_neither_side():
    note = gold("王建国8:30。", neutral=[(3, 7, "DATE")])
    scores = evaluate(note, Fixed((0, 3, "NAME"), (3, 7, "DATE")))
    assert (scores["over_redaction"], scores["overall"]["exact"]["precision"]) == (0, 1)


def test_no_text_of_a_note_is_in_the_scores():
    assert "王" not in json.dumps(evaluate(gold()), ensure_ascii=False)


def test_a_score_of_nothing_is_refused():
    with pytest.raises(BadGold, match="no note"):
        evaluate([])


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        '{"text": "a"}',
        '{"text": 1, "spans": []}',
        '{"text": "a", "spans": [[0, 2, "NAME"]]}',
        '{"text": "a", "spans": [[0, 1, "WHO"]]}',
        '{"text": "a", "spans": [[0, 1, "NAME"]], "optional": [1]}',
        '{"text": "a", "spans": [["x", 1, "NAME"]]}',
    ],
)
def test_a_bad_gold_line_is_named_by_its_number(line):
    with pytest.raises(BadGold, match="line 2"):
        read_gold(['{"text": "a", "spans": []}', line])


def test_lines_in_lines_out():
    lines = list(find_lines(['{"id": 7, "lang": "zh", "text": "手机13812345678"}', "", '{"text": "无"}']))
    first, second = map(json.loads, lines)
    assert (first["id"], first["text"][2:], first["spans"][0]["label"]) == (7, "13812345678", "PHONE")
    assert second == {"id": None, "text": "无", "spans": []}


@pytest.mark.parametrize("line", ['{"id": 1}', '{"text": "a", "lang": "fr"}', "nope", "3"])
def test_a_bad_line_is_refused_by_number(line):
    with pytest.raises(BadGold, match="line 1"):
        list(find_lines([line]))


def test_a_language_that_is_not_spoken_is_misuse():
    with pytest.raises(Misuse, match="auto"):
        find_text("a", lang="fr")
