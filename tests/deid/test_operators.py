"""What becomes of identifiers in free text, and who can undo it."""

import secrets
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deid.detect.span import Span
from deid.identity import resident_number
from deid.policy import Profile, load_profile, parse_profile
from deid.transform.desk import SHARE_BYTES, Share, seal, split, unseal
from deid.transform.operators import Operators
from deid.transform.surrogate import Surrogates, is_feminine, surname_class
from policies.errors import BadMapping, Misuse, SeparationOfDuty, Tampered
from tests.deid.small_network import EVERYONE, Run, files, note, resident

KEY, DESK = b"k" * 32, bytes(range(64))
TEXT = "患者王建国，电话13812345678，2023年5月18日入院"
SPANS = [Span(2, 5, "NAME", 1, "cues"), Span(8, 19, "PHONE", 1, "patterns"), Span(20, 30, "DATE", 1, "dates")]


def operators(taken: tuple[str, ...] = (), desk: bytes = DESK, **how: str) -> Operators:
    profile = replace(load_profile("cn_enclave"), operators=how)
    return Operators(profile, "p", Surrogates(KEY, taken), KEY, desk)


@pytest.mark.parametrize(
    ("how", "made"),
    [
        ({}, "患者[NAME]，电话[PHONE]，2023年6月1日入院"),
        ({"NAME": "mask"}, "患者***，电话[PHONE]，2023年6月1日入院"),
        ({"default": "mask"}, f"患者***，电话{'*' * 11}，{'*' * 10}入院"),
        ({"PHONE": "withhold"}, None),
    ],
)
def test_each_label_goes_the_way_of_the_profile(how: dict[str, str], made: str | None) -> None:
    assert operators(**how).rewrite(TEXT, SPANS, "a", 14) == made


def test_a_pseudonym_in_text_is_the_same_for_one_value_and_another_in_another_project() -> None:
    one = operators(default="pseudonym")
    made = one.rewrite(TEXT, SPANS, "a", 14)
    assert made == one.rewrite(TEXT, SPANS, "b", 3)
    assert made != replace(one, project="q").rewrite(TEXT, SPANS, "a", 14)
    assert "王建国" not in made


def test_surrogates_are_one_for_a_patient_and_move_with_his_dates() -> None:
    one = operators(default="surrogate")
    made = one.rewrite(TEXT, SPANS, "a", 14)
    assert made == one.rewrite(TEXT, SPANS, "a", 14) != one.rewrite(TEXT, SPANS, "b", 14)
    assert "2023年6月1日入院" in made
    assert made[made.index("电话") + 2 :][:2] == "10"


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["王芳", "欧阳建国", "温强", "张丽娟", "李明"]), st.text(min_size=1, max_size=4))
def test_a_surrogate_name_keeps_length_gender_and_class_and_is_nobodys(name: str, patient: str) -> None:
    plain = Surrogates(KEY, ())
    made = plain.of(name, "NAME", patient, None)
    assert (len(made), surname_class(made), is_feminine(made)) == (len(name), surname_class(name), is_feminine(name))
    assert made != name
    assert Surrogates(KEY, (made,)).of(name, "NAME", patient, None) not in {made, name}


@pytest.mark.parametrize("order", [123, 124, 999])
def test_a_surrogate_resident_number_is_valid_moved_and_of_the_same_gender(order: int) -> None:
    number = resident(f"31010419600305{order:03d}")
    made = Surrogates(KEY, ()).of(number, "ID_CARD", "a", 10)
    assert (made, made[:2], resident_number(made)) == (resident(made[:17]), "00", None)
    assert (made[6:14], int(made[16]) % 2) == ("19600315", order % 2)


def test_other_values_keep_their_shape_or_have_no_surrogate() -> None:
    one = Surrogates(KEY, ())
    assert one.of("H-1001", "MRN", "a", None)[:2] == "H-"
    assert one.of("Anna Smith", "NAME", "a", None).count(" ") == 1
    assert " " not in one.of("Smith", "NAME", "a", None)
    assert one.of("某院", "HOSPITAL", "a", None) is None
    assert Surrogates(KEY, {str(n) for n in range(10)}).of("1", "MRN", "a", None) is None


def test_two_officers_together_read_what_was_encrypted_and_one_alone_does_not() -> None:
    key = secrets.token_bytes(SHARE_BYTES)
    made = operators(desk=key, NAME="encrypt").rewrite(TEXT, SPANS, "a", 14)
    sealed = made[made.index("[NAME:") + 6 : made.index("]")]
    first, second = split(key, ("an", "bo"))
    assert unseal(sealed, first, second, "p") == "王建国"
    assert unseal(sealed, second, first, "p") == "王建国"
    for shares, project in (((first, Share("cy", first.half)), "p"), ((first, second), "q")):
        with pytest.raises(Tampered):
            unseal(sealed, *shares, project)
    with pytest.raises(Tampered):
        unseal(sealed[:-4] + "AAAA", first, second, "p")
    with pytest.raises(SeparationOfDuty):
        unseal(sealed, first, Share("an", second.half), "p")
    assert first.half.hex() not in repr(first)


def test_one_value_is_one_sealed_text_within_a_project() -> None:
    assert seal("a", DESK, "p") == seal("a", DESK, "p") != seal("a", DESK, "q")


def test_keys_and_shares_that_cannot_be_are_refused() -> None:
    with pytest.raises(SeparationOfDuty):
        split(DESK, ("an", "an"))
    with pytest.raises(Misuse):
        split(b"short", ("an", "bo"))
    with pytest.raises(Misuse, match="desk"):
        operators(desk=b"", NAME="encrypt")


def test_a_profile_that_asks_for_a_hash_is_refused() -> None:
    from deid.policy import FOLDER

    raw = (FOLDER / "cn_enclave.yaml").read_bytes()
    assert parse_profile(raw + b"operators: {NAME: surrogate}\n").operator("NAME") == "surrogate"
    with pytest.raises(BadMapping, match="unkeyed hash"):
        parse_profile(raw + b"operators: {NAME: hash}\n")
    with pytest.raises(BadMapping, match="operators/NAME"):
        parse_profile(raw + b"operators: {NAME: vanish}\n")


def test_the_pipeline_writes_surrogates_and_withholds_where_the_profile_says_so(run: Run, enclave: Profile) -> None:
    content = files(notes=[note(n) for n in EVERYONE])
    shown = run(content, profile=replace(enclave, operators={"NAME": "surrogate"}))
    texts = shown.tables["note"]["note_text"].to_list()
    assert len(texts) == len(EVERYONE)
    assert not [text for text in texts if "[NAME]" in text]
    held = run(content, profile=replace(enclave, operators={"NAME": "withhold"}))
    assert held.tables["note"].height == 0
    assert held.report.scrubbed["withheld-notes"] == len(EVERYONE)
