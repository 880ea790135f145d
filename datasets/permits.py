"""Permits: what a partner may do with which data, for what, how often and until when."""

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

from datasets.versions import Dataset
from policies.entry import Entry, stamp
from policies.errors import BudgetExhausted, Conflict, Misuse, NotFound, PermitExpired, Refused, SeparationOfDuty
from policies.people import Person, Role
from policies.states import PermitState, check_transition

APPROVALS = 2
"""How many people, none of them the author, must approve a permit."""

GENERAL_RESEARCH = "DUO:0000042"
_DUO = re.compile(r"DUO:\d{7}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """A partner's application, and what was granted.

    Attributes:
        id: Its name everywhere.
        holder_org: The partner organisation.
        people: Ids of the persons who may use it.
        purpose: GA4GH DUO code, such as ``"DUO:0000042"`` (general research).
        legal_basis: On what ground, as a reference a lawyer can follow.
        dataset: Id of the dataset.
        versions: First and last version, both included; no last version means all later ones.
        recipes: Names of the feature recipes it covers: they decide columns and cohort.
        epsilon, delta: The most that all of its runs may claim together (basic composition).
        runs: How many runs.
        not_before, not_after: From when, and until when: absolute, aware moments; the second is excluded.
        conditions: Sentences it was granted under.
        author: Who wrote the application.
        approvals: Ids of who approved, in order.
        state: See ``policies.states``.
    """

    id: str
    holder_org: str
    people: frozenset[str]
    purpose: str
    legal_basis: str
    dataset: str
    versions: tuple[int, int | None]
    recipes: tuple[str, ...]
    epsilon: Decimal
    delta: Decimal
    runs: int
    not_before: datetime
    not_after: datetime
    conditions: tuple[str, ...] = ()
    author: str
    approvals: tuple[str, ...] = ()
    state: PermitState = PermitState.DRAFT

    def __post_init__(self) -> None:
        first, last = self.versions
        rules = (
            (bool(_DUO.fullmatch(self.purpose)), "the purpose is a DUO code such as DUO:0000042"),
            (bool(self.legal_basis.strip()), "a legal basis is named"),
            (bool(self.people) and bool(self.recipes), "at least one person and one recipe are named"),
            (first >= 1 and (last is None or first <= last), "the version range counts from 1 and is not empty"),
            (self.epsilon.is_finite() and self.epsilon > 0, "epsilon is positive"),
            (self.delta.is_finite() and 0 < self.delta < 1, "delta lies between 0 and 1"),
            (self.runs >= 1, "at least one run is allowed"),
            (self.not_before.tzinfo is not None and self.not_after.tzinfo is not None, "moments have a time zone"),
        )
        for holds, sentence in rules:
            if not holds:
                raise Misuse(f"not a permit: {sentence}")
        if self.not_before >= self.not_after:
            raise Misuse("not a permit: it ends after it begins")

    def as_dict(self) -> dict[str, Any]:
        """Return JSON types only; numbers of the budget are decimal text."""
        return asdict(self) | {
            "people": sorted(self.people),
            "versions": list(self.versions),
            "recipes": list(self.recipes),
            "epsilon": str(self.epsilon),
            "delta": str(self.delta),
            "not_before": stamp(self.not_before),
            "not_after": stamp(self.not_after),
            "conditions": list(self.conditions),
            "approvals": list(self.approvals),
            "state": self.state.value,
        }

    @classmethod
    def from_dict(cls, body: dict[str, Any]) -> "Permit":
        """Return the permit that ``as_dict`` wrote."""
        first, last = body["versions"]
        return cls(
            **body
            | {
                "people": frozenset(body["people"]),
                "versions": (first, last),
                "recipes": tuple(body["recipes"]),
                "epsilon": Decimal(body["epsilon"]),
                "delta": Decimal(body["delta"]),
                "not_before": datetime.fromisoformat(body["not_before"]),
                "not_after": datetime.fromisoformat(body["not_after"]),
                "conditions": tuple(body["conditions"]),
                "approvals": tuple(body["approvals"]),
                "state": PermitState(body["state"]),
            }
        )


@dataclass(frozen=True, slots=True)
class Request:
    """What a run asks of a permit.

    Attributes:
        dataset, version, recipe: Which data.
        epsilon, delta: What it would claim.
    """

    dataset: str
    version: int
    recipe: str
    epsilon: Decimal
    delta: Decimal


@dataclass(frozen=True, slots=True)
class Usage:
    """What the runs of a permit have used, those reserved included, those voided not."""

    runs: int = 0
    epsilon: Decimal = Decimal(0)
    delta: Decimal = Decimal(0)


class Permits(Protocol):
    """Where permits live. Every write takes the log entry it belongs to."""

    def get(self, permit_id: str) -> Permit: ...
    def of(self, org: str) -> tuple[Permit, ...]: ...
    def put(self, permit: Permit, entry: Entry) -> None: ...


class MemoryPermits:
    """Permits in memory, for tests; the same contract tests run on this and on the database's."""

    def __init__(self, permits: Iterable[Permit] = ()) -> None:
        self._rows = {permit.id: permit for permit in permits}
        self.entries: list[Entry] = []

    def get(self, permit_id: str) -> Permit:
        """Return a permit.

        Raises:
            NotFound: there is none of that id.
        """
        if permit_id not in self._rows:
            raise NotFound("there is no such permit")
        return self._rows[permit_id]

    def of(self, org: str) -> tuple[Permit, ...]:
        """Return the permits of an organisation, by id."""
        return tuple(self._rows[key] for key in sorted(self._rows) if self._rows[key].holder_org == org)

    def put(self, permit: Permit, entry: Entry) -> None:
        """Register a permit, or write its next state.

        Raises:
            Conflict: a granted term of it would change.
            IllegalTransition: the state cannot become that one.
        """
        old = self._rows.get(permit.id)
        if old is not None:
            check_change(old, permit)
        self._rows[permit.id] = permit
        self.entries.append(entry)


def check_change(old: Permit, new: Permit) -> None:
    """Refuse a change of terms outside draft and returned, and a step that the states do not know.

    Raises:
        Conflict, IllegalTransition: naming the rule.
    """
    if old.state is not new.state:
        check_transition(old.state, new.state)
    if old.state in (PermitState.DRAFT, PermitState.RETURNED):
        return
    if replace(old, state=new.state, approvals=new.approvals) != new:
        raise Conflict("the terms of a permit change only while it is a draft or returned")


def check_can_submit(person: Person, permit: Permit, dataset: Dataset, now: datetime) -> None:
    """Refuse unless a partner hands in his own organisation's draft, for a purpose the dataset allows.

    Raises:
        Refused, PermitExpired, IllegalTransition: naming the rule.
    """
    _check_holder(person, permit)
    _check_not_expired(permit, now)
    check_transition(permit.state, PermitState.SUBMITTED)
    if permit.dataset != dataset.id:
        raise Refused("the permit is for another dataset")
    if permit.purpose not in dataset.purposes and GENERAL_RESEARCH not in dataset.purposes:
        raise Refused("the dataset's consent does not cover this purpose")


def check_can_approve(person: Person, permit: Permit, now: datetime) -> None:
    """Refuse unless a compliance person who neither wrote it nor works for its holder approves for the first time.

    Raises:
        Refused, SeparationOfDuty, PermitExpired, IllegalTransition: naming the rule.
    """
    if Role.COMPLIANCE not in person.roles:
        raise Refused("only compliance staff approve permits")
    _check_independent(person, permit)
    check_transition(permit.state, PermitState.APPROVED)
    _check_not_expired(permit, now)


def check_can_activate(permit: Permit, now: datetime) -> None:
    """Refuse unless the permit is approved by enough different people and its time has come.

    Raises:
        SeparationOfDuty, Refused, PermitExpired, IllegalTransition: naming the rule.
    """
    _check_not_expired(permit, now)
    check_approvals(permit)
    check_transition(permit.state, PermitState.ACTIVE)
    if now < permit.not_before:
        raise Refused("the permit's time has not come yet")


def check_approvals(permit: Permit) -> None:
    """Refuse unless enough different people, none of them the author, have approved.

    Raises:
        SeparationOfDuty: saying how many are needed.
    """
    if len(set(permit.approvals) - {permit.author}) < APPROVALS:
        raise SeparationOfDuty(f"a permit needs {APPROVALS} different people who approve and did not write it")


def check_can_start_run(person: Person, permit: Permit, request: Request, usage: Usage, now: datetime) -> None:
    """Refuse unless the permit covers this run, by this person, of these data, now, within its budget.

    Raises:
        Refused, PermitExpired, SeparationOfDuty, BudgetExhausted: naming the rule.
    """
    _check_holder(person, permit)
    _check_not_expired(permit, now)
    check_approvals(permit)
    if permit.state is not PermitState.ACTIVE:
        raise Refused(f"the permit is {permit.state.value}, not active")
    if now < permit.not_before:
        raise Refused("the permit's time has not come yet")
    _check_scope(permit, request)
    if usage.runs >= permit.runs:
        raise BudgetExhausted("all runs of this permit are used")
    if usage.epsilon + request.epsilon > permit.epsilon or usage.delta + request.delta > permit.delta:
        raise BudgetExhausted("the permit's privacy budget does not cover this run")


def approve(person: Person, permit: Permit, now: datetime) -> Permit:
    """Return the permit with one more approval; the last one needed makes it approved.

    Raises:
        Refused, SeparationOfDuty, PermitExpired, IllegalTransition: naming the rule.
    """
    check_can_approve(person, permit, now)
    approvals = (*permit.approvals, person.id)
    state = PermitState.APPROVED if len(approvals) >= APPROVALS else permit.state
    return replace(permit, approvals=approvals, state=state)


def step(permit: Permit, state: PermitState) -> Permit:
    """Return the permit in another state. One that is returned loses its approvals: its terms may change.

    Raises:
        IllegalTransition: there is no such step.
        SeparationOfDuty: it is approved without enough approvals.
    """
    check_transition(permit.state, state)
    if state in (PermitState.APPROVED, PermitState.ACTIVE):
        check_approvals(permit)
    return replace(permit, state=state, approvals=() if state is PermitState.RETURNED else permit.approvals)


def _check_holder(person: Person, permit: Permit) -> None:
    if Role.PARTNER not in person.roles or person.org != permit.holder_org:
        raise Refused("the permit belongs to another organisation")
    if person.id not in permit.people:
        raise Refused("the permit does not name this person")


def _check_independent(person: Person, permit: Permit) -> None:
    if person.id == permit.author or person.org == permit.holder_org:
        raise SeparationOfDuty("who wrote an application, or works for its holder, does not approve it")
    if person.id in permit.approvals:
        raise SeparationOfDuty("the same person does not approve twice")


def _check_not_expired(permit: Permit, now: datetime) -> None:
    if now >= permit.not_after or permit.state is PermitState.EXPIRED:
        raise PermitExpired("the permit has expired")


def _check_scope(permit: Permit, request: Request) -> None:
    first, last = permit.versions
    if request.dataset != permit.dataset or request.version < first or (last is not None and request.version > last):
        raise Refused("the permit does not cover this dataset version")
    if request.recipe not in permit.recipes:
        raise Refused("the permit does not cover this recipe")
