"""Operators: what becomes of each identifier in free text, by its label, as the profile says.

``tag`` writes the label, ``mask`` one asterisk for each character, ``pseudonym`` the label and a keyed short name of
the value, ``surrogate`` an invented value, ``encrypt`` what two officers together can read again, ``withhold`` holds
the whole text back. Dates that can be read move with their patient under ``tag`` and ``surrogate``.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from deid.detect.rewrite import shift
from deid.detect.span import Span
from deid.identity import plain
from deid.policy import Profile
from deid.transform.desk import seal
from deid.transform.pseudonym import pseudonymiser
from deid.transform.surrogate import Surrogates
from policies.errors import Misuse

SHORT = 10  # hexadecimal characters of a pseudonym in running text


@dataclass(frozen=True, slots=True)
class Operators:
    """Rewrites the free text of one project.

    Attributes:
        pseudonym_key: 32 bytes.
        desk_key: 64 bytes where the profile encrypts, else empty.
    """

    profile: Profile
    project: str
    surrogates: Surrogates
    pseudonym_key: bytes = field(repr=False)
    desk_key: bytes = field(default=b"", repr=False)

    def __post_init__(self) -> None:
        if "encrypt" in self.profile.operators.values() and not self.desk_key:
            raise Misuse("the profile encrypts identifiers, and the re-identification desk has no key")

    def rewrite(self, text: str, spans: Sequence[Span], patient: str, shift_days: int | None) -> str | None:
        """Return the text with every span replaced, None where it is withheld."""
        if any(self.profile.operator(span.label) == "withhold" for span in spans):
            return None
        parts, at = [], 0
        for span in sorted(spans, key=lambda span: span.start):
            value = text[span.start : span.end]
            parts += [text[at : span.start], self._one(value, span.label, patient, shift_days)]
            at = span.end
        return "".join([*parts, text[at:]])

    def _one(self, value: str, label: str, patient: str, shift_days: int | None) -> str:
        how = self.profile.operator(label)
        if how == "mask":
            return "*" * len(value)
        if how == "pseudonym":
            return f"[{label}-{pseudonymiser(self.pseudonym_key, self.project, 'text', label)(plain(value))[:SHORT]}]"
        if how == "encrypt":
            return f"[{label}:{seal(value, self.desk_key, self.project)}]"
        made = shift(value, shift_days) if label == "DATE" and shift_days is not None else None
        if made is None and how == "surrogate":
            made = self.surrogates.of(value, label, patient, shift_days)
        return f"[{label}]" if made is None else made
