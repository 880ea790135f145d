from dataclasses import replace
from pathlib import Path

import pytest
from dataset_factories import KEY, Place, entry
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets import vault
from datasets.keys import data_key, rotate
from datasets.keystore import FileKeystore
from datasets.vault import Vault, open_chunks, seal_chunks
from policies.errors import Shredded, Tampered

MARK = "张三丰-13800138000".encode()


@pytest.fixture
def box(place: Place) -> Vault:
    return Vault(place.objects, place.keystore, place.keys, scope="uploads")


@pytest.mark.parametrize("size", [0, 1, vault.CHUNK_BYTES, vault.CHUNK_BYTES + 1, 3 * vault.CHUNK_BYTES])
def test_a_blob_comes_back_whole(box: Vault, size: int) -> None:
    raw = b"x" * size
    blob = box.put(raw, "submission/s-1", entry())
    assert (box.get(blob), blob.size) == (raw, size)


@pytest.mark.parametrize("size", [0, vault.CHUNK_BYTES + 1])
def test_a_blob_of_the_suite_gm_is_under_sm4_and_outlives_a_change_of_suite(place: Place, size: int) -> None:
    gm = FileKeystore(place.root / "gm", KEY, suite="gm")
    blob = Vault(place.objects, gm, place.keys, scope="uploads").put(MARK + bytes(size), "s-1", entry())
    key, raw = data_key(gm, place.keys, blob.sha256, "uploads"), place.objects.get(blob.sha256)
    assert b"".join(open_chunks(raw, key, "s-1", "gm")) == MARK + bytes(size)
    with pytest.raises(Tampered):
        list(open_chunks(raw, key, "s-1", "intl"))
    later = FileKeystore(place.root / "gm", KEY, suite="intl")
    rotate(later, place.keys, "uploads", entry())
    box = Vault(place.objects, later, place.keys, scope="uploads")
    assert box.get(blob) == MARK + bytes(size)
    assert box.put(MARK, "s-2", entry()).suite == "intl"
    with pytest.raises(Tampered):
        box.get(replace(blob, suite="intl"))


def test_nothing_of_a_blob_is_on_disk_in_the_clear(box: Vault, place: Place) -> None:
    box.put(MARK * 100, "submission/s-1", entry())
    assert not any(MARK in path.read_bytes() for path in Path(place.root).rglob("*") if path.is_file())


def test_a_blob_does_not_open_under_another_label(box: Vault) -> None:
    blob = box.put(MARK, "submission/s-1", entry())
    with pytest.raises(Tampered):
        box.get(replace(blob, label="submission/s-2"))


def test_a_shredded_blob_is_refused_even_where_its_bytes_survive(box: Vault, place: Place) -> None:
    blob = box.put(MARK, "submission/s-1", entry())
    kept = place.objects.get(blob.sha256)
    box.shred(blob, entry())
    place.objects.put(kept)
    with pytest.raises(Shredded):
        box.get(blob)


def test_the_key_is_committed_before_the_blob_can_be_found(box: Vault, place: Place, monkeypatch) -> None:
    seen: list[tuple[int, int]] = []
    settle = place.objects.settle

    def watched(staged):
        seen.append((len(place.keys.of("uploads")), len(list(place.objects.names()))))
        settle(staged)

    monkeypatch.setattr(place.objects, "settle", watched)
    box.put(MARK, "submission/s-1", entry())
    assert seen == [(1, 0)]


STEP = vault.CHUNK_BYTES + vault.TAG_BYTES


def sealed(*sizes: int) -> bytes:
    return b"".join(seal_chunks((b"x" * size for size in sizes), KEY, "label"))


@pytest.mark.parametrize(
    "broken",
    [
        lambda raw: raw[STEP:],
        lambda raw: raw[:STEP],
        lambda raw: raw[STEP : 2 * STEP] + raw[:STEP] + raw[2 * STEP :],
        lambda raw: raw[:STEP] + raw,
        lambda raw: raw + raw[-STEP:],
        lambda raw: raw[:-1],
        lambda raw: b"",
    ],
    ids=["first-dropped", "cut", "swapped", "doubled", "appended", "shortened", "empty"],
)
def test_chunks_cannot_be_rearranged(broken) -> None:
    raw = sealed(vault.CHUNK_BYTES, vault.CHUNK_BYTES, 5)
    with pytest.raises(Tampered):
        list(open_chunks(broken(raw), KEY, "label"))


@settings(max_examples=30, deadline=None)
@given(place=st.integers(0, 99), bit=st.integers(0, 7))
def test_any_flipped_bit_is_noticed(place: int, bit: int) -> None:
    raw = bytearray(sealed(84))
    raw[place] ^= 1 << bit
    with pytest.raises(Tampered):
        list(open_chunks(bytes(raw), KEY, "label"))
