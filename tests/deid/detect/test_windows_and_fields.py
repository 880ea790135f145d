"""Stretches worth looking at, names in fields, and recognisers that survive any text."""

# ruff: noqa: E501  # a table of examples, one line each

import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deid.detect import cues_english, detector, fields, framed, grams, labelled, windows
from deid.detect.detector import LAYERS
from deid.detect.folding import fold
from deid.detect.names_english import many
from deid.detect.span import LABELS

# Characters that rules look for, so that arbitrary texts come near to matching.
NEAR = st.text(
    st.one_of(
        st.characters(codec="utf-8"),
        st.sampled_from(
            "0123456789年月日号:：,，。/-.()（） \n患者王李张欧阳主任医生签名男女岁路弄室医院公司省市县村氏某·@#*xX床ABCabcDr"
        ),
    ),
    max_size=80,
)


def names(text):
    return [text[a:b] for a, b in fields.find(fold(text).text)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("报告人：冶金花 审核：闻", ["冶金花", "闻"]),
        ("医师签名：阳 光", ["阳 光"]),
        ("接听人妮娜 工号", ["妮娜"]),
        ("调配：亓元核对：小满", ["亓元", "小满"]),
        ("检验：LZQ；送检：计春华", ["LZQ", "计春华"]),
        ("小名 汤圆 性别", ["汤圆"]),
        ("@大白不白：在吗", ["@大白不白"]),
        ("翻译Kevin Tsai，", ["Kevin Tsai"]),
        ("医生：你好，请问哪里不舒服？", []),
        ("患者：嗯，有点疼。", []),
        ("签名：拒绝", []),
        ("联系人：详见首页", []),
        ("检查者：CT室", []),
    ],
)
def test_a_field_that_asks_for_a_person_holds_a_name_unless_it_says_otherwise(text, found):
    assert [name for name in dict.fromkeys(names(text)) if name] == found


def test_framed_names_need_no_surname_where_no_seam_is_ordinary_text():
    text = "据其外甥牧云反映"
    assert [text[a:b] for a, b in framed.find(text)] == ["牧云"]


def test_ordinary_text_is_known_and_names_are_not():
    assert {"平常", "患者"} <= grams.pairs()
    assert "单平" not in grams.pairs()
    assert all(len(gram) == 3 for gram in grams.triples())


def test_the_long_list_of_names_holds_no_ordinary_words():
    assert {"imelda", "zofia"} <= many()
    assert not {"patient", "normal", "march", "insulin"} & many()


def test_windows_are_merged_and_cut_to_the_text():
    assert list(windows.around("..x....x.x", re.compile("x"), 1, 1)) == [(1, 4), (6, 10)]
    assert list(windows.merged("abc", [])) == []
    assert list(windows.merged("abcdef", [(-5, 1), (4, 99)])) == [(0, 1), (4, 6)]


def test_a_look_behind_sees_what_lies_before_a_window():
    pattern = re.compile("(?<=a)b")
    assert [m.start() for m in windows.found("ab b", pattern, [(1, 4)])] == [1]


@pytest.mark.parametrize("word", ["E. Coli", "1.2 L. Mr", "vitamin B. Daily"])
def test_an_initial_before_a_species_or_a_unit_is_no_name(word):
    assert list(cues_english.find(f"grew {word} today", "cues")) == []


@pytest.mark.parametrize("layer", sorted(LAYERS))
@settings(max_examples=60, deadline=None)
@given(text=NEAR)
def test_every_layer_survives_any_text_and_stays_inside_it(layer, text):
    folded = fold(text).text
    for span in LAYERS[layer](folded):
        assert 0 <= span.start < span.end <= len(folded)
        assert span.label in LABELS
        assert span.source == layer
        assert 0 < span.score <= 1


@settings(max_examples=60, deadline=None)
@given(texts=st.lists(NEAR, max_size=6))
def test_the_batch_gives_exactly_the_spans_of_each_text(texts):
    engine = detector()
    assert engine.find_all(texts) == [engine.find(text) for text in texts]


@settings(max_examples=80, deadline=None)
@given(text=NEAR)
def test_spans_are_in_order_apart_and_inside_the_original_text(text):
    found = detector().find(text)
    assert all(0 <= s.start < s.end <= len(text) for s in found)
    assert all(a.end <= b.start for a, b in pairwise(found))


LINKED = st.lists(
    st.sampled_from(
        [
            "MRN",
            "pt id",
            "ſſn",
            "K9",
            " ",
            ":",
            "#",
            "No.",
            "is",
            "tel",
            "x",
            ",",
            "患者",
            "12345678",
            "A-",
            "7",
            "\n",
            "reg",
        ]
    ),
    max_size=14,
).map("".join)


@settings(max_examples=150, deadline=None)
@given(text=LINKED)
def test_looking_for_an_english_cue_only_where_one_fits_finds_the_same(text):
    assert list(labelled._cued_english(text)) == list(labelled._cued(text, labelled._LINKED_ENGLISH, 44))
