"""An officer accepts what was made of his records, a partner applies for them, two people of compliance decide."""

import io
import zipfile
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.console.stage import DATASET, Stage, Visitor
from tests.story.play import Way

Visit = Callable[..., Any]
Picture = Callable[[Visitor, str], None]


@pytest.fixture(scope="module")
def packed(way_on_sqlite: Way) -> Path:
    """Return the folder of the model that the partner of the demonstration packed."""
    return next((way_on_sqlite.release / "demo").rglob("graph.json")).parent


@pytest.fixture
def wrong_records(tmp_path: Path) -> Path:
    """Return an archive without a single file that the mapping names."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("readme.txt", "nothing of use")
    path = tmp_path / "records.zip"
    path.write_bytes(out.getvalue())
    return path


def test_the_officer_reads_the_report_and_accepts(at_review: Stage, visit: Visit, picture: Picture) -> None:
    with visit(at_review, "officer-zhou") as zhou:
        zhou.press("Review a submission")
        assert zhou.state() == "needs review"
        picture(zhou, "submission")
        for what in (
            "What became of the rows",
            "Refused, and why",
            "Re-identification risk",
            "Identifiers in free text",
        ):
            assert zhou.page.get_by_role("heading", name=what).count() == 1
        with zhou.page.expect_download() as waiting:
            zhou.page.get_by_role("link", name="Download the full report").click()
        assert b"<html" in Path(waiting.value.path()).read_bytes()
        zhou.press("Show the refused rows")
        assert "patient's identity is incomplete" in zhou.text()
        zhou.open(f"/submissions/{at_review.submission}")
        zhou.press("Accept …")
        assert "never changed" in zhou.text()
        zhou.press("Accept this submission")
        assert zhou.state() == "accepted"
        assert zhou.page.get_by_role("link", name="Accept …").count() == 0
        zhou.open("/")
        assert "Nothing waits for you." in zhou.text()


def test_records_handed_in_through_the_browser_are_followed_until_they_are_refused(
    at_review: Stage, visit: Visit, wrong_records: Path
) -> None:
    with visit(at_review, "officer-zhou") as zhou:
        zhou.open("/submissions")
        zhou.press("Hand records in")
        zhou.page.fill("#dataset", "second-set")
        zhou.page.set_input_files("#archive", wrong_records)
        zhou.page.select_option("#mapping", "demo-network")
        zhou.page.select_option("#data_class", "demonstration")
        zhou.page.fill("#declared_patients", "50")
        zhou.press("Hand in and process")
        zhou.page.get_by_text("Why it was rejected").wait_for()  # the page followed by itself
        assert zhou.state() == "rejected"


def test_what_is_wrong_with_a_hand_in_is_said_above_the_form(at_review: Stage, visit: Visit, tmp_path: Path) -> None:
    no_zip = tmp_path / "records.zip"
    no_zip.write_bytes(b"not an archive")
    with visit(at_review, "officer-zhou") as zhou:
        zhou.open("/submissions/new")
        zhou.page.fill("#dataset", "third-set")
        zhou.page.set_input_files("#archive", no_zip)
        zhou.page.fill("#declared_patients", "50")
        zhou.press("Hand in and process")
        assert zhou.heading() == "Hand records in"
        assert "mapping" in zhou.page.get_by_role("alert").inner_text()
        assert zhou.page.input_value("#dataset") == "third-set"
        zhou.page.set_input_files("#archive", no_zip)
        zhou.page.select_option("#mapping", "demo-network")
        zhou.press("Hand in and process")
        assert zhou.state() == "received"  # announced; the archive may be sent again
        assert zhou.page.get_by_role("alert").count() == 1
        zhou.said.clear()  # the browser notes the status of a refused form
        zhou.press("Reject …")
        zhou.page.fill("#reason", "wrong file")
        zhou.press("Reject this submission")
        assert zhou.state() == "rejected"


def apply(lin: Visitor, **changes: str) -> None:
    """Fill the application in."""
    last = date.today() + timedelta(days=300)  # noqa: DTZ011  # any day within a permit's longest time
    asked = {"legal_basis": "contract 7", "ethics": "e-1", "epsilon": "3", "runs": "1", "not_after": str(last)}
    for name, value in {**asked, **changes}.items():
        lin.page.fill(f"#{name}", value)


def test_a_partner_applies_and_two_people_of_compliance_approve(at_review: Stage, visit: Visit, packed: Path) -> None:
    with visit(at_review, "partner-lin") as lin:
        lin.open(f"/datasets/{DATASET}")
        lin.press("Apply for a permit")
        apply(lin, epsilon="30")
        lin.press("Check your answers")
        assert "at most 10" in lin.page.get_by_role("alert").inner_text()
        lin.said.clear()
        lin.page.select_option("#recipe", "demo-diabetes")
        lin.page.select_option("#purpose", "DUO:0000042")
        apply(lin)
        lin.press("Check your answers")
        assert "Nothing has been sent yet." in lin.text()
        lin.press("Hand in the application")
        assert lin.state() == "submitted"
        address = lin.page.url.removeprefix(at_review.url)
    for name in ("compliance-wu", "compliance-xu"):
        with visit(at_review, name) as compliance:
            compliance.press("Decide on an application")
            assert compliance.page.url.endswith(address)
            compliance.press("Approve …")
            compliance.press("Approve this application")
            if name == "compliance-wu":
                assert compliance.state() == "submitted"
                assert compliance.page.get_by_role("link", name="Approve …").count() == 0
            else:
                assert compliance.state() == "active"
    with visit(at_review, "partner-lin") as lin:
        lin.open(address)
        lin.press("Submit a model")
        lin.page.set_input_files("#graph", packed / "graph.json")
        lin.page.set_input_files("#init", packed / "init.safetensors")
        lin.page.fill("#epsilon", "9")
        lin.press("Reserve the budget and train")
        assert lin.page.get_by_role("alert").count() == 1  # more than the permit grants
        lin.said.clear()
        lin.page.set_input_files("#graph", packed / "graph.json")
        lin.page.set_input_files("#init", packed / "init.safetensors")
        lin.page.fill("#epsilon", "3")
        lin.press("Reserve the budget and train")
        lin.press("Cancel …")
        lin.press("Cancel this run")
        assert lin.state() == "cancelled"


def test_a_partner_sees_neither_submissions_nor_people(at_review: Stage, visit: Visit) -> None:
    with visit(at_review, "partner-lin") as lin:
        links = lin.page.get_by_role("navigation", name="Pages").get_by_role("link").all_inner_texts()
        assert {"Catalogue", "Permits", "Training runs", "Releases"} <= set(links)
        assert not {"Submissions", "People", "Facility"} & set(links)
        assert lin.open(f"/submissions/{at_review.submission}").status == 403
        assert lin.open("/people").status == 403
        assert "Refused" in lin.heading()
        lin.said.clear()
