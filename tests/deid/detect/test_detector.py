"""The detector as a whole: layers, overlaps, offsets, the batch path."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deid.detect import ALL_LAYERS, Span, detector
from deid.detect.detector import UnknownLayer
from deid.detect.folding import fold
from deid.detect.span import LABELS, resolve
from policies.errors import Misuse

NOTE = (
    "患者王建国，男，94岁，2023年5月18日由张丽华医师收入复旦大学附属中山医院，电话13812345678，家住上海市徐汇区宜山路600号3号楼502室。"
    "今日查房，建国述胸闷好转。"
)
PIECES = st.sampled_from(
    [
        "患者",
        "王建国",
        "，",
        "：",
        "13812345678",
        " ",
        "\n",
        "2023-05-18",
        "徐汇区",
        "宜山路600号",
        "中山医院",
        "94岁",
        "Mr. Smith",
        "Dr ",
        "MRN 12345678",
    ]
)
TEXT = st.one_of(st.text(max_size=80), st.lists(PIECES, max_size=12).map("".join))
KNOWN = st.lists(st.tuples(st.text(max_size=12), st.sampled_from(LABELS)), max_size=2).map(tuple)

# One thing only that layer finds.
ONLY = {
    "patterns": ("手机13812345678。", "13812345678"),
    "dates": ("于2023年5月18日复查。", "2023年5月18日"),
    "ages": ("老太今年94岁。", "94岁"),
    "addresses": ("现住上海市徐汇区宜山路600号。", "宜山路600号"),
    "organisations": ("曾就诊于复旦大学附属中山医院。", "复旦大学附属中山医院"),
    "cues": ("受试者姓名缩写LXM。", "LXM"),
    "tagger": ("今晨沈佩瑶已能下床。", "沈佩瑶"),
    "propagation": ("患者姓名：王建国。\n复查建国血常规。", "建国"),
}


def covered(text, layers, known=()):
    hidden = bytearray(len(text))
    for span in detector(layers).find(text, known):
        hidden[span.start : span.end] = b"\x01" * (span.end - span.start)
    return hidden


@pytest.mark.parametrize("layer", sorted(ALL_LAYERS))
def test_each_layer_is_needed(layer):
    text, value = ONLY[layer]
    value = value.removesuffix("述")
    at = text.rindex(value)
    assert all(covered(text, ALL_LAYERS)[at : at + len(value)])
    assert not all(covered(text, ALL_LAYERS - {layer})[at : at + len(value)])


def test_a_layer_that_does_not_exist_is_refused():
    with pytest.raises(UnknownLayer, match="no such layer"):
        detector(frozenset({"magic"}))


def test_without_layers_nothing_is_found():
    assert detector(frozenset()).find(NOTE) == ()


@settings(max_examples=150, deadline=None)
@given(TEXT)
def test_offsets_are_right_on_any_text(text):
    end = 0
    for span in detector().find(text):
        assert end <= span.start < span.end <= len(text)
        assert span.label in LABELS
        assert 0 < span.score <= 1
        end = span.end


@settings(max_examples=60, deadline=None)
@given(st.lists(TEXT, max_size=5), st.data())
def test_the_batch_path_gives_exactly_the_same_spans(texts, data):
    texts = [*texts, *texts[:2]]
    known = data.draw(st.one_of(st.just(()), st.lists(KNOWN, min_size=len(texts), max_size=len(texts))))
    one_by_one = [detector().find(t, k) for t, k in zip(texts, known or [()] * len(texts), strict=True)]
    assert detector().find_all(texts, known) == one_by_one


def test_known_identifiers_must_fit_the_texts():
    with pytest.raises(Misuse, match="every text"):
        detector().find_all(["a", "b"], [()])


def test_resolving_never_uncovers_a_letter():
    spans = [Span(0, 5, "NAME", 0.9, "cues"), Span(3, 9, "ORG", 0.5, "organisations"), Span(4, 6, "DATE", 1.0, "dates")]
    kept = resolve(spans, "abcdefghi")
    assert [(s.start, s.end, s.label) for s in kept] == [(0, 3, "NAME"), (3, 9, "ORG")]


def test_punctuation_that_sticks_out_is_no_span():
    spans = [Span(0, 4, "NAME", 0.9, "cues"), Span(4, 5, "NAME", 0.9, "cues"), Span(3, 9, "ORG", 0.5, "organisations")]
    assert [s.start for s in resolve(spans, "abc，，defg")] == [0, 3]


def test_equal_spans_go_to_the_earlier_layer():
    spans = [Span(0, 4, "NAME", 0.9, "cues"), Span(0, 4, "MRN", 0.4, "patterns")]
    assert [s.label for s in resolve(spans, "abcd")] == ["MRN"]


def test_full_width_and_traditional_writing_is_folded():
    assert fold("電話：１３８").text == "电话:138"


def test_invisible_characters_do_not_hide_a_number():
    text = "手机138\u200b1234\u20605678。"
    assert [text[s.start : s.end] for s in detector().find(text)] == ["138\u200b1234\u20605678"]


def test_a_note_in_traditional_characters_is_read():
    text = "患者姓名：陳麗華，電話０９１２－３４５６７８９０"
    assert "陳麗華" in [text[s.start : s.end] for s in detector().find(text)]
