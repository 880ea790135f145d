"""How much leaks: the functions behind ``medtrain deid text`` and ``medtrain deid evaluate``.

Gold lines follow the annotation guideline: ``spans`` are the identifiers, ``optional`` the indices of spans that cost
nothing when missed, ``neutral`` stretches that count neither for recall nor against precision. Only counts and rates
come out; no text of a note is in a result of ``evaluate``.
"""

import json
import math
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from deid.detect import Detector, Span, detector
from deid.detect.span import LABELS
from policies.errors import BadInput, Misuse

_RESAMPLES, _SEED = 2000, 20260
LANGUAGES = ("auto", "zh", "en")


class BadGold(BadInput):
    """A line of notes or gold notes cannot be used."""

    code = "bad-gold"


@dataclass(frozen=True, slots=True)
class Gold:
    """One annotated note. ``spans`` and ``neutral`` are (start, end, label) in code points."""

    id: str
    lang: str
    genre: str
    text: str
    spans: tuple[tuple[int, int, str], ...]
    optional: frozenset[int]
    neutral: tuple[tuple[int, int, str], ...]


def find_text(text: str, lang: str = "auto", engine: Detector | None = None) -> dict[str, Any]:
    """Return ``{"text", "spans"}`` of one text, ready for JSON.

    Args:
        text: The text.
        lang: ``auto``, ``zh`` or ``en``. Notes mix languages, so the rules of both always run.
        engine: The detector; by default with every layer.

    Raises:
        Misuse: ``lang`` is none of these.

    >>> find_text("MRN 0012345")["spans"]
    [{'start': 4, 'end': 11, 'label': 'MRN', 'score': 0.9, 'source': 'patterns'}]
    """
    _check_language(lang)
    return {"text": text, "spans": [asdict(span) for span in (engine or detector()).find(text)]}


def find_lines(lines: Iterable[str], engine: Detector | None = None) -> Iterator[str]:
    """Yield for each JSON line ``{"id", "lang", "text"}`` the JSON line ``{"id", "text", "spans"}``.

    Raises:
        BadGold: a line is not such an object; the message names its number.
    """
    engine = engine or detector()
    for number, line in enumerate(lines, 1):
        if line.strip():
            raw = _object(line, number)
            if not isinstance(raw.get("text"), str) or raw.get("lang", "auto") not in LANGUAGES:
                raise BadGold(f"line {number}: text and a lang out of {', '.join(LANGUAGES)} are needed")
            yield json.dumps({"id": raw.get("id"), **find_text(raw["text"], engine=engine)}, ensure_ascii=False)


def read_gold(lines: Iterable[str]) -> list[Gold]:
    """Return the gold notes of JSON lines.

    Raises:
        BadGold: a line does not follow the guideline; the message names its number.
    """
    return [_gold(_object(line, number), number) for number, line in enumerate(lines, 1) if line.strip()]


def evaluate(notes: Sequence[Gold], engine: Detector | None = None) -> dict[str, Any]:
    """Return the scores of a detector on gold notes, ready for JSON; rates in [0, 1], bounds at 95 %.

    ``phi_char_leak`` is the share of identifier characters under no span, ``over_redaction`` the share of other
    characters under one. Characters of one note depend on each other: their bounds are the wider of a bootstrap over
    notes and Wilson's interval; ``notes_fully_covered`` has Wilson's. ``genres`` has the same for each kind of note.

    Raises:
        BadGold: there is no note at all: a score of nothing would look perfect.
    """
    if not notes:
        raise BadGold("the gold file holds no note")
    engine = engine or detector()
    began = time.perf_counter()
    found = engine.find_all([note.text for note in notes])
    seconds = time.perf_counter() - began
    tallies = [_tally(note, spans) for note, spans in zip(notes, found, strict=True)]
    total = sum(tallies, Counter[str]())
    covered = sum(not tally["leaked"] for tally in tallies)
    return {
        "notes": len(notes),
        "phi_char_leak": _rate(total["leaked"], total["phi"]),
        "phi_char_leak_bounds": _bounds(tallies, "leaked", "phi"),
        "notes_fully_covered": _rate(covered, len(notes)),
        "notes_fully_covered_bounds": _wilson(covered, len(notes)),
        "over_redaction": _rate(total["over"], total["plain"]),
        "over_redaction_bounds": _bounds(tallies, "over", "plain"),
        "overall": _scores(total, ""),
        "labels": {
            label: _scores(total, f"{label}:") for label in LABELS if total[f"{label}:gold"] + total[f"{label}:found"]
        },
        "genres": _genres(notes, tallies),
        "kilobytes_per_second": round(sum(len(n.text.encode()) for n in notes) / 1000 / max(seconds, 1e-9), 1),
    }


def _genres(notes: Sequence[Gold], tallies: Sequence[Counter[str]]) -> dict[str, dict[str, Any]]:
    sums: dict[str, Counter[str]] = {}
    for note, tally in zip(notes, tallies, strict=True):
        sums.setdefault(note.genre, Counter()).update({**tally, "notes": 1, "covered": not tally["leaked"]})
    return {
        genre: {
            "notes": total["notes"],
            "phi_char_leak": _rate(total["leaked"], total["phi"]),
            "notes_fully_covered": _rate(total["covered"], total["notes"]),
            "over_redaction": _rate(total["over"], total["plain"]),
        }
        for genre, total in sorted(sums.items())
    }


def _bounds(tallies: Sequence[Counter[str]], part: str, whole: str) -> list[float] | None:
    """Return the wider of a 95 % percentile bootstrap over notes (Efron 1979) and Wilson's interval.

    The bootstrap knows that characters of one note leak together, Wilson that nothing seen is not nothing there.
    """
    wilson = _wilson(sum(t[part] for t in tallies), sum(t[whole] for t in tallies))
    if wilson is None:
        return None
    parts, wholes = (np.array([t[key] for t in tallies], dtype=np.int64) for key in (part, whole))
    draws = np.random.default_rng(_SEED).integers(len(tallies), size=(_RESAMPLES, len(tallies)))
    sums = wholes[draws].sum(axis=1)
    rates = parts[draws].sum(axis=1)[sums > 0] / sums[sums > 0]
    low, high = np.percentile(rates, (2.5, 97.5))
    return [round(min(wilson[0], float(low)), 6), round(max(wilson[1], float(high)), 6)]


def _tally(note: Gold, spans: Sequence[Span]) -> Counter[str]:
    cover, want, skip = (bytearray(len(note.text)) for _ in range(3))
    for span in spans:
        _fill(cover, span.start, span.end)
    for start, end, _ in note.neutral:
        _fill(skip, start, end)
    required = [span for n, span in enumerate(note.spans) if n not in note.optional]
    for n in note.optional:
        _fill(skip, *note.spans[n][:2])
    for start, end, _ in required:
        _fill(want, start, end)
        skip[start:end] = bytes(end - start)
    tally = Counter[str]()
    for c, w, s, character in zip(cover, want, skip, note.text, strict=True):
        if w:
            tally.update(phi=1, leaked=not c)
        elif not s and not character.isspace():
            tally.update(plain=1, over=c)
    _exact(tally, note, spans, required)
    _characters(tally, spans, required, skip)
    return tally


def _exact(tally: Counter[str], note: Gold, spans: Sequence[Span], required: Sequence[tuple[int, int, str]]) -> None:
    got = {(span.start, span.end, span.label) for span in spans}
    allowed = {note.spans[n] for n in note.optional}
    for start, end, label in got:
        if (start, end, label) in allowed or any(a < end and start < b for a, b, _ in (*note.neutral, *allowed)):
            continue
        hit = (start, end, label) in set(required)
        tally.update({"found": 1, f"{label}:found": 1, "right": hit, f"{label}:right": hit})
    for _, _, label in required:
        tally.update({"gold": 1, f"{label}:gold": 1})


def _characters(
    tally: Counter[str], spans: Sequence[Span], required: Sequence[tuple[int, int, str]], skip: bytearray
) -> None:
    truth = {n: label for start, end, label in required for n in range(start, end)}
    guess = {n: span.label for span in spans for n in range(span.start, span.end) if not skip[n]}
    for label in truth.values():
        tally.update({"c-gold": 1, f"{label}:c-gold": 1})
    for n, label in guess.items():
        hidden = n in truth
        tally.update(
            {"c-found": 1, f"{label}:c-found": 1, "c-right": hidden, f"{label}:c-right": truth.get(n) == label}
        )
    for n, label in truth.items():
        tally[f"{label}:c-hidden"] += n in guess


def _scores(total: Mapping[str, int], prefix: str) -> dict[str, Any]:
    exact = _prf(total[f"{prefix}right"], total[f"{prefix}found"], total[f"{prefix}gold"])
    character = _prf(total[f"{prefix}c-right"], total[f"{prefix}c-found"], total[f"{prefix}c-gold"])
    scores: dict[str, Any] = {"spans": total[f"{prefix}gold"], "exact": exact, "character": character}
    if prefix:
        scores["hidden_under_any_label"] = _rate(total[f"{prefix}c-hidden"], total[f"{prefix}c-gold"])
    return scores


def _prf(right: int, found: int, gold: int) -> dict[str, float | None]:
    precision, recall = _rate(right, found), _rate(right, gold)
    return {"precision": precision, "recall": recall, "f1": _rate(2 * right, found + gold)}


def _rate(part: int, whole: int) -> float | None:
    return round(part / whole, 6) if whole else None


def _wilson(part: int, whole: int, z: float = 1.959964) -> list[float] | None:
    """Return the 95 % score interval of a proportion (Wilson 1927), or None for no observation."""
    if not whole:
        return None
    p, n = part / whole, whole
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return [round(max(0.0, middle - half), 6), round(min(1.0, middle + half), 6)]


def _fill(mask: bytearray, start: int, end: int) -> None:
    mask[start:end] = b"\x01" * (end - start)


def _object(line: str, number: int) -> dict[str, Any]:
    try:
        raw = json.loads(line)
    except json.JSONDecodeError:
        raise BadGold(f"line {number} is not JSON") from None
    if not isinstance(raw, dict):
        raise BadGold(f"line {number} is not a JSON object")
    return raw


def _gold(raw: Mapping[str, Any], number: int) -> Gold:
    try:
        text = raw["text"]
        spans = tuple((int(a), int(b), str(label)) for a, b, label in raw["spans"])
        neutral = tuple((int(a), int(b), str(label)) for a, b, label in raw.get("neutral", ()))
        optional = frozenset(int(n) for n in raw.get("optional", ()))
    except (KeyError, TypeError, ValueError):
        raise BadGold(f"line {number}: text and spans [[start, end, label], …] are needed") from None
    if not isinstance(text, str) or any(not 0 <= a < b <= len(text) for a, b, _ in (*spans, *neutral)):
        raise BadGold(f"line {number}: a span is outside the text")
    if any(label not in LABELS for _, _, label in spans) or any(not 0 <= n < len(spans) for n in optional):
        raise BadGold(f"line {number}: an unknown label, or an optional index without a span")
    return Gold(
        str(raw.get("id", number)),
        str(raw.get("lang", "auto")),
        str(raw.get("genre", "")),
        text,
        spans,
        optional,
        neutral,
    )


def _check_language(lang: str) -> None:
    if lang not in LANGUAGES:
        raise Misuse(f"lang must be one of {', '.join(LANGUAGES)}")
