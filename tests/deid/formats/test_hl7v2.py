"""HL7 v2: decode before splitting, nothing lost, broken messages quarantined with their place."""

from pathlib import Path

import pytest

from deid.clean.encoding import NotText
from deid.mapping import Source
from deid.readers import hl7v2
from deid.records import FolderRecords, MemoryRecords, Reading

CORPUS = Path(__file__).parents[4] / "shared/corpora/in-hl7v2"
SOURCE = Source("messages", "b", "hl7v2", ("*",), ())
DELIMITERS = b"\\^|~"


def head(charset: str = "UNICODE UTF-8") -> str:
    return f"MSH|^~\\&|LIS|HB|F|SH|20200305||ORU^R01|C1|P|2.5.1||||||{charset}"


def message(*segments: str, charset: str = "UNICODE UTF-8", pid: str = "PID|1||A1^^^H^MR||王^明||19600101|M") -> str:
    return "\r".join([head(charset), *([pid] if pid else []), *segments]) + "\r"


def read(*files: bytes) -> Reading:
    return hl7v2.read(SOURCE, MemoryRecords({f"f{n}": raw for n, raw in enumerate(files)}))


def trap_characters() -> list[str]:
    """Every hanzi whose two GBK bytes end in a delimiter."""
    found = []
    for lead in range(0x81, 0xFF):
        for trail in DELIMITERS:
            char = bytes((lead, trail)).decode("gbk", "ignore")
            found += [char] if "\u4e00" <= char <= "\u9fff" and len(char) == 1 else []
    return found


def test_all_464_trap_characters_survive_in_names_and_values() -> None:
    traps = trap_characters()
    assert len(traps) == 464
    for charset in ("GB 18030-2000", "GBK", ""):
        for char in traps:
            sent = message(f"OBX|1|TX|T^名^L||值{char}患者一般情况可", charset=charset, pid=f"PID|1||A1||{char}大明")
            reading = read(sent.encode("gb18030"))
            assert reading.tables["patient"]["name"].to_list() == [f"{char}大明"]
            assert reading.tables["observation"]["value"].to_list() == [f"值{char}患者一般情况可"]


@pytest.mark.corpora
@pytest.mark.skipif(not CORPUS.is_dir(), reason="needs ../shared/corpora/in-hl7v2")
def test_every_corpus_message_is_written_back_byte_for_byte() -> None:
    seen = 0
    for path in sorted(CORPUS.iterdir()):
        for raw in hl7v2.split(path.read_bytes()):
            text = hl7v2.decode(raw)
            encoded = next(n for n in ("utf-8", "gb18030", "latin-1") if raw.decode(n, "replace") == text)
            assert hl7v2.serialise(hl7v2.parse(text)).encode(encoded) == raw
            seen += 1
    assert seen >= 132


@pytest.mark.corpora
@pytest.mark.skipif(not CORPUS.is_dir(), reason="needs ../shared/corpora/in-hl7v2")
def test_every_corpus_message_is_in_a_table_or_among_the_rejects() -> None:
    reading = hl7v2.read(SOURCE, FolderRecords(CORPUS))
    assert reading.tables["patient"].height + len(reading.rejects) == reading.counted >= 132


def test_a_segment_that_no_standard_names_is_refused_and_a_hospitals_own_is_not() -> None:
    damaged = message("OBX|1|NM|G^葡萄糖^LN||5.1").replace("OBX|1", "OB1|1")
    own = message("OBX|1|NM|G^葡萄糖^LN||5.1") + "ZPI|1|x\r"
    reading = read((damaged + own).encode())
    assert [(r.position, r.reason) for r in reading.rejects] == [(1, "bad-segment")]
    assert reading.tables["observation"]["_position"].to_list() == [2]


def test_a_broken_segment_is_refused_with_its_place_and_the_rest_goes_on() -> None:
    broken = message("OBX|1|NM|G^葡萄糖^LN||5.1").replace("PID|1||A1", "PID|1||A\r1")
    reading = read((message() + broken + message()).encode())
    assert [(r.source, r.file, r.position, r.reason) for r in reading.rejects] == [("messages", 0, 2, "bad-segment")]
    assert reading.rejects[0].raw == broken.encode()
    assert reading.tables["patient"]["_position"].to_list() == [1, 3]
    assert reading.counted == 3


@pytest.mark.parametrize(
    ("raw", "reason", "position"),
    [
        (message(pid="").encode(), "no-patient", 1),
        (b"MSH|||||\rPID|1||A1\r", "bad-separators", 1),
        (b"MSHA^~\\&ALIS\rPIDA1\r", "bad-separators", 1),
        (b"MSH", "bad-separators", 1),
        (head("").encode() + b"\rPID|1||A1||\xff\xfe\xff\r", "not-text", 1),
        (b"not a message", "no-message", 0),
        (b"", "no-message", 0),
    ],
)
def test_what_cannot_be_read_has_a_reason(raw: bytes, reason: str, position: int) -> None:
    reading = read(raw)
    assert [(r.reason, r.position) for r in reading.rejects] == [(reason, position)]
    assert reading.counted == 1


def test_a_header_that_lies_is_not_believed() -> None:
    reading = read(message(charset="ASCII").encode())
    assert reading.tables["patient"]["name"].to_list() == ["王明"]


def test_big5_is_read_when_the_header_says_so() -> None:
    reading = read(message(charset="BIG-5", pid="PID|1||A1||許功蓋").encode("big5"))
    assert reading.tables["patient"]["name"].to_list() == ["許功蓋"]


def test_undeclared_gbk_is_told_by_the_whole_file() -> None:
    long = message("OBX|1|TX|T||患者一般情况可，双肺呼吸音粗，未闻及干湿啰音", charset="")
    reading = read((message(charset="", pid="PID|1||A1||葉珩") + long).encode("gb18030"))
    assert reading.tables["patient"]["name"].to_list() == ["葉珩", "王明"]


def test_transport_frames_and_byte_order_marks_are_taken_off() -> None:
    framed = b"\x0b" + message().encode() + b"\x1c\r\x0b" + message().encode() + b"\x1c\r"
    assert read(framed).tables["patient"].height == 2
    assert read(b"\xef\xbb\xbf" + message().encode()).tables["patient"].height == 1


def test_identity_is_told_from_the_kinds_of_numbers_and_repeated_in_every_table() -> None:
    numbers = "A1^^^H^MR~310101196001011234^^^CN^NI~C9^^^S^HC~Z^^^S^XX"
    pid = f"PID|1||{numbers}||王^明||19600101|M|||甲路1号^^浦东新区^上海市||139"
    sent = message("NK1|1|李^四|2||138", "PV1|1|I|W1^^^HB||||77^张^三", "OBX|1|NM|G^葡萄糖^LN||5.1|mmol/L", pid=pid)
    reading = read(sent.encode())
    for table in reading.tables.values():
        row = table.row(0, named=True)
        assert (row["mrn"], row["id_card"], row["insurance"], row["name"]) == ("A1", "310101196001011234", "C9", "王明")
        assert row["phone"] == "139"
    patient = reading.tables["patient"].row(0, named=True)
    assert patient["address"] == "上海市浦东新区甲路1号"
    assert (patient["contact_name"], patient["contact_phone"], patient["message"]) == ("李四", "138", sent)
    assert reading.tables["visit"].row(0, named=True)["doctor"] == "张三"


def test_the_number_of_old_versions_is_taken_where_there_is_no_other() -> None:
    reading = read(message(pid="PID|1||A1||SMITH^JOHN||19600101|M|||1 High St^^Town||||||||123456789").encode())
    row = reading.tables["patient"].row(0, named=True)
    assert (row["id_card"], row["name"], row["address"]) == ("123456789", "JOHN SMITH", "1 High St Town")


@pytest.mark.parametrize(
    ("kind", "cell", "value"),
    [
        ("NM", "5.1", "5.1"),
        ("SN", "<^0.1", "<0.1"),
        ("SN", "^1^:^128", "1:128"),
        ("CWE", "A^阳性^L", "阳性"),
        ("CE", "A", "A"),
        ("CE", "A^甲~B^乙", "甲; 乙"),
        ("TX", "一~二", "一\n二"),
        ("ST", "5\\T\\6", "5&6"),
    ],
)
def test_values_become_one_text(kind: str, cell: str, value: str) -> None:
    reading = read(message(f"OBX|1|{kind}|G^葡萄糖^LN||{cell}|mmol/L").encode())
    assert reading.tables["observation"]["value"].to_list() == [value]


def test_an_observation_without_a_time_of_its_own_has_its_orders() -> None:
    segments = ("OBR|1|P1|F1|CHEM|||202003050830", "OBX|1|NM|G||5|||||||||202003060900", "OBX|2|NM|H||6")
    table = read(message(*segments).encode()).tables["observation"]
    assert table["date"].to_list() == ["202003060900", "202003050830"]
    assert table["order"].to_list() == ["F1", "F1"]


@pytest.mark.parametrize(
    ("escaped", "text"),
    [
        ("a\\F\\b", "a|b"),
        ("\\S\\\\R\\\\E\\", "^~\\"),
        ("\\H\\bold\\N\\", "bold"),
        ("\\X4142\\", "AB"),
        ("x\\.br\\y", "x\ny"),
        ("\\Zqq\\", "\\Zqq\\"),
        ("plain", "plain"),
    ],
)
def test_escapes_are_resolved(escaped: str, text: str) -> None:
    assert hl7v2.unescape(escaped, "|^~\\&") == text


def test_a_message_may_bring_its_own_escape_sign() -> None:
    assert hl7v2.unescape("a!F!b", "|^~!&") == "a|b"
    assert hl7v2.unescape("a\\F\\b", "|^~") == "a\\F\\b"


def test_a_message_in_no_known_encoding_is_not_text() -> None:
    with pytest.raises(NotText):
        hl7v2.decode(b"MSH|^~\\&|\xff\xff\xfe")


def test_no_value_is_in_the_repr_of_a_message() -> None:
    assert "王" not in repr(hl7v2.parse(message()))
