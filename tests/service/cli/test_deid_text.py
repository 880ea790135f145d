"""``medtrain deid text``: what comes out holds no identifier; the JSON forms say where each one was."""

import json
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from policies.errors import BadMapping
from policies.thresholds import FOLDER
from service.cli.deid import app, profile_of
from service.demo.network import generate

NOTE = "患者王小明，住院号20231234，电话13912345678"


def run(*words: str, given: str = NOTE) -> str:
    said = CliRunner().invoke(app, ["text", *words], input=given)
    assert said.exit_code == 0, said.output
    return said.stdout


def test_every_identifier_is_replaced_by_its_label() -> None:
    assert run() == "患者[NAME]，住院号[MRN]，电话[PHONE]"


def test_json_gives_offsets_in_the_text_as_it_was_given() -> None:
    spans = json.loads(run("--json"))["spans"]
    assert [(NOTE[one["start"] : one["end"]], one["label"]) for one in spans] == [
        ("王小明", "NAME"),
        ("20231234", "MRN"),
        ("13912345678", "PHONE"),
    ]


def test_lines_keep_their_ids() -> None:
    lines = "\n".join(json.dumps({"id": n, "lang": "zh", "text": text}) for n, text in enumerate((NOTE, "无")))
    found = [json.loads(line) for line in run("--jsonl", given=lines).splitlines()]
    assert [(one["id"], len(one["spans"])) for one in found] == [(0, 3), (1, 0)]


def test_bytes_that_are_no_utf8_are_refused() -> None:
    said = CliRunner().invoke(app, ["text"], input="王".encode("gb18030"))
    assert said.exception is not None
    assert "not UTF-8" in str(said.exception)


def test_a_folder_becomes_tables_quarantine_and_report_and_the_keys_lie_apart(tmp_path: Path) -> None:
    generate(tmp_path / "net", patients=20, seed=4)
    out = tmp_path / "out"
    words = ["files", str(tmp_path / "net" / "records"), str(out), "--mapping", "demo-network", "--json"]
    first, again = CliRunner().invoke(app, words), CliRunner().invoke(app, words)
    assert first.exit_code == 0, first.output
    assert again.exit_code == 0, again.output
    assert {"report.json", "report.html", "quarantine.parquet"} <= {path.name for path in out.iterdir()}
    refused = pl.read_parquet(tmp_path / "out.quarantine.parquet")
    assert pl.read_parquet(out / "quarantine.parquet").equals(refused.drop("raw"))  # the folder holds no raw row
    assert refused.height > 0
    for name in ("out.keys", "out.quarantine.parquet"):
        assert (tmp_path / name).stat().st_mode & 0o077 == 0
    assert pl.read_parquet(out / "person" / "*.parquet").height == 20


def test_a_folder_is_done_by_an_own_profile_and_a_wrong_one_is_refused_before_anything_is_written(
    tmp_path: Path,
) -> None:
    own, wrong, out = tmp_path / "own.yaml", tmp_path / "wrong.yaml", tmp_path / "out"
    shipped = (FOLDER / "profiles" / "cn_enclave.yaml").read_text("utf-8")
    own.write_text(shipped.replace("name: cn_enclave", "name: our_own"), "utf-8")
    wrong.write_text(shipped.replace("schema: medtrain.profile/1", "schema: other/1"), "utf-8")
    generate(tmp_path / "net", patients=20, seed=4)
    words = ["files", str(tmp_path / "net" / "records"), str(out), "--mapping", "demo-network", "--json", "--profile"]
    refused = CliRunner().invoke(app, [*words, str(wrong)])
    assert isinstance(refused.exception, BadMapping)
    assert not out.exists()
    done = CliRunner().invoke(app, [*words, str(own)])
    assert done.exit_code == 0, done.output
    report = json.loads((out / "report.json").read_text("utf-8"))
    assert (report["profile"]["name"], report["tables"]["person"]) == ("our_own", 20)


def test_a_profile_is_a_file_by_its_ending_and_a_name_otherwise(tmp_path: Path) -> None:
    assert profile_of("cn_enclave").name == "cn_enclave"
    for name in (str(tmp_path / "absent.yml"), "no-such-profile"):
        with pytest.raises(BadMapping):
            profile_of(name)
