import base64
import hashlib
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from policies import errors
from policies.canonical import canonical, digest, strict_json
from policies.envelope import key_id, seal, statement, unseal
from policies.errors import BadMapping, GraphRefused, MedtrainError, Misuse, Tampered
from policies.people import EXCLUSIVE, Person, Role
from policies.thresholds import budget, file_digest, release_rules

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def all_errors(base: type = MedtrainError) -> list[type]:
    return [base, *(one for sub in base.__subclasses__() for one in all_errors(sub))]


def kernel_errors() -> list[type]:
    return [one for one in all_errors() if one.__module__ == errors.__name__]


def test_every_error_has_a_code_of_its_own_and_a_documented_exit_code() -> None:
    found = kernel_errors()
    assert len({one.code for one in found}) == len(found)
    assert {one.exit_code for one in found} <= {1, 2, 3, 4, 5}
    assert all(400 <= one.http_status < 600 and one.__doc__ for one in found)


def test_a_refused_graph_carries_the_readers_code() -> None:
    assert (GraphRefused("MT-PICKLE", "x").code, GraphRefused.exit_code) == ("MT-PICKLE", 3)


@given(JSON)
def test_strict_json_reads_back_what_canonical_wrote(value: object) -> None:
    assert strict_json(canonical(value)) == value


@pytest.mark.parametrize(
    "text", [b'{"a":1,"a":1}', b"NaN", b"-Infinity", b"{", b"\xff", b"[" * 200_000, b"1e999", b"1" * 5000]
)
def test_strict_json_refuses_what_is_not_json(text: bytes) -> None:
    with pytest.raises(Tampered, match="not strict JSON"):
        strict_json(text)


def test_the_digest_is_that_of_the_canonical_bytes() -> None:
    assert digest({"b": 1, "a": 2}) == hashlib.sha256(b'{"a":2,"b":1}').hexdigest()


def test_an_envelope_opens_to_what_was_sealed() -> None:
    payload = statement({"b": "1" * 64, "a": "2" * 64}, "type", {"x": 1})
    assert unseal(seal(payload, KEY), KEY.public_key()) == payload
    assert [one["name"] for one in payload["subject"]] == ["a", "b"]


def test_an_envelope_of_another_key_does_not_open() -> None:
    other = Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key()
    with pytest.raises(Tampered, match="trusted key"):
        unseal(seal({"x": 1}, KEY), other)


def test_every_flipped_byte_of_an_envelope_is_found() -> None:
    envelope = seal({"x": 1}, KEY)
    for place in range(len(envelope)):
        broken = bytearray(envelope)
        broken[place] ^= 1
        with pytest.raises(Tampered):
            unseal(bytes(broken), KEY.public_key())


@pytest.mark.parametrize(
    "change",
    [
        {"payloadType": "text/plain"},
        {"signatures": "none"},
        {"signatures": [{"keyid": key_id(KEY.public_key()), "sig": "!"}]},
        {"signatures": [{"keyid": key_id(KEY.public_key()), "sig": base64.b64encode(bytes(64)).decode()}]},
        {"signatures": [{"sig": "x"}]},
    ],
)
def test_a_malformed_envelope_is_refused(change: dict[str, object]) -> None:
    outer = json.loads(seal({"x": 1}, KEY)) | change
    with pytest.raises(Tampered):
        unseal(canonical(outer), KEY.public_key())


def test_an_envelope_that_is_not_canonical_is_refused() -> None:
    with pytest.raises(Tampered, match="canonical"):
        unseal(b" " + seal({"x": 1}, KEY), KEY.public_key())


def test_a_payload_that_is_no_object_is_refused() -> None:
    with pytest.raises(Tampered, match="malformed"):
        unseal(seal([1], KEY), KEY.public_key())  # type: ignore[arg-type]


def test_a_list_is_no_envelope() -> None:
    with pytest.raises(Tampered, match="malformed"):
        unseal(b"[]", KEY.public_key())


def test_nobody_holds_two_roles_that_control_each_other() -> None:
    for one in EXCLUSIVE:
        Person("p", "o", frozenset({one}))
        for other in EXCLUSIVE - {one}:
            with pytest.raises(Misuse, match="two of"):
                Person("p", "o", frozenset({one, other}))


def test_a_person_has_a_role_and_a_partner_no_other() -> None:
    with pytest.raises(Misuse, match="at least one"):
        Person("p", "o", frozenset())
    with pytest.raises(Misuse, match="partner"):
        Person("p", "o", frozenset({Role.PARTNER, Role.DATA_OFFICER}))


def test_the_shipped_rules_are_valid() -> None:
    assert budget().admission_order in budget().rdp_orders
    assert release_rules().approvals >= 2


GOOD_BUDGET = (
    "schema: medtrain.budget/1\nowner: o\nlifetime: {epsilon: 1, delta: 1.0e-5}\nadmission_order: 4\nrdp_orders: [4]\n"
)


@pytest.mark.parametrize(
    "text",
    [
        "schema: other/1\n",
        "- 1\n",
        GOOD_BUDGET.replace("owner: o\n", ""),
        GOOD_BUDGET.replace("epsilon: 1", "epsilon: -1"),
        GOOD_BUDGET.replace("delta: 1.0e-5", "delta: 2"),
        GOOD_BUDGET.replace("rdp_orders: [4]", "rdp_orders: [3]"),
        GOOD_BUDGET.replace("epsilon: 1", "epsilon: much"),
    ],
)
def test_a_wrong_budget_file_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "budget.yaml"
    path.write_text(text, "utf-8")
    with pytest.raises(BadMapping):
        budget(path)


@pytest.mark.parametrize(("old", "new"), [("approvals: 2", "approvals: 1"), ("approvals: 2", "aprovals: 2")])
def test_a_wrong_release_file_is_refused(tmp_path: Path, old: str, new: str) -> None:
    shipped = Path(budget.__wrapped__.__code__.co_filename).parent / "release.yaml"
    path = tmp_path / "release.yaml"
    path.write_text(shipped.read_text("utf-8").replace(old, new), "utf-8")
    with pytest.raises(BadMapping):
        release_rules(path)


def test_a_rule_file_is_named_by_its_hash(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    assert file_digest(tmp_path / "x") == hashlib.sha256(b"abc").hexdigest()
