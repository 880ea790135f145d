"""The words of the catalogue: what a description is indexed under, and what a question asks for.

Chinese is cut into overlapping pairs of characters, which needs no dictionary and finds every word; English into lower
case words, without their plural's s. The same cutting serves both databases, so they find the same.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping

WEIGHTS = {"title": 8, "keywords": 5, "description": 2, "dictionary": 1}
"""What a word counts by where it stands."""
LONGEST = 40
MOST = 12
_WORDS = re.compile(r"[0-9a-z]+(?:[.\-][0-9a-z]+)*|[㐀-䶿一-鿿豈-﫿]+")
_CHINESE = re.compile(r"[㐀-䶿一-鿿豈-﫿]")


def terms(text: str) -> tuple[str, ...]:
    """Return the terms of a text, in order, with repetitions.

    >>> terms("糖尿病 Discharge Summaries, E11.9")
    ('糖尿', '尿病', 'discharge', 'summarie', 'e11.9', 'e11')
    """
    found: list[str] = []
    for word in _WORDS.findall(unicodedata.normalize("NFKC", text).lower()):
        if _CHINESE.match(word):
            found += [word[at : at + 2] for at in range(len(word) - 1)] or [word]
        else:
            found.append(_singular(word)[:LONGEST])
            found += [part for part in word.split(".") if "." in word and not part.isdecimal()]
    return tuple(found)


def index(said: Mapping[str, str]) -> dict[str, int]:
    """Return term -> weight of a description; ``said`` holds texts by the names in ``WEIGHTS``."""
    weights: Counter[str] = Counter()
    for place, text in said.items():
        for term, times in Counter(terms(text)).items():
            weights[term] += WEIGHTS[place] * min(times, 3)
    for place, text in said.items():
        for one in {c for c in text if _CHINESE.match(c)}:
            weights[one] = max(weights[one], WEIGHTS[place])
    return dict(weights)


def question(text: str) -> tuple[str, ...]:
    """Return the terms that a question asks for, each once; all of them must be found.

    >>> question("糖尿病 糖尿")
    ('糖尿', '尿病')
    """
    return tuple(dict.fromkeys(terms(text)))[:MOST]


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
