"""One act of one person: Cedar decides, and whatever is decided is in the access log before anything else happens."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.orm import Session

from policies.access import Action, Context, Resource, decide, refusal
from policies.entry import Entry, Fact, Verdict, moment, stamp
from policies.errors import MedtrainError, Refused
from policies.people import Person
from service.database import reading, record
from service.facility import Facility
from service.models import FreezeRow

FOREVER = 2**53


@dataclass(slots=True)
class Act:
    """What a person is about to do, and the Cedar policies that allowed it.

    Attributes:
        action: Cedar's action and the log's.
        resource: What it is done to.
        permit: The permit it is done under, for the log.
    """

    facility: Facility
    person: Person
    action: Action
    resource: Resource
    permit: str | None = None
    policies: tuple[str, ...] = field(default=())

    def entry(self, **facts: Fact) -> Entry:
        """Return the log entry of the act as allowed."""
        return self._entry("allow", facts)

    def denial(self, code: str) -> Entry:
        """Return the log entry of the act as refused, with the stable code of the reason."""
        return self._entry("deny", {"code": code})

    def _entry(self, decision: Verdict, facts: dict[str, Fact]) -> Entry:
        return Entry(
            at=stamp(self.facility.clock()),
            actor=self.person.id,
            action=self.action.value,
            kind=self.resource.kind.value.lower(),
            object=self.resource.id,
            decision=decision,
            permit=self.permit,
            policies=self.policies,
            facts=facts,
        )


@contextmanager
def act(
    facility: Facility,
    person: Person,
    action: Action,
    resource: Resource,
    *,
    permit: str | None = None,
    not_before: str | None = None,
    not_after: str | None = None,
    foreign: bool = False,
    conflicted: bool = False,
) -> Iterator[Act]:
    """Yield the act once Cedar has allowed it. A refusal, by Cedar or inside the block, is logged and raised on.

    Raises:
        Refused: no policy allows it, or one forbids it, or the block refused.
    """
    made = Act(facility, person, action, resource, permit)
    try:
        context = Context(
            frozen=is_frozen(facility),
            now=int(facility.clock().timestamp()),
            not_before=int(moment(not_before).timestamp()) if not_before else 0,
            not_after=int(moment(not_after).timestamp()) if not_after else FOREVER,
            foreign=foreign,
            conflicted=conflicted,
        )
        decision = decide(person, action, resource, context)
        made.policies = decision.policies
        if not decision.allowed:
            raise refusal(decision, action)
        yield made
    except Refused as problem:
        record(facility.database, made.denial(problem.code))
        raise


def seen(facility: Facility, person: Person, action: Action, resource: Resource, **facts: Fact) -> None:
    """Commit the entry of an allowed read, or refuse and commit that. No committed entry, no access."""
    with act(facility, person, action, resource) as made:
        record(facility.database, made.entry(**facts))


def system_entry(
    facility: Facility, action: str, kind: str, object_: str, *, permit: str | None = None, **facts: Fact
) -> Entry:
    """Return an entry of the service's own doing, such as a step of a job."""
    at = stamp(facility.clock())
    return Entry(
        at=at, actor="service", action=action, kind=kind, object=object_, decision="system", permit=permit, facts=facts
    )


def is_frozen(facility: Facility) -> bool:
    """Return whether the emergency stop is on."""
    with reading(facility.database) as session:
        return frozen_row(session) is not None


def frozen_row(session: Session) -> FreezeRow | None:
    """Return the emergency stop in force."""
    return session.scalars(sa.select(FreezeRow).where(FreezeRow.thawed_at.is_(None))).first()


def code_of(problem: BaseException) -> str:
    """Return the stable code to log for a failure; an unexpected one is ``internal``, whatever it says."""
    return problem.code if isinstance(problem, MedtrainError) else "internal"
