"""Floors on the project's own gold notes and, where at hand, on public corpora. Raise them when the detector gets better."""

# ruff: noqa: E501  # a table of examples, one line each

import re
from pathlib import Path

import pytest

from deid.detect import detector
from deid.evaluate import evaluate, read_gold

GOLD = Path(__file__).parents[2] / "gold"
CORPORA = Path(__file__).parents[4] / "shared" / "corpora"


def scores(name, first=None):
    return evaluate(read_gold((GOLD / f"{name}.jsonl").read_text("utf-8").splitlines()[:first]))


@pytest.mark.parametrize(("lang", "least"), [("chinese", 120), ("english", 50)])
def test_there_are_enough_gold_notes_and_a_third_is_judged_only(lang, least):
    ours, judged = (read_gold((GOLD / f"{lang}{end}.jsonl").read_text("utf-8").splitlines()) for end in ("", "-judged"))
    assert len(ours) + len(judged) >= least
    assert len(judged) / (len(ours) + len(judged)) >= 0.32
    assert len({note.text for note in (*ours, *judged)}) == len(ours) + len(judged)


@pytest.mark.parametrize(
    ("name", "notes", "leak", "over"),
    [
        ("chinese", 40, 0.012, 0.015),
        ("chinese", 80, 0.017, 0.014),
        ("english", 35, 0.011, 0.010),
        ("lines", 113, 0.067, 0.022),
    ],
)
def test_gold_notes_leak_no_more_than_measured(name, notes, leak, over):
    now = scores(name, first=notes)
    assert now["notes"] >= notes
    assert now["phi_char_leak"] <= leak
    assert now["over_redaction"] <= over


def test_lures_are_left_alone():
    assert scores("lures")["over_redaction"] <= 0.001


@pytest.mark.corpora
def test_real_clinical_text_is_left_alone():
    path = CORPORA / "in-yidu-emr" / "yidu.train"
    if not path.exists():
        pytest.skip("in-yidu-emr is not at hand")
    sentences = path.read_text("utf-8").split("\n\n")[:600]
    texts = ["".join(line.split("\t")[0] for line in s.split("\n")) for s in sentences]
    found = [s for text in texts for s in detector().find(text) if s.label not in ("DATE", "MRN")]
    assert sum(s.end - s.start for s in found) / sum(map(len, texts)) <= 0.003


@pytest.mark.corpora
def test_names_of_resumes_are_hidden():
    path = CORPORA / "resume_ner" / "dev.char.bmes"
    if not path.exists():
        pytest.skip("resume_ner is not at hand")
    hidden = total = 0
    for block in path.read_text("utf-8").split("\n\n"):
        rows = [re.split(r"\s+", line) for line in block.split("\n") if line.strip()]
        names = {n for n, row in enumerate(rows) if row[-1].endswith("NAME")}
        spans = detector().find("".join(row[0] for row in rows))
        total += len(names)
        hidden += sum(any(s.start <= n < s.end for s in spans) for n in names)
    assert hidden / total >= 0.93
