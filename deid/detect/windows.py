"""Where it is worth looking: stretches of a text around what a pattern cannot do without.

A rule such as "up to 24 characters and then 医院" is dear when it is tried at every character, and cheap when it is
tried only before the places where 医院 stands. Windows depend on the text alone, so every path sees the same.
"""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

_FOREIGN = re.compile("[^\u3400-\u9fff]{3,}")
_WORD = re.compile("[A-Z](?:[a-zà-öø-ÿ]|[A-Z.])|[a-z] [A-Z]|[a-z]{2,} [a-z]{2,}")


def around(text: str, anchor: re.Pattern[str], before: int, after: int) -> Iterator[tuple[int, int]]:
    """Yield the stretches that reach ``before`` characters before and ``after`` behind each anchor, merged.

    >>> list(around("abcdefghij", re.compile("[dj]"), 1, 1))
    [(2, 5), (8, 10)]
    """
    return merged(text, ((match.start() - before, match.end() + after) for match in anchor.finditer(text)))


def merged(text: str, stretches: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield stretches, sorted by their start, joined where they touch and cut to the text."""
    low = high = -1
    for start, end in stretches:
        if start > high >= 0:
            yield max(low, 0), min(high, len(text))
            low = start
        elif high < 0:
            low = start
        high = max(high, end)
    if high >= 0:
        yield max(low, 0), min(high, len(text))


def found(text: str, pattern: re.Pattern[str], stretches: Iterable[tuple[int, int]]) -> Iterator[re.Match[str]]:
    """Yield the matches of a pattern inside stretches; what lies before one is still seen by a look behind."""
    for low, high in stretches:
        yield from pattern.finditer(text, low, high)


@lru_cache(maxsize=1)  # several rules ask for the same text in turn
def latin(text: str) -> tuple[tuple[int, int], ...]:
    """Return the stretches without Chinese characters in which Latin words stand; a whole text in Latin script is one.

    >>> latin("患者John Smith，CT示：5mm")
    ((2, 13),)
    """
    if not _WORD.search(text):
        return ()
    return tuple(match.span() for match in _FOREIGN.finditer(text) if _WORD.search(text, *match.span()))
