"""Who may do what: Cedar rules, validated against their schema when they are loaded; nothing is allowed by default.

Source: Cedar policy language 4 (cedarpolicy.com). The rules are ``rules/access.cedar``, the types
``rules/schema.cedarschema``.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import cedarpy

from policies.entry import Entry, Fact
from policies.errors import BadMapping, Frozen, PermitExpired, Refused, SeparationOfDuty
from policies.people import Person

FOLDER = Path(__file__).parent / "rules"


class BadRules(BadMapping):
    """The access rules do not fit their schema; the service does not start with them."""

    code = "bad-rules"


class Kind(StrEnum):
    """The kinds of object that rules speak about."""

    PERSON = "Person"
    SUBMISSION = "Submission"
    DATASET = "Dataset"
    PERMIT = "Permit"
    RUN = "Run"
    RELEASE = "Release"
    BUDGET = "Budget"
    LOG = "Log"
    FACILITY = "Facility"
    EXTRACT = "Extract"
    RIGHTS = "Rights"
    INCIDENT = "Incident"


class Action(StrEnum):
    """Everything that can be asked; the same words stand in the access log."""

    PERSON_ADD = "person.add"
    PERSON_LIST = "person.list"
    PERSON_RETIRE = "person.retire"
    TOKEN_ISSUE = "token.issue"  # noqa: S105  # an action's name
    TOKEN_REVOKE = "token.revoke"  # noqa: S105  # an action's name
    SUBMISSION_CREATE = "submission.create"
    SUBMISSION_UPLOAD = "submission.upload"
    SUBMISSION_PROCESS = "submission.process"
    SUBMISSION_SHOW = "submission.show"
    SUBMISSION_REPORT = "submission.report"
    SUBMISSION_ACCEPT = "submission.accept"
    SUBMISSION_REJECT = "submission.reject"
    SUBMISSION_READ_QUARANTINE = "submission.read-quarantine"
    SECRECY_SHOW = "secrecy.show"  # the resource of these three is a submission that is held
    SECRECY_READMIT = "secrecy.readmit"
    SECRECY_DESTROY = "secrecy.destroy"
    DATASET_LIST = "dataset.list"
    DATASET_SHOW = "dataset.show"
    DATASET_PUBLISH = "dataset.publish"
    DATASET_WITHDRAW_PATIENT = "dataset.withdraw-patient"
    DATASET_MERGE_PATIENTS = "dataset.merge-patients"
    DATASET_DESCRIBE = "dataset.describe"
    DATASET_MEASURE = "dataset.measure"  # charged statistics and previews: once for each version
    DATASET_COUNT = "dataset.count"  # a partner's charged feasibility count
    DATASET_LINEAGE = "dataset.lineage"
    DATASET_USE = "dataset.use"  # a hospital's own view of how its patients' data were used
    DATASET_ASSESS = "dataset.assess"
    DATASET_LEAVE = "dataset.leave"
    DATASET_TAKE_OUT = "dataset.take-out"
    PERMIT_CREATE = "permit.create"
    PERMIT_SUBMIT = "permit.submit"
    PERMIT_SHOW = "permit.show"
    PERMIT_REVIEW = "permit.review"
    PERMIT_APPROVE = "permit.approve"
    PERMIT_RETURN = "permit.return"
    PERMIT_REJECT = "permit.reject"
    PERMIT_REVOKE = "permit.revoke"
    PERMIT_AMEND = "permit.amend"
    PERMIT_RENEW = "permit.renew"
    PERMIT_CLOSE = "permit.close"
    PERMIT_SIGN = "permit.sign"
    PERMIT_REVIEW_OWNER = "permit.review-owner"  # of these two the resource's organisation is the dataset's owner
    PERMIT_SIGN_OWNER = "permit.sign-owner"
    RUN_SUBMIT = "run.submit"  # the resource of these four is the permit
    RUN_START = "run.start"
    RUN_CHECKPOINT = "run.checkpoint"
    RUN_RELEASE = "run.release"
    RUN_SHOW = "run.show"
    RUN_CANCEL = "run.cancel"
    RELEASE_SHOW = "release.show"
    RELEASE_REVIEW = "release.review"
    RELEASE_APPROVE = "release.approve"
    RELEASE_REFUSE = "release.refuse"
    RELEASE_FETCH = "release.fetch"
    BUDGET_SHOW = "budget.show"
    LOG_SEARCH = "log.search"  # the resource's author is the actor whose entries are asked for; empty means all
    LOG_VERIFY = "log.verify"
    LOG_EXPORT = "log.export"
    FACILITY_SHOW = "facility.show"
    FACILITY_FREEZE = "facility.freeze"
    FACILITY_THAW = "facility.thaw"
    EXTRACT_PREPARE = "extract.prepare"  # the resource is the permit
    EXTRACT_SHOW = "extract.show"
    EXTRACT_FETCH = "extract.fetch"
    RIGHTS_FILE = "rights.file"
    RIGHTS_SHOW = "rights.show"
    RIGHTS_DECIDE = "rights.decide"
    INCIDENT_SHOW = "incident.show"
    INCIDENT_RECORD = "incident.record"
    INCIDENT_SUBJECTS = "incident.subjects"  # the resource's organisation is the dataset's owner


@dataclass(frozen=True, slots=True)
class Resource:
    """What an action is done to, as the rules see it.

    Attributes:
        org: The organisation it belongs to: the hospital of records, the holder of a permit, run or release.
        author: The id of the person who made or asked for it.
        state: A value of ``policies.states``, or empty.
        level: Classification of the data it is about, 1 (open) to 5 (strictly limited); 0 where there is none
            (GB/T 39725-2020, 6.2).
        genomic: Whether these are human genetic resources.
    """

    kind: Kind
    id: str
    org: str = ""
    author: str = ""
    state: str = ""
    level: int = 0
    genomic: bool = False


@dataclass(frozen=True, slots=True)
class Context:
    """The circumstances: whether the emergency stop is on, and times in seconds since 1970.

    A permit holds from ``not_before`` on and until just before ``not_after``. The defaults hold for no moment at all,
    so that an action which needs a permit is refused when none was given.

    Attributes:
        foreign: A party of the permit is, or works from, abroad.
        conflicted: Who decides has an interest in what is decided.
    """

    frozen: bool = False
    now: int = 0
    not_before: int = 0
    not_after: int = 0
    foreign: bool = False
    conflicted: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer, and the ids of the rules that gave it; none when no rule permits."""

    allowed: bool
    policies: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rules:
    """A set of rules, parsed and validated.

    Attributes:
        policies: Action -> the rules whose scope names it. The others cannot speak about it, and cost time.
        schema: The types.
    """

    policies: Mapping[str, Any]
    schema: Any


_REFUSALS: dict[str, tuple[type[Refused], str]] = {
    "frozen": (Frozen, "the facility is frozen: nothing is read, trained or released until two people lift it"),
    "permit-in-force": (PermitExpired, "the permit is not in force at this moment"),
    "not-the-author": (SeparationOfDuty, "the author cannot decide on his own request; another person must"),
    "conflict-of-interest": (SeparationOfDuty, "who has an interest in an application does not decide on it"),
    "genetic-resources-stay": (Refused, "human genetic resources are not provided to a foreign party"),
    "level-decides-who-sees": (Refused, "data of this classification level are not shown to your role"),
    "no-training-on-level-five": (Refused, "data of classification level 5 are used for no purpose but care"),
    "records-stay-with-their-hospital": (Refused, "records are read by their own hospital's officers only"),
}
_NOBODY = Context()


@cache
def rules(folder: Path = FOLDER) -> Rules:
    """Return the rules of a folder, parsed once.

    Raises:
        BadRules: a rule does not parse, has no id of its own, or uses a word that the schema does not know.
    """
    text = (folder / "access.cedar").read_text("utf-8")
    types = (folder / "schema.cedarschema").read_text("utf-8")
    try:
        checked = cedarpy.validate_policies(text, types)
        wrong = "; ".join(str(problem) for problem in checked.errors)
        static = json.loads(cedarpy.policies_to_json_str(text))["staticPolicies"]
        loaded = Rules(
            {action.value: _speaking_of(action, static) for action in Action}, cedarpy.Schema.from_str(types)
        )
    except ValueError as problem:
        raise BadRules(f"the access rules do not parse: {problem}") from None
    if not checked.validation_passed:
        raise BadRules(f"the access rules do not fit their schema: {wrong}")
    ids = [rule.get("annotations", {}).get("id") for rule in static.values()]
    if None in ids or len(set(ids)) != len(ids):
        raise BadRules("every access rule needs an id of its own")
    return loaded


def decide(
    person: Person, action: Action, resource: Resource, context: Context = _NOBODY, loaded: Rules | None = None
) -> Decision:
    """Return whether the rules allow it, and which of them said so. Deny is the default, and what an error gives."""
    active = loaded or rules()
    answer = cedarpy.is_authorized(
        {
            "principal": _uid("User", person.id),
            "action": _uid("Action", action.value),
            "resource": _uid(resource.kind.value, resource.id),
            "context": {
                "frozen": context.frozen,
                "now": context.now,
                "not_before": context.not_before,
                "not_after": context.not_after,
                "foreign": context.foreign,
                "conflicted": context.conflicted,
            },
        },
        active.policies[action.value],
        _entities(person, resource),
        active.schema,
    )
    allowed = bool(answer.allowed) and not answer.diagnostics.errors
    return Decision(allowed, tuple(sorted(answer.diagnostics.id_annotations_by_reason.values())))


@lru_cache(maxsize=65_536)
def allows(person: Person, action: Action, resource: Resource) -> bool:
    """Return whether the rules in force allow it in no particular circumstances: for lists and buttons.

    Remembered, since the answer depends on nothing else; no rule knows an object by its id, so callers leave it out.
    """
    return decide(person, action, resource).allowed


def check(
    person: Person, action: Action, resource: Resource, context: Context = _NOBODY, loaded: Rules | None = None
) -> Decision:
    """Return the decision that allows it.

    Raises:
        Refused: the rules do not allow it: ``Frozen``, ``PermitExpired`` or ``SeparationOfDuty`` where one of these
            was the ground.
    """
    decision = decide(person, action, resource, context, loaded)
    if not decision.allowed:
        raise refusal(decision, action)
    return decision


def refusal(decision: Decision, action: Action) -> Refused:
    """Return the error that says why a decision was no."""
    for policy, (kind, sentence) in _REFUSALS.items():
        if policy in decision.policies:
            return kind(sentence)
    return Refused(f"your roles and organisation do not allow {action.value} on this")


def entry_of(
    decision: Decision,
    person: Person,
    action: Action,
    resource: Resource,
    at: str,
    *,
    permit: str | None = None,
    facts: Mapping[str, Fact] | None = None,
) -> Entry:
    """Return the log entry of a decision; ``at`` is the moment as ``policies.entry.stamp`` writes it."""
    return Entry(
        at=at,
        actor=person.id,
        action=action.value,
        kind=resource.kind.value.lower(),
        object=resource.id,
        decision="allow" if decision.allowed else "deny",
        permit=permit,
        policies=decision.policies,
        facts=facts or {},
    )


def _speaking_of(action: Action, static: Mapping[str, Any]) -> Any:
    """Return the rules whose scope names an action, or every action."""
    wanted = _uid("Action", action.value)
    chosen = {
        name: rule
        for name, rule in static.items()
        if wanted in (rule["action"].get("entities") or [rule["action"].get("entity", wanted)])
    }
    whole = {"staticPolicies": chosen, "templates": {}, "templateLinks": []}
    return cedarpy.PolicySet.from_json_str(json.dumps(whole))


def _uid(kind: str, name: str) -> dict[str, str]:
    return {"type": f"MT::{kind}", "id": name}


@lru_cache(maxsize=4096)
def _entities(person: Person, resource: Resource) -> Any:
    """Return who asks and what it is about, as Cedar reads them; the same two come again within one request."""
    roles = [_uid("Role", role.value) for role in sorted(person.roles)]
    about = {
        "org": resource.org,
        "author": resource.author,
        "state": resource.state,
        "level": resource.level,
        "genomic": resource.genomic,
    }
    whole = [
        {"uid": _uid("User", person.id), "attrs": {"id": person.id, "org": person.org}, "parents": roles},
        {"uid": _uid(resource.kind.value, resource.id), "attrs": about, "parents": []},
        *({"uid": uid, "attrs": {}, "parents": []} for uid in roles),
    ]
    return cedarpy.Entities.from_json_str(json.dumps(whole))
