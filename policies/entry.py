"""What the access log says about one act: who did what to which object, and who decided it on what ground.

An entry holds identifiers, counts and hashes, never a value of a record. Its canonical bytes are the leaf of the log.
"""

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

import orjson

from policies.canonical import strict_json
from policies.errors import MedtrainError, Tampered

SCHEMA = "medtrain.entry/1"
MAX_BYTES = 65_535  # a C2SP entry bundle counts an entry's length in two bytes
MAX_EXACT = 2**53 - 1  # the largest integer that every JSON reader keeps

Clock: TypeAlias = Callable[[], datetime]
Verdict: TypeAlias = Literal["allow", "deny", "system"]
Fact: TypeAlias = int | bool | str | tuple[str, ...]

_TOKEN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/+@=-]{0,199}")
_TOKENS = re.compile(rf"{_TOKEN.pattern}(\n{_TOKEN.pattern})*")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z")
_VERDICTS = ("allow", "deny", "system")


class BadEntry(MedtrainError):
    """A log entry was about to hold something that is no identifier, count or hash. This is a defect of the program."""

    code = "bad-log-entry"


@dataclass(frozen=True, slots=True)
class Entry:
    """One act, as the access log keeps it.

    Attributes:
        at: When, ISO 8601 in UTC, from the caller's clock (``stamp``).
        actor: The pseudonymous id of the person, or the name of the part of the service.
        action: What was asked, such as ``"permit.approve"``.
        kind, object: What it was done to, such as ``"permit"`` and ``"p-7"``.
        decision: ``"allow"`` or ``"deny"`` for a person's act, ``"system"`` for the service's own.
        permit: The permit it was done under.
        policies: Ids of the Cedar policies that decided.
        facts: Name -> count, identifier or hash. Text must be one token: no blanks, ASCII, at most 200 characters,
            so that neither a name nor a sentence of a record fits in. Write a fraction as decimal text.

    Raises:
        BadEntry: a field does not have that form. The message names the field, never its value.
    """

    at: str
    actor: str
    action: str
    kind: str
    object: str
    decision: Verdict
    permit: str | None = None
    policies: tuple[str, ...] = ()
    facts: Mapping[str, Fact] = field(default_factory=dict, hash=False)
    _raw: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not _MOMENT.fullmatch(self.at):
            raise BadEntry("a log entry's moment is not ISO 8601 in UTC")
        if not _good(self.actor, self.action, self.kind, self.object):
            for name in ("actor", "action", "kind", "object"):
                _check_token(name, getattr(self, name))
        if self.decision not in _VERDICTS:
            raise BadEntry("a log entry's decision is allow, deny or system")
        if self.permit is not None:
            _check_token("permit", self.permit)
        for policy in self.policies:
            _check_token("policies", policy)
        object.__setattr__(self, "facts", MappingProxyType({k: _checked(k, self.facts[k]) for k in sorted(self.facts)}))
        object.__setattr__(self, "_raw", orjson.dumps(self.as_dict(), option=orjson.OPT_SORT_KEYS))
        if len(self._raw) > MAX_BYTES:
            raise BadEntry(f"a log entry has at most {MAX_BYTES} bytes")

    def as_dict(self) -> dict[str, Any]:
        """Return JSON types only: what the canonical bytes are made of."""
        return {
            "schema": SCHEMA,
            "at": self.at,
            "actor": self.actor,
            "action": self.action,
            "kind": self.kind,
            "object": self.object,
            "decision": self.decision,
            "permit": self.permit,
            "policies": list(self.policies),
            "facts": {name: list(fact) if isinstance(fact, tuple) else fact for name, fact in self.facts.items()},
        }

    def encode(self) -> bytes:
        """Return the canonical bytes (RFC 8785): the leaf of the log.

        Every text in an entry is ASCII without anything to escape and every number an exact integer, so that sorted
        compact JSON is the canonical form; a test compares it with the general encoder.
        """
        return self._raw


def decode(raw: bytes) -> Entry:
    """Return the entry that ``raw`` encodes.

    Raises:
        Tampered: ``raw`` is not the canonical form of an entry.
    """
    value = strict_json(raw)
    try:
        if value.pop("schema") != SCHEMA:
            raise Tampered("not a log entry of this version")
        facts = {name: tuple(fact) if isinstance(fact, list) else fact for name, fact in value.pop("facts").items()}
        entry = Entry(policies=tuple(value.pop("policies")), facts=facts, **value)
    except (KeyError, TypeError, AttributeError, BadEntry):
        raise Tampered("the log entry is malformed") from None
    if entry.encode() != raw:
        raise Tampered("the log entry is not in canonical form")
    return entry


def stamp(now: datetime) -> str:
    """Return an aware moment as ISO 8601 text in UTC, to the microsecond, so that text order is time order.

    >>> stamp(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    '2026-01-02T03:04:05.000000Z'
    """
    if now.tzinfo is None:
        raise BadEntry("a moment needs a time zone")
    return now.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def moment(text: str) -> datetime:
    """Return the aware moment that ``stamp`` wrote.

    >>> moment("2026-01-02T03:04:05.000000Z").hour
    3
    """
    return datetime.fromisoformat(text)


def commitment(value: str, salt: bytes) -> str:
    """Return a salted commitment to personal data: destroying the salt erases it while the log stays valid.

    Raises:
        BadEntry: the salt has fewer than 16 bytes.

    >>> commitment("x", bytes(16))[:8]
    '4cbc9609'
    """
    if len(salt) < 16:
        raise BadEntry("a commitment needs a salt of at least 16 bytes")
    return hmac.new(salt, value.encode(), hashlib.sha256).hexdigest()


def _checked(name: str, fact: Fact) -> Fact:
    if not _NAME.fullmatch(name):
        raise BadEntry("a fact's name is lower-case letters, digits and underscores")
    if isinstance(fact, tuple):
        for part in fact:
            _check_token(name, part)
    elif isinstance(fact, int):
        if abs(fact) > MAX_EXACT:
            raise BadEntry(f"the fact {name} is too large a number")
    else:
        _check_token(name, fact)
    return fact


def _good(*values: object) -> bool:
    """Return whether all are tokens: one look, because every request makes an entry. No token holds a line's end."""
    return all(type(value) is str for value in values) and _TOKENS.fullmatch("\n".join(values)) is not None  # type: ignore[arg-type]  # texts


def _check_token(name: str, value: object) -> None:
    if not (isinstance(value, str) and _TOKEN.fullmatch(value)):
        raise BadEntry(f"the log entry's {name} is not an identifier, count or hash")
