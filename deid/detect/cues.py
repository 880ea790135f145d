"""Names of people in Chinese: a cue on the left, a title on the right, a surname, and a given name that looks like one."""

# ruff: noqa: E501  # a pattern or a table of words is one line each

# patterns and word lists are read, searched and compared as one line each

import re
from collections.abc import Iterator

from deid.detect import called, cues_english, fields, framed, stated, titled, uncued
from deid.detect.cue_words import CUE_VERB, KIN, ROLE
from deid.detect.han_name import HAN, SOURCE, TITLES, name_end, person
from deid.detect.span import Span
from deid.detect.surnames import COMPOUND, SURNAMES

NAME = SOURCE
_STRONG_CUE = re.compile(
    rf"(?:{'|'.join(sorted(ROLE.split('|'), key=lambda w: (-len(w), w)))})(?:人|者)?(?:姓名|签名|签字)?(?:\([^()\n]{{0,8}}\))?(?: ?[:=] ?| {{1,4}}|\n(?=[\u4e00-\u9fff]{{2,4}}\n))[_ ]{{0,8}}"
)
_KIN_COLON = re.compile(
    rf"(?:{'|'.join(sorted(KIN.split('|'), key=lambda w: (-len(w), w)))})(?:姓名)?(?:\([^()\n]{{0,8}}\))? ?[:=] ?"
)
_WEAK_CUE = re.compile(
    rf"(?:{'|'.join(sorted({*ROLE.split('|'), *KIN.split('|'), *CUE_VERB.split('|')}, key=lambda w: (-len(w), w)))})(?:\((?=[\u4e00-\u9fff]{{2,4}}[,)、]))?[\"“「'《]?(?=[{''.join(sorted(SURNAMES | {word[0] for word in COMPOUND}))}]|[\u4e00-\u9fff]{{2,8}}·)"
)
_LIST_GAP = re.compile(r"[、,/;+&和与及 ]{1,2}|\)?\([^()\n]{1,10}\)[、,/; ]{0,2}|(?:[0-9]{1,2}[:.][0-9]{2}|[/|])")


def find(text: str) -> Iterator[Span]:
    """Yield the names of people, Chinese and English."""
    if HAN.search(text):
        yield from _chinese(text)
    yield from cues_english.find(text, NAME)
    for start, end in stated.speakers(text):
        yield person(start, end, 0.85)


def _chinese(text: str) -> Iterator[Span]:
    for cue in (_STRONG_CUE, _KIN_COLON):
        for match in cue.finditer(text):
            colon = any(c in match[0] for c in ":=\n")
            yield from _listed(text, match.end(), colon=colon, named=_NAMED.search(match[0]) is not None)
    at = 0
    while (hint := _WEAK_CUE.search(text, at)) is not None:
        at = hint.start() + 1
        end = name_end(text, hint.end(), need=_need(hint[0]))
        if end:
            yield person(hint.end(), end, 0.8)
            yield from _more(text, end)
            at = end
    for start, end in framed.find(text):
        yield person(start, end, 0.85)
    for start, end in fields.find(text):
        yield person(start, end, 0.9)
    for start, end in stated.find(text):
        yield person(start, end, 0.9)
    for module in (titled, called, uncued):
        yield from module.find(text)


def _need(cue: str) -> float:
    """Return how much a given name must look like one after this cue: little after 患者, much after a mere verb."""
    return 0.35 if len(cue) > 1 and cue not in _VERBS else 0.55


_VERBS = frozenset(CUE_VERB.split("|"))
_NAMED = re.compile(r"名|签")


def _listed(text: str, at: int, *, colon: bool, named: bool) -> Iterator[Span]:
    for n in range(8):
        end = name_end(text, at, need=0.0 if colon else 0.2 if n else 0.45, colon=colon, named=named)
        if not end:
            return
        yield person(at, end, 0.9)
        title = TITLES.match(text, end)
        gap = _LIST_GAP.match(text, title.end() if title else end)
        if not gap:
            return
        at = gap.end()


def _more(text: str, end: int) -> Iterator[Span]:
    for _ in range(6):
        title = TITLES.match(text, end)
        gap = re.compile(r"[、/和与及]|, ?(?=[\u4e00-\u9fff]{2,3}[、,。])").match(text, title.end() if title else end)
        if not gap:
            return
        start, end = gap.end(), name_end(text, gap.end(), need=0.4) or 0
        if not end:
            return
        yield person(start, end, 0.75)
