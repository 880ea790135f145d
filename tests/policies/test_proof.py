"""The log's proofs against a slow reference, and against every change of one byte."""

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from policies.errors import Tampered
from policies.proof import (
    EMPTY_ROOT,
    Checkpoint,
    check_consistency,
    check_inclusion,
    consistency_path,
    inclusion_path,
    leaf_hash,
    node_hash,
    open_checkpoint,
    receipt,
    root_at,
    root_hash,
    sign,
    verify_receipt,
    vkey,
)

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
ORIGIN = "log.example/medtrain"
TRUSTED = vkey(ORIGIN, KEY.public_key())


def leaves(count: int) -> list[bytes]:
    return [leaf_hash(b"entry %d" % number) for number in range(count)]


def slow_root(hashes: list[bytes]) -> bytes:
    """RFC 6962 section 2.1, word for word."""
    if len(hashes) < 2:
        return hashes[0] if hashes else hashlib.sha256(b"").digest()
    half = 1
    while half * 2 < len(hashes):
        half *= 2
    return node_hash(slow_root(hashes[:half]), slow_root(hashes[half:]))


def subtree_of(hashes: list[bytes]):
    return lambda level, number: slow_root(hashes[number << level : (number + 1) << level])


def proved(size: int, index: int) -> bytes:
    hashes = leaves(size)
    note = sign(Checkpoint(ORIGIN, size, slow_root(hashes)), KEY)
    return receipt(index, inclusion_path(index, size, subtree_of(hashes)), note)


@pytest.mark.parametrize("size", range(40))
def test_the_frontier_gives_the_root_of_the_rfc(size: int) -> None:
    hashes = leaves(size)
    assert root_hash(hashes) == slow_root(hashes) == root_at(size, subtree_of(hashes))


def test_a_known_tree_has_the_published_root() -> None:
    # The test vector of the certificate-transparency reference implementation: leaves "" and 0x00.
    assert root_hash([]) == EMPTY_ROOT
    assert leaf_hash(b"").hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    two = root_hash([leaf_hash(b""), leaf_hash(b"\x00")])
    assert two.hex() == "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"


@pytest.mark.parametrize("size", range(1, 34))
def test_every_entry_of_every_small_tree_has_a_proof_that_holds(size: int) -> None:
    hashes = leaves(size)
    for index in range(size):
        path = inclusion_path(index, size, subtree_of(hashes))
        check_inclusion(hashes[index], index, size, path, slow_root(hashes))


@pytest.mark.parametrize("new", range(34))
def test_every_small_tree_is_proved_to_continue_every_smaller_one(new: int) -> None:
    hashes = leaves(new)
    for old in range(new + 1):
        path = consistency_path(old, new, subtree_of(hashes))
        check_consistency(old, slow_root(hashes[:old]), new, slow_root(hashes), path)


@given(st.integers(1, 70), st.data())
def test_an_inclusion_proof_holds_for_its_own_entry_place_and_tree_only(size: int, data: st.DataObject) -> None:
    hashes, index = leaves(size), data.draw(st.integers(0, size - 1))
    path, root = inclusion_path(index, size, subtree_of(hashes)), slow_root(hashes)
    other = data.draw(st.integers(0, size - 1).filter(lambda i: i != index)) if size > 1 else None
    with pytest.raises(Tampered):
        check_inclusion(leaf_hash(b"another"), index, size, path, root)
    with pytest.raises(Tampered):
        check_inclusion(hashes[index], index, size, [*path, root], root)
    if path:
        with pytest.raises(Tampered):
            check_inclusion(hashes[index], index, size, path[:-1], root)
    if other is not None:
        with pytest.raises(Tampered):
            check_inclusion(hashes[index], other, size, path, root)


@given(st.integers(2, 70), st.data())
def test_a_rewritten_tree_is_no_continuation(new: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(1, new))
    spoiled = data.draw(st.integers(0, old - 1))
    true, false = leaves(new), leaves(new)
    false[spoiled] = leaf_hash(b"rewritten")
    path = consistency_path(old, new, subtree_of(false))
    with pytest.raises(Tampered):
        check_consistency(old, slow_root(true[:old]), new, slow_root(false), path)


@given(st.integers(2, 70), st.data())
def test_a_consistency_proof_of_another_length_is_refused(new: int, data: st.DataObject) -> None:
    hashes, old = leaves(new), data.draw(st.integers(1, new - 1))
    path = consistency_path(old, new, subtree_of(hashes))
    for wrong in (path[:-1], [*path, path[-1]]):
        with pytest.raises(Tampered):
            check_consistency(old, slow_root(hashes[:old]), new, slow_root(hashes), wrong)


@pytest.mark.parametrize(("old", "new"), [(3, 2), (-1, 2)])
def test_a_log_does_not_shrink(old: int, new: int) -> None:
    with pytest.raises(Tampered):
        consistency_path(old, new, subtree_of(leaves(4)))
    with pytest.raises(Tampered):
        check_consistency(old, b"", new, b"", [])


@pytest.mark.parametrize(
    ("old", "root", "path"), [(0, b"x" * 32, []), (4, b"x" * 32, []), (0, EMPTY_ROOT, [b"x" * 32])]
)
def test_equal_and_empty_trees_need_equal_roots_and_no_proof(old: int, root: bytes, path: list[bytes]) -> None:
    with pytest.raises(Tampered):
        check_consistency(old, root, 4, slow_root(leaves(4)), path)


def test_an_empty_consistency_proof_is_refused() -> None:
    with pytest.raises(Tampered, match="too short"):
        check_consistency(3, slow_root(leaves(3)), 5, slow_root(leaves(5)), [])


@pytest.mark.parametrize("index", [-1, 4])
def test_an_entry_outside_the_log_has_no_proof(index: int) -> None:
    with pytest.raises(Tampered):
        inclusion_path(index, 4, subtree_of(leaves(4)))
    with pytest.raises(Tampered):
        check_inclusion(b"", index, 4, [], b"")


def test_a_signed_checkpoint_opens_with_the_logs_key() -> None:
    checkpoint = Checkpoint(ORIGIN, 5, slow_root(leaves(5)))
    assert open_checkpoint(sign(checkpoint, KEY), TRUSTED) == checkpoint


def test_lines_of_unknown_keys_are_ignored() -> None:
    checkpoint = Checkpoint(ORIGIN, 5, slow_root(leaves(5)))
    cosigned = sign(checkpoint, KEY) + "— witness.example AAAAAAEC\n".encode()
    assert open_checkpoint(cosigned, TRUSTED) == checkpoint


def test_another_logs_signature_is_not_accepted() -> None:
    other = Ed25519PrivateKey.from_private_bytes(bytes(32))
    with pytest.raises(Tampered, match="not signed"):
        open_checkpoint(sign(Checkpoint(ORIGIN, 1, bytes(32)), other), TRUSTED)
    with pytest.raises(Tampered, match="not signed"):
        open_checkpoint(sign(Checkpoint("other.example", 1, bytes(32)), KEY), TRUSTED)


@pytest.mark.parametrize(
    "body",
    [
        "other.example\n1\n{root}\n",
        ORIGIN + "\n01\n{root}\n",
        ORIGIN + "\n-1\n{root}\n",
        ORIGIN + "\n1\nAAAA\n",
        ORIGIN + "\n1\n",
    ],
)
def test_a_signed_text_that_is_no_checkpoint_is_refused(body: str) -> None:
    note = sign(_Raw(body.replace("{root}", "A" * 43 + "=")), KEY)  # type: ignore[arg-type]  # a text under our key
    with pytest.raises(Tampered):
        open_checkpoint(note, TRUSTED)


class _Raw:
    origin = ORIGIN

    def __init__(self, text: str) -> None:
        self.text = text

    def body(self) -> str:
        return self.text


@pytest.mark.parametrize(
    "trusted", ["", "a+b", "a b+00000000+AQ==", f"{ORIGIN}+00000000+{TRUSTED.split('+', 2)[2]}", "a+b+!"]
)
def test_a_malformed_verifier_key_is_refused(trusted: str) -> None:
    with pytest.raises(Tampered):
        open_checkpoint(sign(Checkpoint(ORIGIN, 1, bytes(32)), KEY), trusted)


@pytest.mark.parametrize(
    "note",
    [
        b"",
        b"\xff",
        b"text\x07\n\n\n",
        b"text\n\nno dash\n",
        "text\n\n— a\n".encode(),
        b"text\n\nunended",
        "t\n\n— a AB==\n".encode(),
    ],
)
def test_a_malformed_note_is_refused(note: bytes) -> None:
    with pytest.raises(Tampered):
        open_checkpoint(note, TRUSTED)


@pytest.mark.parametrize(("size", "index"), [(1, 0), (5, 4), (8, 3), (300, 299)])
def test_a_receipt_proves_its_entry(size: int, index: int) -> None:
    assert verify_receipt(proved(size, index), b"entry %d" % index, TRUSTED).size == size


def test_extra_data_in_a_receipt_are_skipped() -> None:
    with_extra = proved(5, 2).replace(b"index", b"extra AAAA\nindex", 1)
    assert verify_receipt(with_extra, b"entry 2", TRUSTED).size == 5


def test_a_receipt_of_another_entry_is_refused() -> None:
    with pytest.raises(Tampered):
        verify_receipt(proved(5, 2), b"entry 3", TRUSTED)


@pytest.mark.parametrize(
    "text", [b"", b"c2sp.org/tlog-proof@v1", b"c2sp.org/tlog-proof@v1\nindex 01", b"c2sp.org/tlog-proof@v1\nextra AA"]
)
def test_a_malformed_receipt_is_refused(text: bytes) -> None:
    with pytest.raises(Tampered):
        verify_receipt(text, b"", TRUSTED)


def test_one_flipped_bit_anywhere_in_a_receipt_is_found() -> None:
    good = proved(11, 6)
    for place in range(len(good)):
        with pytest.raises(Tampered):
            verify_receipt(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :], b"entry 6", TRUSTED)
