"""The detector's own bound, what a profile makes of it, and the page of missed spans."""

import json
import stat

import pytest

from deid import evaluation_page
from deid.detect import Span, scorecard
from deid.detect.scorecard import Scorecard, detector_digest, shipped
from deid.evaluate import evaluate, read_gold
from deid.policy import load_profile, read_profile
from policies.errors import BadMapping


class Fixed:
    """A detector that finds what it is told."""

    def __init__(self, *spans):
        self.spans = tuple(Span(a, b, label, 1.0, "cues") for a, b, label in spans)

    def find_all(self, texts, known=()):
        return [self.spans for _ in texts]


def notes(*texts, spans=((0, 3, "NAME"),), **more):
    lines = [json.dumps({"id": str(n), "text": text, "spans": list(spans), **more}) for n, text in enumerate(texts)]
    return read_gold(lines)


def card(upper, detector=None):
    return Scorecard(upper / 2, upper, 50, detector or detector_digest())


def test_free_text_is_withheld_over_the_limit_and_under_an_unmeasured_detector():
    assert card(0.004).verdict(0.005) == ""
    assert card(0.006).verdict(0.005) == "leak-bound-over-limit"
    assert card(0.001, "other").verdict(0.005) == "detector-unmeasured"
    assert card(0.9, "other").verdict(None) == ""


def test_the_shipped_bound_is_of_both_languages_the_worse():
    found = json.loads(scorecard.FILE.read_text("utf-8"))["languages"]
    assert shipped().leak_upper == max(one["phi_char_leak_upper"] for one in found.values())
    assert shipped().leak <= shipped().leak_upper
    assert shipped().notes >= 50


def test_profiles_that_let_text_out_have_a_limit():
    assert load_profile("cn_controlled").text_leak == 0.005
    assert load_profile("cn_enclave").text_leak is None


def test_a_limit_outside_its_range_is_refused(tmp_path):
    path = tmp_path / "p.yaml"
    source = (scorecard.FOLDER.parents[1] / "policies" / "profiles" / "cn_enclave.yaml").read_text("utf-8")
    path.write_text(source.replace("text_leak: null", "text_leak: 2.0"), "utf-8")
    with pytest.raises(BadMapping, match="text_leak"):
        read_profile(path)


def test_the_bounds_know_that_characters_of_one_note_leak_together():
    scores = evaluate(notes(*["王建国来诊。"] * 30), Fixed((0, 3, "NAME")))
    assert scores["phi_char_leak_bounds"][0] == 0
    assert 0 < scores["phi_char_leak_bounds"][1] < 0.1
    mixed = [*notes(*["王建国来诊。"] * 5), *notes(*["好王建国来诊。"] * 5, spans=[(1, 4, "NAME")])]
    low, high = evaluate(mixed, Fixed((0, 3, "NAME")))["phi_char_leak_bounds"]
    assert low < evaluate(mixed, Fixed((0, 3, "NAME")))["phi_char_leak"] < high


def test_every_genre_has_its_figures():
    genres = evaluate([*notes("王建国来诊。", genre="ward"), *notes("王建国来诊。", genre="phone")], Fixed())["genres"]
    assert genres["ward"] == {"notes": 1, "phi_char_leak": 1.0, "notes_fully_covered": 0.0, "over_redaction": 0.0}
    assert set(genres) == {"ward", "phone"}


def test_the_page_marks_what_leaked_and_what_was_covered_without_need():
    page = evaluation_page.page(notes("王建国来<诊。"), Fixed((1, 4, "NAME")))
    assert "<mark>王</mark><ins>建国</ins><s>来</s>&lt;诊。" in page
    assert "missed: NAME" in page
    assert "<script" not in page


def test_a_note_without_a_mistake_is_not_on_the_page():
    assert "来诊" not in evaluation_page.page(notes("王建国来诊。"), Fixed((0, 3, "NAME")))


def test_optional_and_neutral_stretches_are_no_mistake():
    note = notes("王建国12床8:30", spans=[(0, 3, "NAME"), (3, 6, "BED")], optional=[1], neutral=[[6, 10, "DATE"]])
    assert "<mark>" not in (page := evaluation_page.page(note, Fixed((0, 3, "NAME"), (6, 10, "DATE"))))
    assert "<s>" not in page


def test_the_page_is_readable_for_its_owner_alone(tmp_path):
    path = tmp_path / "missed.html"
    path.write_text("", "utf-8")
    evaluation_page.write(path, notes("王建国来诊。"), Fixed())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "<mark>王建国</mark>" in path.read_text("utf-8")
