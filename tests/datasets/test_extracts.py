import polars as pl
import pytest
from dataset_factories import KEY
from hypothesis import given
from hypothesis import strategies as st

from datasets import parquet
from datasets.extracts import encrypt, prepare, split
from datasets.recipes import Features
from policies.errors import BadInput, Misuse, Tampered

PATIENTS = [f"p{number}" for number in range(2000)]
FEATURES = Features(
    pl.DataFrame(
        {"patient": ["a", "b", "a", "c"], "x": [0.5, 1.0, -0.5, 0.0], "y": [0.0, 0.0, 1.0, 1.0], "label": [0, 1, 1, 0]},
        schema_overrides={"x": pl.Float32, "y": pl.Float32},
    ),
    ("x", "y"),
    ("no", "yes"),
)


def test_every_patient_is_on_one_side() -> None:
    train, holdout = split(PATIENTS, KEY, 0.2)
    assert sorted(train + holdout) == sorted(PATIENTS)


def test_the_holdout_has_about_its_share() -> None:
    assert 340 < len(split(PATIENTS, KEY, 0.2)[1]) < 460


@given(others=st.sets(st.sampled_from(PATIENTS)))
def test_no_patient_moves_another(others: set[str]) -> None:
    here = "p7" in split({*others, "p7"}, KEY, 0.5)[1]
    assert here == ("p7" in split(["p7"], KEY, 0.5)[1])


@given(order=st.permutations(PATIENTS[:20]))
def test_the_order_of_input_leaves_no_trace(order: list[str]) -> None:
    assert split(order + order[:3], KEY, 0.3) == split(PATIENTS[:20], KEY, 0.3)


def test_another_key_splits_and_orders_otherwise() -> None:
    one, other = split(PATIENTS, KEY, 0.5), split(PATIENTS, bytes(32), 0.5)
    assert set(one[0]) != set(other[0])
    assert [p for p in one[0] if p in other[0]] != [p for p in other[0] if p in one[0]]


def test_sides_are_not_in_the_order_of_the_pseudonyms() -> None:
    train, _ = split(PATIENTS, KEY, 0.0)
    assert train != tuple(sorted(PATIENTS))


@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_a_share_that_is_none_is_refused(share: float) -> None:
    with pytest.raises(Misuse):
        split(PATIENTS, KEY, share)


def test_a_worker_sees_numbers_and_no_names() -> None:
    frame = prepare(FEATURES, ("c", "unlabelled", "a"))
    assert dict(frame.schema) == {"patient": pl.UInt32, "f0": pl.Float32, "f1": pl.Float32, "label": pl.Int64}
    assert frame.rows() == [(0, 0.0, 1.0, 0), (1, 0.5, 0.0, 0), (1, -0.5, 1.0, 1)]


def test_an_extract_of_nobody_is_refused() -> None:
    with pytest.raises(BadInput):
        prepare(FEATURES, ("unlabelled",))


def test_an_extract_opens_for_its_own_run_and_part_only() -> None:
    frame = prepare(FEATURES, ("a", "b"))
    raw = encrypt(frame, KEY, "run/r-1/train")
    assert parquet.decrypt(raw, KEY, "run/r-1/train").equals(frame)
    for other in ("run/r-1/holdout", "run/r-2/train"):
        with pytest.raises(Tampered):
            parquet.decrypt(raw, KEY, other)
