"""Declassification (脱密): what the policy restricts is refused at intake and isolated.

A document with a mark of state secrecy, a military unit's designation or a listed term comes back only with the
originator's declassification reference. A mark stands alone at the head of a document, or after the word 密级; the same
words in running text are no mark. What is refused is in the quarantine alone, which the service encrypts; its reasons
are those of ``RESTRICTED``, and the report counts them for the secrecy officer.

Source: GB/T 9704-2012, 7.2.2 and 7.2.3; ``policies/restricted.yaml``.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from pathlib import Path

import polars as pl
import yaml

from deid.step import no_rejects, rejects
from policies.errors import BadMapping, Misuse

POLICY = Path(__file__).resolve().parents[2] / "policies" / "restricted.yaml"
RESTRICTED = ("classified", "military-unit", "restricted-term")
HEAD_CHARACTERS = 400
_DEGREE = r"(?:绝\s*密|机\s*密|秘\s*密)"
_TERM = r"(?:\s*[★☆*]\s*(?:长期|[0-9０-９一二三四五六七八九十]+\s*(?:年|个?月)|解密前)?)?"
MARK = re.compile(
    rf"(?m)^[\s　【〔\[(（《]*{_DEGREE}{_TERM}[\s　】〕\])）》]*(?:文件|资料|级)?[\s　]*$|密\s*级\s*[::：]\s*{_DEGREE}"
)


@dataclass(frozen=True, slots=True)
class Restrictions:
    """What the policy lists. ``reference`` and ``approval`` are the shapes of the numbers that let something in."""

    terms: tuple[str, ...]
    patterns: tuple[re.Pattern[str], ...]
    reference: re.Pattern[str]
    approval: re.Pattern[str]


@dataclass(frozen=True, slots=True)
class Admission:
    """What a submission may bring in in spite of the restrictions.

    Attributes:
        declassified: ``fingerprint`` of a document -> the originator's declassification reference.
        genetic_approval: Number of the approval or filing for human genetic resources; "" for none.
    """

    declassified: Mapping[str, str] = field(default_factory=dict)
    genetic_approval: str = ""

    def __post_init__(self) -> None:
        if not self.declassified and not self.genetic_approval:
            return
        rules = restrictions()
        if not all(rules.reference.fullmatch(number.strip()) for number in self.declassified.values()):
            raise Misuse("a declassification reference of the originator has a year and a number")
        if self.genetic_approval and not rules.approval.fullmatch(self.genetic_approval.strip()):
            raise Misuse("this is not the number of an approval or filing for human genetic resources")


@cache
def restrictions(path: Path = POLICY) -> Restrictions:
    """Return the policy's list.

    Raises:
        BadMapping: the file is not a valid ``medtrain.restricted/1``.
    """
    try:
        raw = yaml.safe_load(path.read_text("utf-8"))
        if raw["schema"] != "medtrain.restricted/1":
            raise BadMapping(f"{path.name} is not a medtrain.restricted/1 file")
        patterns = tuple(re.compile(pattern) for pattern in raw["patterns"])
        terms = tuple(str(term) for term in raw["terms"])
        return Restrictions(terms, patterns, re.compile(raw["reference"]), re.compile(raw["approval"]))
    except (OSError, KeyError, TypeError, yaml.YAMLError, re.error):
        raise BadMapping(f"{path.name} is not a medtrain.restricted/1 file") from None


@dataclass(frozen=True, slots=True)
class RefuseClassified:
    """Quarantine rows whose free text is restricted: ``classified``, ``military-unit``, ``restricted-term``."""

    columns: tuple[str, ...]
    admission: Admission = Admission()  # frozen
    name: str = "declassification"

    def apply(self, table: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        refused = no_rejects()
        for column in self.columns:
            why = [None if text is None else self._why(text) for text in table[column]]
            found = table.select("_row").with_columns(pl.Series("reason", why, pl.String)).drop_nulls("reason")
            refused = refused.vstack(rejects(found))
        return table, refused

    def _why(self, text: str) -> str | None:
        reason = restricted(text)
        return None if reason is None or fingerprint(text) in self.admission.declassified else reason


def restricted(text: str, rules: Restrictions | None = None) -> str | None:
    r"""Return why a document is not taken in, None where it may be.

    >>> restricted("机密★5年\n某部门诊记录"), restricted("转自96604部队卫生队"), restricted("胸闷三天")
    ('classified', 'military-unit', None)
    """
    rules = rules or restrictions()
    if is_classified(text):
        return "classified"
    if any(pattern.search(text) for pattern in rules.patterns):
        return "military-unit"
    return "restricted-term" if any(term in text for term in rules.terms) else None


def fingerprint(text: str) -> str:
    """Return what stands for a document in a declassification: the SHA-256 of its text."""
    return sha256(text.encode()).hexdigest()


def is_classified(text: str) -> bool:
    r"""Return whether a document's head bears a mark.

    >>> is_classified("机密★5年\n某部门诊记录"), is_classified("患者要求为其保守秘密")
    (True, False)
    """
    return MARK.search(text[:HEAD_CHARACTERS]) is not None
