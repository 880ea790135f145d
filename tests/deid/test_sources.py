"""Images through the pipeline, cells that hold what they should not, and the real encounters."""

import base64
import json
from pathlib import Path

import polars as pl
import pytest

from deid.detect.detector import detector
from deid.images import ClearHeaders
from deid.mapping import load_mapping
from deid.pipeline import process
from deid.policy import load_profile
from deid.records import FolderRecords, MemoryRecords
from deid.step import take
from deid.transform.dicom_options import Options
from deid.transform.freetext import rewrite_notes, scrub
from deid.transform.generalise import age_width
from tests.deid.small_network import KEYS

ROOT = Path(__file__).parents[2]
ENCOUNTERS = ROOT.parent / "shared" / "corpora" / "train-diabetes130"


def test_cells_with_an_identifier_are_emptied_and_counted() -> None:
    cells = pl.Series("v", ["内科", "患者王建国，电话13812345678", None, "5.6"])
    cleared, counts = scrub(cells, detector())
    assert cleared.to_list() == ["内科", None, None, "5.6"]
    assert sum(counts.values()) == 1


def test_days_in_notes_move_or_go() -> None:
    text = ["2021年3月10日入院。"]
    moved = rewrite_notes(text, ["p"], {}, {"p": 5}, detector())
    gone = rewrite_notes(text, ["p"], {}, {"p": None}, detector())
    assert (moved.texts, gone.texts) == (["2021年3月15日入院。"], ["[DATE]入院。"])
    assert moved.found == {"DATE": 1}


@pytest.mark.parametrize(("raw", "reason"), [(b"no image", "not-dicom"), (None, "empty-image")])
def test_an_image_that_cannot_be_cleared_is_quarantined(raw: bytes | None, reason: str) -> None:
    cell = None if raw is None else base64.b64encode(raw).decode()
    table = pl.DataFrame({"image.bytes": [cell], "patient": ["k"]}, schema_overrides={"image.bytes": pl.String})
    step = ClearHeaders(lambda _: "p", lambda _: 5, b"u" * 32, Options())
    assert take(step, "s", table.with_row_index("_row")).refused["reason"].to_list() == [reason]


@pytest.mark.parametrize(("text", "width"), [("[70-80)", 10), ("70-79", 10), ("45岁", 1), (None, 1)])
def test_bands_of_a_source_keep_their_width(text: str | None, width: int) -> None:
    assert age_width(text) == width


def test_a_hospitals_own_cdm_comes_in_by_the_shipped_mapping() -> None:
    fields = json.loads((ROOT / "datasets" / "cdm54.json").read_text("utf-8"))

    def csv(table: str, *rows: dict[str, str]) -> bytes:
        lines = [",".join(row.get(name, "") for name in fields[table]) for row in rows]
        return "\n".join([",".join(fields[table]), *lines, ""]).encode()

    people = [str(1000 + n) for n in range(40)]
    begun, ended = {"visit_start_date": "2020-05-06"}, {"visit_end_date": "2020-05-09"}
    result = {"measurement_source_value": "GLU", "value_source_value": "7.1", "unit_source_value": "mmol/L"}
    facts: dict[str, dict[str, str]] = {
        "person": {"gender_concept_id": "8507", "birth_datetime": "1960-02-03"},
        "visit_occurrence": {"visit_source_value": "inpatient", **begun, **ended},
        "condition_occurrence": {"condition_start_date": "2020-05-06", "condition_source_value": "E11.9"},
        "measurement": {"measurement_date": "2020-05-07", **result},
    }
    content = {
        f"{table}.csv": csv(table, *({"person_id": one, "visit_occurrence_id": f"v{one}", **told} for one in people))
        for table, told in facts.items()
    }
    mapping = load_mapping(ROOT / "policies" / "mappings" / "omop-cdm54.yaml")
    made = process(MemoryRecords(content), mapping, load_profile("cn_enclave"), KEYS, project="p")
    tables = made.tables
    assert made.quarantine.height == 0
    for name in ("person", "visit_occurrence", "condition_occurrence", "measurement"):
        assert tables[name].height == tables[name]["patient"].n_unique() == len(people), name
    assert tables["person"]["gender_concept_id"].unique().to_list() == [8507]
    assert tables["measurement"]["value_as_number"].n_unique() <= 1
    assert set(tables["condition_occurrence"]["visit_occurrence_id"]) == set(
        tables["visit_occurrence"]["visit_occurrence_id"]
    )
    assert not set(people) & set(tables["person"]["patient"])


@pytest.mark.corpora
@pytest.mark.skipif(not ENCOUNTERS.is_dir(), reason="../shared/corpora is not here")
def test_real_encounters_come_through_whole() -> None:
    mapping = load_mapping(ROOT / "policies" / "mappings" / "diabetes130.yaml")
    outcome = process(FolderRecords(ENCOUNTERS), mapping, load_profile("cn_enclave"), KEYS, project="p")
    heights = {name: table.height for name, table in outcome.tables.items()}
    assert (heights["person"], heights["visit_occurrence"], outcome.quarantine.height) == (4259, 4999, 0)
    assert outcome.report.risk["after"]["k"] >= 5
    assert set(outcome.tables["person"]["age_band"].drop_nulls()) >= {"70-79", "80-89"}
    last = outcome.tables["visit_occurrence"].group_by("patient").agg(pl.col("visit_order").max(), pl.len())
    assert (last["visit_order"] == last["len"]).all()
