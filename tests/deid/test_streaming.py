"""Streaming: the same output as in memory, whatever the pieces; bounded memory; nothing left behind."""

import io
import json
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deid.clean.encoding import NotText, decode, tell
from deid.mapping import Mapping, Source
from deid.pipeline import process
from deid.policy import Profile
from deid.readers import table as reader
from deid.records import MemoryRecords
from deid.spill import Spill
from deid.streaming import RANGE_BYTES, stream
from policies.errors import BadInput, BadMapping, LeakFound
from tests.deid.small_network import EVERYONE, KEYS, files, lab, note, page

SOURCE = Source("t", "a", "csv", ("*",), ())
ODD = [
    page(3), page(5, RH="1"), page(50, XB="?"), page(51, CYSJ="20200101"), page(52, CSRQ="1960,03"),
    page(53, BAH="", SFZH="", DH=""), page(54, XM='"'),
]  # fmt: skip


def parquet(frame: pl.DataFrame) -> bytes:
    out = io.BytesIO()
    frame.rechunk().write_parquet(out, statistics=False)
    return out.getvalue()


def content() -> dict[str, bytes]:
    notes = [*(note(n) for n in (0, 1)), "机密★5年\n" + note(2), "平稳", "住院号：H99999999\n平稳。"]
    labs = [*(lab(n) for n in range(9)), lab(1), lab(2, unit=""), lab(3, result="x"), lab(4, day="05/13/2021")]
    return files(pages=[*(page(n) for n in EVERYONE), *ODD], labs=labs, notes=notes) | {"x/strange.bin": b"?"}


@pytest.mark.parametrize(("size", "rows"), [(0, 10_000), (2 * RANGE_BYTES, 7)])
def test_the_output_is_that_of_the_pipeline_in_memory(
    mapping: Mapping, enclave: Profile, tmp_path: Path, size: int, rows: int
) -> None:
    given = content()
    whole = process(MemoryRecords(given), mapping, enclave, KEYS, project="p")
    made = stream(MemoryRecords(given), mapping, enclave, KEYS, project="p", out=tmp_path, size=size, rows=rows)
    for name, table in whole.tables.items():
        parts = pl.concat(pl.read_parquet(path) for path in sorted((tmp_path / name).iterdir()))
        assert parts.equals(table), name
        assert parquet(parts) == parquet(table), name
    assert made.index == whole.index
    assert pl.read_parquet(tmp_path / "quarantine.parquet").equals(whole.quarantine)
    told = json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert told == json.loads(json.dumps(whole.report.as_dict()))
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_a_leak_leaves_no_table_behind(mapping: Mapping, enclave: Profile, tmp_path: Path) -> None:
    leaky = files(notes=[f"住院号：{page(n)['BAH']}\n{page(n)['XM']}自诉胸闷。" for n in range(3)])
    with pytest.raises(LeakFound, match="note_text"):
        stream(MemoryRecords(leaky), mapping, enclave, KEYS, project="p", out=tmp_path, size=0,
               layers=frozenset({"patterns"}))  # fmt: skip
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"z/other.csv": b"a\n1\n"}, BadInput),
        ({"a/pages.csv": "BAH,XM\nH1,王\n".encode()}, BadMapping),
        (files(pages=[page(n, XB="?") for n in range(3)]), BadInput),
    ],
)
def test_what_cannot_be_used_is_refused_as_in_memory(
    mapping: Mapping, enclave: Profile, tmp_path: Path, given: dict[str, bytes], error: type[Exception]
) -> None:
    with pytest.raises(error):
        stream(MemoryRecords(given), mapping, enclave, KEYS, project="p", out=tmp_path, size=0)


CELLS = st.text(alphabet='a,"\n\r王;', max_size=6)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(CELLS, min_size=1, max_size=3), min_size=0, max_size=8), st.integers(1, 4), st.booleans())
def test_pieces_of_a_table_are_its_rows(rows: list[list[str]], most: int, quoted: bool) -> None:
    mark = '"' if quoted else ""
    text = "h,i\n" + "\n".join(",".join(f"{mark}{cell}{mark}" for cell in row) for row in rows)
    records = MemoryRecords({"f": text.encode()})
    whole, parts = reader.read(SOURCE, records), list(reader.read_pieces(SOURCE, records, most))
    assert pl.concat([part.tables["row"] for part in parts], how="diagonal").equals(whole.tables["row"])
    assert tuple(reject for part in parts for reject in part.rejects) == whole.rejects
    assert sum(part.counted for part in parts) == whole.counted
    assert all(part.counted <= most for part in parts)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(["患者一般情况可，予以出院", "plain", "患者a\x00b", "東風"]),
    st.sampled_from(["utf-8", "utf-8-sig", "gb18030", "big5", "utf-16"]),
    st.sampled_from(["auto", "gb18030"]),
    st.binary(max_size=2),
)
def test_the_encoding_of_a_stream_is_that_of_the_whole(text: str, encoding: str, declared: str, tail: bytes) -> None:
    raw = (text * 5).encode(encoding, "ignore") + tail
    try:
        expected = decode(raw, declared).text
    except NotText:
        with pytest.raises(NotText):
            tell(lambda: io.BytesIO(raw), declared)
        return
    assert raw.decode(tell(lambda: io.BytesIO(raw), declared)) == expected


def test_a_spill_gives_back_what_it_took_in_order_and_leaves_nothing(tmp_path: Path) -> None:
    with Spill(tmp_path) as spill:
        for number in range(3):
            spill.append((1, 2), pl.DataFrame({"a": [number]}))
            assert spill.take((9,)) is None
        assert spill.take((1, 2)).get_column("a").to_list() == [0, 1, 2]
        for number in range(300):
            spill.append((2, number), pl.DataFrame({"a": [number]}))
        spill.drop((1, 2))
        assert spill.take((1, 2)) is None
        assert spill.take((2, 299)).item() == 299
    assert list(tmp_path.iterdir()) == []
