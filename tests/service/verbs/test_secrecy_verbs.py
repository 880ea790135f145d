"""Restricted documents: held before anything is processed, and readmitted only by reference."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from datasets.vault import Blob
from deid.mapping import parse_mapping
from deid.records import MemoryRecords
from deid.screening import screen
from deid.transform.declassify import Admission
from policies.entry import commitment
from policies.errors import Conflict, IllegalTransition, Misuse, NotFound, Refused, Restricted
from policies.genetic import GeneticResources
from policies.people import Person, Role
from service import describing, jobs, notices, permits, rounds, secrecy, staff, submissions
from service.archive import unpack
from service.cli import connection, main
from service.cli import secrecy as commands
from service.database import reading, unit_of_work
from service.log.log import Wanted
from service.models import PatientRow, SubmissionRow, UploadRow, VersionRow
from service.serving import embedded
from tests.deid import small_network as network
from tests.service.verbs.small_facility import FIRST, PEOPLE, Small, application, count, open_copy, sha256, zipped
from tests.service.verbs.test_submission_verbs import request, state

SECRET, UNIT = "机密★10年\n" + network.note(0), network.note(1) + "系96604部队战士。"
REFERENCE, OTHER, APPROVAL = "〔2024〕17号", "〔2025〕3号", "国科遗办2024CJ0123"
VCF = b"##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\n1\t1\t.\tA\tG\n"
OFFICER = Person("tan", "office", frozenset({Role.SECRECY_OFFICER}))


def records() -> dict[str, bytes]:
    return network.files(notes=[SECRET, UNIT, network.note(2)]) | {"z/x.vcf": VCF}


def handed_in(small: Small, **changes: Any) -> str:
    asked = request(mapping=network.MAPPING, declared_patients=60, **changes)
    made = str(submissions.create(small.facility, small.zhou, asked)["id"])
    body = zipped(records())
    submissions.upload(small.facility, small.zhou, made, body, sha256(body))
    return made


def held(small: Small, **changes: Any) -> str:
    """Return a submission that was held, as the job holds it."""
    made = handed_in(small, **changes)
    found = secrecy.held_back(small.facility, made)
    with unit_of_work(small.facility.database, small.clock) as work:
        assert secrecy.hold(small.facility, work, made, found) == "rejected"
    return made


@pytest.fixture
def small(small_template: tuple[Path, dict[str, str]], tmp_path: Path) -> Iterator[Small]:
    """Yield a facility with a secrecy officer, Tan."""
    made = open_copy(small_template[0], tmp_path / "home", small_template[1])
    token = staff.add(made.facility, FIRST, OFFICER.id, OFFICER.org, OFFICER.roles)["token"]
    made.people, made.tokens = {**PEOPLE, "tan": OFFICER}, {**made.tokens, "tan": token}
    yield made
    made.facility.close()


def processed(small: Small, made: str) -> str:
    submissions.check_processing(small.facility, small.zhou, made)
    jobs.begin_processing(made)
    for _ in range(600):
        if (now := state(small, made)) in ("rejected", "needs-review"):
            return now
        time.sleep(0.05)
    return now


def test_the_service_holds_restricted_documents_and_takes_them_in_once_they_are_declassified(small: Small) -> None:
    made, here = handed_in(small), small.facility
    with embedded(here) as app:
        assert processed(small, made) == "rejected"
        told = submissions.show(here, small.zhou, made)
        assert told["code"] == "restricted-content"
        assert (count(here, PatientRow), count(here, VersionRow)) == (200, 1)  # of the dataset that was there before
        found = here.log.search(Wanted(object=made, actor="service"), limit=50, before=None)
        entries = [one.entry for one in found]
        assert [one.action for one in entries] == ["submission.rejected"]
        assert dict(entries[0].facts) == {
            "classified": 1, "code": "restricted-content", "genetic_resources": 1, "military_unit": 1
        }  # fmt: skip
        assert [one["kind"] for one in notices.listing(here, OFFICER)] == ["submission-held"]
        numbers = {"2": OTHER, "all": REFERENCE}
        with connection_to(app, small.tokens["tan"]) as service:
            documents = service.get(f"/held/{made}")["documents"]
            assert service.post(
                f"/held/{made}/readmission", {"references": numbers, "genetic_approval": APPROVAL}
            )["state"] == "received"  # fmt: skip
        assert [(one["source"], one["reason"]) for one in documents] == [
            ("none", "genetic-resources"), ("notes", "classified"), ("notes", "military-unit")
        ]  # fmt: skip
        assert processed(small, made) == "needs-review"
    report = submissions.report(here, small.zhou, made)["report"]
    assert (report["secrecy"], report["classes"]) == ({}, ["genetic-resources"])
    submissions.accept(here, small.zhou, made)
    with pytest.raises(Misuse, match="genetic"):
        describing.describe(here, small.zhou, "fresh", {"genomic": False})
    asked = permits.create(here, small.lin, application(small.clock, dataset="fresh", access_country="US"))["id"]
    with pytest.raises(Refused, match="foreign party"):
        permits.submit(here, small.lin, asked)


def connection_to(app: Any, token: str) -> Any:
    @contextmanager
    def connected(*_: Any) -> Iterator[connection.Connection]:
        yield connection.Connection(token, app=app)

    return connected()


def test_what_is_held_is_seen_and_decided_by_the_secrecy_officer_alone(small: Small) -> None:
    made, here = held(small), small.facility
    assert [one["held"] for one in secrecy.listing(here, OFFICER)] == [
        {"classified": 1, "genetic-resources": 1, "military-unit": 1}
    ]
    for who in ("zhou", "qian", "lin", "wu", "audit", "system", "security"):
        assert secrecy.listing(here, small.people[who]) == []
        person = small.people[who]
        with pytest.raises(Refused):
            secrecy.show(here, person, made)
        with pytest.raises(Refused):
            secrecy.readmit(here, person, made, {"all": REFERENCE}, APPROVAL)
        with pytest.raises(Refused):
            secrecy.destroy(here, person, made)
        assert [action for action, _ in small.denials(who)] == ["secrecy.show", "secrecy.readmit", "secrecy.destroy"]
    with pytest.raises(IllegalTransition, match="secrecy officer"):
        submissions.reject(here, small.zhou, made, "away with it")
    with pytest.raises(IllegalTransition):
        submissions.upload(here, small.zhou, made, zipped({"a.csv": b"1"}), sha256(zipped({"a.csv": b"1"})))


def test_a_held_document_is_nowhere_in_the_clear_and_references_are_in_the_log_as_commitments(small: Small) -> None:
    made, here = held(small), small.facility
    secrecy.readmit(here, OFFICER, made, {"all": REFERENCE}, APPROVAL)
    entry = here.log.search(Wanted(action="secrecy.readmit"), limit=1, before=None)[0].entry
    assert (entry.actor, entry.object, entry.facts["documents"], len(entry.facts["references"])) == ("tan", made, 3, 2)
    salt = here.keystore.secret("reason", made)
    assert commitment(REFERENCE, salt) in entry.facts["references"]
    for path in here.settings.home.rglob("*"):
        assert not path.is_file() or b"96604" not in path.read_bytes()


def test_nothing_comes_back_without_a_reference_for_each_document(small: Small) -> None:
    made = held(small)
    cases: list[tuple[dict[str, str], str, type[Exception]]] = [
        ({}, APPROVAL, Restricted),
        ({"2": REFERENCE}, APPROVAL, Restricted),
        ({"all": REFERENCE}, "", GeneticResources),
        ({"all": "because"}, APPROVAL, Misuse),
        ({"all": REFERENCE}, "yes", Misuse),
        ({"all": REFERENCE, "9": REFERENCE}, APPROVAL, Misuse),
    ]
    for references, approval, error in cases:
        with pytest.raises(error):
            secrecy.readmit(small.facility, OFFICER, made, references, approval)
    assert state(small, made) == "rejected"


def test_what_is_held_outlives_the_time_of_uploads_until_it_is_destroyed(small: Small) -> None:
    made, here = held(small), small.facility
    small.clock.forward(days=4000)
    assert rounds._shred_uploads(here) == 0
    with reading(here.database) as session:
        blob = Blob(**session.get_one(UploadRow, f"{made}.archive").document)
    assert unpack(here.vault.get(blob)) == records()
    assert secrecy.destroy(here, OFFICER, made)["held"] == {}
    assert not submissions.uploaded(here, made)
    with pytest.raises(NotFound, match="nothing of this submission"):
        secrecy.readmit(here, OFFICER, made, {"all": REFERENCE}, APPROVAL)


def test_two_decisions_at_once_are_one(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    made, here = held(small), small.facility
    with reading(here.database) as session:
        old = session.get_one(SubmissionRow, made)
    monkeypatch.setattr(secrecy, "_row", lambda *_: old)  # what the second had seen
    secrecy.readmit(here, OFFICER, made, {"all": REFERENCE}, APPROVAL)
    with pytest.raises(Conflict, match="meanwhile"):
        secrecy.readmit(here, OFFICER, made, {"all": REFERENCE}, APPROVAL)


def test_an_archive_that_is_gone_does_not_come_back(small: Small) -> None:
    made = held(small)
    submissions.shred_upload(small.facility, made)
    with pytest.raises(Conflict, match="destroyed"):
        secrecy.readmit(small.facility, OFFICER, made, {"all": REFERENCE}, APPROVAL)


def test_an_approval_that_was_announced_lets_genomes_in_and_nothing_else(small: Small) -> None:
    with pytest.raises(Misuse, match="approval"):
        handed_in(small, genetic_approval="yes")
    made = held(small, genetic_approval=APPROVAL)
    assert secrecy.listing(small.facility, OFFICER)[0]["held"] == {"classified": 1, "military-unit": 1}
    assert secrecy.admission(small.facility, made) == Admission(genetic_approval=APPROVAL)


def test_genomes_alone_are_told_by_their_own_code_to_the_facility_where_there_is_no_secrecy_officer(
    small_template: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    small = open_copy(small_template[0], tmp_path / "home", small_template[1])
    made, genome = handed_in(small), [{"number": 1, "reason": "genetic-resources", "mark": "m"}]
    with unit_of_work(small.facility.database, small.clock) as work:
        secrecy.hold(small.facility, work, made, genome)
    assert submissions.show(small.facility, small.zhou, made)["code"] == "genetic-resources"
    assert [one["kind"] for one in notices.listing(small.facility, FIRST)] == ["submission-held"]
    small.facility.close()


def test_screening_reads_documents_only_and_nothing_of_them_is_in_its_answer() -> None:
    mapping = parse_mapping(network.MAPPING)
    found = screen(MemoryRecords(records()), mapping)
    assert [(one.source, one.file, one.position, one.reason) for one in found] == [
        ("none", 0, 0, "genetic-resources"), ("notes", 0, 1, "classified"), ("notes", 1, 1, "military-unit")
    ]  # fmt: skip
    assert screen(MemoryRecords(network.files()), mapping) == ()
    known = Admission({one.fingerprint: REFERENCE for one in found if one.fingerprint}, APPROVAL)
    assert screen(MemoryRecords(records()), mapping, known) == ()


def test_the_command_line_and_the_api_lead_to_every_verb(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    from service.api.app import create_app

    app, made = create_app(small.facility), held(small)
    monkeypatch.setattr(commands, "connect", lambda *_: connection_to(app, small.tokens["tan"]))

    def said(*words: str) -> str:
        done = CliRunner().invoke(main.app, ["secrecy", *words], catch_exceptions=False)
        return done.stdout

    assert made in said("list")
    assert "military-unit" in said("show", made)
    with pytest.raises(connection.Answered):
        said("readmit", made)
    by = ("--reference", REFERENCE, "--reference", f"3={OTHER}", "--genetic-approval", APPROVAL)
    assert "received" in said("readmit", made, *by)
    again = held(small)
    assert "rejected" in said("destroy", again)
