"""Submissions: who may hand in, what is refused, and that the same request twice is one submission."""

import threading
from typing import Any

import pytest

from datasets.manifest import from_dict
from datasets.vault import Blob
from policies.errors import (
    BadArchive,
    BadInput,
    BadMapping,
    Conflict,
    Frozen,
    IllegalTransition,
    MedtrainError,
    Misuse,
    NotFound,
    Refused,
    Shredded,
)
from policies.states import SubmissionState, VersionState
from service import staff, submissions
from service.database import reading, unit_of_work
from service.models import DatasetRow, SubmissionRow, UploadRow, VersionRow
from tests.service.verbs.small_facility import MAPPING, Small, count, entry_for, publish, sha256, zipped

ARCHIVE = zipped({"zhang-san.csv": b"ID\n1\n"})
OUTSIDERS = ("qian", "lin", "wu", "audit", "system", "security")


def request(**changes: Any) -> dict[str, Any]:
    asked = {"dataset": "fresh", "mapping": MAPPING, "profile": "cn_enclave", "data_class": "sensitive"}
    return {**asked, "declared_patients": 10, **changes}


def received(small: Small, **changes: Any) -> str:
    return str(submissions.create(small.facility, small.zhou, request(**changes))["id"])


def uploaded(small: Small, **changes: Any) -> str:
    made = received(small, **changes)
    submissions.upload(small.facility, small.zhou, made, ARCHIVE, sha256(ARCHIVE))
    return made


def moved(small: Small, submission: str, *states: SubmissionState, **document: Any) -> None:
    for state in states:
        with unit_of_work(small.facility.database, small.clock) as work:
            row = work.session.get_one(SubmissionRow, submission)
            row.state, row.document = state, {**row.document, **document}
            work.add(entry_for(small.facility))


PROCESSED = (
    SubmissionState.PROFILED,
    SubmissionState.MAPPED,
    SubmissionState.PROCESSING,
    SubmissionState.NEEDS_REVIEW,
)


def drafted(small: Small) -> str:
    """Return a submission that waits for review, with its draft of the published dataset's second version."""
    import polars as pl

    from datasets.manifest import Sources
    from datasets.versions import DataClass

    facility, made = small.facility, uploaded(small, dataset="net", data_class="demonstration")
    manifest = facility.store.write(
        "net",
        {"person": pl.DataFrame({"patient": ["a", "b"]})},
        data_class=DataClass.DEMONSTRATION,
        sources=Sources("0" * 64, "0" * 64, "0" * 64, (made,)),
        entry=entry_for(facility),
        buckets=2,
        previous=facility.newest("net"),
    )
    with unit_of_work(facility.database, small.clock) as work:
        row = VersionRow(
            dataset="net", number=2, state=VersionState.DRAFT, digest=None, envelope=None, created_at=work.now()
        )
        row.document = {"manifest": manifest.as_dict(), "submission": made}
        work.session.add(row)
        work.add(entry_for(facility))
    moved(small, made, *PROCESSED, version=2, report={"totals": {}}, report_html="<p>", quarantined=[{"reason": "x"}])
    return made


def version(small: Small, number: int = 2) -> VersionRow:
    with reading(small.facility.database) as session:
        return session.get_one(VersionRow, ("net", number))


def state(small: Small, submission: str) -> str:
    return str(submissions.show(small.facility, small.zhou, submission)["state"])


def test_the_same_key_is_the_same_submission_and_another_content_is_a_conflict(both: Small) -> None:
    first = submissions.create(both.facility, both.zhou, request(), key="k")
    assert submissions.create(both.facility, both.zhou, request(), key="k") == first
    assert count(both.facility, SubmissionRow) == 1
    for change in ({"data_class": "demonstration"}, {"dataset": "another"}, {"mapping": f"{MAPPING}# note\n"}):
        with pytest.raises(Conflict):
            submissions.create(both.facility, both.zhou, request(**change), key="k")
    with pytest.raises(Conflict):
        submissions.create(both.facility, both.zhou, request(declared_patients=11), key="k")
    assert submissions.create(both.facility, both.qian, request(dataset="q1"), key="k")["id"] != first["id"]
    assert submissions.create(both.facility, both.zhou, request())["id"] != first["id"]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"dataset": "Big"}, Misuse),
        ({"dataset": "x"}, Misuse),
        ({"data_class": "secret"}, Misuse),
        ({"declared_patients": 0}, Misuse),
        ({"declared_patients": None}, Misuse),
        ({"mapping": "sources: ["}, BadMapping),
        ({"mapping": "schema: medtrain.mapping/1"}, BadMapping),
        ({"profile": "no-such-profile"}, MedtrainError),
        ({"profile": "../budget"}, MedtrainError),
    ],
)
def test_a_request_that_breaks_a_rule_leaves_nothing_behind(small: Small, change: Any, error: Any) -> None:
    with pytest.raises(error):
        submissions.create(small.facility, small.zhou, request(**change))
    assert count(small.facility, SubmissionRow) == 0
    assert count(small.facility, DatasetRow) == 1


def test_a_dataset_stays_with_its_owner_and_class(small: Small) -> None:
    received(small)
    with pytest.raises(Conflict):
        submissions.create(small.facility, small.qian, request())
    with pytest.raises(Conflict):
        received(small, data_class="demonstration")


def test_the_owner_may_declare_more_patients_later_and_never_fewer(both: Small) -> None:
    for declared, bound in ((10, 10), (30, 30), (20, 30)):
        received(both, declared_patients=declared)
        with reading(both.facility.database) as session:
            assert session.get_one(DatasetRow, "fresh").document["declared_patients"] == bound


@pytest.mark.parametrize("who", ["lin", "wu", "audit", "system", "security"])
def test_only_a_data_officer_hands_in(small: Small, who: str) -> None:
    with pytest.raises(Refused):
        submissions.create(small.facility, small.people[who], request())
    assert small.denials(who) == [("submission.create", "refused")]


@pytest.mark.parametrize("who", OUTSIDERS)
def test_nobody_else_touches_a_hospitals_records(small: Small, who: str) -> None:
    made, person, facility = drafted(small), small.people[who], small.facility
    for attempt in (
        lambda: submissions.upload(facility, person, made, ARCHIVE, sha256(ARCHIVE)),
        lambda: submissions.check_processing(facility, person, made),
        lambda: submissions.accept(facility, person, made),
        lambda: submissions.reject(facility, person, made, "no"),
        lambda: submissions.quarantine(facility, person, made),
    ):
        with pytest.raises(Refused):
            attempt()
    assert len(small.denials(who)) == 5
    assert state(small, made) == "needs-review"


@pytest.mark.parametrize("who", ["qian", "lin", "system", "security"])
def test_a_partner_or_another_hospital_sees_no_submission(small: Small, who: str) -> None:
    made, person = drafted(small), small.people[who]
    assert submissions.listing(small.facility, person) == []
    for look in (submissions.show, submissions.report):
        with pytest.raises(Refused):
            look(small.facility, person, made)


@pytest.mark.parametrize("who", ["zhou", "wu", "audit"])
def test_its_officer_and_reviewers_see_state_and_report(small: Small, who: str) -> None:
    made, person = drafted(small), small.people[who]
    assert [one["id"] for one in submissions.listing(small.facility, person)] == [made]
    assert submissions.show(small.facility, person, made)["version"] == 2
    assert submissions.report(small.facility, person, made) == {"report": {"totals": {}}, "html": "<p>"}


def test_refused_rows_are_listed_for_their_own_officer_once_there_are_any(small: Small) -> None:
    assert submissions.quarantine(small.facility, small.zhou, received(small)) == []
    assert submissions.quarantine(small.facility, small.zhou, drafted(small)) == [{"reason": "x"}]


def test_there_is_no_report_before_processing_and_no_submission_of_another_name(small: Small) -> None:
    with pytest.raises(NotFound, match="no report yet"):
        submissions.report(small.facility, small.zhou, received(small))
    with pytest.raises(NotFound, match="no such submission"):
        submissions.show(small.facility, small.zhou, "s-none")


def test_an_upload_is_kept_encrypted_and_the_same_one_again_changes_nothing(both: Small) -> None:
    made = uploaded(both)
    submissions.upload(both.facility, both.zhou, made, ARCHIVE, sha256(ARCHIVE).upper())
    assert count(both.facility, UploadRow) == 1
    for path in both.facility.settings.home.rglob("*"):
        assert not path.is_file() or b"zhang-san.csv" not in path.read_bytes()


def test_another_upload_to_the_same_submission_is_a_conflict(small: Small) -> None:
    made, other = uploaded(small), zipped({"people.csv": b"ID\n2\n"})
    with pytest.raises(Conflict):
        submissions.upload(small.facility, small.zhou, made, other, sha256(other))


def test_a_damaged_upload_is_refused_before_it_is_kept(small: Small) -> None:
    made = received(small)
    with pytest.raises(BadInput, match="SHA-256"):
        submissions.upload(small.facility, small.zhou, made, ARCHIVE, "0" * 64)
    with pytest.raises(BadArchive):
        submissions.upload(small.facility, small.zhou, made, b"PK", sha256(b"PK"))
    assert count(small.facility, UploadRow) == 0
    with pytest.raises(Conflict, match="nothing has been uploaded"):
        submissions.check_processing(small.facility, small.zhou, made)


def test_nothing_is_uploaded_once_processing_has_begun(small: Small) -> None:
    made = uploaded(small)
    moved(small, made, SubmissionState.PROFILED)
    with pytest.raises(IllegalTransition):
        submissions.upload(small.facility, small.zhou, made, ARCHIVE, sha256(ARCHIVE))
    assert small.denials("zhou") == [("submission.upload", "illegal-transition")]


def test_one_submission_to_a_dataset_is_processed_at_a_time(small: Small) -> None:
    first, second = uploaded(small), uploaded(small)
    assert submissions.check_processing(small.facility, small.zhou, first).id == first
    moved(small, first, SubmissionState.PROFILED)
    assert submissions.check_processing(small.facility, small.zhou, first).state is SubmissionState.PROFILED
    with pytest.raises(Conflict, match="under way"):
        submissions.check_processing(small.facility, small.zhou, second)
    submissions.reject(small.facility, small.zhou, first, "wrong export")
    assert submissions.check_processing(small.facility, small.zhou, second).id == second


def test_accepting_publishes_the_draft_and_accepting_again_changes_nothing(both: Small) -> None:
    made = drafted(both)
    assert submissions.accept(both.facility, both.zhou, made)["state"] == "accepted"
    assert version(both).state is VersionState.PUBLISHED
    assert both.facility.manifest_of("net", 2).content == from_dict(version(both).document["manifest"]).content
    entries = both.actions()
    assert submissions.accept(both.facility, both.zhou, made)["state"] == "accepted"
    assert both.actions() == entries
    with pytest.raises(IllegalTransition):
        submissions.reject(both.facility, both.zhou, made, "too late")


def test_an_acceptance_that_a_crash_cut_off_behind_the_commit_is_made_whole(small: Small) -> None:
    made = drafted(small)
    small.facility.store.commit(from_dict(version(small).document["manifest"]))
    assert submissions.accept(small.facility, small.zhou, made)["state"] == "accepted"


def test_nothing_is_accepted_before_it_was_processed(small: Small) -> None:
    made = uploaded(small)
    with pytest.raises(IllegalTransition):
        submissions.accept(small.facility, small.zhou, made)
    assert state(small, made) == "received"


def test_rejecting_withdraws_the_draft_and_destroys_the_upload(both: Small) -> None:
    made = drafted(both)
    with reading(both.facility.database) as session:
        blob = Blob(**session.get_one(UploadRow, f"{made}.archive").document)
    told = submissions.reject(both.facility, both.zhou, made, "an identifier in column 张三 " * 30)
    assert (told["state"], len(told["reason"])) == ("rejected", 200)
    assert version(both).state is VersionState.WITHDRAWN
    with pytest.raises(Shredded):
        both.facility.vault.get(blob)
    assert submissions.reject(both.facility, both.zhou, made, "again")["state"] == "rejected"
    with pytest.raises(IllegalTransition):
        submissions.accept(both.facility, both.zhou, made)


def test_a_submission_without_upload_can_be_rejected(small: Small) -> None:
    assert submissions.reject(small.facility, small.zhou, received(small), "none")["state"] == "rejected"


def test_the_emergency_stop_holds_everything_that_touches_records(small: Small) -> None:
    made = drafted(small)
    staff.freeze(small.facility, small.wu, "incident")
    for attempt in (
        lambda: submissions.upload(small.facility, small.zhou, made, ARCHIVE, sha256(ARCHIVE)),
        lambda: submissions.check_processing(small.facility, small.zhou, made),
        lambda: submissions.accept(small.facility, small.zhou, made),
        lambda: submissions.quarantine(small.facility, small.zhou, made),
    ):
        with pytest.raises(Frozen):
            attempt()
    assert {code for _, code in small.denials("zhou")} == {"frozen"}


def test_two_officers_who_press_accept_at_once_publish_one_version(both: Small) -> None:
    made, said = drafted(both), []
    threads = [
        threading.Thread(target=lambda: said.append(submissions.accept(both.facility, both.zhou, made)["state"]))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said == ["accepted", "accepted"]
    assert both.actions().count("submission.accept") == 1


def test_a_second_dataset_does_not_wait_for_the_first(small: Small) -> None:
    publish(small.facility, dataset="second")
    moved(small, uploaded(small), SubmissionState.PROFILED)
    other = uploaded(small, dataset="second", data_class="demonstration")
    assert submissions.check_processing(small.facility, small.zhou, other).id == other
