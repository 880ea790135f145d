"""Names that stand by themselves: before sex and age, on a line, behind a bed, at the end of a note."""

# ruff: noqa: E501  # a pattern or a table of words is one line each

# patterns and word lists are read, searched and compared as one line each

import re
from collections.abc import Iterator

from deid.detect import windows
from deid.detect.cue_words import (
    ALSO_GIVEN,
    BOUND,
    FIELD_WORD,
    FOLLOW,
    FOREIGN,
    KIN,
    PARTICLES,
    ROLE,
    WORD_PAIR,
    WORDLIKE,
)
from deid.detect.grams import pairs, triples
from deid.detect.han_name import COMPOUND_ANY, SURNAME, blocked, impossible, left_open, name_end, person
from deid.detect.span import Span
from deid.detect.surnames import COMMON, DOUBLE, STRONG, SURNAMES, given_weight, surname_length
from deid.detect.words import NOT_GIVEN, NOT_NAMES

_SEXED = re.compile(
    rf"(?:^|(?<=[,。;:、\s\(\[\"“0-9#.)>|\-床号是到者]))({SURNAME}[\u4e00-\u9fff]{{1,2}})(?=[,(\[ /|]{{1,3}}(?:男|女|[MF]\b|[0-9]{{1,3}} ?(?:岁|月|天|Y|y|周)|[一二三四五六七八九]?十[一二三四五六七八九]?岁))",
    re.MULTILINE,
)
_LINE = re.compile(rf"^[ ]*({SURNAME}[\u4e00-\u9fff]{{1,2}})[ ]*(?:$|[:/](?![0-9]*[.%/]))", re.MULTILINE)
_SIGNED = re.compile(
    rf"({SURNAME} ?[\u4e00-\u9fff](?: ?[\u4e00-\u9fff])?)[ ,]{{0,3}}(?=(?:(?:19|20)[0-9]{{2}}[-/.年]|[0-9]{{1,2}}月[0-9]{{1,2}}|[0-9]{{4}}[-/.]))"
)
_SIGNED_HINT = re.compile("(?:(?:19|20)[0-9]{2}[-/.年]|[0-9]{1,2}月[0-9]{1,2}|[0-9]{4}[-/.])")


def find(text: str) -> Iterator[Span]:
    """Yield these names, on folded text."""
    for match in _SEXED.finditer(text):
        if not blocked(match[1]) and match[1][:2] not in NOT_NAMES and match[1][0] not in PARTICLES:
            yield person(*match.span(1), 0.85)
    for pattern, need in ((_HEADED, 0.5), (_TOKEN, 0.6), (_BED_NAME, 0.45)):
        for match in pattern.finditer(text):
            end = name_end(text, match.end(), need=need)
            if (
                end
                and (pattern is _BED_NAME or _ENDS[pattern].match(text, end))
                and not blocked(text[match.end() : end])
            ):
                yield person(match.end(), end, 0.7)
    for match in _SIGN_OFF.finditer(text):
        if _may_sign(match[1]):
            yield person(*match.span(1), 0.7)
    for match in windows.found(text, _MINORITY, windows.around(text, _MINORITY_HINT, 12, 10)):
        if match[1] not in NOT_NAMES and not any(match[1][n : n + 2] in pairs() for n in range(len(match[1]) - 1)):
            yield person(*match.span(1), 0.7)
    for match in _LINE.finditer(text):
        yield from _plausible(text, match, 0.35)
    for match in windows.found(text, _SIGNED, windows.around(text, _SIGNED_HINT, 10, 2)):
        name = match[1].replace(" ", "")
        if (
            name[:2] not in NOT_NAMES
            and given_weight(name[surname_length(name, 0) :]) >= 0.4
            and left_open(text, match.start(1))
        ):
            yield person(*match.span(1), 0.7)
    for match in _CANDIDATE.finditer(text):
        yield from _uncued(text, match.start())


# A name behind a heading (工伤认定:…,), alone between blanks, behind a bed; a signature at the end; a run of characters
# that write foreign syllables behind a role.
_HEADED = re.compile(rf":(?={SURNAME}[\u4e00-\u9fff]{{2}}[,(/])")
_TOKEN = re.compile(rf"(?:^|(?<=[ \n])|(?<=床))(?={SURNAME}[\u4e00-\u9fff]{{1,2}}(?:[ \n]|$))", re.MULTILINE)
_BED_NAME = re.compile(rf"(?<=[0-9])号?床[ :]{{0,2}}(?={SURNAME}[\u4e00-\u9fff])")
_ENDS = {_HEADED: re.compile(r"[,(/]"), _TOKEN: re.compile(r"[ \n]|$")}
_SIGN_OFF = re.compile(r"(?<=[。;!?.)\n]) ?([\u4e00-\u9fff]{1,3})[ 。]?$", re.MULTILINE)
_MINORITY_HINT = re.compile(f"[{''.join(sorted(FOREIGN))}逊非法特伊尤努玉孜艾别克肯莎莱帖木丁萨赛曼沙]{{3}}")
_MINORITY = re.compile(
    rf"(?:{'|'.join(sorted({*ROLE.split('|'), *KIN.split('|'), '自称', '实为', '叫', '名叫'}, key=lambda w: (-len(w), w)))})[: ]?([{''.join(sorted(FOREIGN))}逊非法特伊尤努玉孜艾别克肯莎莱帖木别丁萨赛曼沙帕孜巴格特]{{3,8}})(?=[,。;:/ ()]|$)"
)


def _may_sign(name: str) -> bool:
    if name in NOT_NAMES or name[0] not in SURNAMES or FIELD_WORD.match(name):
        return False
    if len(name) == 1:
        return name not in WORDLIKE
    inside = name in pairs() or name[1:] in pairs() or name in triples() or name[:2] in pairs()
    return not inside and not any(c in NOT_GIVEN and c not in ALSO_GIVEN for c in name[1:])


_CANDIDATE = re.compile(rf"(?:{COMPOUND_ANY}|[{''.join(sorted(COMMON))}])(?=[{''.join(sorted(STRONG))}])")


def _plausible(text: str, match: re.Match[str], need: float) -> Iterator[Span]:
    start, end = match.span(1)
    length = surname_length(text, start)
    if not impossible(text, start, end, length, colon=False) and given_weight(text[start + length : end]) >= need:
        yield person(start, end, 0.7)


def _uncued(text: str, start: int) -> Iterator[Span]:
    """Yield a name without any cue: a common surname and two characters that are names far more often than words."""
    length = surname_length(text, start)
    end = start + length + 2
    given = text[start + length : end]
    if len(given) < 2 or impossible(text, start, end, length, colon=False):
        return
    if text[start - 1 : start + 1] in BOUND and start:
        return
    left = start == 0 or not "\u4e00" <= text[start - 1] <= "\u9fff"
    right = end >= len(text) or not "\u4e00" <= text[end] <= "\u9fff"
    if given in DOUBLE and (left or right or (left_open(text, start) and FOLLOW.match(text, end))):
        yield person(start, end, 0.7)
    elif all(c in STRONG for c in given) and (
        (left and right)
        or (length == 2 and (left or right))
        or (left and FOLLOW.match(text, end) and given_weight(given) >= 0.8 and not WORD_PAIR.match(given))
    ):
        yield person(start, end, 0.5)
