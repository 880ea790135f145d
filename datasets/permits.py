"""Permits: what a partner may do with which data, for what, how often and until when."""

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

from datasets.duo import HOME, Intent, match
from datasets.versions import Dataset
from policies.entry import Entry, stamp
from policies.errors import BudgetExhausted, Conflict, Misuse, NotFound, PermitExpired, Refused, SeparationOfDuty
from policies.people import Person, Role
from policies.states import PermitState, check_transition

APPROVALS = 2
"""How many people at least, none of them the author, must approve a permit; the rules of its way may ask for more."""

_DUO = re.compile(r"DUO:\d{7}")
_COUNTRY = re.compile(r"[A-Z]{2}")
DELIVERIES = ("sandbox", "outside")
OPEN_TERMS = (PermitState.DRAFT, PermitState.RETURNED)


@dataclass(frozen=True, slots=True)
class Review:
    """One person's review of an application.

    Attributes:
        kind: ``hospital``, ``ethics`` or ``privacy``.
        person: Who reviewed.
        positive: The verdict.
        at: When, as the log writes it.
    """

    kind: str
    person: str
    positive: bool
    at: str


@dataclass(frozen=True, slots=True)
class Signature:
    """One party's signature under the terms.

    Attributes:
        party: ``holder`` or ``owner``.
        person: Who signed.
        terms: SHA-256 of the terms signed.
        at: When, as the log writes it.
    """

    party: str
    person: str
    terms: str
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """A partner's application, and what was granted.

    Attributes:
        id: Its name everywhere.
        holder_org: The partner organisation.
        people: Ids of the persons who may use it.
        purpose: GA4GH DUO code, such as ``"DUO:0000042"`` (general research).
        legal_basis: On what ground, as a reference a lawyer can follow.
        ethics: Number of the ethics approval.
        controller: The organisation that decides on the processing and answers for it (PIPL article 73).
        controller_country, access_country: ISO 3166 codes: where it is at home, and from where the permit is used.
        commercial: Whether the result is sold.
        diseases: ICD-10 prefixes that a disease-specific purpose is about.
        undertakes: DUO conditions the holder promises to keep, such as publication.
        justification: Why these data, and no fewer, are needed.
        delivery: ``sandbox``: data are trained on where they are; ``outside``: an extract may leave.
        delivery_basis: On what ground data may leave.
        dataset: Id of the dataset.
        versions: First and last version, both included; no last version means all later ones.
        recipes: Names of the feature recipes it covers: they decide columns and cohort.
        epsilon, delta: The most that all of its runs may claim together (basic composition).
        runs: How many runs.
        not_before, not_after: From when, and until when: absolute, aware moments; the second is excluded.
        conditions: Sentences it was granted under.
        author: Who wrote the application.
        approvals, rejections: Ids of who voted for it and against it, in order.
        reviews: Of the owning hospital, on ethics and on privacy.
        conflicts: Ids of who declared an interest, and is barred.
        signatures: Of both parties.
        renews: Id of the permit that this one goes on with.
        reminded: Days before the end for which the holder was reminded.
        statement: What the holder declared when it was closed.
        state: See ``policies.states``.
    """

    id: str
    holder_org: str
    people: frozenset[str]
    purpose: str
    legal_basis: str
    ethics: str
    controller: str
    controller_country: str = HOME
    access_country: str = HOME
    commercial: bool = False
    diseases: frozenset[str] = frozenset()
    undertakes: frozenset[str] = frozenset()
    justification: str = ""
    delivery: str = "sandbox"
    delivery_basis: str = ""
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
    rejections: tuple[str, ...] = ()
    reviews: tuple[Review, ...] = ()
    conflicts: tuple[str, ...] = ()
    signatures: tuple[Signature, ...] = ()
    renews: str | None = None
    reminded: tuple[int, ...] = ()
    statement: str = ""
    state: PermitState = PermitState.DRAFT

    def __post_init__(self) -> None:
        first, last = self.versions
        rules = (
            (bool(_DUO.fullmatch(self.purpose)), "the purpose is a DUO code such as DUO:0000042"),
            (bool(self.legal_basis.strip()), "a legal basis is named"),
            (bool(self.ethics.strip()), "the number of the ethics approval is named"),
            (bool(self.controller.strip()), "the controller is named"),
            (
                bool(_COUNTRY.fullmatch(self.controller_country) and _COUNTRY.fullmatch(self.access_country)),
                "countries are two capital letters (ISO 3166)",
            ),
            (self.delivery in DELIVERIES, f"the delivery is one of {', '.join(DELIVERIES)}"),
            (self.delivery == "sandbox" or bool(self.delivery_basis.strip()), "data leave on a named ground only"),
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
            raise Misuse("a permit has to end after it begins")

    @property
    def foreign(self) -> bool:
        """Whether a party of it is, or works from, abroad."""
        return {self.controller_country, self.access_country} != {HOME}

    @property
    def intent(self) -> Intent:
        """What it is for, as consent is asked about it."""
        return Intent(
            purpose=self.purpose,
            diseases=self.diseases,
            commercial=self.commercial,
            for_profit=self.commercial,
            ethics=bool(self.ethics.strip()),
            country=self.access_country,
            undertakes=self.undertakes,
        )

    def terms(self) -> dict[str, Any]:
        """Return what is signed: everything but who decided, signed or was reminded, and the state."""
        return {name: value for name, value in self.as_dict().items() if name not in COURSE}

    def as_dict(self) -> dict[str, Any]:
        """Return JSON types only; numbers of the budget are decimal text."""
        return asdict(self) | {
            "people": sorted(self.people),
            "diseases": sorted(self.diseases),
            "undertakes": sorted(self.undertakes),
            "versions": list(self.versions),
            "recipes": list(self.recipes),
            "epsilon": str(self.epsilon),
            "delta": str(self.delta),
            "not_before": stamp(self.not_before),
            "not_after": stamp(self.not_after),
            "conditions": list(self.conditions),
            "approvals": list(self.approvals),
            "rejections": list(self.rejections),
            "reviews": [asdict(review) for review in self.reviews],
            "conflicts": list(self.conflicts),
            "signatures": [asdict(signature) for signature in self.signatures],
            "reminded": list(self.reminded),
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
                "diseases": frozenset(body["diseases"]),
                "undertakes": frozenset(body["undertakes"]),
                "rejections": tuple(body["rejections"]),
                "reviews": tuple(Review(**review) for review in body["reviews"]),
                "conflicts": tuple(body["conflicts"]),
                "signatures": tuple(Signature(**signature) for signature in body["signatures"]),
                "reminded": tuple(body["reminded"]),
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


COURSE = ("approvals", "rejections", "reviews", "conflicts", "signatures", "reminded", "statement", "state")
"""What may change after an application was handed in; its terms may not."""


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
    if old.state in OPEN_TERMS:
        return
    fixed = old.terms()
    if old.state is PermitState.SUBMITTED and new.conditions[: len(old.conditions)] == old.conditions:
        fixed["conditions"] = list(new.conditions)  # who decides may add conditions, and take none away
    if fixed != new.terms():
        raise Conflict("the terms of a permit change only while it is a draft or returned")


def check_can_submit(person: Person, permit: Permit, dataset: Dataset, now: datetime) -> None:
    """Refuse unless a partner hands in his own organisation's draft, for a purpose the dataset allows.

    Raises:
        Refused, PermitExpired, IllegalTransition: naming the rule.
    """
    check_holder(person, permit)
    check_not_expired(permit, now)
    check_transition(permit.state, PermitState.SUBMITTED)
    if permit.dataset != dataset.id:
        raise Refused("the permit is for another dataset")
    if unmet := match(dataset.purposes, dataset.diseases, permit.intent).unmet:
        raise Refused(f"the dataset's consent does not cover this purpose: {', '.join(unmet)}")
    if dataset.genomic and permit.foreign:
        raise Refused("human genetic resources are not provided to a foreign party")


def check_can_activate(permit: Permit, now: datetime) -> None:
    """Refuse unless the permit is approved by enough different people and its time has come.

    Raises:
        SeparationOfDuty, Refused, PermitExpired, IllegalTransition: naming the rule.
    """
    check_not_expired(permit, now)
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
    check_holder(person, permit)
    check_not_expired(permit, now)
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


def step(permit: Permit, state: PermitState) -> Permit:
    """Return the permit in another state. One that is returned loses what was decided: its terms may change.

    Raises:
        IllegalTransition: there is no such step.
        SeparationOfDuty: it is approved without enough approvals.
    """
    check_transition(permit.state, state)
    if state in (PermitState.APPROVED, PermitState.ACTIVE):
        check_approvals(permit)
    if state is PermitState.RETURNED:
        return replace(permit, state=state, approvals=(), rejections=(), reviews=(), signatures=())
    return replace(permit, state=state)


def check_holder(person: Person, permit: Permit) -> None:
    """Refuse who is not one of the people that the permit names.

    Raises:
        Refused: naming the rule.
    """
    if Role.PARTNER not in person.roles or person.org != permit.holder_org:
        raise Refused("the permit belongs to another organisation")
    if person.id not in permit.people:
        raise Refused("the permit does not name this person")


def check_not_expired(permit: Permit, now: datetime) -> None:
    """Refuse a permit whose last moment has passed.

    Raises:
        PermitExpired: it has.
    """
    if now >= permit.not_after or permit.state is PermitState.EXPIRED:
        raise PermitExpired("the permit has expired")


def _check_scope(permit: Permit, request: Request) -> None:
    first, last = permit.versions
    if request.dataset != permit.dataset or request.version < first or (last is not None and request.version > last):
        raise Refused("the permit does not cover this dataset version")
    if request.recipe not in permit.recipes:
        raise Refused("the permit does not cover this recipe")
