"""Two people let a model out, the partner verifies it, the auditor verifies the log, administrators run the house."""

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from service import history
from tests.console.stage import Stage, Visitor
from training_sandbox import certificate

Visit = Callable[..., Any]
Picture = Callable[[Visitor, str], None]


def test_two_people_release_a_model_and_the_partner_verifies_it(
    at_release: Stage, visit: Visit, picture: Picture, tmp_path: Path
) -> None:
    with visit(at_release, "compliance-wu") as wu:
        wu.press("Decide on a release")
        picture(wu, "release")
        for what in ("Privacy, recomputed from the step log", "Utility on held-out patients", "On what ground"):
            assert wu.page.get_by_role("heading", name=what).count() == 1
        wu.press("Approve …")
        wu.press("Approve this release")
        assert wu.state() == "awaiting release"
        assert wu.page.get_by_role("link", name="Approve …").count() == 0
        assert "Another person must decide as well." in wu.text()
    with visit(at_release, "compliance-xu") as xu:
        xu.open(f"/releases/{at_release.run}")
        xu.press("Approve …")
        xu.press("Approve this release")
        assert xu.state() == "released"
        assert "approve a release" in xu.text()  # the history from the log
    with visit(at_release, "partner-lin") as lin:
        lin.open(f"/runs/{at_release.run}")
        with lin.page.expect_download() as waiting:
            lin.page.get_by_role("link", name="Download model and certificate").click()
        with zipfile.ZipFile(waiting.value.path()) as archive:
            archive.extractall(tmp_path)
    trust = tmp_path / "trust.json"
    trust.write_bytes(history.trust(at_release.facility))
    assert certificate.verify(tmp_path / f"release-{at_release.run}", trust).as_dict()["verified"] is True


def test_the_auditor_searches_and_verifies_the_log(at_release: Stage, visit: Visit, picture: Picture) -> None:
    with visit(at_release, "auditor-he") as he:
        he.press("Access log")
        he.page.fill("#actor", "partner-lin")
        he.page.fill("#action", "run.submit")
        he.page.fill("#since", "2020-01-01")
        he.press("Search")
        assert "actor=partner-lin" in he.page.url
        shown = he.page.locator("tbody tr")
        assert shown.count() > 0
        assert set(he.page.locator("tbody tr th").all_inner_texts()) == {"partner-lin"}
        with he.page.expect_download() as waiting:
            he.page.get_by_role("link", name="Download as CSV").click()
        assert Path(waiting.value.path()).read_text("utf-8-sig").startswith("position,at,actor,action")
        he.page.fill("#until", "2020-01-01")
        he.press("Search")
        assert "No entry matches." in he.text()
        he.press("Verify the log")
        he.press("Verify the log")
        assert "The log is whole." in he.page.get_by_role("status").inner_text()
        picture(he, "verification")
        checkpoint = he.page.locator("pre").inner_text()
        he.page.fill("#since", checkpoint)
        he.press("Verify the log")
        assert "It continues your checkpoint" in he.page.get_by_role("status").inner_text()
        size = checkpoint.splitlines()[1]
        he.page.fill("#since", checkpoint.replace(f"\n{size}\n", f"\n{int(size) - 1}\n"))
        he.press("Verify the log")
        assert "does not verify" in he.page.get_by_role("alert").inner_text()
        he.said.clear()


def test_the_security_admin_adds_a_person_who_then_signs_in(at_release: Stage, visit: Visit) -> None:
    with visit(at_release, "security-admin") as admin:
        admin.press("People")
        admin.page.fill("#id", "officer-new")
        admin.page.fill("#org", "hospital-new")
        admin.page.check('input[value="data-officer"]')
        admin.press("Add")
        at_release.tokens["officer-new"] = admin.page.locator(".notice pre").inner_text().strip()
        admin.page.fill("#id", "two-hats")
        admin.page.fill("#org", "office")
        admin.page.check('input[value="compliance"]')
        admin.page.check('input[value="auditor"]')
        admin.press("Add")
        assert admin.page.get_by_role("alert").count() == 1
        admin.said.clear()
        admin.open("/people")
        admin.page.get_by_role("button", name="New token for officer-new").click()
        assert "officer-new" in admin.page.get_by_role("status").inner_text()
    with visit(at_release, "officer-new") as new:
        assert new.heading() == "Waiting for you"
        new.press("Sign out")
        assert new.heading() == "Sign in"


def test_one_administrator_stops_the_facility_and_two_people_lift_the_stop(at_release: Stage, visit: Visit) -> None:
    with visit(at_release, "admin-gu") as gu:
        gu.press("Facility")
        assert "sqlite" in gu.text()
        gu.page.fill("#reason", "drill")
        gu.press("Freeze the facility")
        assert gu.state() == "The facility is frozen"
        assert "Others lift the stop" in gu.text()
    for name in ("security-admin", "compliance-wu"):
        with visit(at_release, name) as other:
            other.open("/facility")
            assert "drill" in other.text()
            other.press("Lift the stop")
    with visit(at_release, "admin-gu") as gu:
        gu.open("/facility")
        assert gu.state() == "works"


def test_a_wrong_token_is_refused_with_a_sentence(at_release: Stage, visit: Visit) -> None:
    with visit(at_release, None) as nobody:
        nobody.page.fill("#token", "mt_wrong")
        nobody.press("Sign in")
        assert "not valid" in nobody.page.get_by_role("alert").inner_text()
        nobody.said.clear()
        nobody.open("/runs")
        assert nobody.heading() == "Sign in"
