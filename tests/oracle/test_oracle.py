"""The leak oracle finds what is there, in every form, and nothing else."""

import base64
import json
import random
import time
from pathlib import Path
from urllib.parse import quote

import polars as pl
import pytest

from service.demo import oracle
from service.demo.network.truth import Identifier, Individual, Scope, Truth
from service.demo.oracle import Blob, hits

NAME, PHONE, CARD, EMAIL, MRN = (
    "欧阳若霁",
    "13812345678",
    "31010119600101123X",
    "lan123456@mailbox.example.cn",
    "B20263442",
)


def identifier(kind: str, value: str, *, person: int = 0, scope: Scope = Scope.EVERYWHERE) -> Identifier:
    return Identifier(kind, value, person, ("f",), "", scope)


def truth(*identifiers: Identifier, people: tuple[Individual, ...] = ()) -> Truth:
    return Truth(1, 0, identifiers, people, ())


ALL = truth(
    *(
        identifier(k, v)
        for k, v in (("NAME", NAME), ("PHONE", PHONE), ("ID_CARD", CARD), ("EMAIL", EMAIL), ("MRN", MRN))
    )
)


def found(content: bytes, known: Truth = ALL, person: int | None = None) -> list[str]:
    return [hit.kind for hit in hits(known, [Blob("here", content, person)])]


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "utf-16-le", "utf-16-be", "utf-16"])
@pytest.mark.parametrize(("kind", "value"), [("NAME", NAME), ("PHONE", PHONE), ("ID_CARD", CARD), ("EMAIL", EMAIL)])
def test_a_value_is_found_in_every_encoding(kind: str, value: str, encoding: str) -> None:
    assert found(f"主诉 {value} 。".encode(encoding)) == [kind]


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "utf-16-le"])
@pytest.mark.parametrize("before", [b"", b"\xff", b"\xff\xfe\xfd"])
def test_a_value_is_found_inside_binary_at_any_alignment(before: bytes, encoding: str) -> None:
    noise = random.Random(1).randbytes(999)
    assert found(noise + before + NAME.encode(encoding) + noise) == ["NAME"]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("138 1234 5678", "PHONE"),
        ("138-1234-5678", "PHONE"),
        ("１３８１２３４５６７８", "PHONE"),
        ("1 3 8 1 2 3 4 5 6 7 8", "PHONE"),
        ("310101 19600101 123x", "ID_CARD"),
        ("310101-19600101-123Ｘ", "ID_CARD"),
        ("LAN123456@MAILBOX.EXAMPLE.CN", "EMAIL"),
        ("欧阳 若霁", "NAME"),
        ("欧阳\u3000若霁", "NAME"),
        ("欧 阳·若 霁", "NAME"),
        ("b20263442", "MRN"),
    ],
)
def test_a_value_is_found_with_and_without_separators_in_any_width_and_case(text: str, kind: str) -> None:
    assert found(f"：{text}，".encode()) == [kind]
    assert found(f"：{text}，".encode("gb18030")) == [kind]


@pytest.mark.parametrize(
    "escape",
    [
        lambda text: json.dumps(text).encode(),
        lambda text: json.dumps(text).upper().replace("\\U", "\\u").encode(),
        lambda text: quote(text).encode(),
        lambda text: quote(text).lower().encode(),
        lambda text: base64.b64encode(text.encode()),
        lambda text: base64.b64encode(b"x" + text.encode() + b"yy"),
        lambda text: base64.b64encode(b"xy" + text.encode() + b"z"),
    ],
)
def test_an_escaped_value_is_found(escape) -> None:
    assert found(b"[" + escape(NAME + "住") + b"]", truth(identifier("NAME", NAME + "住"))) == ["NAME"]


@pytest.mark.parametrize(
    "text", ["1381234567", "13812345679", "7b20263442f", "a7b20263442", "B2026344", "欧阳若", "x阳若霁"]
)
def test_a_part_or_a_piece_of_a_hash_is_no_hit(text: str) -> None:
    assert found(f"主诉 {text} 。".encode()) == []


def test_random_bytes_and_numbers_hold_nothing() -> None:
    rng = random.Random(3)
    known = truth(*(identifier("PHONE", f"138{rng.randrange(10**8):08d}") for _ in range(2000)))
    numbers = "\n".join(f"{rng.random():.6f},{rng.randrange(10**6)}" for _ in range(60_000)).encode()
    assert (
        hits(
            known,
            [Blob("a", rng.randbytes(1_000_000)), Blob("b", numbers), Blob("c", rng.randbytes(400_000).hex().encode())],
        )
        == []
    )


def test_what_proves_something_only_in_a_patients_own_notes_is_searched_only_there() -> None:
    known = truth(
        identifier("DATE", "2009年3月5日", scope=Scope.OWN_NOTES),
        identifier("AGE90", "94岁", person=1, scope=Scope.OWN_NOTES),
    )
    text = "于2009年3月5日手术，其母94岁".encode()
    assert found(text, known) == []
    assert found(text, known, person=0) == ["DATE"]
    assert found(text, known, person=1) == ["AGE90"]
    assert found(text, known, person=2) == []


def test_what_proves_nothing_is_not_searched() -> None:
    assert found("王".encode(), truth(identifier("NAME", "王", scope=Scope.NOWHERE)), person=0) == []


def test_a_hit_names_the_identifier_and_the_place_and_no_value() -> None:
    hit = hits(ALL, [Blob("first", b""), Blob("second", PHONE.encode())])[0]
    assert (hit.kind, ALL.identifiers[hit.identifier].value, hit.where) == ("PHONE", PHONE, "second")
    assert PHONE not in repr(hit)
    assert PHONE not in repr(Blob("x", PHONE.encode()))


def test_a_value_across_the_border_of_two_pieces_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oracle, "_PIECE", 64)
    assert all(found(b"." * n + NAME.encode() + b"." * 200) == ["NAME"] for n in range(40, 80))


def test_no_truth_gives_no_hits() -> None:
    assert found(b"anything", truth()) == []


def person(number: int, fingerprint: str) -> Individual:
    return Individual(number, outcome=False, records=(), fingerprints=(fingerprint,))


def test_a_note_is_told_by_its_clinical_text() -> None:
    known = truth(people=(person(0, "血糖7.83mmol/L"), person(1, "血糖5.01mmol/L")))
    assert oracle.whose(known, ["[NAME]血糖 5.01 mmol/L。", "查体", "血糖７.83mmol/L"]) == [1, None, 0]
    assert oracle.whose(truth(), ["x"]) == [None]


def test_tables_are_searched_cell_by_cell() -> None:
    known = truth(
        identifier("NAME", NAME), identifier("AGE90", "94岁", scope=Scope.OWN_NOTES), people=(person(0, "血糖7.83"),)
    )
    frames = {
        "image": pl.DataFrame({"dicom": [None, b"\0" + NAME.encode("gb18030")], "row": [1, 2]}),
        "note": pl.DataFrame({"note_text": ["血糖7.83，94岁", None]}),
    }
    assert [(h.kind, h.where) for h in hits(known, oracle.tables(known, frames))] == [
        ("NAME", "table image, dicom 1"),
        ("AGE90", "note 0"),
    ]


def test_file_names_are_searched_but_never_shown(tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.txt").write_bytes(b"clean")
    (tmp_path / "a.txt").write_bytes(b"clean")
    assert [(h.kind, h.where) for h in hits(ALL, oracle.folder(tmp_path, "logs"))] == [("NAME", "logs, file 1")]


def test_twenty_megabytes_and_thousands_of_identifiers_take_seconds() -> None:
    rng = random.Random(7)
    known = truth(*(identifier("PHONE", f"139{rng.randrange(10**8):08d}") for _ in range(5000)))
    start = time.perf_counter()
    assert hits(known, [Blob("x", "患者一般情况可，双肺呼吸音粗。\n".encode() * 450_000)]) == []
    assert time.perf_counter() - start < 30
