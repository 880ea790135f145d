"""What an uploaded archive may not be: bombs, links, climbing names, two files of one name, things that are no zip."""

import io
import random
import stat
import struct
import zipfile

import pytest

from policies.errors import BadArchive
from service.archive import Limits, unpack


def packed(files: list[tuple[str | zipfile.ZipInfo, bytes]], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, raw in files:
            archive.writestr(name, raw, compress_type=method)
    return out.getvalue()


def renamed(raw: bytes, old: bytes, new: bytes) -> bytes:
    assert len(old) == len(new)
    return raw.replace(old, new)


def test_files_come_out_as_they_went_in_and_folders_are_passed_over() -> None:
    raw = packed([("a/", b""), ("a/one.csv", b"1"), ("二.txt", b""), ("stored", b"x" * 3)])
    assert unpack(raw) == {"a/one.csv": b"1", "二.txt": b"", "stored": b"xxx"}


def test_a_file_below_a_mebibyte_may_be_as_dense_as_it_likes() -> None:
    assert len(unpack(packed([("a", b"0" * (1 << 20))]))["a"]) == 1 << 20


@pytest.mark.parametrize("name", ["../a", "a/../b", "/etc/passwd", "a\\b", "..", "C:\\a"], ids=repr)
def test_a_name_that_leads_out_is_refused_and_not_repeated(name: str) -> None:
    stand_in = "x" * len(name.encode())
    raw = renamed(packed([("good", b"1"), (stand_in, b"2")]), stand_in.encode(), name.encode())
    with pytest.raises(BadArchive, match=r"^file 2 of the archive has a name that leads out of it$"):
        unpack(raw)


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK])
def test_what_is_no_plain_file_is_refused(kind: int) -> None:
    entry = zipfile.ZipInfo("link")
    entry.external_attr = (kind | 0o777) << 16
    with pytest.raises(BadArchive, match="not a plain file"):
        unpack(packed([(entry, b"/etc/passwd")]))


def test_permission_bits_alone_do_not_make_a_file_strange() -> None:
    entry = zipfile.ZipInfo("plain")
    entry.external_attr = 0o644 << 16
    assert unpack(packed([(entry, b"1")])) == {"plain": b"1"}


def test_one_name_twice_is_refused() -> None:
    raw = renamed(packed([("aa", b"1"), ("bb", b"2")]), b"bb", b"aa")
    with pytest.raises(BadArchive, match="one name twice"):
        unpack(raw)


def test_an_encrypted_file_is_refused() -> None:
    raw = bytearray(packed([("a", b"1")]))
    raw[raw.index(b"PK\x01\x02") + 8] |= 1
    raw[raw.index(b"PK\x03\x04") + 6] |= 1
    with pytest.raises(BadArchive, match="encrypted"):
        unpack(bytes(raw))


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_method_that_unpacks_without_measure_is_refused(method: int) -> None:
    bomb = packed([("a", b"0" * (8 << 20))], method)
    with pytest.raises(BadArchive, match="method"):
        unpack(bomb)


def test_a_bomb_is_stopped_while_it_unpacks() -> None:
    with pytest.raises(BadArchive, match="bomb"):
        unpack(packed([("a", b"0" * (8 << 20))]))


def test_a_bomb_that_understates_its_size_is_stopped_all_the_same() -> None:
    raw = bytearray(packed([("a", b"0" * (8 << 20))]))
    for mark, offset in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        at = raw.index(mark) + offset
        raw[at : at + 4] = struct.pack("<I", 10)
    with pytest.raises(BadArchive):
        unpack(bytes(raw))


def test_all_files_together_have_a_limit() -> None:
    raw = packed([("a", b"1" * 60), ("b", b"2" * 60)])
    assert len(unpack(raw, Limits(total_bytes=120))) == 2
    with pytest.raises(BadArchive, match="too large once unpacked"):
        unpack(raw, Limits(total_bytes=119))


def test_the_number_of_files_has_a_limit() -> None:
    raw = packed([("a", b""), ("b", b"")])
    assert len(unpack(raw, Limits(entries=2))) == 2
    with pytest.raises(BadArchive, match="more than 1 files"):
        unpack(raw, Limits(entries=1))


@pytest.mark.parametrize("raw", [b"", b"not a zip", packed([])], ids=["nothing", "text", "empty"])
def test_what_holds_no_files_is_refused(raw: bytes) -> None:
    with pytest.raises(BadArchive):
        unpack(raw)


def test_no_damage_gets_past_as_another_error() -> None:
    whole, draw = packed([("a/one.csv", b"id,name\n" * 200), ("b", bytes(range(256)))]), random.Random(7)
    survived = 0
    for _ in range(400):
        spoiled = bytearray(whole[: draw.choice([len(whole), draw.randrange(len(whole))])])
        for _ in range(draw.randint(1, 6)):
            if spoiled:
                spoiled[draw.randrange(len(spoiled))] = draw.randrange(256)
        try:
            unpack(bytes(spoiled))
        except BadArchive:
            continue
        survived += 1
    assert survived < 200
