"""The pipeline as a whole, on small invented networks."""

from dataclasses import replace

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deid.keys import ProjectKeys
from deid.mapping import Mapping, parse_mapping
from deid.pipeline import process, write
from deid.policy import Profile, load_profile
from deid.records import FolderRecords, MemoryRecords
from policies.errors import BadInput, BadMapping, LeakFound, RiskTooHigh
from tests.deid.small_network import EVERYONE, KEYS, MAPPING, PAGE_COLUMNS, Run, files, lab, note, page, resident, table


def texts(tables: dict[str, pl.DataFrame]) -> str:
    return "\n".join(
        str(cell) for frame in tables.values() for row in frame.select(pl.col(pl.String)).iter_rows() for cell in row
    )


def reasons(outcome: object) -> dict[str, int]:
    return dict(outcome.report.reasons)


def test_the_same_input_gives_the_same_tables_byte_for_byte(run: Run) -> None:
    content = files(labs=[lab(n) for n in EVERYONE], notes=[note(n) for n in EVERYONE])
    first, second = run(content), run(dict(reversed(content.items())))
    assert {n: t.write_ipc(None).getvalue() for n, t in first.tables.items()} == {
        n: t.write_ipc(None).getvalue() for n, t in second.tables.items()
    }


def test_no_identifier_of_a_patient_is_in_the_tables(run: Run) -> None:
    outcome = run(files(labs=[lab(n) for n in EVERYONE], notes=[note(n) for n in EVERYONE]))
    published = texts(outcome.tables)
    secrets = [page(n)[c] for n in EVERYONE for c in ("BAH", "XM", "SFZH", "DH", "LXRXM", "XZZ")]
    assert not [secret for secret in secrets if secret in published]


def test_one_patient_is_one_pseudonym_in_csv_notes_and_the_other_hospital(run: Run) -> None:
    outcome = run(files(labs=[lab(n, card="") for n in EVERYONE], notes=[note(n) for n in EVERYONE]))
    for name in ("person", "visit_occurrence", "measurement", "note", "condition_occurrence", "observation"):
        assert outcome.tables[name]["patient"].n_unique() == len(EVERYONE), name
        assert set(outcome.tables[name]["patient"]) == set(outcome.index)


def test_intervals_within_a_patient_survive_and_days_move(run: Run) -> None:
    visits = run(files()).tables["visit_occurrence"]
    assert (visits["visit_end_date"] - visits["visit_start_date"]).dt.total_days().unique().to_list() == [5]
    assert visits["visit_start_date"].n_unique() > 6


def test_another_project_has_other_pseudonyms_and_the_same_index_tokens(run: Run) -> None:
    here, there = run(files()), run(files(), project="q")
    assert not set(here.index) & set(there.index)
    assert set(here.index.values()) == set(there.index.values())


def test_other_keys_move_other_days(run: Run) -> None:
    other = ProjectKeys(b"i" * 32, b"p" * 32, b"t" * 32)
    here, there = run(files()).tables, run(files(), keys=other).tables
    assert here["person"]["patient"].equals(there["person"]["patient"])
    assert not here["visit_occurrence"]["visit_start_date"].equals(there["visit_occurrence"]["visit_start_date"])


def test_a_note_is_of_its_visit(run: Run) -> None:
    tables = run(files(notes=[note(n) for n in EVERYONE])).tables
    assert tables["note"]["visit_occurrence_id"].null_count() == 0
    assert set(tables["note"]["visit_occurrence_id"]) == set(tables["visit_occurrence"]["visit_occurrence_id"])


def test_a_note_of_a_patient_whose_row_could_not_be_read_is_held_back(run: Run) -> None:
    content = files(labs=[lab(n) for n in range(41)], notes=[note(40)])
    content["a/pages.csv"] += (",".join(page(40)[c] for c in PAGE_COLUMNS[:9]) + "\n").encode("gb18030")
    outcome = run(content)
    assert reasons(outcome) == {"row-too-short": 1, "identity-incomplete": 1}
    assert outcome.tables["note"].height == 0


def test_a_note_without_any_row_about_its_patient_is_held_back(run: Run) -> None:
    assert reasons(run(files(notes=["住院号：H99999999\n平稳。"]))) == {"identity-incomplete": 1}


def test_a_note_that_names_no_patient_is_quarantined(run: Run) -> None:
    assert reasons(run(files(notes=["一般情况平稳。"]))) == {"no-patient": 1}


def test_a_classified_note_is_refused_at_intake(run: Run) -> None:
    outcome = run(files(notes=["机密★5年\n" + note(0)]))
    assert reasons(outcome) == {"classified": 1}
    assert outcome.tables["note"].height == 0


def test_names_of_a_quarantined_row_are_still_taken_out_of_its_notes(run: Run) -> None:
    bad = page(0, CYSJ="00000000")
    outcome = run(files(pages=[bad, *(page(n) for n in EVERYONE[1:])], labs=[lab(0)], notes=[note(0)]))
    assert reasons(outcome)["bad-date"] == 1
    assert page(0)["LXRXM"] not in outcome.tables["note"]["note_text"][0]


def test_switching_off_propagation_is_noticed_by_the_second_look(mapping: Mapping, enclave: Profile) -> None:
    content = files(notes=[f"住院号：{page(n)['BAH']}\n{page(n)['XM']}自诉胸闷。" for n in EVERYONE])
    with pytest.raises(LeakFound, match="note_text"):
        process(MemoryRecords(content), mapping, enclave, KEYS, project="p", layers=frozenset({"patterns"}))


def test_equal_rows_are_quarantined_once(run: Run) -> None:
    assert reasons(run(files(pages=[page(n % 40) for n in range(41)]))) == {"duplicate-row": 1}


def test_rows_that_contradict_each_other_under_one_key_are_both_quarantined(run: Run) -> None:
    pages = [*(page(n) for n in EVERYONE), page(0, RH="1")]
    assert reasons(run(files(pages=pages))) == {"conflicting-key": 2}


def test_a_record_number_that_two_people_share_links_nothing(run: Run) -> None:
    pages = [page(n) for n in EVERYONE]
    pages[1]["BAH"] = pages[0]["BAH"]
    pages[1]["ZYCS"] = "2"
    outcome = run(files(pages=pages, notes=[f"住院号：{pages[0]['BAH']}\n平稳。"]))
    assert outcome.tables["person"].height == 40
    assert reasons(outcome) == {"ambiguous-patient": 1}


def test_small_classes_lose_their_quasi_identifiers(run: Run, enclave: Profile) -> None:
    pages = [*(page(n) for n in EVERYONE), page(40, XB="1")]
    outcome = run(files(pages=pages))
    risk = outcome.report.risk
    assert (risk["before"]["k"], risk["after"]["k"], risk["after"]["suppressed"]) == (1, 40, 1)
    assert outcome.tables["person"].filter(pl.col("gender_concept_id") == 0)["region"].to_list() == [None]


def test_too_few_patients_are_refused(run: Run) -> None:
    with pytest.raises(RiskTooHigh, match="cn_enclave"):
        run(files(pages=[page(0), page(1)]))


def test_rare_values_are_pooled(run: Run) -> None:
    pages = [page(n, RH="1" if n == 0 else "2") for n in EVERYONE]
    outcome = run(files(pages=pages))
    assert sorted(outcome.tables["observation"]["value_as_string"].unique()) == ["2", "other"]
    assert outcome.report.pooled == 1


def test_nothing_usable_is_bad_input(run: Run) -> None:
    with pytest.raises(BadInput, match="no row"):
        run(files(pages=[page(n, XB="?") for n in range(3)]))


def test_files_that_no_source_claims_are_bad_input(run: Run) -> None:
    with pytest.raises(BadInput, match="no file"):
        run({"z/other.csv": b"a\n1\n"})


def test_a_mapping_for_other_columns_is_refused_with_their_names(run: Run) -> None:
    with pytest.raises(BadMapping, match="RYSJ"):
        run({"a/pages.csv": "BAH,XM\nH1,王\n".encode()})


def test_an_unknown_column_is_counted_and_not_passed_on(run: Run) -> None:
    rows = [page(n) | {"秘密列": f"SECRET{n}"} for n in EVERYONE]
    outcome = run({"a/pages.csv": table((*PAGE_COLUMNS, "秘密列"), rows).encode()})
    strange = [c for c in outcome.report.columns if c["fate"].startswith("not mapped")]
    assert [(c["name"], c["cells"]) for c in strange] == [("column 15", 40)]
    assert "SECRET" not in texts(outcome.tables)


@pytest.mark.parametrize("profile", ["cn_controlled", "cn_open", "hipaa_safe_harbor"])
def test_stricter_profiles_coarsen_days(run: Run, profile: str) -> None:
    sick = [page(n, JBDM=("E11.900", "I10.x00", "J18.900", "K29.500")[n % 4]) for n in range(60)]
    outcome = run(files(pages=sick, notes=[note(n) for n in EVERYONE]), profile=load_profile(profile))
    days = outcome.tables["visit_occurrence"]["visit_start_date"]
    assert days.dt.day().unique().to_list() == [1]
    assert outcome.tables["note"].height == 0
    withheld = outcome.report.as_dict()["free_text"]["withheld"]
    assert withheld == "dropped-by-profile" if profile == "cn_open" else withheld.startswith(("leak-", "detector-"))


def test_conditions_are_cut_to_categories_where_the_profile_says_so(run: Run, enclave: Profile) -> None:
    cut = run(files(), profile=replace(enclave, conditions="category")).tables["condition_occurrence"]
    assert cut["code"].unique().to_list() == ["E11"]


def test_people_over_89_are_one_band(run: Run) -> None:
    old = [page(n, CSRQ="19250305", SFZH=resident(f"31010419250305{n:03d}")) for n in EVERYONE]
    person = run(files(pages=old)).tables["person"]
    assert set(person["age_band"]) == {">=90"}


def test_results_come_in_one_unit_with_their_source_beside_them(run: Run) -> None:
    outcome = run(files(labs=[lab(0, result="＜100.9", unit="mg/dL"), lab(1, unit="kelvin"), lab(2, unit="")]))
    row = outcome.tables["measurement"].row(0, named=True)
    assert (round(row["value_as_number"], 2), row["unit_code"], row["code"]) == (5.6, "mmol/L", "14749-6")
    assert (row["value_source_value"], row["unit_source_value"], row["operator_concept_id"]) == (
        "<100.9",
        "mg/dL",
        4171756,
    )
    assert reasons(outcome) == {"unknown-unit": 1, "missing-unit": 1}


def test_the_report_adds_up_and_its_page_has_no_script(run: Run) -> None:
    report = run(files(labs=[lab(0, result="溶血"), lab(1)])).report
    totals = report.as_dict()["totals"]
    assert totals["rows_in"] == totals["accepted"] + totals["repaired"] + totals["quarantined"] == 42
    assert "<script" not in report.html()
    assert "去标识化报告" in report.html()


def test_what_is_written_can_be_read_back_and_holds_no_index(run: Run, tmp_path) -> None:
    outcome = run(files())
    write(outcome, tmp_path)
    assert pl.read_parquet(tmp_path / "person.parquet").equals(outcome.tables["person"])
    assert {path.suffix for path in tmp_path.iterdir()} == {".parquet", ".json", ".html"}
    assert not [token for token in outcome.index.values() if token in (tmp_path / "report.json").read_text()]


def test_nothing_secret_is_in_a_repr(run: Run) -> None:
    outcome = run(files())
    assert page(0)["XM"] not in repr(outcome)
    assert not [token for token in outcome.index.values() if token in repr(outcome)]


def test_a_folder_gives_what_memory_gives(run: Run, mapping: Mapping, enclave: Profile, tmp_path) -> None:
    for name, content in files().items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    folder = process(FolderRecords(tmp_path), mapping, enclave, KEYS, project="p")
    assert folder.tables["person"].equals(run(files()).tables["person"])


SPOILED = st.sampled_from([
    {}, {"XB": "?"}, {"RYSJ": "20210230"}, {"CYSJ": "20200101"}, {"RH": ""}, {"CSRQ": "１９６００３０５"},
    {"JBDM": "e11900"}, {"BAH": "", "SFZH": "", "DH": ""}, {"CSRQ": "1960,03"}, {"XM": '"'},
])  # fmt: skip


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(SPOILED, min_size=0, max_size=8).filter(lambda rows: rows.count({"XM": '"'}) < 2))
def test_every_row_is_accepted_repaired_or_quarantined(run: Run, spoiled: list[dict[str, str]]) -> None:
    pages = [*(page(n) for n in range(40)), *(page(50 + n, **how) for n, how in enumerate(spoiled))]
    outcome = run(files(pages=pages))
    totals = outcome.report.totals()
    assert totals["rows_in"] == totals["accepted"] + totals["repaired"] + totals["quarantined"] == len(pages)
    assert outcome.quarantine.height == totals["quarantined"]


def test_a_cell_that_swallowed_a_row_is_quarantined(run: Run) -> None:
    outcome = run(files(pages=[*(page(n) for n in EVERYONE), page(50, XM='"'), page(51, XM='"')]))
    assert reasons(outcome) == {"line-break-in-cell": 1}
    assert outcome.tables["person"].height == len(EVERYONE)


def test_the_shipped_mappings_are_valid() -> None:
    from pathlib import Path

    folder = Path(__file__).parents[2] / "policies" / "mappings"
    found = {parse_mapping(path.read_bytes()).name for path in folder.glob("*.yaml")}
    assert {"diabetes130", "demo-network"} <= found
    assert parse_mapping(MAPPING).name == "small"
