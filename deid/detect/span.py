"""What a detector finds: a stretch of text and the kind of identifier it is."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

LABELS = (
    "NAME",
    "AGE90",
    "DATE",
    "PHONE",
    "ID_CARD",
    "PASSPORT",
    "MRN",
    "INSURANCE",
    "BANK",
    "PLATE",
    "ACCOUNT",
    "EMAIL",
    "URL",
    "IP",
    "DEVICE",
    "ADDRESS",
    "REGION",
    "HOSPITAL",
    "ORG",
    "PROFESSION_UNIQUE",
    "BED",
)

LAYER_ORDER = ("patterns", "dates", "ages", "addresses", "organisations", "cues", "tagger", "propagation")


@dataclass(frozen=True, slots=True)
class Span:
    """One identifier in a text.

    Attributes:
        start: Offset of the first character, in code points.
        end: Offset after the last character, in code points.
        label: One of ``LABELS``.
        score: How sure the layer is, in (0, 1].
        source: The layer that found it, one of ``LAYER_ORDER``.
    """

    start: int
    end: int
    label: str
    score: float
    source: str


def resolve(spans: Iterable[Span], text: str) -> tuple[Span, ...]:
    """Return the spans without overlaps, in the order of the text.

    The longest wins, then the earlier layer, then the higher score, then the earlier start. What sticks out of a
    loser is kept as a shorter span: resolving never uncovers a letter or digit that some layer had found.

    >>> resolve([Span(0, 4, "NAME", 0.9, "cues"), Span(3, 8, "ORG", 0.5, "organisations")], "abcdefgh")
    ... # doctest: +NORMALIZE_WHITESPACE
    (Span(start=0, end=3, label='NAME', score=0.9, source='cues'),
     Span(start=3, end=8, label='ORG', score=0.5, source='organisations'))
    """
    taken = bytearray(len(text))
    kept: list[Span] = []
    for span in sorted(set(spans), key=_rank):
        kept += [replace(span, start=a, end=b) for a, b in _free(span, taken, text)]
        taken[span.start : span.end] = b"\x01" * (span.end - span.start)
    return tuple(sorted(kept, key=lambda span: span.start))


def _rank(span: Span) -> tuple[int, int, float, int, str]:
    return (span.start - span.end, LAYER_ORDER.index(span.source), -span.score, span.start, span.label)


def _free(span: Span, taken: Sequence[int], text: str) -> Iterator[tuple[int, int]]:
    at = span.start
    while at < span.end:
        if taken[at]:
            at += 1
            continue
        stop = at
        while stop < span.end and not taken[stop]:
            stop += 1
        whole = (at, stop) == (span.start, span.end)
        if whole or any(c.isalnum() for c in text[at:stop]):
            yield at, stop
        at = stop
