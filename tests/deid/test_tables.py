"""Readers of tables and notes, folders, mappings and profiles: what is broken is refused with its place and reason."""

import io
from datetime import date
from pathlib import Path

import openpyxl
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deid import profile
from deid.keys import ProjectKeys
from deid.mapping import Source, Table, load_mapping, parse_mapping
from deid.policy import load_profile, read_profile
from deid.readers import notes, table
from deid.records import FolderRecords, MemoryRecords
from policies.errors import BadInput, BadMapping, Misuse
from tests.deid.small_network import MAPPING

CORPORA = Path(__file__).parents[2].parent / "shared" / "corpora"


def source(kind: str = "csv", pattern: str = "*", **changes: str) -> Source:
    return Source("s", "h", kind, (pattern,), (Table("row", ()),), **changes)


def read(raw: bytes, kind: str = "csv"):
    return table.read(source(kind), MemoryRecords({"f": raw}))


def places(reading) -> list[tuple[int, str]]:
    return [(reject.position, reject.reason) for reject in reading.rejects]


def workbook(*lines: tuple[object, ...]) -> bytes:
    book = openpyxl.Workbook()
    for line in lines:
        book.active.append(line)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def test_a_truncated_file_gives_its_good_rows_and_the_place_of_the_bad_one() -> None:
    reading = read(b"a,b\n1,2\n3,4\n5")
    assert (reading.tables["row"].height, places(reading), reading.counted) == (2, [(3, "row-too-short")], 3)


def test_a_stray_quote_costs_its_own_line_only() -> None:
    reading = read(b'a,b\n1,2\n"x,3\n4,5\n6,"line\nbreak"\n7,8,9\n')
    assert places(reading) == [(2, "stray-quote"), (5, "row-too-long")]
    assert reading.tables["row"]["b"].to_list() == ["2", "5", "line\nbreak"]


def test_an_unclosed_quote_at_the_end_is_refused() -> None:
    assert places(read(b'a,b\n1,2\n3,"4\n')) == [(2, "stray-quote")]


def test_cells_may_hold_delimiters_quotes_and_line_breaks() -> None:
    assert read(b'a,b\r\n"x,""y""","1\r\n2"\r\n').tables["row"].row(0)[:2] == ('x,"y"', "1\n2")


@pytest.mark.parametrize(
    ("raw", "kind", "reason"),
    [
        (b"", "csv", "empty-file"),
        (b"\n\n", "csv", "empty-file"),
        (b"a,a\n1,2\n", "csv", "duplicate-column"),
        (bytes(range(256)), "csv", "not-text"),
        (b"PK nothing", "xlsx", "not-a-workbook"),
        (workbook(), "xlsx", "empty-file"),
        (b"PAR1 nothing PAR1", "parquet", "not-parquet"),
    ],
)
def test_a_file_that_is_no_table_is_refused_whole(raw: bytes, kind: str, reason: str) -> None:
    reading = read(raw, kind)
    assert (places(reading), reading.counted, reading.tables["row"].height) == ([(0, reason)], 1, 0)


def test_a_workbook_that_unpacks_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "UNPACKED_BYTES", 100)
    assert places(read(workbook(("a",), (1,)), "xlsx")) == [(0, "too-large-unpacked")]


def test_a_workbook_gives_text() -> None:
    raw = workbook(("a", "b", "c"), (1.0, date(2020, 3, 5), None), (), ("x", 2.5, None), (1, 2, 3, 4))
    reading = read(raw, "xlsx")
    assert reading.tables["row"].select("a", "b", "c").rows() == [
        ("1", "2020-03-05 00:00:00", None),
        ("x", "2.5", None),
    ]
    assert ([reason for _, reason in places(reading)], reading.counted) == (["row-too-long"], 3)


def test_parquet_gives_what_csv_gives() -> None:
    out = io.BytesIO()
    pl.DataFrame({"a": [1, 2], "b": ["x", None]}).write_parquet(out)
    assert read(out.getvalue(), "parquet").tables["row"].select("a", "b").rows() == [("1", "x"), ("2", None)]


def test_files_of_one_source_may_differ_in_their_columns() -> None:
    records = MemoryRecords({"1.tsv": b"a\tb\n1\t2\n", "2.tsv": b"a\n3\n"})
    found = table.read(source("tsv"), records).tables["row"]
    assert found.select("a", "b", "_file").rows() == [("1", "2", 0), ("3", None, 1)]


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\r\x00", exclude_categories=("Cs", "Cc")), max_size=8)


@given(st.lists(st.lists(CELL, min_size=2, max_size=2), max_size=8))
def test_what_a_writer_quotes_is_read_back(lines: list[list[str]]) -> None:
    frame = pl.DataFrame(lines, schema={"a": pl.String, "b": pl.String}, orient="row")
    reading = read(frame.write_csv(quote_style="always").encode())
    assert reading.tables["row"].select("a", "b").rows() == frame.rows()
    assert reading.counted == frame.height


@given(st.text(st.sampled_from('a,"\n1'), max_size=60))
def test_whatever_the_quotes_every_counted_row_is_read_or_refused(body: str) -> None:
    reading = read(("x,y\n" + body).encode())
    assert reading.tables["row"].height + len(reading.rejects) == reading.counted


def test_notes_are_one_row_each_and_bad_ones_are_refused() -> None:
    records = MemoryRecords({"n/1.txt": "入院\r\n记录".encode(), "n/2.txt": b" ", "n/3.txt": bytes(range(256))})
    reading = notes.read(source("notes"), records)
    assert reading.tables["note"].select("text", "name", "folder").rows() == [("入院\n记录", "1", "n")]
    assert [(r.file, r.reason) for r in reading.rejects] == [(1, "empty-file"), (2, "not-text")]


def test_a_folder_shows_its_files_and_follows_no_link(tmp_path: Path) -> None:
    (tmp_path / "in" / "b").mkdir(parents=True)
    (tmp_path / "in" / "b" / "1.csv").write_bytes(b"x")
    (tmp_path / "in" / ".hidden").write_bytes(b"x")
    (tmp_path / "secret").write_bytes(b"x")
    (tmp_path / "in" / "link").symlink_to(tmp_path / "secret")
    records = FolderRecords(tmp_path / "in")
    assert records.names() == ("b/1.csv",)
    assert records.read("b/1.csv") == b"x"
    for name in ("link", "../secret", "none"):
        with pytest.raises(BadInput):
            records.read(name)


def test_a_folder_that_is_not_there_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInput):
        FolderRecords(tmp_path / "none").names()


def test_memory_has_only_what_it_was_given() -> None:
    with pytest.raises(BadInput):
        MemoryRecords({}).read("x")


def test_keys_are_three_different_secrets_and_never_shown() -> None:
    assert "aaaa" not in repr(ProjectKeys(b"a" * 32, b"b" * 32, b"c" * 32))
    for wrong in ((b"a" * 31, b"b" * 32, b"c" * 32), (b"a" * 32, b"a" * 32, b"c" * 32)):
        with pytest.raises(Misuse):
            ProjectKeys(*wrong)


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("XM: person.name", "XM: person.nam", "person.nam"),
        ("XM: person.name", "XM: person.mrn", "same target"),
        ("XM: person.name", "XM: {to: person.name, colour: red}", "colour|valid under"),
        ("XM: person.name", 'XM: {to: person.name, pattern: "("}', "regular expression"),
        ("XM: person.name", 'XM: {to: person.name, pattern: "(a)(b)"}', "exactly one group"),
        ("XM: person.name", "XM: {to: person.name, item: x}", "item"),
        ("XM: person.name", "BAH: person.name", "YAML"),
        ("      row:", "      rows:", "gives row"),
        ("key: [BAH, ZYCS]", "key: [NONE]", "mapped columns"),
        ("key: [BAH, ZYCS]", "keys: [BAH]", "keys"),
        ("name: notes", "name: pages", "same name"),
        ("medtrain.mapping/1", "medtrain.mapping/2", "schema"),
        ("sources:", "sources: [", "YAML"),
    ],
)
def test_a_wrong_mapping_is_refused_with_its_place(old: str, new: str, where: str) -> None:
    assert old in MAPPING
    with pytest.raises(BadMapping, match=where):
        parse_mapping(MAPPING.replace(old, new, 1))


def test_a_mapping_is_identified_by_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(MAPPING, "utf-8")
    assert load_mapping(tmp_path / "m.yaml") == parse_mapping(MAPPING)
    assert parse_mapping(MAPPING + "\n").sha256 != parse_mapping(MAPPING).sha256
    with pytest.raises(BadMapping, match="cannot be read"):
        load_mapping(tmp_path / "none.yaml")


@pytest.mark.parametrize("name", ["cn_enclave", "cn_controlled", "cn_open", "hipaa_safe_harbor"])
def test_the_shipped_profiles_are_valid(name: str) -> None:
    assert load_profile(name).name == name


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("k: 5", "k: 0", "k"),
        ("k: 5", "k: true", "k"),
        ("dates: shift", "dates: none", "dates"),
        ("age_top: 89", "age_top: 120", "age_top"),
        ("k: 5\n", "", "'k'"),
        ("k: 5", "k: 5\nj: 1", "'j'"),
        ("profile/1", "profile/2", "medtrain.profile/1"),
        ("k: 5", "k: [", "YAML"),
    ],
)
def test_a_wrong_profile_is_refused(old: str, new: str, where: str, tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "policies" / "profiles" / "cn_enclave.yaml").read_text("utf-8")
    (tmp_path / "p.yaml").write_text(text.replace(old, new), "utf-8")
    with pytest.raises(BadMapping, match=where):
        read_profile(tmp_path / "p.yaml")


def test_an_unknown_profile_is_refused_with_the_known_ones() -> None:
    with pytest.raises(BadMapping, match="cn_enclave"):
        load_profile("none")


@pytest.mark.parametrize(
    ("name", "values", "kind"),
    [
        ("x", ["11010519491231002X"] * 3, "identifier"),
        ("x", ["13812345678", "13912345678"], "identifier"),
        ("x", ["a@b.cn"], "identifier"),
        ("XM", ["王"], "identifier"),
        ("x", ["12345678", "22345678", "32345678"], "identifier"),
        ("年龄", ["45"], "quasi-identifier"),
        ("x", ["2020-01-01", "2020-01-02"], "date"),
        ("主诉", ["咳嗽"], "sensitive"),
        ("x", ["1.5", "<2", "3"], "number"),
        ("x", ["E11.9", "I10"], "code"),
        ("x", ["长" * 40], "free text"),
        ("x", ["内科", "外科"], "category"),
        ("x", [], "empty"),
    ],
)
def test_a_column_is_typed_by_its_values_and_its_name(name: str, values: list[str], kind: str) -> None:
    assert profile.kind_of(name, values) == kind


@pytest.mark.corpora
@pytest.mark.skipif(not CORPORA.is_dir(), reason="../shared/corpora is not here")
def test_a_real_gbk_file_with_a_stray_quote_loses_one_row() -> None:
    reading = table.read(source(pattern="neike*.csv"), FolderRecords(CORPORA / "in-cn-dialogue"))
    assert (reading.counted, reading.tables["row"].height, places(reading)) == (7644, 7643, [(5112, "stray-quote")])


def test_a_wide_table_is_read_in_smaller_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "CELLS", 6)
    files = MemoryRecords({"a.csv": b"a,b,c\n" + b"1,2,3\n" * 5})
    source = Source("s", "h", "csv", ("*.csv",), ())
    heights = [reading.tables["row"].height for reading in table.read_pieces(source, files, 100)]
    whole = table.read(source, files).tables["row"]
    assert heights[:2] == [2, 2]
    assert sum(heights) == whole.height == 5
