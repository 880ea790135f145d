"""Releases: two people who are not the author let a trained model leave, with its certificate."""

import secrets
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from policies.access import Action, Kind, Resource
from policies.entry import stamp
from policies.errors import Conflict, NotFound, Refused, SeparationOfDuty
from policies.people import Person
from policies.states import RunState, check_transition
from policies.thresholds import release_rules
from service import execution, permits, runs
from service.acts import act, seen, system_entry
from service.database import Work, reading, unit_of_work
from service.facility import Facility
from service.models import ApprovalRow, ReleaseRow, RunRow
from service.models_log import EntryRow
from training_sandbox import certificate, release
from training_sandbox.attacks import report
from training_sandbox.audit import AuditFailed
from training_sandbox.certificate import Approval
from training_sandbox.plan import DPPlan

KIND = "release"


def show(facility: Facility, person: Person, run: str) -> dict[str, Any]:
    """Return everything that the decision rests on: epsilon, utility, tier, approvals so far."""
    row, held = _rows(facility, run)
    seen(facility, person, Action.RELEASE_SHOW, resource_of(row))
    return shape(row, held, _approvals(facility, run))


def listing(facility: Facility, person: Person) -> list[dict[str, Any]]:
    """Return the releases that the person may see, newest first."""
    query = sa.select(RunRow, ReleaseRow).join(ReleaseRow, ReleaseRow.run == RunRow.id)
    with reading(facility.database) as session:
        rows = session.execute(query.order_by(ReleaseRow.created_at.desc())).all()
    shown = [(row, held) for row, held in rows if facility.may(person, Action.RELEASE_SHOW, resource_of(row))]
    return [shape(row, held, _approvals(facility, row.id)) for row, held in shown]


def approve(facility: Facility, person: Person, run: str) -> dict[str, Any]:
    """Return the release with this person's approval; the last one needed issues the certificate.

    Raises:
        Refused, SeparationOfDuty, IllegalTransition, Conflict: naming the rule.
    """
    row, held = _rows(facility, run)
    with act(facility, person, Action.RELEASE_APPROVE, resource_of(row), permit=row.permit) as this:
        check_transition(row.state, RunState.RELEASED)
        before = _approvals(facility, run)
        if person.id in {approval.person for approval in before}:
            raise SeparationOfDuty("the same person does not approve twice")
        mine = Approval(person.id, stamp(facility.clock()))
        approvals = (*before, mine)
        complete = len(approvals) >= release_rules().approvals
        if complete:
            permit = permits.in_force(facility, row.permit)
            this.policies += execution.check_may_go_on(facility, row, permit, Action.RUN_RELEASE)
            check_not_too_many(facility, row.org)
        outcome = execution.examined(facility, row, held.document) if complete else None
        with unit_of_work(facility.database, facility.clock) as work:
            work.session.get_one(RunRow, run, with_for_update=True)
            if _approvals_in(work.session, run) != before:
                raise Conflict("another approval came at the same moment: look at the release and approve again")
            work.session.add(ApprovalRow(kind=KIND, object=run, person=person.id, verdict="approve", at=mine.at))
            work.add(this.entry(approvals=len(approvals), model=held.digest))
            if outcome is not None:
                _issue(facility, work, run, outcome, approvals)
    return shape(*_rows(facility, run), approvals)


def refuse(facility: Facility, person: Person, run: str, reason: str) -> dict[str, Any]:
    """Return the release, refused: the model never leaves.

    Raises:
        Refused, IllegalTransition: naming the rule.
    """
    row, _ = _rows(facility, run)
    with act(facility, person, Action.RELEASE_REFUSE, resource_of(row), permit=row.permit) as this:
        with unit_of_work(facility.database, facility.clock) as work:
            live = work.session.get_one(RunRow, run)
            live.state = RunState.REFUSED
            live.document = {**live.document, "code": "release-refused", "reason": reason[:200]}
            work.add(this.entry())
    return shape(*_rows(facility, run), _approvals(facility, run))


def attacks(facility: Facility, person: Person, run: str) -> dict[str, Any]:
    """Return what attacks on the model found, and the page that shows it: for those who decide on releases alone.

    Raises:
        Refused: the person is not one of them.
    """
    row, held = _rows(facility, run)
    seen(facility, person, Action.RELEASE_REVIEW, resource_of(row))
    outcome = execution.examined(facility, row, held.document)
    found, canaries = outcome.vetted.attacks, held.document.get("canaries")
    epsilon = float(held.document["epsilon"]["training"]["pld"])
    html = report.page(found, run=run, epsilon=epsilon, canaries=canaries)
    return {"report": dict(found), "canaries": canaries, "html": html}


def audit_with_canaries(facility: Facility, person: Person, run: str) -> dict[str, Any]:
    """Return the lower bound on epsilon that a run of canaries under the plan gives; it touches no patient's data.

    Raises:
        Refused: the person does not decide on releases.
        AuditFailed: the bound lies above the claim: the program does not do what it is charged for.
    """
    from training_sandbox.attacks import one_run

    row, _ = _rows(facility, run)
    with act(facility, person, Action.RELEASE_REVIEW, resource_of(row), permit=row.permit) as this:
        plan = DPPlan(**row.document["plan"])
        look = one_run.audit_sums if row.document["algorithm"]["name"] else one_run.audit
        found = look(plan, seed=secrets.randbits(31)).as_dict()
        with unit_of_work(facility.database, facility.clock) as work:
            live = work.session.get_one(ReleaseRow, run)
            live.document = {**live.document, "canaries": found}
            work.add(this.entry(stage="canaries", lower_bound=str(round(found["lower_bound"], 3))))
    if not found["holds"]:
        raise AuditFailed("the canaries tell more than the claimed epsilon allows")
    return found


def names(facility: Facility, person: Person, run: str) -> list[str]:
    """Return the names of a released model's files.

    Raises:
        Refused: it is not released, or not the person's.
    """
    row, _ = _rows(facility, run)
    seen(facility, person, Action.RELEASE_FETCH, resource_of(row))
    return list(release.FILES)


def fetch(facility: Facility, person: Person, run: str, name: str) -> bytes:
    """Return one file of a released model.

    Raises:
        Refused, NotFound: naming the rule.
    """
    row, held = _rows(facility, run)
    seen(facility, person, Action.RELEASE_FETCH, resource_of(row), file=name if name in release.FILES else "unknown")
    entry = int(held.document["entry"])
    if name == release.CERTIFICATE and held.certificate is not None:
        return held.certificate
    if name == release.ENTRY:
        with reading(facility.database) as session:
            return session.get_one(EntryRow, entry).body
    if name == release.RECEIPT:
        facility.log.catch_up()
        return facility.log.receipt(entry)
    if name in release.SUBJECTS:
        epsilon = float(held.document["epsilon"]["training"]["pld"])
        return execution.examined(facility, row, held.document).package(epsilon).files[name]
    raise NotFound("a release has no file of that name")


def shape(row: RunRow, held: ReleaseRow, approvals: tuple[Approval, ...]) -> dict[str, Any]:
    """Return what reviewers see of a release; a partner gets the figures with the released model."""
    document = held.document
    return {
        "run": row.id,
        "state": row.state.value,
        "permit": row.permit,
        "org": row.org,
        "approvals": [approval.person for approval in approvals],
        "needed": release_rules().approvals,
        "model": held.digest,
        "epsilon": document["epsilon"],
        "utility": document["utility"],
        "tier": document["tier"],
        "data_class": row.document["data_class"],
    }


def check_not_too_many(facility: Facility, org: str) -> None:
    """Refuse one more release to an organisation that was given as many as the rules allow of late.

    Raises:
        Refused: naming the limit.
    """
    rules = release_rules()
    since = stamp(facility.clock() - timedelta(days=rules.releases_days))
    issued = sa.select(sa.func.count()).select_from(ReleaseRow).join(RunRow, ReleaseRow.run == RunRow.id)
    query = issued.where(
        RunRow.org == org, ReleaseRow.certificate.is_not(None), ReleaseRow.document["issued"].as_string() >= since
    )
    with reading(facility.database) as session:
        given = session.scalar(query) or 0
    if given >= rules.releases_per_partner:
        raise Refused(
            f"an organisation is given at most {rules.releases_per_partner} models within {rules.releases_days} days"
        )


def resource_of(row: RunRow) -> Resource:
    """Return the release as the access rules see it."""
    return Resource(Kind.RELEASE, row.id, org=row.org, author=row.author, state=row.state.value)


def _issue(
    facility: Facility, work: Work, run: str, outcome: execution.Examined, approvals: tuple[Approval, ...]
) -> None:
    """Sign the certificate and release the run, in the transaction of the last approval."""
    live, held = work.session.get_one(RunRow, run), work.session.get_one(ReleaseRow, run)
    audited = outcome.audit()
    said = execution.predicate(facility, live, held.document, outcome, audited, approvals)
    files = outcome.package(audited.training.pld)
    envelope = certificate.issue(said, files.subjects(), facility.keystore.signing_key("certificate"))
    live.state = RunState.RELEASED
    entry = system_entry(facility, "release.issue", "release", run, permit=live.permit, **certificate.logged(envelope))
    made = work.add(entry)
    held.certificate = envelope
    held.document = {**held.document, "predicate": said, "entry": made.id, "issued": stamp(facility.clock())}


def _rows(facility: Facility, run: str) -> tuple[RunRow, ReleaseRow]:
    row = runs.get(facility, run)
    with reading(facility.database) as session:
        held = session.get(ReleaseRow, run)
    if held is None:
        raise NotFound("this run has not come to its release")
    return row, held


def _approvals(facility: Facility, run: str) -> tuple[Approval, ...]:
    with reading(facility.database) as session:
        return _approvals_in(session, run)


def _approvals_in(session: Session, run: str) -> tuple[Approval, ...]:
    query = sa.select(ApprovalRow).where(ApprovalRow.kind == KIND, ApprovalRow.object == run).order_by(ApprovalRow.at)
    return tuple(Approval(row.person, row.at) for row in session.scalars(query))
