"""Dates: one order for a whole column, never for a cell; what stays ambiguous is quarantined.

Written forms taken: 2020-03-05 (also . / 年月日, full width, with a time), 20200305 and 20200305143000,
二〇二〇年三月五日, 民国109年3月5日, 20年3月5日, 5-Mar-2020, Excel serial numbers, and 24:00, which is the next day.
The result is the day alone.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

import polars as pl

from deid.step import no_rejects, rejects

Order = Literal["YMD", "DMY", "MDY"]

SENTINELS = frozenset({"1900-01-01", "9999-12-31", "1899-12-30"})
REGULAR = r"^(\d{4}-\d{2}-\d{2}|\d{8})([ T]?\d{2}:?\d{2}(:?\d{2})?(\.\d+)?(Z|[+-]\d{2}:?\d{2})?)?$"  # ISO 8601, HL7 TS
_DIGITS = str.maketrans("〇○零一二三四五六七八九", "000123456789")
_TAIL = r"(?=$|\D)"
_TRIPLE = re.compile(rf"^(\d{{1,4}})\s*[年/.\-]\s*(\d{{1,2}})\s*[月/.\-]\s*(\d{{1,4}})\s*[日号]?{_TAIL}")
_COMPACT = re.compile(r"^(\d{4})(\d{2})(\d{2})(?:\d{2,6})?(?:\.\d+)?(?:[+-]\d{4})?$|^(\d{4})(\d{2})(\d{2})\s+\d{1,2}:")
_MINGUO = re.compile(r"^(?:中华)?民国\s*(\d{1,3}|元)年\s*(\d{1,2})月\s*(\d{1,2})[日号]?")
_MONTH = re.compile(
    r"^(\d{1,2})[\s\-/.]*([A-Za-z]{3,9})[\s\-/.,]*(\d{4})\b|^([A-Za-z]{3,9})\.?\s+(\d{1,2}),?\s+(\d{4})\b"
)
_SERIAL = re.compile(r"^[1-6]\d{4}(?:\.\d+)?$")
_MIDNIGHT = re.compile(r"(?:^|\D)24:00(?::00)?|24时(?:00分)?")
_HAN_DATE = re.compile(
    r"^[〇○零一二三四五六七八九十]{2,4}年[〇○零一二三四五六七八九十]{1,3}月[〇○零一二三四五六七八九十]{1,3}[日号]?"
)
_HAN_PART = re.compile(r"[〇○零一二三四五六七八九十]+")
_MONTHS = {name: i for i, name in enumerate("jan feb mar apr may jun jul aug sep oct nov dec".split(), 1)}  # noqa: SIM905  # reads better


@dataclass(frozen=True, slots=True)
class CleanDates:
    """Rewrite date columns as ``YYYY-MM-DD``. Only forms other than ``REGULAR`` count as repaired.

    Sentinels (1900-01-01, 9999-12-31) become empty. Rows are quarantined with ``bad-date``, ``lunar-date``,
    ``ambiguous-date-order`` or ``conflicting-date-order``.

    Attributes:
        columns: (column, order or ``"auto"``).
    """

    columns: tuple[tuple[str, str], ...]
    name: str = "dates"

    def apply(self, table: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        refused = no_rejects()
        table = table.with_columns(pl.lit(value=False).alias("_repair"))
        for column, wanted in self.columns:
            distinct = table[column].drop_nulls().unique().sort()
            order = infer_order(distinct) if wanted == "auto" else wanted
            parsed = [(raw, *parse(raw, order)) for raw in distinct]
            schema = {column: pl.String, "_iso": pl.String, "reason": pl.String}
            found = table.join(
                pl.DataFrame(parsed, schema=schema, orient="row"), on=column, how="left", maintain_order="left"
            )
            refused = refused.vstack(rejects(found.filter(pl.col("reason").is_not_null())))
            irregular = ~pl.col(column).fill_null("20000101").str.contains(REGULAR)
            table = found.with_columns(
                pl.col("_iso").alias(column), (pl.col("_repair") | irregular).alias("_repair")
            ).drop("_iso", "reason")
        return table, refused


def infer_order(values: Iterable[str]) -> str:
    """Return the order of a column's numeric dates that do not begin with the year.

    Returns:
        ``"DMY"`` or ``"MDY"`` where some value leaves one reading; ``"none"`` where each could be either;
        ``"conflict"`` where both kinds occur.

    >>> infer_order(["12/10/2017", "13/10/2017"])
    'DMY'
    """
    return order_of(evidence(values))


def evidence(values: Iterable[str]) -> tuple[bool, bool]:
    """Return whether some value can only begin with the day, and whether some can only begin with the month."""
    day_first = month_first = False
    for value in values:
        found = _TRIPLE.match(fold(value))
        if found and len(found[1]) < 3 and len(found[3]) == 4:
            day_first |= int(found[1]) > 12
            month_first |= int(found[2]) > 12
    return day_first, month_first


def order_of(found: tuple[bool, bool]) -> str:
    """Return what ``infer_order`` says to the evidence of all values."""
    day_first, month_first = found
    if day_first and month_first:
        return "conflict"
    return "DMY" if day_first else "MDY" if month_first else "none"


def parse(raw: str, order: str = "YMD") -> tuple[str | None, str | None]:
    """Return (ISO day or None, reason or None) of one written date; both None for a sentinel.

    >>> parse("２０２０年３月５日")
    ('2020-03-05', None)
    >>> parse("2020-02-30")
    (None, 'bad-date')
    """
    text = fold(raw)
    if "农历" in text or "阴历" in text:
        return None, "lunar-date"
    parts = _parts(text.removeprefix("公元"), order)
    if isinstance(parts, str):
        return None, parts
    try:
        day = date(*parts)
        if _MIDNIGHT.search(text):
            day += timedelta(days=1)
    except (ValueError, OverflowError):
        return (None, None) if parts == (9999, 12, 31) else (None, "bad-date")
    iso = day.isoformat()
    if iso in SENTINELS:
        return None, None
    return (iso, None) if 1850 <= day.year <= 2200 else (None, "bad-date")


def fold(text: str) -> str:
    """Return the text in NFKC, trimmed."""
    return unicodedata.normalize("NFKC", text).strip()


def _parts(text: str, order: str) -> tuple[int, int, int] | str:
    """Return (year, month, day), or the reason why there are none."""
    if _HAN_DATE.match(text):
        text = _HAN_PART.sub(lambda found: _han(found[0]), text)
    if found := _MINGUO.match(text):
        year = 1 if found[1] == "元" else int(found[1])
        return year + 1911, int(found[2]), int(found[3])
    if found := _TRIPLE.match(text):
        return _triple(found[1], found[2], found[3], order, year_marked="年" in text[:5])
    if found := _COMPACT.match(text):
        digits = [int(part) for part in found.groups() if part is not None]
        return digits[0], digits[1], digits[2]
    if found := _MONTH.match(text):
        day, name, of_year = (found[1], found[2], found[3]) if found[1] else (found[5], found[4], found[6])
        month = _MONTHS.get(name[:3].lower())
        return (int(of_year), month, int(day)) if month else "bad-date"
    if _SERIAL.match(text):
        serial = date(1899, 12, 30) + timedelta(days=int(float(text)))
        return serial.year, serial.month, serial.day
    return "bad-date"


def _triple(a: str, b: str, c: str, order: str, *, year_marked: bool) -> tuple[int, int, int] | str:
    if len(a) == 4 or year_marked:
        year = int(a) if len(a) > 2 else int(a) + (2000 if int(a) < 70 else 1900)
        return year, int(b), int(c)
    if len(c) != 4:
        return "bad-date"
    if order == "DMY":
        return int(c), int(b), int(a)
    if order == "MDY":
        return int(c), int(a), int(b)
    if order == "conflict":
        return "conflicting-date-order"
    if int(a) == int(b):
        return int(c), int(a), int(a)
    return "ambiguous-date-order" if order == "none" else "bad-date"


def _han(text: str) -> str:
    """Return digits for 二〇二〇, 三, 十二, 三十一."""
    if "十" not in text:
        return text.translate(_DIGITS)
    tens, ones = text.split("十", 1)
    return str(int(tens.translate(_DIGITS) or 1) * 10 + int(ones.translate(_DIGITS) or 0))
