"""How applications are decided and how long things are kept: the numbers and steps that people may change."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from policies.errors import BadMapping
from policies.thresholds import FOLDER, read_rules

REVIEWS = ("hospital", "ethics", "privacy")
PARTIES = ("holder", "owner")


@dataclass(frozen=True, slots=True)
class Way:
    """The way of an application for data of one class.

    Attributes:
        reviews: Which reviews must be positive before anybody votes.
        approvals: How many people, none with an interest in it, must vote for it.
        rejections: How many votes against end it.
        signatures: Which parties sign before it becomes active.
    """

    reviews: tuple[str, ...]
    approvals: int
    rejections: int
    signatures: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PermitRules:
    """How applications are decided.

    Attributes:
        maximum_days: The longest a permit may hold.
        reminders: Days before its end on which the holder is reminded, most first.
        feasibility_counts: How many charged counts a partner may ask of one dataset.
        feasibility_sigma: Their noise, as a standard deviation in patients.
        sensitive, demonstration: The way for data of that class.
    """

    maximum_days: int
    reminders: tuple[int, ...]
    feasibility_counts: int
    feasibility_sigma: float
    sensitive: Way
    demonstration: Way

    def of(self, data_class: str) -> Way:
        """Return the way for data of a class; a class that is not known goes the longer one."""
        return self.demonstration if data_class == "demonstration" else self.sensitive


LOG_DAYS, RECORD_DAYS = 184, 1096
"""Six months and three years, whichever they are: the least that PIPL article 56 and network security law allow."""


@dataclass(frozen=True, slots=True)
class Retention:
    """How long things are kept, in days."""

    backup_horizon_days: int
    upload_days: int
    extract_days: int
    draft_days: int
    version_days: int
    access_log_days: int
    record_days: int
    request_days: int


@cache
def permit_rules(path: Path = FOLDER / "permits.yaml") -> PermitRules:
    """Return the rules for applications.

    Raises:
        BadMapping: the file is not a valid one, or lets fewer than two people decide.
    """
    raw = read_rules(path, "medtrain.permits/1")
    try:
        rules = PermitRules(
            maximum_days=int(raw["maximum_days"]),
            reminders=tuple(sorted((int(days) for days in raw["reminders"]), reverse=True)),
            feasibility_counts=int(raw["feasibility_counts"]),
            feasibility_sigma=float(raw["feasibility_sigma"]),
            sensitive=_path(raw["sensitive"]),
            demonstration=_path(raw["demonstration"]),
        )
    except (KeyError, TypeError, ValueError) as problem:
        raise BadMapping(f"{path.name}: {type(problem).__name__}: {problem}") from None
    if min(rules.sensitive.approvals, rules.demonstration.approvals) < 2:
        raise BadMapping(f"{path.name}: an application needs at least two votes")
    return rules


@cache
def retention(path: Path = FOLDER / "retention.yaml") -> Retention:
    """Return how long things are kept.

    Raises:
        BadMapping: the file is not a valid one.
    """
    raw = read_rules(path, "medtrain.retention/1")
    raw.pop("schema")
    try:
        kept = Retention(**raw)
    except TypeError as problem:
        raise BadMapping(f"{path.name}: {problem}") from None
    if not all(type(days) is int and days > 0 for days in raw.values()):
        raise BadMapping(f"{path.name}: a period is a whole number of days above 0")
    if kept.access_log_days < LOG_DAYS or kept.record_days < RECORD_DAYS:
        raise BadMapping(f"{path.name}: the log is kept for {LOG_DAYS} days at least, records for {RECORD_DAYS}")
    return kept


def _path(raw: dict[str, Any]) -> Way:
    made = Way(tuple(raw["reviews"]), int(raw["approvals"]), int(raw["rejections"]), tuple(raw["signatures"]))
    if not set(made.reviews) <= set(REVIEWS) or not set(made.signatures) <= set(PARTIES) or made.rejections < 1:
        raise ValueError("unknown review or party, or no vote against is enough")
    return made
