"""The tagger layer: its spans, its windows, its files."""

import hashlib
import re
import socket
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deid.detect import ALL_LAYERS, Span, detector, tagger, tagging

ALONE = detector(frozenset({"tagger"}))
LETTER = st.one_of(st.sampled_from("王李张建国敏患者查房,。\n 叶段程小·𠮷\ud800🙂"), st.characters())
TEXT = st.text(LETTER, max_size=90)


def names(text, engine=ALONE):
    return [text[s.start : s.end] for s in engine.find(text)]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("今晨沈佩瑶已能下床", "沈佩瑶"),
        ("昨夜欧阳靖宇未再发热", "欧阳靖宇"),
        ("与柳文彬同住一室", "柳文彬"),
        ("𠮷🙂陆佳怡已出院", "陆佳怡"),
    ],
)
def test_a_name_without_a_cue_is_found(text, name):
    assert names(text) == [name]


@pytest.mark.parametrize(
    "text",
    [
        "右肺上叶见磨玻璃影，左下叶小结节",
        "已行4程化疗，过程顺利",
        "予希罗达、替吉奥、何首乌、徐长卿口服",
        "行克氏针内固定，苗勒氏管残留，霍奇金淋巴瘤待排",
        "术毕安返病房，余无殊",
    ],
)
def test_what_only_looks_like_a_name_is_left_alone(text):
    assert names(text) == []


def test_without_the_layer_its_names_stand_open():
    text = "今晨沈佩瑶已能下床"
    assert names(text, detector(ALL_LAYERS - {"tagger"})) == []
    assert [s.source for s in detector().find(text)] == ["tagger"]


def test_a_word_of_the_list_is_no_person():
    assert not tagger.may_be_name("复方何首乌片", 2, 5)
    assert not tagger.may_be_name("行王氏手术", 1, 2)
    assert not tagger.may_be_name("abc", 0, 2)
    assert tagger.may_be_name("王佳来诊", 0, 2)


def test_what_the_rules_have_settled_is_not_read_again():
    text = "沈佩瑶今晨已能下床"
    assert tagger.find_all([text], [[Span(0, 3, "NAME", 0.9, "cues")]]) == [[]]
    assert len(tagger.find_all([text], [[Span(0, 2, "NAME", 0.9, "cues")]])[0]) == 1


@settings(max_examples=60, deadline=None)
@given(TEXT)
def test_offsets_are_right_on_any_text(text):
    for span in tagger.find(text):
        assert 0 <= span.start < span.end <= len(text)
        assert (span.label, span.source) == ("NAME", "tagger")
        assert 0 < span.score <= 1


@settings(max_examples=40, deadline=None)
@given(st.lists(TEXT, max_size=6))
def test_many_texts_together_give_the_spans_of_each_alone(texts):
    assert tagger.find_all(texts) == [list(tagger.find(text)) for text in texts]


def test_a_long_text_full_of_names_is_read_to_its_end():
    people = ["沈佩瑶", "欧阳靖宇", "陆佳怡", "柳文彬"] * 20
    text = "，".join(people)
    hidden = bytearray(len(text))
    for span in tagger.find(text):
        hidden[span.start : span.end] = b"\x01" * (span.end - span.start)
    assert sum(hidden) >= 0.9 * sum(map(len, people))


def test_inside_never_follows_nothing():
    scores = np.log(np.full((1, 3, 7), 1e-6, np.float32))
    scores[0, :, 2] = 0.0
    path = tagging.best_paths(scores, np.array([3], np.int32))[0].tolist()
    assert path[0] != 2
    assert all(after != 2 or before in (1, 2) for before, after in pairwise(path))


def test_the_files_are_the_ones_of_the_card():
    card = (tagging.FOLDER / "model-card.md").read_text("utf-8")
    written = dict(re.findall(r"^\| `([\w.]+)` \| `([0-9a-f]{64})` \|$", card, re.MULTILINE))
    files = {path.name for path in tagging.FOLDER.iterdir()} - {"model-card.md"}
    assert written == {name: hashlib.sha256((tagging.FOLDER / name).read_bytes()).hexdigest() for name in files}


def test_the_model_is_small():
    assert sum(path.stat().st_size for path in tagging.FOLDER.iterdir()) < 10_000_000


def test_nothing_opens_a_connection(monkeypatch):
    def refuse(*_args):
        raise AssertionError

    monkeypatch.setattr(socket.socket, "connect", refuse)
    tagging.network.cache_clear()
    assert names("今晨沈佩瑶已能下床") == ["沈佩瑶"]
