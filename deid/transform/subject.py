"""What may be said of a patient in a message about him, and how each kind of value is said: in HL7 v2 as in FHIR.

Security labels are HL7's: what was done (``PSEUDED``, ``REDACTED``, ``ABSTRED``) and confidentiality ``L``, which is
defined as de-identified with circumstances that prevent re-identification.

Source: HL7 Terminology, code systems v3-ObservationValue (security alteration integrity) and v3-Confidentiality.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from deid.detect import Detector, Known
from deid.detect.rewrite import rewrite
from deid.policy import Profile
from deid.transform.declassify import Admission, fingerprint, restricted
from deid.transform.operators import Operators
from deid.transform.pseudonym import pseudonymiser
from deid.transform.shift import moved
from policies.errors import BadInput

ALTERATION = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue"
CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
PSEUDONYM_SYSTEM = "urn:medtrain:pseudonym"
SEX_OF = {"male": "M", "female": "F"}
LONGEST_WORD = 80
_NUMERIC = re.compile(r"[\s\d.,<>=≤≥+\-*/%:^()\[\]]*")
_NUMBER = re.compile(r"\s*[<>]?=?\s*[+-]?\d{0,9}(?:\.\d{1,9})?(?:[eE][+-]?\d{1,3})?\s*")
_PUBLIC = re.compile(
    r"urn:oid:[0-9.]{3,64}|https?://(?:loinc\.org|snomed\.info/sct|unitsofmeasure\.org|www\.nlm\.nih\.gov/research/umls/rxnorm"
    r"|(?:www\.|terminology\.)?hl7\.org/[A-Za-z0-9/\-]{1,64}|www\.whocc\.no/atc)"
)
_CODE = re.compile(r"[A-Za-z0-9._:/+*%\-]{1,24}")


class Withheld(BadInput):
    """A message is not written. ``code`` says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"a message is not written: {reason}")
        self.code = reason  # type: ignore[misc]  # the reason is finer than the class


@dataclass(frozen=True, slots=True)
class Label:
    """One security label."""

    system: str
    code: str
    display: str


@dataclass(frozen=True, slots=True)
class Subject:
    """One patient as his messages show him: what the table ``person`` shows, and no more.

    Attributes:
        patient: The linkage's key, never written.
        known: His identifiers, looked for in free text.
    """

    patient: str = field(repr=False)
    pseudonym: str
    shift_days: int = field(repr=False)
    sex: str | None = None
    birth_year: int | None = None
    known: Known = field(default=(), repr=False)


def labels(profile: Profile) -> tuple[Label, ...]:
    """Return the labels of everything that is written under a profile, confidentiality first."""
    done = [Label(ALTERATION, "PSEUDED", "pseudonymized"), Label(ALTERATION, "REDACTED", "redacted")]
    if profile.dates != "shift" or profile.conditions == "category":
        done.append(Label(ALTERATION, "ABSTRED", "abstracted"))
    return (Label(CONFIDENTIALITY, "L", "low"), *done)


@dataclass(frozen=True, slots=True)
class Wording:
    """How values are said under one profile, in one project.

    Attributes:
        key: Of the project's pseudonyms.
        withheld: Whether free text is left out.
    """

    profile: Profile
    project: str
    key: bytes = field(repr=False)
    finder: Detector = field(repr=False)
    withheld: bool
    operators: Operators | None = field(default=None, repr=False)
    admission: Admission = field(default_factory=Admission)
    _words: dict[str, str] = field(default_factory=dict, repr=False)
    _names: dict[str, Callable[[str], str]] = field(default_factory=dict, repr=False)

    def day(self, value: str, subject: Subject) -> str:
        """Return a moment as the profile publishes it, "" where it is none."""
        return moved(value, subject.shift_days, self.profile.dates)

    def name(self, domain: str, value: str) -> str:
        """Return the pseudonym of a number of orders, messages, resources: "" for none."""
        if not value:
            return ""
        if domain not in self._names:
            self._names[domain] = pseudonymiser(self.key, self.project, domain)
        return self._names[domain](value)

    def visit(self, hospital: str, subject: Subject, value: str) -> str:
        """Return a visit's pseudonym, whose ``pseudonym.number`` is the visit's number in the tables."""
        return self.name("visit", f"{hospital}\x1f{subject.patient}\x1f{value}") if value else ""

    def word(self, value: str) -> str:
        """Return a short text, "" where it holds an identifier or is too long for a word.

        Raises:
            Withheld: the policy restricts it.
        """
        if value not in self._words:
            self._check(value)
            clean = len(value) <= LONGEST_WORD and (_NUMERIC.fullmatch(value) or not self.finder.find(value))
            self._words[value] = value if clean else ""
        return self._words[value]

    def code(self, value: str) -> str:
        """Return a code, "" where it has not the shape of one or is an identifier."""
        return self.word(value) if _CODE.fullmatch(value) else ""

    def uri(self, value: str) -> str:
        """Return the name of a published code system, "" for every other address: a hospital's own says who it is."""
        return value if _PUBLIC.fullmatch(value) else ""

    def diagnosis(self, value: str) -> str:
        """Return a diagnosis code, cut to its category where the profile says so."""
        kept = self.code(value)
        return kept.split(".")[0][:3] if self.profile.conditions == "category" else kept

    def number(self, value: str) -> str:
        """Return a number, "" where it has not the shape of one."""
        return value if _NUMBER.fullmatch(value) else ""

    def text(self, value: str, subject: Subject) -> str:
        """Return free text without identifiers, "" where free text is left out or this one is withheld.

        Raises:
            Withheld: the policy restricts it.
        """
        self._check(value)
        if _NUMERIC.fullmatch(value):
            return self.number(value)
        if self.withheld:
            return ""
        days = subject.shift_days if self.profile.dates == "shift" else None
        spans = self.finder.find(value, subject.known)
        if self.operators is not None:
            return self.operators.rewrite(value, spans, subject.patient, days) or ""
        return rewrite(value, spans, shift_days=days)

    def _check(self, value: str) -> None:
        reason = restricted(value)
        if reason is not None and fingerprint(value) not in self.admission.declassified:
            raise Withheld(reason)
