"""The access log as people ask for it: search by permit and time, receipts, alerts, the report for a regulator."""

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from policies.entry import stamp
from policies.errors import Misuse, NotFound, Refused
from policies.proof import verify_receipt
from service import history, log_report
from service.api.app import create_app
from tests.service.verbs.small_facility import BEGIN, Small

SINCE, UNTIL = "2026-01-01", "2027-01-01"


@pytest.fixture
def api(small: Small) -> Iterator[TestClient]:
    with TestClient(create_app(small.facility)) as made:
        yield made


def test_entries_are_found_by_permit_and_time(small: Small, api: TestClient) -> None:
    asked = {"since": stamp(BEGIN), "until": UNTIL, "limit": 5}
    found = api.get("/api/v1/log/entries", params=asked, headers=small.bearer("audit")).json()["items"]
    assert len(found) == 5
    none = {"permit": "p-none"}
    assert api.get("/api/v1/log/entries", params=none, headers=small.bearer("audit")).json()["items"] == []
    before = {"until": "2020-01-01"}
    assert api.get("/api/v1/log/entries", params=before, headers=small.bearer("audit")).json()["items"] == []


def test_a_receipt_proves_an_entry_offline_and_only_ones_own_to_others(small: Small, api: TestClient) -> None:
    number = history.search(small.facility, small.audit, {}, limit=10, before=None)["items"][-1]["id"]
    got = api.get(f"/api/v1/log/entries/{number}/receipt", headers=small.bearer("audit")).json()
    assert verify_receipt(got["proof"].encode(), got["entry"].encode(), small.facility.log.vkey).size > 0
    with pytest.raises(NotFound):
        history.receipt(small.facility, small.audit, 10**6)
    with pytest.raises(Refused):
        history.receipt(small.facility, small.lin, number)


def test_alerts_are_listed_to_reviewers_only(small: Small, api: TestClient) -> None:
    for _ in range(5):
        with pytest.raises(Refused):
            history.alerts(small.facility, small.lin, None, None)
    listed = api.get("/api/v1/log/alerts", headers=small.bearer("audit")).json()["items"]
    assert ("denied-burst", "lin") in {(one["rule"], one["actor"]) for one in listed}


def test_the_report_lists_every_entry_and_sums_them_up_in_both_languages(small: Small, api: TestClient) -> None:
    with pytest.raises(Refused):
        history.alerts(small.facility, small.lin, None, None)
    asked = {"since": SINCE, "until": UNTIL}
    lines = api.get("/api/v1/log/report", params={**asked, "form": "csv"}, headers=small.bearer("audit")).text
    assert lines.lstrip("\ufeff").splitlines()[0] == ",".join(log_report.COLUMNS)
    assert lines.count("log.search,log,log,,deny") == 1
    made = api.get("/api/v1/log/report", params=asked, headers=small.bearer("audit"))
    assert made.headers["content-type"] == "application/pdf"
    assert made.content.startswith(b"%PDF-")
    assert b"STSong-Light" in made.content
    said = log_report.period(small.facility, SINCE, UNTIL)
    assert said.acts["log.search", "deny"] == 1
    assert said.refusals == {"refused": 1}
    assert said.entries == sum(said.actors.values())


def test_a_report_of_another_form_or_of_no_period_is_refused(small: Small) -> None:
    for since, until, form in ((SINCE, UNTIL, "docx"), (UNTIL, SINCE, "pdf")):
        with pytest.raises(Misuse):
            log_report.report(small.facility, small.audit, since, until, form)


def test_no_cell_begins_like_a_formula() -> None:
    assert [log_report._plain(value) for value in ("=1", "-1", None, "", "a")] == ["'=1", "'-1", "", "", "a"]
