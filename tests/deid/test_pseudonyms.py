"""Pseudonyms: one value and a whole column alike, keyed, and refused without a key."""

import polars as pl
import pytest
from cryptography.hazmat.primitives.ciphers import algorithms
from cryptography.hazmat.primitives.cmac import CMAC
from hypothesis import given, settings
from hypothesis import strategies as st

from deid.transform.pseudonym import LANES, pseudonymiser, pseudonyms, subkey, tokens
from policies.errors import Misuse

KEY = b"k" * 32
VALUES = st.lists(st.none() | st.text(max_size=40), max_size=30)


@settings(deadline=None)
@given(VALUES)
def test_a_column_is_pseudonymised_as_its_values_are(values: list[str | None]) -> None:
    one = pseudonymiser(KEY, "p", "mrn")
    column = pseudonyms(pl.Series("a", values, pl.String), KEY, "p", "mrn")
    assert column.to_list() == [None if value is None else one(value) for value in values]
    assert (column.name, column.dtype) == ("a", pl.String)


def test_a_slice_and_more_than_one_lane_give_the_same() -> None:
    column = pl.Series("a", [f"H{n:07d}" for n in range(LANES + 5)])
    made = pseudonyms(column, KEY, "p")
    assert pseudonyms(column[LANES - 2 :], KEY, "p").equals(made[LANES - 2 :])
    assert made[LANES + 1] == pseudonymiser(KEY, "p")(column[LANES + 1])
    assert made.n_unique() == len(made)


def test_joins_hold_across_tables_of_one_project_and_break_between_projects() -> None:
    pages, labs = pl.DataFrame({"id": ["a", "b", "c"]}), pl.DataFrame({"id": ["c", "b", "b"]})
    here = [t.with_columns(pseudonyms(t["id"], KEY, "p", "mrn")) for t in (pages, labs)]
    assert here[0].join(here[1], on="id").height == pages.join(labs, on="id").height == 3
    there = labs.with_columns(pseudonyms(labs["id"], KEY, "q", "mrn"))
    assert here[0].join(there, on="id").height == 0


def test_no_key_domain_or_length_shares_a_pseudonym_with_another() -> None:
    made = {pseudonymiser(key, *domain)(value) for key in (KEY, b"l" * 32) for domain in (("p",), ("q",), ("p", "q"))
            for value in ("", "a", "a\x00", "a" * 15, "a" * 16, "a" * 32, "a\x80")}  # fmt: skip
    assert len(made) == 2 * 3 * 7


def test_the_function_is_the_published_cbc_mac_of_the_padded_value() -> None:
    """CMAC of a whole number of blocks is CBC-MAC with a subkey added to the last: undone here, they must agree."""
    from hashlib import blake2b

    from cryptography.hazmat.primitives.ciphers import Cipher, modes

    own = subkey(KEY, "p")
    of_length = blake2b((2).to_bytes(8), key=own, digest_size=32, person=b"medtrain-blocks").digest()
    padded = b"a" * 18 + b"\x80" + bytes(13)
    zero = Cipher(algorithms.AES(of_length), modes.ECB()).encryptor().update(bytes(16))
    doubled = (int.from_bytes(zero) << 1) ^ (0x87 if zero[0] & 0x80 else 0)
    last = int.from_bytes(padded[16:]) ^ (doubled & ((1 << 128) - 1))
    mac = CMAC(algorithms.AES(of_length))
    mac.update(padded[:16] + last.to_bytes(16))
    assert pseudonymiser(KEY, "p")("a" * 18) == mac.finalize()[:12].hex()


@pytest.mark.parametrize("key", [b"", b"short"])
def test_a_hash_without_a_key_is_refused(key: bytes) -> None:
    for make in (lambda: pseudonymiser(key), lambda: pseudonyms(pl.Series(["a"]), key), lambda: tokens(key)):
        with pytest.raises(Misuse, match="without a key"):
            make()


def test_bits_of_pseudonyms_are_even() -> None:
    made = pseudonyms(pl.Series([str(n) for n in range(4000)]), KEY, "p")
    ones = [sum(int(value, 16) >> bit & 1 for value in made) for bit in range(96)]
    assert all(abs(count - 2000) < 6 * 31.7 for count in ones)
