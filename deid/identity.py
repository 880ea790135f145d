"""Who is who: claims of identity in the sources, linked to patients across sources and hospitals.

Two claims are one patient if they share a valid resident number; or name, birth date and phone; or a record number of
one hospital. Nothing links two different valid resident numbers: where a weaker key would, it is not followed, and
claims that hang on that key alone are ambiguous.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

from deid.clean.dates import parse
from deid.detect.folding import fold

KINDS = {
    "person.name": "NAME",
    "person.contact_name": "NAME",
    "person.staff": "NAME",
    "person.id_card": "ID_CARD",
    "person.phone": "PHONE",
    "person.contact_phone": "PHONE",
    "person.mrn": "MRN",
    "person.insurance": "INSURANCE",
    "person.email": "EMAIL",
    "person.address": "ADDRESS",
    "person.employer": "ORG",
    "person.birth_date": "DATE",
}
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_EARLIEST = 1850
VISIT_NUMBER = 6  # characters; shorter visit numbers only count the stays of one patient
Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Claim:
    """What one source says about one person. ``fields`` are (target, value as written)."""

    hospital: str
    fields: tuple[tuple[str, str], ...] = field(repr=False)
    birth_order: str = "YMD"

    def first(self, target: str) -> str | None:
        return next((value for name, value in self.fields if name == target), None)

    def keys(self) -> dict[str, Key]:
        """Return the keys this claim can be linked by: ``id``, ``npb`` (name, phone, birth date), ``mrn``."""
        found: dict[str, Key] = {}
        if number := resident_number(self.first("person.id_card") or ""):
            found["id"] = (number,)
        name, phone = _one_writing(self.first("person.name") or ""), digits(self.first("person.phone") or "")
        birth = parse(self.first("person.birth_date") or "", self.birth_order)[0]
        if name and birth and len(phone) >= 7:
            found["npb"] = (name, phone[-11:], birth)
        if mrn := plain(self.first("person.mrn") or ""):
            found["mrn"] = (self.hospital, mrn)
        return found


@dataclass(frozen=True, slots=True)
class Linkage:
    """The result.

    Attributes:
        patient: For each claim its patient's key (stable text), or None.
        reasons: For each claim without a patient ``no-patient`` or ``ambiguous-patient``, else "".
        counts: Counts only: claims, patients, links by kind of key, conflicts.
    """

    patient: tuple[str | None, ...] = field(repr=False)
    reasons: tuple[str, ...]
    counts: dict[str, int]


def link(claims: Sequence[Claim]) -> Linkage:
    """Return which patient each claim belongs to. The order of the claims does not matter."""
    keys = [claim.keys() for claim in claims]
    groups: dict[str, dict[Key, list[int]]] = {kind: defaultdict(list) for kind in ("id", "npb", "mrn")}
    for index, found in enumerate(keys):
        for kind, key in found.items():
            groups[kind][key].append(index)
    parent = list(range(len(claims)))
    numbers: dict[int, Key] = {index: found["id"] for index, found in enumerate(keys) if "id" in found}
    conflicts: list[int] = []
    counts = {"claims": len(claims), "linked_by_id": 0, "linked_by_npb": 0, "linked_by_mrn": 0, "conflicts": 0}
    for kind, members in groups.items():
        for key in sorted(members):
            roots = sorted({_find(parent, index) for index in members[key]})
            if len({numbers[root] for root in roots if root in numbers}) > 1:
                conflicts += members[key]
                counts["conflicts"] += 1
                continue
            known = next((numbers[root] for root in roots if root in numbers), None)
            for root in roots[1:]:
                parent[root] = roots[0]
                counts[f"linked_by_{kind}"] += 1
            if known is not None:
                numbers[roots[0]] = known
    names = _names(parent, keys)
    ambiguous = {index for index in conflicts if _find(parent, index) not in numbers}
    patient = [None if index in ambiguous else names.get(_find(parent, index)) for index in range(len(claims))]
    reasons = [
        "" if patient[index] else "ambiguous-patient" if index in ambiguous else "no-patient"
        for index in range(len(claims))
    ]
    counts["patients"] = len({name for name in patient if name})
    return Linkage(tuple(patient), tuple(reasons), counts)


def known(claims: Sequence[Claim]) -> tuple[tuple[str, str], ...]:
    """Return the identifiers (value, label) of one patient, as written and without blanks, sorted."""
    found: set[tuple[str, str]] = set()
    for claim in claims:
        for target, value in claim.fields:
            label = "MRN" if target == "visit.id" and len(value) >= VISIT_NUMBER else KINDS.get(target)
            if label is not None:
                found |= {(value, label), (_folded(value), label)}
                if label == "NAME":
                    found.add((plain(value), label))
    return tuple(sorted(pair for pair in found if len(pair[0]) > 1))


def resident_number(raw: str) -> str | None:
    """Return the 18-character resident number if it is valid, else None; old 15-digit numbers are completed.

    Source: GB 11643-1999, ISO 7064 MOD 11-2.

    >>> resident_number("１１０１０５ 19491231 002x")
    '11010519491231002X'
    >>> resident_number("110105194912310021") is None
    True
    """
    text = plain(raw).upper()
    if re.fullmatch(r"[1-9]\d{14}", text):
        body = text[:6] + "19" + text[6:]
        text = body + _check(body)
    if not re.fullmatch(r"[1-9]\d{16}[\dX]", text) or _check(text[:17]) != text[17]:
        return None
    try:
        born = date(int(text[6:10]), int(text[10:12]), int(text[12:14]))
    except ValueError:
        return None
    return text if born.year >= _EARLIEST else None


def plain(text: str) -> str:
    """Return the text in NFKC without blanks and hyphens."""
    return re.sub(r"[\s\-]+", "", unicodedata.normalize("NFKC", text))


def digits(text: str) -> str:
    """Return only the digits."""
    return re.sub(r"\D+", "", unicodedata.normalize("NFKC", text))


def _one_writing(name: str) -> str:
    """Return a name as all hospitals would write it: traditional characters and capitals folded."""
    return fold(plain(name)).text.casefold()


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).strip()


def _check(body: str) -> str:
    return "10X98765432"[sum(w * int(d) for w, d in zip(_WEIGHTS, body, strict=True)) % 11]


def _find(parent: list[int], index: int) -> int:
    while parent[index] != index:
        parent[index] = parent[parent[index]]
        index = parent[index]
    return index


def _names(parent: list[int], keys: Sequence[dict[str, Key]]) -> dict[int, str]:
    """Return for each root the text of its patient's strongest, then smallest key."""
    best: dict[int, tuple[int, Key]] = {}
    for index, found in enumerate(keys):
        root = _find(parent, index)
        for kind, key in found.items():
            ranked = (("id", "npb", "mrn").index(kind), key)
            best[root] = min(best.get(root, ranked), ranked)
    return {root: "\x1f".join((("id", "npb", "mrn")[rank], *key)) for root, (rank, key) in best.items()}
