"""What a log entry holds, and what it refuses to hold."""

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.canonical import canonical
from policies.entry import MAX_BYTES, BadEntry, Entry, commitment, decode, moment, stamp
from policies.errors import Tampered
from policies.people import Role

AT = "2026-01-02T03:04:05.000000Z"


def entry(**changes: Any) -> Entry:
    values = {"at": AT, "actor": "wang", "action": "permit.approve", "kind": "permit", "object": "p-7"}
    return Entry(**{"decision": "allow", **values, **changes})


def test_an_entry_has_one_byte_string() -> None:
    one, two = entry(facts={"b": 1, "a": ("x", "y")}), entry(facts={"a": ("x", "y"), "b": 1})
    assert one.encode() == two.encode()
    assert decode(one.encode()) == one
    assert len({one, two}) == 1


TOKENS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:/+@=-]{0,30}", fullmatch=True)


@given(
    st.dictionaries(
        st.from_regex(r"[a-z][a-z0-9_]{0,9}", fullmatch=True), st.integers(0, 2**53 - 1) | st.booleans() | TOKENS
    )
)
def test_every_entry_is_read_back_as_it_was_written(facts: dict[str, Any]) -> None:
    made = entry(facts=facts, permit="p-7", policies=("a", "b"))
    assert decode(made.encode()) == made


@pytest.mark.parametrize(
    "value", ["张三", "John Smith", "a\nb", "", " x", "x" * 201, 1.5, None, ["a"], ("a b",), 2**53, {"a": 1}]
)
def test_a_fact_is_a_count_an_identifier_or_a_hash(value: Any) -> None:
    with pytest.raises(BadEntry) as caught:
        entry(facts={"fact": value})
    assert not value or str(value) not in str(caught.value)


@pytest.mark.parametrize("field", ["actor", "action", "kind", "object", "permit"])
@pytest.mark.parametrize("value", ["张三", "a b", "", 7])
def test_a_name_is_one_token(field: str, value: Any) -> None:
    with pytest.raises(BadEntry, match=field):
        entry(**{field: value})


@pytest.mark.parametrize(
    "changes",
    [
        {"at": "2026-01-02"},
        {"at": "2026-01-02T03:04:05+08:00"},
        {"decision": "maybe"},
        {"policies": ("a b",)},
        {"facts": {"Name": 1}},
    ],
)
def test_a_malformed_entry_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(BadEntry):
        entry(**changes)


def test_an_entry_fits_into_a_bundle() -> None:
    with pytest.raises(BadEntry, match=str(MAX_BYTES)):
        entry(facts={"ids": tuple("x" * 200 for _ in range(400))})


def test_an_entrys_facts_cannot_be_changed() -> None:
    facts = {"rows": 1}
    made = entry(facts=facts)
    facts["rows"] = 2
    assert made.facts["rows"] == 1
    with pytest.raises(TypeError):
        made.facts["rows"] = 2  # type: ignore[index]  # what is tested


GOOD = entry().as_dict()


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"[]", b"{}", b'"x"', b'{"a":1,"a":2}',
        canonical({**GOOD, "schema": "medtrain.entry/2"}), canonical({**GOOD, "more": 1}),
        canonical({**GOOD, "facts": [1]}), canonical({**GOOD, "actor": "a b"}), canonical({**GOOD, "policies": 1}),
        canonical(GOOD) + b"\n",
    ],
)  # fmt: skip
def test_what_is_no_canonical_entry_is_refused(raw: bytes) -> None:
    with pytest.raises(Tampered):
        decode(raw)


def test_a_moment_is_written_in_utc_so_that_text_order_is_time_order() -> None:
    shanghai = timezone(timedelta(hours=8))
    assert stamp(datetime(2026, 1, 2, 11, 4, 5, tzinfo=shanghai)) == AT
    assert moment(AT) == datetime(2026, 1, 2, 11, 4, 5, tzinfo=shanghai)
    with pytest.raises(BadEntry):
        stamp(datetime(2026, 1, 2))  # noqa: DTZ001  # what is tested


def test_a_commitment_needs_its_salt() -> None:
    assert commitment("value", b"s" * 16) == commitment("value", b"s" * 16) != commitment("value", b"t" * 16)
    with pytest.raises(BadEntry):
        commitment("value", b"short")


def test_a_word_of_a_fixed_vocabulary_is_a_token_too() -> None:
    assert b'"kind":"partner"' in entry(kind=Role.PARTNER).encode()
