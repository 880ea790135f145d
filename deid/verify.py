"""The second look: an independent search of what is about to be published for identifiers that should be gone.

It shares no code with the detector. Every patient's identifiers are looked for as they could still be written: in any
width and case, with separators of any kind or none, numbers in Chinese numerals, names in reversed order and in pinyin.
Long values prove something in anybody's rows, short ones in their own patient's. Every text is scanned for resident
numbers with a right check digit, free text for mainland mobile numbers as well.
"""

import json
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl
from pypinyin import lazy_pinyin

from policies.errors import LeakFound

EVERYWHERE = {"digits": 8, "text": 6}  # normalised characters from which a value proves something in anybody's rows
OWN = {"NAME": 2, "other": 6}  # ... and in the rows of its own patient
LATIN = 5  # letters from which a name in pinyin proves something in its own patient's rows
GRAM = 4
TOKENS = 4  # a name in pinyin is written in at most so many words
_OWN_ONLY = frozenset({"NAME", "DATE"})
_LONG_NAME = 5
_NEVER = frozenset({"DATE"})  # a shifted day may equal a birth date by right
_FREE = frozenset({"note_text", "note_title", "message_text"})
_MADE = re.compile(r"(?=[0-9]*[a-f])[0-9a-f]{20,24}")  # a pseudonym: no identifier has its shape
_MOMENT = re.compile(
    r"(?:19|20)\d\d-?(?:0[1-9]|1[0-2])-?(?:0[1-9]|[12]\d|3[01])(?:T?\d\d(?::?\d\d){0,2}(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?)?"
)  # days prove nothing, as under _NEVER
_BETWEEN_CELLS = re.compile(r"[|^~&\r\n]")
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_RESIDENT = re.compile(r"(?<!\d)[1-9]\d{5}(?:18|19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[\dx](?!\d)")
_MOBILE = re.compile(r"(?<![\d.a-z])(?:86)?1[3-9]\d[ -]?\d{4}[ -]?\d{4}(?![\d.a-z])")
_BETWEEN = re.compile(r"[\W_]+")
_WORD = re.compile(r"[a-z]+")
_HAN_NAME = re.compile("[\u3400-\u9fff]{2,4}")
_NUMERALS = str.maketrans("〇○零一二三四五六七八九壹贰叁肆伍陆柒捌玖幺", "0001234567891234567891")
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


@dataclass(slots=True)
class _Sought:
    """One normalised value: its kind, whether it counts in anybody's rows, and whose it is."""

    kind: str
    everywhere: bool
    owners: set[str] = field(repr=False)


class SecondLook:
    """The search for some patients' identifiers, over any number of tables."""

    def __init__(self, identities: Sequence[Identity]) -> None:
        self._values: dict[str, _Sought] = {}
        self._latin: dict[str, set[str]] = defaultdict(set)
        for one in identities:
            for value, kind in one.values:
                self._seek(one.patient, value, kind)
        self._lengths: dict[str, set[int]] = defaultdict(set)  # first characters -> lengths of values
        for plain in self._values:
            self._lengths[plain[:GRAM]].add(len(plain))
        self._sizes = sorted({len(first) for first in self._lengths})

    def hits(self, tables: Mapping[str, pl.DataFrame]) -> tuple[list[Hit], int]:
        """Return what was found, and how many cells were searched."""
        found: list[Hit] = []
        searched = 0
        for name in sorted(tables):
            table = tables[name]
            for column in (c for c, kind in table.schema.items() if kind == pl.String and c not in SKIPPED):
                texts = table[column].drop_nulls()
                searched += len(texts)
                for text in texts.unique().sort():
                    found += self._rows(table, name, column, text)
        return found, searched

    def _rows(self, table: pl.DataFrame, name: str, column: str, text: str) -> list[Hit]:
        kinds = set(_general(text, free=column in _FREE))
        owned: dict[str, set[str]] = defaultdict(set)
        for sought in self._sought(text):
            if sought.everywhere:
                kinds.add(sought.kind)
            else:
                owned[sought.kind] |= sought.owners
        if not kinds and not owned:
            return []
        where = table.with_row_index("_at").filter(pl.col(column) == text).select("_at", "patient")
        hits = []
        for at, patient in where.iter_rows():
            mine = kinds | {kind for kind, owners in owned.items() if patient in owners}
            hits += [Hit(name, column, at, kind) for kind in sorted(mine)]
        return hits

    def _seek(self, patient: str, value: str, kind: str) -> None:
        plain = squeeze(value)
        everywhere, own = _proves(plain, kind), _proves_own(plain, kind)
        forms = {plain} if everywhere or own else set()
        if kind == "NAME" and _HAN_NAME.fullmatch(plain):
            if len(plain) > 2:
                forms |= {plain[at:] + plain[:at] for at in (1, 2)}
            syllables = lazy_pinyin(plain)
            for at in (1, 2):
                for form in ("".join(syllables), "".join(syllables[at:] + syllables[:at])):
                    if len(form) >= LATIN:
                        self._latin[form].add(patient)
        for form in forms:
            sought = self._values.setdefault(form, _Sought(kind, everywhere, set()))
            sought.everywhere |= everywhere
            sought.owners.add(patient)

    def _sought(self, text: str) -> Iterator[_Sought]:
        plain = squeeze(text)
        yield from self._in(plain)
        spoken = plain.translate(_NUMERALS)
        if spoken != plain:
            yield from (one for one in self._in(spoken) if one.kind != "NAME")
        if self._latin:
            words = _WORD.findall(_bare(text))
            for start in range(len(words)):
                for end in range(start + 1, min(start + TOKENS, len(words)) + 1):
                    owners = self._latin.get("".join(words[start:end]))
                    if owners:
                        yield _Sought("NAME", everywhere=False, owners=owners)

    def _in(self, plain: str) -> Iterator[_Sought]:
        for start in range(len(plain)):
            for size in self._sizes:
                for length in self._lengths.get(plain[start : start + size], ()):
                    sought = self._values.get(plain[start : start + length])
                    if sought is not None:
                        yield sought


def leaves(form: str, text: str) -> list[str]:
    r"""Return every value of a written message, taken apart without the parser or writer of its format.

    >>> leaves("hl7v2", "PID|1||a^b\r"), leaves("fhir", '{"a": [{"b": "x"}, 1.5]}')
    (['PID', '1', 'a', 'b'], ['x', '1.5'])
    """
    found = _strings(json.loads(text)) if form == "fhir" else iter(_BETWEEN_CELLS.split(text))
    return [one for one in found if one and not (_MADE.fullmatch(one.rpartition("/")[2]) or _MOMENT.fullmatch(one))]


def _strings(node: Any) -> Iterator[str]:
    if isinstance(node, dict | list):
        for value in node.values() if isinstance(node, dict) else node:
            yield from _strings(value)
    elif node is not None and not isinstance(node, bool):
        yield str(node)


def second_look(tables: Mapping[str, pl.DataFrame], identities: Sequence[Identity]) -> int:
    """Return how many cells were searched; nothing was found in them.

    Raises:
        LeakFound: an identifier is still there; the message counts hits by table, column and kind.
    """
    found, searched = look(tables, identities)
    stop(found)
    return searched


def look(tables: Mapping[str, pl.DataFrame], identities: Sequence[Identity]) -> tuple[list[Hit], int]:
    """Return the hits, and how many cells were searched."""
    return SecondLook(identities).hits(tables)


def stop(found: Sequence[Hit]) -> None:
    """Do nothing where nothing was found.

    Raises:
        LeakFound: there are hits.
    """
    if found:
        counts = Counter((hit.table, hit.column, hit.kind) for hit in found)
        listed = "; ".join(
            f"{table}.{column}: {n} of kind {kind}" for (table, column, kind), n in sorted(counts.items())
        )
        raise LeakFound(f"the second look found identifiers in what was about to be published: {listed}")


def squeeze(text: str) -> str:
    """Return text in NFKC and lower case, its letters and digits alone.

    >>> squeeze("１３８-0000 0000"), squeeze("王 · 伟")
    ('13800000000', '王伟')
    """
    return _BETWEEN.sub("", unicodedata.normalize("NFKC", text)).lower()


def _bare(text: str) -> str:
    """Return text in lower case without the marks over its letters."""
    parted = unicodedata.normalize("NFKD", text.replace("ü", "v").replace("Ü", "v"))
    return "".join(char for char in parted if not unicodedata.combining(char)).lower()


def _proves(plain: str, kind: str) -> bool:
    if kind in _OWN_ONLY:
        return kind == "NAME" and len(plain) >= _LONG_NAME
    return len(plain) >= EVERYWHERE["digits" if plain.isdigit() else "text"]


def _proves_own(plain: str, kind: str) -> bool:
    return kind not in _NEVER and len(plain) >= OWN.get(kind, OWN["other"])


def _general(text: str, *, free: bool) -> Iterator[str]:
    if any(_valid(match[0]) for match in _RESIDENT.finditer(squeeze(text))):
        yield "resident-number"
    if free and _MOBILE.search(unicodedata.normalize("NFKC", text).lower()):
        yield "mobile-number"


def _valid(number: str) -> bool:
    total = sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, number[:17], strict=True))
    return "10x98765432"[total % 11] == number[17]
