"""Numbers: comparator, number, unit and text of a cell are kept apart; nothing is guessed.

``＜0.5`` is ("<", 0.5); ``1:80``, ``阴性`` and ``++`` stay text; ``三十五`` is 35; ``5,6`` is not a number.
"""

import re
import unicodedata
from dataclasses import dataclass

import polars as pl

from deid.step import no_rejects, rejects

_NUMBER = r"[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:[eE][-+]?\d{1,3})?|[-+]?\.\d+"
_CELL = re.compile(rf"^(?P<cmp><=|>=|<|>|=|≤|≥|小于等于|大于等于|小于|大于)?\s*(?P<num>{_NUMBER})\s*(?P<rest>.*)$")
_FLAGS = re.compile(r"^[↑↓*HL高低]{0,3}$")
_UNIT = re.compile(r"^[A-Za-zµμ%‰*×/]")
_COMPARATORS = {"≤": "<=", "≥": ">=", "小于": "<", "大于": ">", "小于等于": "<=", "大于等于": ">=", "": "=", "=": "="}
_HAN = re.compile(r"^[负]?[零〇一二两三四五六七八九十百千万]+(?:点[零〇一二三四五六七八九]+)?$")
_SPOKEN = re.compile(r"[百千万][一二两三四五六七八九]$")  # 一万二 is said for 12,000 and written for 10,002
_HAN_DIGITS = {char: value for value, char in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
_HAN_SCALES = {"十": 10, "百": 100, "千": 1000}


@dataclass(frozen=True, slots=True)
class Value:
    """One cell. ``number`` is None where the cell is text."""

    comparator: str
    number: float | None
    unit: str
    text: str


@dataclass(frozen=True, slots=True)
class CleanNumbers:
    """Rewrite cells that must be numbers in their shortest decimal form; others are quarantined: ``not-a-number``.

    Attributes:
        columns: Columns whose every value must be a plain number.
    """

    columns: tuple[str, ...]
    name: str = "numbers"

    def apply(self, table: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        refused = no_rejects()
        for column in self.columns:
            distinct = table[column].drop_nulls().unique().sort()
            rows = [(raw, plain(value)) for raw, value in ((raw, parse(raw)) for raw in distinct)]
            found = table.join(
                pl.DataFrame(rows, schema={column: pl.String, "_number": pl.String}, orient="row"),
                on=column,
                how="left",
                maintain_order="left",
            )
            bad = found.filter(pl.col(column).is_not_null() & pl.col("_number").is_null())
            refused = refused.vstack(rejects(bad, "not-a-number"))
            table = found.with_columns(pl.col("_number").alias(column)).drop("_number")
        return table, refused


def parse(raw: str) -> Value:
    """Return comparator, number, unit and text of one cell.

    >>> parse("＜0.5 mg/L")
    Value(comparator='<', number=0.5, unit='mg/L', text='＜0.5 mg/L')
    >>> parse("阴性").number is None
    True
    """
    text = unicodedata.normalize("NFKC", raw).strip()
    if _HAN.match(text) and not _SPOKEN.search(text):
        return Value("=", _han(text), "", raw)
    found = _CELL.match(text)
    if found is None:
        return Value("=", None, "", raw)
    rest = found["rest"].strip()
    flagged = bool(_FLAGS.match(rest))
    if not flagged and not _UNIT.match(rest):
        return Value("=", None, "", raw)
    comparator = found["cmp"] or ""
    return Value(
        _COMPARATORS.get(comparator, comparator), float(found["num"].replace(",", "")), "" if flagged else rest, raw
    )


def plain(value: Value) -> str | None:
    """Return the decimal text of a number without comparator and unit; None for anything else.

    >>> plain(parse("１２.0"))
    '12'
    """
    if value.number is None or value.comparator != "=" or value.unit:
        return None
    return shortest(value.number)


def shortest(number: float) -> str:
    """Return the shortest decimal text that reads back as the same number.

    >>> shortest(7.0), shortest(0.5)
    ('7', '0.5')
    """
    return str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)


def _han(text: str) -> float:
    """Return the value of a Chinese numeral below 10⁸: 一百二十三, 三点五, 一二三 read digit by digit."""
    negative = text.startswith("负")
    whole, _, fraction = text.removeprefix("负").partition("点")
    if any(char in "十百千万" for char in whole):
        high, found, low = whole.rpartition("万")
        value = _han_section(high or "一") * 10000 + _han_section(low) if found else _han_section(low)
    else:
        value = int("".join(str(_HAN_DIGITS[char]) for char in whole) or "0")
    decimals = "".join(str(_HAN_DIGITS[char]) for char in fraction)
    number = float(f"{value}.{decimals or 0}")
    return -number if negative else number


def _han_section(text: str) -> int:
    total = digit = 0
    for char in text:
        if char in _HAN_SCALES:
            total += (digit or 1) * _HAN_SCALES[char]
            digit = 0
        else:
            digit = _HAN_DIGITS.get(char, 0)
    return total + digit
