"""Deciding on an application: reviews, the vote, conditions, signatures, and the checks a machine can make first."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from datasets.duo import match
from datasets.permits import Permit, Review, Signature, check_not_expired, step
from datasets.versions import Dataset
from policies.canonical import digest
from policies.entry import stamp
from policies.errors import IllegalTransition, Misuse, Refused, SeparationOfDuty
from policies.people import Person, Role
from policies.review import PermitRules, Way
from policies.states import PermitState, check_transition


@dataclass(frozen=True, slots=True)
class Finding:
    """One result of the pre-check.

    Attributes:
        code: Stable name of the check.
        holds: Whether it was passed.
        blocking: Whether failing it stops the application, or is only pointed out to who decides.
        detail: Codes or numbers, never free text of the application.
    """

    code: str
    holds: bool
    blocking: bool
    detail: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return JSON types only."""
        return asdict(self)


def precheck(
    permit: Permit,
    dataset: Dataset,
    rules: PermitRules,
    *,
    colleagues: frozenset[str],
    earlier: Iterable[Permit],
    lifetime: float,
) -> tuple[Finding, ...]:
    """Return what a machine can say about an application before a person reads it.

    Args:
        permit: The application.
        dataset: What it asks for.
        rules: In force.
        colleagues: Ids of everybody of the holder's organisation.
        earlier: The organisation's other permits.
        lifetime: Epsilon of the lifetime budget of one patient.
    """
    fit = match(dataset.purposes, dataset.diseases, permit.intent)
    days = (permit.not_after - permit.not_before) / timedelta(days=1)
    revoked = sum(one.state is PermitState.REVOKED for one in earlier)
    same = sum(
        one.dataset == permit.dataset and one.state is PermitState.ACTIVE and one.id != permit.renews for one in earlier
    )
    return (
        Finding("consent-covers-purpose", fit.fits, blocking=True, detail=" ".join(fit.unmet)),
        Finding("genetic-resources-stay", not (dataset.genomic and permit.foreign), blocking=True),
        Finding("level-allows-training", dataset.level < 5, blocking=True, detail=str(dataset.level)),
        Finding("people-are-colleagues", permit.people <= colleagues, blocking=True),
        Finding("not-too-long", days <= rules.maximum_days, blocking=True, detail=str(rules.maximum_days)),
        Finding(
            "within-lifetime-budget", float(permit.epsilon) <= lifetime, blocking=False, detail=str(permit.epsilon)
        ),
        Finding("need-is-explained", bool(permit.justification.strip()), blocking=False),
        Finding("no-earlier-revocation", revoked == 0, blocking=False, detail=str(revoked)),
        Finding("no-other-permit-on-it", same == 0, blocking=False, detail=str(same)),
        Finding("stays-in-the-sandbox", permit.delivery == "sandbox", blocking=False),
    )


def check_findings(findings: Iterable[Finding]) -> None:
    """Refuse an application that fails a blocking check.

    Raises:
        Refused: naming the checks.
    """
    failed = [one.code for one in findings if one.blocking and not one.holds]
    if failed:
        raise Refused(f"the application fails the pre-check: {', '.join(failed)}")


def conflicted(person: Person, permit: Permit) -> bool:
    """Return whether a person has an interest in an application: by work, by name, or by his own word."""
    named = person.id in permit.people or person.id == permit.author or person.id in permit.conflicts
    return named or person.org in (permit.holder_org, permit.controller)


def declare_conflict(person: Person, permit: Permit) -> Permit:
    """Return the application with a person's word that he has an interest; a vote or review of his is taken back.

    Raises:
        IllegalTransition: it is decided already.
    """
    if permit.state is not PermitState.SUBMITTED:
        raise IllegalTransition(f"a {permit.state.value} permit is not being decided")
    return replace(
        permit,
        conflicts=tuple(dict.fromkeys((*permit.conflicts, person.id))),
        approvals=tuple(one for one in permit.approvals if one != person.id),
        rejections=tuple(one for one in permit.rejections if one != person.id),
        reviews=tuple(one for one in permit.reviews if one.person != person.id),
    )


def review(person: Person, permit: Permit, kind: str, *, positive: bool, way: Way, now: datetime) -> Permit:
    """Return the application with one more review; a person gives one, and a kind is given once.

    Raises:
        Misuse: its way knows no such review.
        SeparationOfDuty, IllegalTransition, PermitExpired: naming the rule.
    """
    if kind not in way.reviews:
        raise Misuse(f"this application needs no {kind} review")
    _check_open(person, permit, now)
    if any(person.id == one.person or kind == one.kind for one in permit.reviews):
        raise SeparationOfDuty("each review is given once, by somebody who gave no other")
    return replace(permit, reviews=(*permit.reviews, Review(kind, person.id, positive, stamp(now))))


def check_can_approve(person: Person, permit: Permit, way: Way, now: datetime) -> None:
    """Refuse unless a compliance person without any interest in it votes for the first time, on complete reviews.

    Raises:
        Refused, SeparationOfDuty, PermitExpired, IllegalTransition: naming the rule.
    """
    _check_vote(person, permit, now)
    given = {one.kind: one.positive for one in permit.reviews}
    if missing := [kind for kind in way.reviews if not given.get(kind)]:
        raise Refused(f"the application lacks a positive review: {', '.join(missing)}")


def approve(person: Person, permit: Permit, way: Way, now: datetime, *conditions: str) -> Permit:
    """Return the application with one more vote for it, and further conditions; the last vote makes it approved.

    Raises:
        Refused, SeparationOfDuty, PermitExpired, IllegalTransition: naming the rule.
    """
    check_can_approve(person, permit, way, now)
    approvals = (*permit.approvals, person.id)
    state = PermitState.APPROVED if len(approvals) >= way.approvals else permit.state
    return replace(permit, approvals=approvals, state=state, conditions=(*permit.conditions, *conditions))


def reject(person: Person, permit: Permit, way: Way, now: datetime) -> Permit:
    """Return the application with one more vote against it; enough of them reject it.

    Raises:
        Refused, SeparationOfDuty, PermitExpired, IllegalTransition: naming the rule.
    """
    _check_vote(person, permit, now)
    rejections = (*permit.rejections, person.id)
    state = PermitState.REJECTED if len(rejections) >= way.rejections else permit.state
    return replace(permit, rejections=rejections, state=state)


def sign(person: Person, permit: Permit, party: str, way: Way, now: datetime) -> Permit:
    """Return the approved permit with a party's signature under its terms.

    Raises:
        Misuse: the party need not sign.
        Refused, PermitExpired, IllegalTransition: naming the rule.
    """
    check_not_expired(permit, now)
    if permit.state is not PermitState.APPROVED:
        raise IllegalTransition(f"a {permit.state.value} permit is not signed")
    if party not in way.signatures:
        raise Misuse("this permit needs no signature of that party")
    if any(one.party == party for one in permit.signatures):
        return permit
    return replace(
        permit, signatures=(*permit.signatures, Signature(party, person.id, digest(permit.terms()), stamp(now)))
    )


def is_signed(permit: Permit, way: Way) -> bool:
    """Return whether every party has signed these very terms."""
    terms = digest(permit.terms())
    return set(way.signatures) <= {one.party for one in permit.signatures if one.terms == terms}


def due_reminders(permit: Permit, rules: PermitRules, now: datetime) -> tuple[int, ...]:
    """Return the days before the end of which the holder is to be reminded now, most first; none twice."""
    if permit.state is not PermitState.ACTIVE or now >= permit.not_after:
        return ()
    left = permit.not_after - now
    return tuple(days for days in rules.reminders if left <= timedelta(days=days) and days not in permit.reminded)


def close(permit: Permit, statement: str) -> Permit:
    """Return the permit, closed with the holder's statement of what became of the results.

    Raises:
        Misuse: the statement is empty.
        IllegalTransition: it cannot be closed yet.
    """
    if not statement.strip():
        raise Misuse("a permit is closed with a statement of what became of the data and the results")
    return replace(step(permit, PermitState.CLOSED), statement=statement.strip()[:2000])


def _check_open(person: Person, permit: Permit, now: datetime) -> None:
    check_transition(permit.state, PermitState.APPROVED)
    check_not_expired(permit, now)
    if conflicted(person, permit):
        raise SeparationOfDuty("who has an interest in an application does not decide on it")


def _check_vote(person: Person, permit: Permit, now: datetime) -> None:
    if Role.COMPLIANCE not in person.roles:
        raise Refused("only compliance staff vote on permits")
    _check_open(person, permit, now)
    if person.id in (*permit.approvals, *permit.rejections):
        raise SeparationOfDuty("the same person does not vote twice")
