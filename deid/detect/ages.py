"""Ages of 90 and over: with so few people alive at them, an age alone can single someone out (HIPAA 164.514(b)(2)(C))."""

# ruff: noqa: E501  # a pattern or a table of words is one line each

# patterns and word lists are read, searched and compared as one line each

import re
from collections.abc import Iterator

from deid.detect.span import Span

NAME = "ages"

_CHINESE = re.compile(r"[19](?<![0-9.~-][19])(?:(?<=9)[0-9]|(?<=1)[0-4][0-9]) ?(?:周岁|虚岁|岁)")
_SPOKEN = re.compile(
    r"(?:九十[一二三四五六七八九多来]?|一百(?:[一二三]?十[一二三四五六七八九]?|零[一二三四五六七八九])?|百)(?:周岁|虚岁|岁)|九旬|年九十[一二三四五六七八九]?"
)
_SAID = re.compile(
    "(?:我|今年|都|快|虚岁|周岁|已经|已|才|有|他|她|老人)(九十有?[一二三四五六七八九]|9[0-9])(?=[,。啦了喽咯多、!?]|$)"
)
_FIELD = re.compile(r"(?:年龄|[Aa]ge|AGE|享年|终年)[ :为是]{0,3}([19](?:(?<=9)[0-9]|(?<=1)[0-4][0-9]))(?![0-9.])")
_ENGLISH = re.compile(
    r"[19](?<![0-9.A-Za-z][19])(?:(?<=9)[0-9]|(?<=1)[0-4][0-9])"
    r"(?:[ -]?years?(?:[ -]old|[ -]of[ -]age)?\b|[ -]?y[./]?o\.?(?![A-Za-z])|[ -]?yrs?(?:[ -]?old)?\b|[ -]?y/?o?[ /]?[MFmf]?\b| ?[MF]\b)"
    r"|\b(?:ninety|(?:one )?hundred)(?:[ -](?:one|two|three|four|five|six|seven|eight|nine))?(?:[ -]and[ -][a-z]+)?[ -]years?[ -]old\b",
)
_WORDED = re.compile(r"\b[Aa]ged?:? (ninety(?:-[a-z]+)?|(?:one )?hundred(?: and [a-z]+)?)\b")
_AGED = re.compile(
    r"\b(?:aged?|age of|turned|at age|lived to(?: be)?|died at|dead at) ([19](?:(?<=9)[0-9]|(?<=1)[0-4][0-9]))(?![0-9.%]|-year| ?(?:mm|mg|and over|or over|or older|and older))",
    re.IGNORECASE,
)
_HINT = re.compile("9[0-9]|1[0-4][0-9]|九[十旬]|百|[Nn]inety|[Hh]undred")
_GENERAL = re.compile(
    r" ?(?:及|或|和)?(?:以上|以下|or over|or older|and older|and over|and above|\+)|的?(?:人群|老年人群)|后\b"
)
_BOUND = re.compile(r"(?:[≥>＞≧<≤]|大于|超过|小于|年龄在|over|under|least|above)\s?$")
_DURATION = re.compile(r"(?:for|past|last|over|after|within|about|than) $")


def find(text: str) -> Iterator[Span]:
    """Yield ages of 90 and over with their unit; general statements such as 90岁以上人群 are no one's age."""
    if not _HINT.search(text):
        return
    for match in (*_CHINESE.finditer(text), *_SPOKEN.finditer(text), *_ENGLISH.finditer(text)):
        if _of_a_person(text, match.start(), match.end()):
            yield Span(match.start(), match.end(), "AGE90", 0.9, NAME)
    for match in _WORDED.finditer(text):
        yield Span(*match.span(1), "AGE90", 0.8, NAME)
    for match in _SAID.finditer(text):
        yield Span(*match.span(1), "AGE90", 0.7, NAME)
    for match in (*_FIELD.finditer(text), *_AGED.finditer(text)):
        if _of_a_person(text, match.start(1), match.end(1)):
            yield Span(match.start(1), match.end(1), "AGE90", 0.8, NAME)


def _of_a_person(text: str, start: int, end: int) -> bool:
    before = text[max(0, start - 8) : start]
    if _GENERAL.match(text, end) or _BOUND.search(before):
        return False
    return not (_DURATION.search(before) and re.fullmatch(r".*years?", text[start:end]))
