"""The access log as people ask for it: search by permit and time, receipts, alerts, the report for a regulator."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from policies.entry import moment, stamp
from policies.errors import Misuse, NotFound, Refused
from policies.proof import verify_receipt
from policies.review import retention
from service import history, keeping, log_report
from service.api.app import create_app
from service.cli.connection import Connection
from tests.service.verbs.small_facility import BEGIN, Small

Connecting = Callable[[str], Connection]
SINCE, UNTIL = "2026-01-01", "2027-01-01"


@pytest.fixture
def api(small: Small) -> Connecting:
    """Return how to connect as a person."""
    return lambda who: Connection(small.tokens[who], app=create_app(small.facility))


def test_entries_are_found_by_permit_and_time(api: Connecting) -> None:
    asked = {"since": stamp(BEGIN), "until": UNTIL, "limit": 5}
    audit = api("audit")
    assert len(audit.get("/log/entries", **asked)["items"]) == 5
    assert audit.get("/log/entries", permit="p-none")["items"] == []
    assert audit.get("/log/entries", until="2020-01-01")["items"] == []


def test_a_receipt_proves_an_entry_offline_and_only_ones_own_to_others(small: Small, api: Connecting) -> None:
    number = history.search(small.facility, small.audit, {}, limit=10, before=None)["items"][-1]["id"]
    got = api("audit").get(f"/log/entries/{number}/receipt")
    assert verify_receipt(got["proof"].encode(), got["entry"].encode(), small.facility.log.vkey).size > 0
    with pytest.raises(NotFound):
        history.receipt(small.facility, small.audit, 10**6)
    with pytest.raises(Refused):
        history.receipt(small.facility, small.lin, number)


def test_alerts_are_listed_to_reviewers_only(small: Small, api: Connecting) -> None:
    for _ in range(5):
        with pytest.raises(Refused):
            history.alerts(small.facility, small.lin, None, None)
    listed = api("audit").get("/log/alerts")["items"]
    assert ("denied-burst", "lin") in {(one["rule"], one["actor"]) for one in listed}


def test_what_is_kept_is_listed_with_what_is_due(small: Small, api: Connecting) -> None:
    listed = {one["kind"]: one for one in api("audit").get("/log/retention")["items"]}
    assert set(listed) == {"log", "drafts", *keeping.RECORDS}
    log, runs = listed["log"], listed["incidents"]
    assert log["there"] > 0
    assert (log["due"], log["days"]) == (0, retention().access_log_days)
    assert moment(log["free_at"]) - moment(log["oldest"]) == timedelta(days=log["days"])
    assert (runs["there"], runs["oldest"], runs["free_at"]) == (0, None, None)
    later = replace(small.facility, clock=lambda: moment(log["free_at"]))
    found = {one.kind: one for one in keeping.report(later, small.audit)}
    assert found["log"].due >= 1
    with pytest.raises(Refused):
        keeping.report(small.facility, small.lin)


def test_the_report_lists_every_entry_and_sums_them_up_in_both_languages(small: Small, api: Connecting) -> None:
    with pytest.raises(Refused):
        history.alerts(small.facility, small.lin, None, None)
    asked = {"since": SINCE, "until": UNTIL}
    lines = api("audit").fetch("/log/report", **asked, form="csv").decode("utf-8-sig")
    assert lines.splitlines()[0] == ",".join(log_report.COLUMNS)
    assert lines.count("log.search,log,log,,deny") == 1
    made = api("audit").ask("GET", "/log/report", params=asked)
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
