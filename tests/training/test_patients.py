import polars as pl
import pytest
import torch

from policies.errors import BadInput
from training_sandbox.patients import gather


def frame(**columns):
    default = {"patient": [2, 1, 2, 1, 3], "f": [1.0, 2, 3, 4, 5], "g": [0.5] * 5, "label": [0, 1, 1, 0, 1]}
    return pl.DataFrame(default | columns)


def gathered(table, kept=2):
    return gather(table, ["f", "g"], classes=2, records_per_patient=kept)


def test_records_are_grouped_by_patient_and_weighted_to_one():
    found = gathered(frame())
    assert found.features[:, :, 0].tolist() == [[2, 4], [1, 3], [5, 0]]
    assert found.weights.tolist() == [[0.5, 0.5], [0.5, 0.5], [1, 0]]
    assert found.labels.tolist() == [[1, 0], [0, 1], [1, 0]]


def test_only_the_first_records_of_a_patient_are_kept():
    found = gathered(frame(), kept=1)
    assert found.features[:, :, 0].tolist() == [[2], [1], [5]]


@pytest.mark.parametrize("label", [None, -1, 2])
def test_a_record_without_a_valid_label_is_left_out(label):
    found = gathered(frame(label=[0, 1, 1, label, label]))
    assert found.weights.tolist() == [[1, 0], [0.5, 0.5], [0, 0]]


def test_a_missing_column_is_named():
    with pytest.raises(BadInput, match="'g'"):
        gathered(frame().drop("g"))


def test_nobody_can_be_gathered():
    assert len(gathered(frame().clear())) == 0


def test_a_missing_value_is_not_a_number():
    assert torch.isnan(gathered(frame(f=[None, 2.0, 3, 4, 5])).features[1, 0, 0])


def test_the_representation_shows_no_record():
    assert repr(gathered(frame())) == "Patients(...)"
