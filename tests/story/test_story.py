"""The main job, played by four people; then everything that must be refused, and everything that must be found out."""

import json
import shutil
import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from service.demo import told

RUN_SPEC = {"steps": 40, "sampling_rate": 0.5, "clip": 1.0}


def submit_run(one: Any, who: str, permit: str, epsilon: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    settings = tmp_path / "settings.json"
    settings.write_text(json.dumps(RUN_SPEC))
    model = one.stage / "partner" / "packed"
    return one.medtrain(
        "run", "submit", model, "--permit", permit, "--epsilon", epsilon, "--settings", settings, "--json", who=who
    )


def permit_of(
    one: Any, *, epsilon: str = "3", seconds: float = 3600.0, approvers: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Return a permit of the partner's that so many people of compliance have approved."""
    body = {
        "dataset": "demo-network-fast",
        "recipe": "demo-diabetes",
        "purpose": "DUO:0000042",
        "legal_basis": "test",
        "ethics": "e-1",
        "epsilon": epsilon,
        "not_after": (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat(),
    }
    partner = one.connection("partner-lin")
    permit = partner.post("/permits", body)
    permit = partner.post(f"/permits/{permit['id']}/submission")
    for name in approvers:
        permit = one.connection(name).post(f"/permits/{permit['id']}/approvals", {"conditions": []})
    return dict(permit)


BOTH = ("compliance-wu", "compliance-xu")


def test_the_play_ends_with_a_verified_certificate_and_log(played: Any) -> None:
    assert played.told["certificate"]["verified"] is True
    assert played.told["certificate"]["epsilon"]["pld"] <= 3.0
    assert played.told["certificate"]["tier"] in ("T1", "T2")


def test_what_happened_is_told_in_one_table(played: Any) -> None:
    said = "\n".join(told.lines(played.told))
    assert "verified by a second process" in said
    assert f"{played.told['report']['totals']['rows_in']:,}" in said


def test_no_row_is_lost(played: Any) -> None:
    totals = played.told["report"]["totals"]
    assert totals["rows_in"] == totals["accepted"] + totals["repaired"] + totals["quarantined"] > 0


def test_k_anonymity_rises_to_the_profiles_limit(played: Any) -> None:
    risk = played.told["report"]["risk"]
    assert risk["before"]["k"] < 5 <= risk["after"]["k"]


def test_playing_again_changes_nothing(played: Any) -> None:
    assert (played.again["run"], played.again["version"]) == (played.told["run"], played.told["version"])


def test_an_expired_permit_is_refused(played: Any, refusals: Any, tmp_path: Path) -> None:
    permit = permit_of(played, seconds=8.0, approvers=BOTH)
    assert permit["state"] == "active"
    wait = datetime.fromisoformat(permit["not_after"]) - datetime.now(UTC)
    time.sleep(max(0.0, wait.total_seconds()) + 0.1)
    said = submit_run(played, "partner-lin", permit["id"], "1", tmp_path)
    assert said.returncode == 3, said.stderr
    assert "permit-expired" in said.stderr
    assert any(e["facts"] == {"code": "permit-expired"} for e in refusals(played, "partner-lin"))


def test_a_run_over_the_permits_budget_is_refused(played: Any, refusals: Any, tmp_path: Path) -> None:
    permit = permit_of(played, epsilon="1", approvers=BOTH)
    said = submit_run(played, "partner-lin", permit["id"], "2", tmp_path)
    assert said.returncode == 3
    assert "budget-exhausted" in said.stderr
    assert any(e["facts"] == {"code": "budget-exhausted"} for e in refusals(played, "partner-lin"))


def test_a_run_over_the_patients_lifetime_budget_is_refused(played: Any, tmp_path: Path) -> None:
    permit = permit_of(played, epsilon="20", approvers=BOTH)
    said = submit_run(played, "partner-lin", permit["id"], "20", tmp_path)
    assert said.returncode == 3
    assert "budget-exhausted" in said.stderr


def test_a_single_approver_activates_nothing(played: Any, refusals: Any, tmp_path: Path) -> None:
    permit = permit_of(played, approvers=BOTH[:1])
    twice = played.medtrain("permit", "approve", permit["id"], who="compliance-wu")
    assert (twice.returncode, permit["state"]) == (3, "submitted")
    assert "separation-of-duty" in twice.stderr
    said = submit_run(played, "partner-lin", permit["id"], "1", tmp_path)
    assert said.returncode == 3
    assert any(e["facts"] == {"code": "separation-of-duty"} for e in refusals(played, "compliance-wu"))


def test_an_author_does_not_approve_his_own_application(played: Any, refusals: Any) -> None:
    permit = permit_of(played)
    said = played.medtrain("permit", "approve", permit["id"], who="partner-lin")
    assert said.returncode == 3
    assert any(e["action"] == "permit.approve" for e in refusals(played, "partner-lin"))


def test_a_partner_does_not_read_anothers_run(played: Any, refusals: Any) -> None:
    other = played.home / "demo" / "partner-other.token"
    if not other.is_file():
        admin = played.medtrain(
            "people", "add", "partner-other", "--org", "other-ai", "--role", "partner", "--token-out", other,
            "--token-file", played.home / "security-admin.token",
        )  # fmt: skip
        assert admin.returncode == 0, admin.stderr
    for words in (("run", "watch"), ("run", "certificate"), ("release", "review")):
        said = played.medtrain(*words, played.told["run"], who="partner-other")
        assert said.returncode == 3, said.stderr
    fetched = played.medtrain("release", "fetch", played.told["run"], played.home / "stolen", who="partner-other")
    assert fetched.returncode == 3
    assert len(refusals(played, "partner-other")) >= 4


def test_a_partner_reads_no_submission(played: Any) -> None:
    listed = json.loads(played.medtrain("submission", "list", "--json", who="officer-zhou").stdout)["items"]
    for words in (("status",), ("report",), ("quarantine",)):
        assert played.medtrain("submission", *words, listed[0]["id"], who="partner-lin").returncode == 3


def test_epsilon_is_computed_again_by_another_process(played: Any) -> None:
    said = played.medtrain("verify", played.release, "--trust", played.trust, "--json")
    assert said.returncode == 0, said.stderr
    assert json.loads(said.stdout)["epsilon"] == pytest.approx(played.told["certificate"]["epsilon"], rel=1e-9)


@pytest.mark.parametrize(
    "name",
    ["model.safetensors", "certificate.dsse.json", "graph.json", "card.json", "entry.json", "receipt.tlog-proof"],
)
def test_one_flipped_byte_in_a_release_is_found(played: Any, tmp_path: Path, name: str) -> None:
    copy = tmp_path / "release"
    shutil.copytree(played.release, copy)
    raw = bytearray((copy / name).read_bytes())
    raw[len(raw) // 2] ^= 1
    (copy / name).write_bytes(raw)
    said = played.medtrain("verify", copy, "--trust", played.trust)
    assert said.returncode == 4, said.stderr


def test_one_flipped_byte_in_the_published_log_is_found(played: Any) -> None:
    bundles = [path for path in (played.home / "log").rglob("*") if path.is_file() and "entries" in path.parts]
    bundle = max(bundles, key=lambda path: path.stat().st_size)
    raw = bundle.read_bytes()
    bundle.write_bytes(raw[:100] + bytes((raw[100] ^ 1,)) + raw[101:])
    try:
        said = played.medtrain("log", "verify", who="compliance-wu")
    finally:
        bundle.write_bytes(raw)
    assert said.returncode == 4, said.stderr


def test_the_log_verifies_against_the_checkpoint_kept_at_the_beginning(played: Any) -> None:
    said = played.medtrain("log", "verify", "--since", played.stage / "checkpoint", "--json", who="compliance-wu")
    assert said.returncode == 0, said.stderr


def test_a_checkpoint_of_another_history_does_not_fit(played: Any, tmp_path: Path) -> None:
    lines = (played.stage / "checkpoint").read_text("utf-8").splitlines(keepends=True)
    (tmp_path / "other").write_text("".join([lines[0], "1\n", *lines[2:]]), "utf-8")
    said = played.medtrain("log", "verify", "--since", tmp_path / "other", who="compliance-wu")
    assert said.returncode == 4


def test_the_charge_is_spent_once(played: Any) -> None:
    said = played.medtrain("budget", "show", "demo-network-fast", "--json", who="officer-zhou")
    charges = [c for c in json.loads(said.stdout)["charges"] if c["run"] == played.told["run"]]
    assert sorted((c["id"], c["state"]) for c in charges) == [
        (f"{played.told['run']}.evaluate", "spent"),
        (f"{played.told['run']}.train", "spent"),
    ]


def test_the_emergency_stop_holds_until_two_people_lift_it(played: Any, tmp_path: Path) -> None:
    permit = permit_of(played, approvers=BOTH)
    assert played.medtrain("freeze", "--reason", "exercise", who="compliance-wu").returncode == 0
    try:
        said = submit_run(played, "partner-lin", permit["id"], "1", tmp_path)
        assert (said.returncode, "frozen" in said.stderr) == (3, True)
        assert played.medtrain("thaw", who="compliance-wu").returncode == 0
        assert played.medtrain("thaw", who="compliance-wu").returncode == 3
    finally:
        lifted = played.medtrain("thaw", "--json", who="compliance-xu")
    assert json.loads(lifted.stdout)["frozen"] is False


def test_who_is_not_signed_in_gets_nothing(played: Any) -> None:
    said = played.medtrain("dataset", "list", "--token-file", played.trust)
    assert said.returncode == 3
    assert "not-signed-in" in said.stderr


def test_a_regulator_gets_a_report_and_anybody_a_receipt(played: Any, tmp_path: Path) -> None:
    period = ("--since", "2020-01-01T00:00:00.000000Z", "--until", "2100-01-01T00:00:00.000000Z")
    for name in ("report.pdf", "report.csv"):
        said = played.medtrain("log", "report", tmp_path / name, *period, "--json", who="compliance-wu")
        assert said.returncode == 0, said.stderr
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF-")
    assert len((tmp_path / "report.csv").read_text("utf-8").splitlines()) > 50
    said = played.medtrain("log", "receipt", "5", tmp_path / "receipt", who="compliance-wu")
    assert said.returncode == 0, said.stderr
    assert (tmp_path / "receipt" / "entry.tlog-proof").read_text("utf-8").startswith("c2sp.org/tlog-proof@v1")
    assert played.medtrain("log", "alerts", "--json", who="compliance-wu").returncode == 0


def test_a_run_can_be_estimated_before_it_is_submitted(played: Any) -> None:
    said = played.medtrain(
        "run", "estimate", "--permit", played.told["permit"], "--epsilon", "1", "--json", who="partner-lin"
    )
    assert said.returncode == 0, said.stderr
    assert json.loads(said.stdout)["epsilon"]["pld"] <= 1.0
