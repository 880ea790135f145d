"""Runs of two and three characters that ordinary medical text is full of, and that are therefore hardly a name.

Source: ``grams.txt``, written by ``tools/grams.py`` from medical questions and answers under the MIT licence
(``grams.README.md``).
"""

from functools import cache
from pathlib import Path

_TABLE = Path(__file__).with_name("grams.txt")


@cache
def pairs() -> frozenset[str]:
    """Return the runs of two characters.

    >>> "平常" in pairs(), "单平" in pairs()
    (True, False)
    """
    line = _lines()[0]
    return frozenset(line[n : n + 2] for n in range(0, len(line), 2))


@cache
def triples() -> frozenset[str]:
    """Return the runs of three characters that begin with a surname."""
    line = _lines()[1]
    return frozenset(line[n : n + 3] for n in range(0, len(line), 3))


@cache
def _lines() -> tuple[str, str]:
    first, second = _TABLE.read_text("utf-8").splitlines()
    return first, second
