"""The second look: an independent search of what is about to be published for identifiers that should be gone.

It shares no code with the detector: known identifiers are searched as substrings of normalised text (in everybody's
rows where they are long enough to prove something, in their own patient's rows otherwise), and every text is scanned
for resident numbers with a right check digit and for mainland mobile numbers.
"""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from policies.errors import LeakFound

EVERYWHERE = {"digits": 8, "text": 6}  # normalised characters from which a value proves something in anybody's rows
OWN = {"NAME": 2, "other": 6}  # ... and in the rows of its own patient
GRAM = 4
_OWN_ONLY = frozenset({"NAME", "DATE"})
_LONG_NAME = 5
_NEVER = frozenset({"DATE"})  # a shifted day may equal a birth date by right
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_RESIDENT = re.compile(r"(?<!\d)[1-9]\d{5}(?:18|19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[\dXx](?!\d)")
_DROPPED = {ord(char): None for char in " \t\n\r\u3000\xa0-_.·•,，、()（）"}
SKIPPED = frozenset({"patient", "hospital"})


@dataclass(frozen=True, slots=True)
class Identity:
    """The identifiers (value, label) of one patient, by his pseudonym."""

    patient: str
    values: tuple[tuple[str, str], ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Hit:
    """Where something was found: never what."""

    table: str
    column: str
    row: int
    kind: str


def second_look(tables: Mapping[str, pl.DataFrame], identities: Sequence[Identity]) -> int:
    """Return how many distinct texts were searched; nothing was found in them.

    Raises:
        LeakFound: an identifier is still there; the message counts hits by table, column and kind.
    """
    found, searched = look(tables, identities)
    if found:
        counts = Counter((hit.table, hit.column, hit.kind) for hit in found)
        listed = "; ".join(
            f"{table}.{column}: {n} of kind {kind}" for (table, column, kind), n in sorted(counts.items())
        )
        raise LeakFound(f"the second look found identifiers in what was about to be published: {listed}")
    return searched


def look(tables: Mapping[str, pl.DataFrame], identities: Sequence[Identity]) -> tuple[list[Hit], int]:
    """Return the hits, and how many distinct texts were searched."""
    anybody = _index((value, kind) for one in identities for value, kind in one.values if _proves(value, kind))
    own = {one.patient: [(squeeze(v), k) for v, k in one.values if _proves_own(v, k)] for one in identities}
    hits: list[Hit] = []
    searched = 0
    for name in sorted(tables):
        table = tables[name]
        for column in (c for c, kind in table.schema.items() if kind == pl.String and c not in SKIPPED):
            verdicts: dict[str, set[str]] = {}
            for row, (patient, text) in enumerate(table.select("patient", column).iter_rows()):
                if text is None:
                    continue
                if text not in verdicts:
                    verdicts[text] = _general(text, anybody)
                    searched += 1
                plain = squeeze(text)
                kinds = verdicts[text] | {kind for value, kind in own.get(patient, ()) if value in plain}
                hits += [Hit(name, column, row, kind) for kind in sorted(kinds)]
    return hits, searched


def squeeze(text: str) -> str:
    """Return text in NFKC, lower case, without blanks and separators.

    >>> squeeze("１３８-0000 0000")
    '13800000000'
    """
    return unicodedata.normalize("NFKC", text).translate(_DROPPED).lower()


def _proves(value: str, kind: str) -> bool:
    plain = squeeze(value)
    if kind in _OWN_ONLY:
        return kind == "NAME" and len(plain) >= _LONG_NAME
    return len(plain) >= EVERYWHERE["digits" if plain.isdigit() else "text"]


def _proves_own(value: str, kind: str) -> bool:
    return kind not in _NEVER and len(squeeze(value)) >= OWN.get(kind, OWN["other"])


def _index(values: Iterable[tuple[str, str]]) -> dict[str, dict[str, str]]:
    """Return first characters -> whole values -> kind."""
    index: dict[str, dict[str, str]] = defaultdict(dict)
    for value, kind in values:
        plain = squeeze(value)
        index[plain[:GRAM]][plain] = kind
    return index


def _general(text: str, anybody: Mapping[str, Mapping[str, str]]) -> set[str]:
    plain = squeeze(text)
    found = {"resident-number" for match in _RESIDENT.finditer(plain) if _valid(match[0])}
    for start in range(len(plain) - GRAM + 1):
        candidates = anybody.get(plain[start : start + GRAM])
        if candidates is not None:
            found |= {kind for value, kind in candidates.items() if plain.startswith(value, start)}
    return found


def _valid(number: str) -> bool:
    total = sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, number[:17], strict=True))
    return "10X98765432"[total % 11] == number[17].upper()
