"""Text with its identifiers taken out: dates moved by the patient's own offset, everything else replaced by a tag."""

# ruff: noqa: E501  # a pattern or a table of words is one line each

# tables, patterns and their source stay one line each

import re
from collections.abc import Sequence
from datetime import date, timedelta

from deid.detect.folding import fold
from deid.detect.span import Span

_NUMBERS = re.compile(r"[0-9]+")
_SEPARATED = re.compile(r"(?:1[89]|20)[0-9]{2}( ?[-/.年 ] ?)[0-9]{1,2}( ?[-/.月 ] ?)[0-9]{1,2}( ?[日号])?")
_DENSE = re.compile(r"((?:1[89]|20)[0-9]{2})([0-9]{2})([0-9]{2})([0-9]*)")
_ENGLISH_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_MONTH_FIRST = re.compile(r"([A-Z][a-z]+)(\.?,? )([0-9]{1,2})((?:st|nd|rd|th)?,? )((?:1[89]|20)[0-9]{2})")
_DAY_FIRST = re.compile(r"([0-9]{1,2})((?:st|nd|rd|th)?[ -](?:of )?)([A-Z][a-z]+)(\.?[ ,-]{1,2})((?:1[89]|20)[0-9]{2})")
_DIGITS = "零一二三四五六七八九"
_CHINESE = re.compile(
    r"([零〇一二三四五六七八九]{4})年([一二三四五六七八九十]{1,2})月([一二三四五六七八九十]{1,3})([日号]?)"
)


def rewrite(text: str, spans: Sequence[Span], *, shift_days: int | None) -> str:
    """Return the text with every span replaced.

    Args:
        text: The original text.
        spans: Its identifiers, without overlaps, offsets in code points of ``text``.
        shift_days: Days to move dates by; a date that cannot be read in full, or None, gives ``[DATE]``.

    A moved date keeps its written form: order, separators, leading zeros, numerals. A date without its year is
    tagged, because without a year nobody can tell a leap day, and so are lunar dates, festivals and weekdays.

    >>> rewrite("患者王某2023年5月18日入院", [Span(2, 4, "NAME", 1, "cues"), Span(4, 14, "DATE", 1, "dates")], shift_days=14)
    '患者[NAME]2023年6月1日入院'
    """
    parts, at = [], 0
    for span in sorted(spans, key=lambda span: span.start):
        value = text[span.start : span.end]
        moved = shift(value, shift_days) if span.label == "DATE" and shift_days is not None else None
        parts += [text[at : span.start], f"[{span.label}]" if moved is None else moved]
        at = span.end
    return "".join([*parts, text[at:]])


def replace(text: str, spans: Sequence[Span], how: str = "tag") -> str:
    """Return the text with every span as ``[LABEL]`` (``tag``) or as one asterisk for each character (``mask``).

    >>> replace("王某", [Span(0, 2, "NAME", 1, "cues")], "mask")
    '**'
    """
    if how == "tag":
        return rewrite(text, spans, shift_days=None)
    parts, at = [], 0
    for span in sorted(spans, key=lambda span: span.start):
        parts += [text[at : span.start], "*" * (span.end - span.start)]
        at = span.end
    return "".join([*parts, text[at:]])


def shift(value: str, days: int) -> str | None:
    """Return the date moved by ``days`` in the same written form, or None when it cannot be read for certain.

    >>> shift("2023-05-18", 14), shift("二〇二三年五月十八日", 14), shift("May 18, 2023", 14), shift("端午节", 14)
    ('2023-06-01', '二〇二三年六月一日', 'June 1, 2023', None)
    """
    value = fold(value).text
    for reader in (_separated, _dense, _english, _chinese):
        try:
            moved = reader(value, timedelta(days=days))
        except (ValueError, OverflowError):  # no such day, or beyond the calendar
            return None
        if moved is not None:
            return moved
    return None


def _separated(value: str, by: timedelta) -> str | None:
    if not _SEPARATED.fullmatch(value):
        return None
    old = _NUMBERS.findall(value)
    day = date(*map(int, old)) + by
    new = iter(
        _padded(number, like, old, chinese="年" in value)
        for number, like in zip((day.year, day.month, day.day), old, strict=True)
    )
    return _NUMBERS.sub(lambda _: next(new), value)


def _padded(number: int, like: str, whole: Sequence[str], *, chinese: bool) -> str:
    """Two digits where the date was written so: a leading zero anywhere, or nothing but two digits outside 年月日."""
    short = [part for part in whole[1:] if len(part) == 1]
    zero = any(part.startswith("0") for part in whole[1:])
    padded = like.startswith("0") or (not short and (zero or not chinese))
    return f"{number:02d}" if padded else str(number)


def _dense(value: str, by: timedelta) -> str | None:
    match = _DENSE.fullmatch(value)
    if not match:
        return None
    day = date(int(match[1]), int(match[2]), int(match[3])) + by
    return f"{day.year:04d}{day.month:02d}{day.day:02d}{match[4]}"


def _english(value: str, by: timedelta) -> str | None:
    for form, (day_at, month_at) in ((_MONTH_FIRST, (3, 1)), (_DAY_FIRST, (1, 3))):
        match = form.fullmatch(value)
        month = match and _month(match[month_at])
        if match and month:
            moved = date(int(match[5]), month, int(match[day_at])) + by
            name = _ENGLISH_MONTHS[moved.month - 1]
            parts = list(match.groups())
            parts[month_at - 1] = name if len(match[month_at]) > 3 or match[month_at] == "May" else name[:3]
            parts[day_at - 1], parts[4] = str(moved.day), str(moved.year)
            ending = {1: "st", 2: "nd", 3: "rd"}.get(moved.day % 10 if moved.day not in (11, 12, 13) else 0, "th")
            parts[day_at] = re.sub("st|nd|rd|th", ending, parts[day_at])
            return "".join(parts)
    return None


def _month(word: str) -> int:
    names = [name[:3] for name in _ENGLISH_MONTHS]
    return names.index(word[:3]) + 1 if word[:3] in names else 0


def _chinese(value: str, by: timedelta) -> str | None:
    match = _CHINESE.fullmatch(value)
    if not match:
        return None
    year = int("".join(str(_DIGITS.index(c.replace("〇", "零"))) for c in match[1]))
    day = date(year, _numeral(match[2]), _numeral(match[3])) + by
    zero = "零" if "零" in match[1] else "〇"
    written = "".join(zero if c == "0" else _DIGITS[int(c)] for c in str(day.year))
    return f"{written}年{_written(day.month)}月{_written(day.day)}{match[4]}"


def _numeral(text: str) -> int:
    tens, ten, ones = text.rpartition("十")
    return (10 * (_DIGITS.index(tens) if tens else 1) if ten else 0) + (_DIGITS.index(ones) if ones else 0)


def _written(number: int) -> str:
    tens, ones = divmod(number, 10)
    return (("" if tens == 1 else _DIGITS[tens]) + "十" if tens else "") + (_DIGITS[ones] if ones else "")
