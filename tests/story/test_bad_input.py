"""Bad input: a clear error or a quarantined row with position and reason; nothing lost, nothing half published."""

import io
import json
import shutil
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest

from service.demo.network import generate


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a small network's records."""
    out = tmp_path_factory.mktemp("bad")
    generate(out, patients=40, seed=3)
    return out / "records"


@pytest.fixture
def records(network: Path, tmp_path: Path) -> Path:
    """Return a copy of the records that a test may spoil."""
    return Path(shutil.copytree(network, tmp_path / "records"))


def submit(one: Any, records: Path, dataset: str, mapping: str | Path = "demo-network") -> Any:
    return one.medtrain(
        "submission", "create", records, "--dataset", dataset, "--mapping", mapping, "--declared-patients", "100",
        "--data-class", "demonstration", "--json", who="officer-zhou",
    )  # fmt: skip


def outcome(one: Any, said: Any) -> dict[str, Any]:
    assert said.returncode == 0, said.stderr
    number, officer = json.loads(said.stdout)["id"], one.connection("officer-zhou")
    ends = time.monotonic() + 300
    while officer.get(f"/submissions/{number}")["state"] not in ("needs-review", "rejected"):
        assert time.monotonic() < ends, "the submission never came to an end"
        time.sleep(0.2)
    found = one.medtrain("submission", "status", number, "--json", who="officer-zhou")
    return dict(json.loads(found.stdout))


def quarantined(one: Any, submission: str) -> list[dict[str, Any]]:
    said = one.medtrain("submission", "quarantine", submission, "--json", who="officer-zhou")
    return list(json.loads(said.stdout)["items"])


def test_a_zip_bomb_is_refused_as_a_whole(played_on_sqlite: Any, tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("hospital_a/front_page.csv", b"0" * (64 << 20))
    said = submit(played_on_sqlite, bomb, "bomb")
    assert said.returncode == 5
    assert "bad-archive" in said.stderr


def test_a_file_that_is_no_archive_is_refused(played_on_sqlite: Any, tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(b"not a zip")
    assert submit(played_on_sqlite, tmp_path / "x.zip", "nozip").returncode == 5


def test_an_archive_with_a_climbing_name_is_refused(played_on_sqlite: Any, tmp_path: Path) -> None:
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as archive:
        archive.writestr("../evil.csv", b"a")
    (tmp_path / "climb.zip").write_bytes(raw.getvalue())
    assert submit(played_on_sqlite, tmp_path / "climb.zip", "climb").returncode == 5


def test_a_wrong_mapping_is_refused(played_on_sqlite: Any, records: Path, tmp_path: Path) -> None:
    (tmp_path / "wrong.yaml").write_text("schema: medtrain.mapping/1\nname: wrong\nsources: 3\n", "utf-8")
    said = submit(played_on_sqlite, records, "wrongmap", tmp_path / "wrong.yaml")
    assert said.returncode == 5
    assert "bad-mapping" in said.stderr


def test_records_that_fit_no_mapping_end_rejected_and_publish_nothing(played_on_sqlite: Any, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    (folder / "unknown.csv").write_text("a,b\n1,2\n")
    found = outcome(played_on_sqlite, submit(played_on_sqlite, folder, "strange"))
    assert (found["state"], found["code"]) == ("rejected", "bad-input")
    listed = json.loads(played_on_sqlite.medtrain("dataset", "show", "strange", "--json", who="officer-zhou").stdout)
    assert listed["versions"] == []


def test_a_truncated_csv_keeps_its_good_rows(played_on_sqlite: Any, records: Path) -> None:
    path = records / "hospital_a" / "front_page.csv"
    path.write_bytes(path.read_bytes()[:-40])
    found = outcome(played_on_sqlite, submit(played_on_sqlite, records, "truncated"))
    assert found["state"] == "needs-review"
    rows = [row for row in quarantined(played_on_sqlite, found["id"]) if row["position"] > 0]
    assert rows
    assert all(row["reason"] for row in rows)


def test_an_undeclared_gbk_file_is_read(played_on_sqlite: Any, records: Path) -> None:
    path = records / "hospital_b" / "lab.csv"
    path.write_bytes(path.read_bytes().decode("utf-8-sig").encode("gb18030"))
    found = outcome(played_on_sqlite, submit(played_on_sqlite, records, "undeclared"))
    assert found["state"] == "needs-review"


def test_a_broken_hl7_segment_is_quarantined_with_its_position(played_on_sqlite: Any, records: Path) -> None:
    path = min((records / "hospital_b" / "hl7").glob("*.hl7"))
    path.write_bytes(b"MSH|^~\\&|broken\rP\x00D|||")
    found = outcome(played_on_sqlite, submit(played_on_sqlite, records, "brokenhl7"))
    assert found["state"] == "needs-review"
    rows = [row for row in quarantined(played_on_sqlite, found["id"]) if row["source"] == "messages"]
    assert [(row["reason"], row["file"] >= 0, row["position"]) for row in rows] == [("bad-segment", True, 1)]


def test_an_unknown_column_is_reported_and_not_passed_on(played_on_sqlite: Any, records: Path) -> None:
    path = records / "hospital_b" / "lab.csv"
    lines = path.read_bytes().decode("utf-8-sig").splitlines()
    path.write_text("\n".join([f"{lines[0]},SECRET", *(f"{line},x{n}y" for n, line in enumerate(lines[1:]))]), "utf-8")
    found = outcome(played_on_sqlite, submit(played_on_sqlite, records, "unknowncol"))
    said = played_on_sqlite.medtrain("submission", "report", found["id"], "--json", who="officer-zhou")
    columns = [c for c in json.loads(said.stdout)["columns"] if c["source"] == "laboratory"]
    assert [c["name"] for c in columns if c["fate"] == "not mapped: withheld"] == [f"column {len(columns)}"]
    assert "SECRET" not in said.stdout  # a heading may hold a value: it is called by its number
