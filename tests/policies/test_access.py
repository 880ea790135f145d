"""Who may do what: one table of every role and action, and the grounds on which rules refuse."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from policies.access import (
    FOLDER,
    Action,
    BadRules,
    Context,
    Decision,
    Kind,
    Resource,
    allows,
    check,
    decide,
    entry_of,
    refusal,
    rules,
)
from policies.errors import Frozen, PermitExpired, Refused, SeparationOfDuty
from policies.people import Person, Role
from policies.states import (
    ExtractState,
    IncidentState,
    PermitState,
    RightsState,
    RunState,
    SubmissionState,
    VersionState,
)

O, P, C, A, Y, S, K = (
    Role.DATA_OFFICER,
    Role.PARTNER,
    Role.COMPLIANCE,
    Role.AUDITOR,
    Role.SECRECY_OFFICER,
    Role.SYSTEM_ADMIN,
    Role.SECURITY_ADMIN,
)

# Action -> (kind, state, who may when it is their own organisation's, who may when it is another's)
TABLE: dict[Action, tuple[Kind, str, set[Role], set[Role]]] = {
    Action.PERSON_ADD: (Kind.PERSON, "", {K}, {K}),
    Action.PERSON_LIST: (Kind.PERSON, "", {K, A}, {K, A}),
    Action.PERSON_RETIRE: (Kind.PERSON, "", {K}, {K}),
    Action.TOKEN_ISSUE: (Kind.PERSON, "", {K}, {K}),
    Action.TOKEN_REVOKE: (Kind.PERSON, "", {K}, {K}),
    Action.SUBMISSION_CREATE: (Kind.SUBMISSION, "", {O}, set()),
    Action.SUBMISSION_UPLOAD: (Kind.SUBMISSION, "received", {O}, set()),
    Action.SUBMISSION_PROCESS: (Kind.SUBMISSION, "mapped", {O}, set()),
    Action.SUBMISSION_SHOW: (Kind.SUBMISSION, "received", {O, C, A}, {C, A}),
    Action.SUBMISSION_REPORT: (Kind.SUBMISSION, "needs-review", {O, C, A}, {C, A}),
    Action.SUBMISSION_ACCEPT: (Kind.SUBMISSION, "needs-review", {O}, set()),
    Action.SUBMISSION_REJECT: (Kind.SUBMISSION, "needs-review", {O}, set()),
    Action.SUBMISSION_READ_QUARANTINE: (Kind.SUBMISSION, "needs-review", {O}, set()),
    Action.SECRECY_SHOW: (Kind.SUBMISSION, "rejected", {Y}, {Y}),
    Action.SECRECY_READMIT: (Kind.SUBMISSION, "rejected", {Y}, {Y}),
    Action.SECRECY_DESTROY: (Kind.SUBMISSION, "rejected", {Y}, {Y}),
    Action.DATASET_LIST: (Kind.DATASET, "published", {O, P, C, A}, {O, P, C, A}),
    Action.DATASET_SHOW: (Kind.DATASET, "published", {O, P, C, A}, {O, P, C, A}),
    Action.DATASET_PUBLISH: (Kind.DATASET, "draft", {O}, set()),
    Action.DATASET_WITHDRAW_PATIENT: (Kind.DATASET, "published", {O}, set()),
    Action.DATASET_MERGE_PATIENTS: (Kind.DATASET, "published", {O}, set()),
    Action.DATASET_DESCRIBE: (Kind.DATASET, "published", {O}, set()),
    Action.DATASET_MEASURE: (Kind.DATASET, "published", {O}, set()),
    Action.DATASET_COUNT: (Kind.DATASET, "published", {P}, {P}),
    Action.DATASET_LINEAGE: (Kind.DATASET, "published", {O, C, A}, {C, A}),
    Action.DATASET_USE: (Kind.DATASET, "published", {O, C, A}, {C, A}),
    Action.DATASET_ASSESS: (Kind.DATASET, "published", {O, C, A}, {C, A}),
    Action.DATASET_LEAVE: (Kind.DATASET, "published", {O}, set()),
    Action.DATASET_TAKE_OUT: (Kind.DATASET, "published", {O}, set()),
    Action.PERMIT_CREATE: (Kind.PERMIT, "draft", {P}, set()),
    Action.PERMIT_AMEND: (Kind.PERMIT, "returned", {P}, set()),
    Action.PERMIT_RENEW: (Kind.PERMIT, "active", {P}, set()),
    Action.PERMIT_CLOSE: (Kind.PERMIT, "active", {P}, set()),
    Action.PERMIT_SIGN: (Kind.PERMIT, "approved", {P}, set()),
    Action.PERMIT_REVIEW_OWNER: (Kind.PERMIT, "submitted", {O}, set()),
    Action.PERMIT_SIGN_OWNER: (Kind.PERMIT, "approved", {O}, set()),
    Action.RUN_START: (Kind.PERMIT, "active", {P}, set()),
    Action.RUN_CHECKPOINT: (Kind.PERMIT, "active", {P}, set()),
    Action.RUN_RELEASE: (Kind.PERMIT, "active", {P}, set()),
    Action.EXTRACT_PREPARE: (Kind.PERMIT, "active", {P}, set()),
    Action.EXTRACT_SHOW: (Kind.EXTRACT, "prepared", {P, C, A}, {C, A}),
    Action.EXTRACT_FETCH: (Kind.EXTRACT, "prepared", {P}, set()),
    Action.RIGHTS_FILE: (Kind.RIGHTS, "received", {O}, set()),
    Action.RIGHTS_SHOW: (Kind.RIGHTS, "received", {O, C, A}, {C, A}),
    Action.RIGHTS_DECIDE: (Kind.RIGHTS, "received", {O}, set()),
    Action.INCIDENT_SHOW: (Kind.INCIDENT, "open", {O, C, A, S, K}, {C, A, S, K}),
    Action.INCIDENT_RECORD: (Kind.INCIDENT, "open", {C, K}, {C, K}),
    Action.INCIDENT_SUBJECTS: (Kind.INCIDENT, "open", {O}, set()),
    Action.PERMIT_SUBMIT: (Kind.PERMIT, "draft", {P}, set()),
    Action.PERMIT_SHOW: (Kind.PERMIT, "active", {O, P, C, A}, {C, A}),
    Action.PERMIT_REVIEW: (Kind.PERMIT, "submitted", {C}, {C}),
    Action.PERMIT_APPROVE: (Kind.PERMIT, "submitted", {C}, {C}),
    Action.PERMIT_RETURN: (Kind.PERMIT, "submitted", {C}, {C}),
    Action.PERMIT_REJECT: (Kind.PERMIT, "submitted", {C}, {C}),
    Action.PERMIT_REVOKE: (Kind.PERMIT, "active", {C}, {C}),
    Action.RUN_SUBMIT: (Kind.PERMIT, "active", {P}, set()),
    Action.RUN_SHOW: (Kind.RUN, "training", {P, C, A}, {C, A}),
    Action.RUN_CANCEL: (Kind.RUN, "training", {P, C}, {C}),
    Action.RELEASE_SHOW: (Kind.RELEASE, "awaiting-release", {P, C, A}, {C, A}),
    Action.RELEASE_REVIEW: (Kind.RELEASE, "awaiting-release", {C}, {C}),
    Action.RELEASE_APPROVE: (Kind.RELEASE, "awaiting-release", {C}, {C}),
    Action.RELEASE_REFUSE: (Kind.RELEASE, "awaiting-release", {C}, {C}),
    Action.RELEASE_FETCH: (Kind.RELEASE, "released", {P}, set()),
    Action.BUDGET_SHOW: (Kind.BUDGET, "", {O, P, C, A}, {C, A}),
    Action.LOG_SEARCH: (Kind.LOG, "", {C, A}, {C, A}),
    Action.LOG_VERIFY: (Kind.LOG, "", {C, A}, {C, A}),
    Action.LOG_EXPORT: (Kind.LOG, "", {C, A}, {C, A}),
    Action.FACILITY_SHOW: (Kind.FACILITY, "", {C, A, S, K}, {C, A, S, K}),
    Action.FACILITY_FREEZE: (Kind.FACILITY, "", {C, S, K}, {C, S, K}),
    Action.FACILITY_THAW: (Kind.FACILITY, "", {C, K}, {C, K}),
}
FROZEN = {
    Action.SUBMISSION_UPLOAD, Action.SUBMISSION_PROCESS, Action.SUBMISSION_ACCEPT, Action.SUBMISSION_READ_QUARANTINE,
    Action.SECRECY_READMIT, Action.SECRECY_DESTROY,
    Action.DATASET_PUBLISH, Action.DATASET_MEASURE, Action.DATASET_COUNT, Action.RUN_SUBMIT, Action.RUN_START,
    Action.RUN_CHECKPOINT, Action.RUN_RELEASE, Action.EXTRACT_PREPARE, Action.EXTRACT_FETCH, Action.RELEASE_APPROVE,
    Action.RELEASE_FETCH,
}  # fmt: skip
IN_FORCE = Context(now=5, not_before=5, not_after=6)


def person(role: Role, org: str = "ours") -> Person:
    return Person("wang", org, frozenset({role}))


def resource(action: Action, **changes: Any) -> Resource:
    kind, state, _, _ = TABLE[action]
    return replace(Resource(kind, "o-1", org="ours", author="li", state=state), **changes)


def test_the_table_names_every_action() -> None:
    assert set(TABLE) == set(Action)


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("action", Action)
def test_every_role_may_do_exactly_what_the_table_says(role: Role, action: Action) -> None:
    _, _, own, foreign = TABLE[action]
    assert decide(person(role), action, resource(action), IN_FORCE).allowed is (role in own)
    assert decide(person(role, "theirs"), action, resource(action), IN_FORCE).allowed is (role in foreign)


STATES: dict[Kind, tuple[str, ...]] = {
    Kind.SUBMISSION: tuple(SubmissionState),
    Kind.DATASET: ("", *VersionState),
    Kind.PERMIT: tuple(PermitState),
    Kind.RUN: tuple(RunState),
    Kind.RELEASE: tuple(RunState),
    Kind.EXTRACT: tuple(ExtractState),
    Kind.RIGHTS: tuple(RightsState),
    Kind.INCIDENT: tuple(IncidentState),
}
# Action -> the only states in which what the first table says holds; an action that is not named: every state
ONLY_IN: dict[Action, set[str]] = {
    Action.SECRECY_SHOW: {"rejected"},
    Action.SECRECY_READMIT: {"rejected"},
    Action.SECRECY_DESTROY: {"rejected"},
    Action.DATASET_COUNT: {"published"},
    Action.RUN_SUBMIT: {"active"},
    Action.RUN_START: {"active"},
    Action.RUN_CHECKPOINT: {"active"},
    Action.RUN_RELEASE: {"active", "expired"},
    Action.EXTRACT_PREPARE: {"active"},
    Action.EXTRACT_FETCH: {"prepared", "delivered"},
    Action.RELEASE_FETCH: {"released"},
    Action.PERMIT_REVIEW_OWNER: set(PermitState) - {"draft"},
    Action.PERMIT_SIGN_OWNER: set(PermitState) - {"draft"},
}
# Action -> roles that only may while it is published or, of the second, no draft
PUBLISHED_ONLY = {Action.DATASET_LIST: {P}, Action.DATASET_SHOW: {P}}
NO_DRAFT = {Action.PERMIT_SHOW: {O}}


def expected(action: Action, role: Role, state: str, own: bool) -> bool:
    """Return what the two tables say about one role, action and state."""
    _, _, mine, foreign = TABLE[action]
    if state not in ONLY_IN.get(action, {state}) or (state == "draft" and role in NO_DRAFT.get(action, ())):
        return False
    limited = action in PUBLISHED_ONLY and (role is P or (role is O and not own))
    return role in (mine if own else foreign) and (state == "published" or not limited)


@pytest.mark.parametrize("action", Action)
def test_every_role_in_every_state_may_do_exactly_what_the_tables_say(action: Action) -> None:
    wrong = [
        (role, state, own)
        for role in Role
        for state in STATES.get(TABLE[action][0], ("",))
        for own in (True, False)
        if decide(
            person(role, "ours" if own else "theirs"), action, resource(action, state=str(state)), IN_FORCE
        ).allowed
        is not expected(action, role, str(state), own)
    ]
    assert wrong == []


@pytest.mark.parametrize(
    "action",
    [Action.PERMIT_SUBMIT, Action.RUN_SUBMIT, Action.RUN_START, Action.RUN_CHECKPOINT, Action.RUN_RELEASE,
     Action.EXTRACT_PREPARE],
)  # fmt: skip
def test_human_genetic_resources_do_not_go_to_a_foreign_party(action: Action) -> None:
    for genomic, foreign in ((True, False), (False, True)):
        check(person(P), action, resource(action, genomic=genomic), replace(IN_FORCE, foreign=foreign))
    with pytest.raises(Refused, match="foreign party"):
        check(person(P), action, resource(action, genomic=True), replace(IN_FORCE, foreign=True))


@pytest.mark.parametrize("level", range(1, 6))
def test_the_level_of_the_data_decides_who_sees_them_and_who_trains(level: int) -> None:
    may_see = {role for role in Role if decide(person(role), Action.DATASET_SHOW, about(level), IN_FORCE).allowed}
    assert may_see == ({O, P, C, A} if level <= 3 else {O, C, A})
    foreign = {r for r in Role if decide(person(r, "theirs"), Action.DATASET_LIST, about(level), IN_FORCE).allowed}
    assert foreign == ({O, P, C, A} if level <= 3 else {C, A})
    trains = decide(person(P), Action.RUN_SUBMIT, resource(Action.RUN_SUBMIT, level=level), IN_FORCE)
    assert trains.allowed is (level < 5)


def about(level: int) -> Resource:
    return resource(Action.DATASET_SHOW, level=level)


@pytest.mark.parametrize(
    "action", [Action.PERMIT_REVIEW, Action.PERMIT_APPROVE, Action.PERMIT_RETURN, Action.PERMIT_REJECT]
)
def test_who_has_an_interest_does_not_decide(action: Action) -> None:
    check(person(C), action, resource(action))
    with pytest.raises(SeparationOfDuty, match="interest"):
        check(person(C), action, resource(action), Context(conflicted=True))


@pytest.mark.parametrize("action", sorted(FROZEN))
def test_nothing_is_read_trained_or_released_while_the_facility_is_frozen(action: Action) -> None:
    who = person(next(iter(TABLE[action][2])))
    check(who, action, resource(action), IN_FORCE)
    with pytest.raises(Frozen, match="two people"):
        check(who, action, resource(action), replace(IN_FORCE, frozen=True))


@pytest.mark.parametrize("action", sorted(set(Action) - FROZEN))
def test_a_freeze_does_not_stop_those_who_look_into_it(action: Action) -> None:
    for role in TABLE[action][2]:
        assert decide(person(role), action, resource(action), replace(IN_FORCE, frozen=True)).allowed


@pytest.mark.parametrize(("now", "allowed"), [(4, False), (5, True), (9, True), (10, False)])
def test_a_run_starts_only_while_its_permit_is_in_force(now: int, allowed: bool) -> None:
    when = Context(now=now, not_before=5, not_after=10)
    assert decide(person(P), Action.RUN_SUBMIT, resource(Action.RUN_SUBMIT), when).allowed is allowed
    if not allowed:
        with pytest.raises(PermitExpired):
            check(person(P), Action.RUN_SUBMIT, resource(Action.RUN_SUBMIT), when)


def test_without_a_permits_moments_no_run_starts() -> None:
    with pytest.raises(PermitExpired):
        check(person(P), Action.RUN_SUBMIT, resource(Action.RUN_SUBMIT))


@pytest.mark.parametrize("state", ["draft", "submitted", "approved", "expired", "revoked", "closed", ""])
def test_a_run_starts_only_under_an_active_permit(state: str) -> None:
    assert not decide(person(P), Action.RUN_SUBMIT, resource(Action.RUN_SUBMIT, state=state), IN_FORCE).allowed


@pytest.mark.parametrize(
    "action",
    [Action.PERMIT_REVIEW, Action.PERMIT_APPROVE, Action.PERMIT_RETURN, Action.PERMIT_REJECT, Action.RELEASE_REVIEW,
     Action.RELEASE_APPROVE],
)  # fmt: skip
def test_the_author_does_not_decide_on_his_own_request(action: Action) -> None:
    with pytest.raises(SeparationOfDuty, match="another person"):
        check(person(C), action, resource(action, author="wang"))


@pytest.mark.parametrize("action", [Action.SECRECY_READMIT, Action.SECRECY_DESTROY])
def test_who_handed_records_in_does_not_decide_on_them_when_they_are_held(action: Action) -> None:
    with pytest.raises(SeparationOfDuty, match="another person"):
        check(person(Y), action, resource(action, author="wang"))


@pytest.mark.parametrize("action", [Action.DATASET_LIST, Action.DATASET_SHOW])
def test_a_draft_is_seen_by_its_hospital_and_the_reviewers(action: Action) -> None:
    draft = resource(action, state="draft")
    assert {role for role in Role if decide(person(role), action, draft).allowed} == {O, C, A}
    assert {role for role in Role if decide(person(role, "theirs"), action, draft).allowed} == {C, A}


@pytest.mark.parametrize("state", ["training", "awaiting-release", "refused", "cancelled"])
def test_a_model_is_fetched_only_when_it_was_released(state: str) -> None:
    assert not decide(person(P), Action.RELEASE_FETCH, resource(Action.RELEASE_FETCH, state=state)).allowed


@pytest.mark.parametrize("role", Role)
def test_everybody_finds_his_own_log_entries(role: Role) -> None:
    assert decide(person(role), Action.LOG_SEARCH, Resource(Kind.LOG, "log", author="wang")).allowed


def test_a_refusal_says_no_more_than_the_rule() -> None:
    with pytest.raises(Refused, match="own hospital's officers"):
        check(person(A), Action.SUBMISSION_READ_QUARANTINE, resource(Action.SUBMISSION_READ_QUARANTINE))
    with pytest.raises(Refused, match=r"do not allow run\.show"):
        check(person(P, "theirs"), Action.RUN_SHOW, resource(Action.RUN_SHOW))


def test_what_is_remembered_is_what_is_decided() -> None:
    for role in Role:
        for action in (Action.DATASET_LIST, Action.PERMIT_SHOW, Action.RUN_SUBMIT):
            one = replace(resource(action), id="")
            assert allows(person(role), action, one) is decide(person(role), action, resource(action)).allowed


def test_an_action_on_the_wrong_kind_of_object_is_denied() -> None:
    assert decide(person(K), Action.PERSON_ADD, resource(Action.RUN_SHOW)) == Decision(allowed=False, policies=())


def test_the_deciding_rule_goes_into_the_log() -> None:
    who, what = person(C), resource(Action.PERMIT_APPROVE)
    decision = check(who, Action.PERMIT_APPROVE, what)
    entry = entry_of(decision, who, Action.PERMIT_APPROVE, what, "2026-01-02T03:04:05Z", permit="o-1", facts={"n": 1})
    assert (entry.policies, entry.decision, entry.permit) == (("compliance-decides-permits",), "allow", "o-1")
    denied = decide(who, Action.PERMIT_APPROVE, replace(what, author="wang"))
    entry = entry_of(denied, who, Action.PERMIT_APPROVE, what, "2026-01-02T03:04:05Z")
    assert (entry.policies, entry.decision) == (("not-the-author",), "deny")
    assert isinstance(refusal(denied, Action.PERMIT_APPROVE), SeparationOfDuty)


def spoiled(folder: Path, old: str, new: str) -> Path:
    for name in ("access.cedar", "schema.cedarschema"):
        text = (FOLDER / name).read_text("utf-8")
        (folder / name).write_text(text.replace(old, new) if name == "access.cedar" else text, "utf-8")
    assert old in (FOLDER / "access.cedar").read_text("utf-8")
    return folder


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("resource.state ==", "resource.staet =="),
        ('MT::Action::"run.submit"', 'MT::Action::"run.sumbit"'),
        ('principal in MT::Role::"partner"', 'principal in MT::Rolle::"partner"'),
        ("permit (", "permitt ("),
        ('@id("frozen")', ""),
        ('@id("own-budget")', '@id("frozen")'),
    ],
    ids=["attribute", "action", "type", "keyword", "no id", "same id twice"],
)
def test_a_mistake_in_the_rules_is_found_when_they_are_loaded(tmp_path: Path, old: str, new: str) -> None:
    with pytest.raises(BadRules):
        rules(spoiled(tmp_path, old, new))


def test_rules_with_an_error_at_decision_time_deny(tmp_path: Path) -> None:
    overflow = "resource.org == principal.org && context.now + 9223372036854775807 > 0"
    broken = rules(spoiled(tmp_path, "resource.org == principal.org", overflow))
    assert not decide(person(P), Action.PERMIT_CREATE, resource(Action.PERMIT_CREATE), IN_FORCE, broken).allowed


def test_no_policies_allow_nothing(tmp_path: Path) -> None:
    (tmp_path / "access.cedar").write_text("")
    (tmp_path / "schema.cedarschema").write_text((FOLDER / "schema.cedarschema").read_text())
    nothing = rules(tmp_path)
    for action in Action:
        assert not any(decide(person(role), action, resource(action), IN_FORCE, nothing).allowed for role in Role)
