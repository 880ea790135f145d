"""Surrogates: invented values that read like real ones, one for a value of a patient, never a value of the input.

A name keeps its length, how common its surname is, and the gender its characters tell; numbers keep their shape, and a
resident number its holder's gender, a right check digit and a birth date moved with the patient's other dates. Mobile
and resident numbers begin with digits that nobody is given (10, 00): no surrogate is a real person's, and the second
look, which stops at real ones, tells them apart.
"""

import hmac
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date, timedelta

from deid.detect.surnames import COMMON, COMPOUND, SURNAMES
from deid.identity import digits, plain, resident_number

_RARE = sorted(SURNAMES - COMMON)
_COMMON = sorted(COMMON)
_COMPOUND = sorted(COMPOUND)
_FEMALE = "芳娜敏静丽艳娟霞玲芬燕莉琴凤珍梅琳雪月莺媛佳琪悦瑜珊莎婷欣萱娅洁颖慧"
_MALE = "伟强磊军洋勇杰涛超明刚平辉斌浩宇轩博俊峰鹏旭阳凯鑫建国志华林海波毅诚"
_HAN_NAME = re.compile("[\u3400-\u9fff]{2,4}")
_LATIN_NAMES = {
    True: ("Anna", "Clara", "Emma", "Helen", "Julia", "Laura", "Maria", "Nora", "Ruth", "Sarah"),
    False: ("Adam", "Brian", "David", "Eric", "Frank", "Henry", "Jacob", "Martin", "Peter", "Simon"),
}
_LATIN_SURNAMES = ("Archer", "Baxter", "Carver", "Dalton", "Ellery", "Fenwick", "Garner", "Harlow", "Ingram", "Keller")
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
MOVABLE = frozenset({"NAME", "PHONE", "ID_CARD", "MRN", "INSURANCE", "BANK", "ACCOUNT", "PASSPORT"})


@dataclass(frozen=True, slots=True)
class Surrogates:
    """Makes surrogates for the values of any patient of one project.

    Attributes:
        key: 32 bytes, for this use alone.
        taken: Every identifier of the input, ``plain``: no surrogate is one of them.
    """

    key: bytes = field(repr=False)
    taken: Collection[str] = field(repr=False)

    def of(self, value: str, label: str, patient: str, shift_days: int | None) -> str | None:
        """Return the surrogate of a value, None for labels that have none."""
        if label not in MOVABLE:
            return None
        for attempt in range(1000):
            draw = _Draw(self.key, "\x1f".join((patient, label, plain(value), str(attempt))))
            made = _name(value, draw) if label == "NAME" else _number(value, label, draw, shift_days)
            if plain(made) not in self.taken and plain(made) != plain(value):
                return made
        return None


class _Draw:
    """Numbers from a keyed function of one value."""

    def __init__(self, key: bytes, about: str) -> None:
        self._key, self._about, self._count = key, about, 0

    def below(self, bound: int) -> int:
        self._count += 1
        digest = hmac.digest(self._key, f"{self._about}\x1f{self._count}".encode(), "sha256")
        return int.from_bytes(digest[:16]) % bound

    def one(self, of: Collection[str]) -> str:
        return [*of][self.below(len(of))]


def surname_class(name: str) -> str:
    """Return ``compound``, ``common`` or ``rare``.

    >>> surname_class("欧阳明"), surname_class("王明"), surname_class("温明")
    ('compound', 'common', 'rare')
    """
    if len(name) > 2 and name[:2] in COMPOUND:
        return "compound"
    return "common" if name[:1] in COMMON else "rare"


def is_feminine(name: str) -> bool:
    """Return whether the characters of a given name are rather those of women.

    >>> is_feminine("王芳"), is_feminine("王强")
    (True, False)
    """
    return any(char in _FEMALE for char in name[1:])


def _name(name: str, draw: _Draw) -> str:
    bare = plain(name)
    if _HAN_NAME.fullmatch(bare):
        kind = surname_class(bare)
        surname = draw.one({"compound": _COMPOUND, "common": _COMMON, "rare": _RARE}[kind])
        letters = _FEMALE if is_feminine(bare) else _MALE
        return surname + "".join(draw.one(letters) for _ in range(len(bare) - len(surname)))
    words = len(name.split())
    first = draw.one(_LATIN_NAMES[name.split(maxsplit=1)[0].endswith("a")]) if words > 1 else ""
    return f"{first} {draw.one(_LATIN_SURNAMES)}".strip()


def _number(value: str, label: str, draw: _Draw, shift_days: int | None) -> str:
    number = resident_number(value) if label == "ID_CARD" else None
    if number is not None:
        return _resident(number, draw, shift_days)
    start = "10" if label == "PHONE" and len(digits(value)) == 11 else ""
    made, seen = [], 0
    for char in value:
        if char.isdigit():
            made.append(start[seen] if seen < len(start) else str(draw.below(10)))
            seen += 1
        else:
            made.append(char)
    return "".join(made)


def _resident(number: str, draw: _Draw, shift_days: int | None) -> str:
    born = date(int(number[6:10]), int(number[10:12]), int(number[12:14])) + timedelta(days=shift_days or 0)
    order = 100 + draw.below(900)
    order += (order % 2) != (int(number[16]) % 2)
    body = f"00{draw.below(10000):04d}{born:%Y%m%d}{order % 1000:03d}"
    return body + "10X98765432"[sum(w * int(d) for w, d in zip(_WEIGHTS, body, strict=True)) % 11]
