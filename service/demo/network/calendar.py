"""The forms in which a Chinese note writes a day."""

from datetime import date
from random import Random

from service.demo.network.draft import Mark
from service.demo.network.truth import Scope

_DIGITS = "〇一二三四五六七八九"
_LUNAR_MONTHS = ("正月", "二月", "三月", "四月", "五月", "六月", "七月", "八月", "九月", "十月", "冬月", "腊月")


def small_number(n: int) -> str:
    """Return 1 to 99 in Chinese numerals.

    >>> small_number(10), small_number(12), small_number(31)
    ('十', '十二', '三十一')
    """
    tens, ones = divmod(n, 10)
    head = "" if tens == 0 else "十" if tens == 1 else _DIGITS[tens] + "十"
    return head + (_DIGITS[ones] if ones or not tens else "")


def numerals(day: date) -> str:
    """Return a day in Chinese numerals.

    >>> numerals(date(2022, 3, 15))
    '二〇二二年三月十五日'
    """
    year = "".join(_DIGITS[int(d)] for d in str(day.year))
    return f"{year}年{small_number(day.month)}月{small_number(day.day)}日"


def plain(day: date) -> str:
    """Return a day as forms print it.

    >>> plain(date(2022, 3, 5))
    '2022年3月5日'
    """
    return f"{day.year}年{day.month}月{day.day}日"


def written(rng: Random, day: date) -> Mark:
    """Return a day in one of the forms that doctors type."""
    forms = (
        plain(day),
        f"{day:%Y-%m-%d}",
        f"{day:%Y.%m.%d}",
        f"{day:%Y/%m/%d}",
        numerals(day),
        f"{day.year}年{day.month}月{day.day}号",
    )
    return Mark("DATE", rng.choices(forms, (30, 25, 15, 8, 14, 8))[0], "dates", day)


def lunar(rng: Random) -> Mark:
    """Return a lunar day without a year: not a day of our calendar, so no shift can reproduce it by accident."""
    month, day = rng.choice(_LUNAR_MONTHS), rng.randrange(1, 31)
    form = (
        "初" + _DIGITS[day]
        if day < 10
        else "初十"
        if day == 10
        else "廿" + _DIGITS[day - 20]
        if 20 < day < 30
        else small_number(day)
    )
    return Mark("DATE", f"农历{month}{form}", "dates", None, Scope.OWN_NOTES)
