"""Names that no cue announces: a small network reads the surroundings of whatever may be a surname.

The network, what it was trained on, what it scores and where it fails are described in ``model/model-card.md``.
"""

from collections.abc import Iterator, Sequence
from functools import cache

from deid.detect import tagging
from deid.detect.span import Span
from deid.detect.words import EPONYM_AFTER, NOT_NAMES

NAME = "tagger"

_CAUTION = 1.5
_SURE = 0.9  # from here on a word is somebody's name although it is a word: 高兴, 江山
_LONGEST_TERM = 8
_TITLE_BEGINS = frozenset("主医护教院先女老阿师大副专某博总工经队律法警叔姐哥")


def find(text: str, found: Sequence[Span] = ()) -> Iterator[Span]:
    """Yield the people of one folded text, but for those that the rules found.

    >>> [(s.start, s.end) for s in find("今晨沈佩瑶已能下床")]
    [(2, 5)]
    """
    yield from find_all([text], [found])[0]


def find_all(texts: Sequence[str], found: Sequence[Sequence[Span]] = ()) -> list[list[Span]]:
    """Return ``find`` of every folded text, faster, because windows of many texts are read together.

    Args:
        texts: Folded texts.
        found: For each text what the rules found, or nothing for all.
    """
    settled = [
        [(span.start, span.end) for span in spans if _is_whole(text, span)]
        for text, spans in zip(texts, found or [()] * len(texts), strict=True)
    ]
    marked = tagging.mark(texts, settled, _CAUTION)
    return [
        [
            Span(mark.start, mark.end, "NAME", round(max(mark.score, 0.01), 2), NAME)
            for mark in one
            if mark.kind == "PER" and may_be_name(text, mark.start, mark.end, sure=mark.score >= _SURE)
        ]
        for text, one in zip(texts, marked, strict=True)
    ]


def _is_whole(text: str, span: Span) -> bool:
    """Return whether the tagger need not look here: the place is hidden, and no short name that may go on."""
    if span.label != "NAME" or span.end - span.start > 2:
        return True
    after = text[span.end : span.end + 1]
    return not "\u4e00" <= after <= "\u9fff" or (span.end - span.start == 1 and after in _TITLE_BEGINS)


def may_be_name(text: str, start: int, end: int, *, sure: bool = False) -> bool:
    """Return whether these characters may be a person: no eponym, drug, herb, part of the body or ordinary word.

    Args:
        text: Folded text.
        start: Offset of the first character.
        end: Offset after the last one.
        sure: What stands around it speaks so clearly of a person that an ordinary word may be one.

    >>> may_be_name("予希罗达口服", 1, 4), may_be_name("行克氏针固定", 1, 3), may_be_name("王佳来诊", 0, 2)
    (False, False, True)
    """
    name = text[start:end]
    if (name in NOT_NAMES and not (sure and len(name) > 1)) or not any("\u4e00" <= c <= "\u9fff" for c in name):
        return False
    if len(name) == 1 and text[end : end + 1] not in _TITLE_BEGINS:
        return False
    if text.startswith(EPONYM_AFTER, end) or text.startswith("氏", end):
        return False
    return not any(
        text[a:b] in terms()
        for a in range(max(0, start - 4), start + 1)
        for b in range(end, min(len(text), a + _LONGEST_TERM) + 1)
    )


@cache
def terms() -> frozenset[str]:
    """Return drugs, herbs, eponyms and other words that look like names, read from ``model/terms.txt`` once."""
    return frozenset((tagging.FOLDER / "terms.txt").read_text(encoding="utf-8").split())
