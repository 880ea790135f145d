import json
from dataclasses import replace

import polars as pl
import pytest
from dataset_factories import Place, entry, tables

from datasets.catalogue import diff, summary
from policies.errors import Misuse


def changed() -> dict[str, pl.DataFrame]:
    after = tables(39, first=2)
    person = after["person"].with_columns(pl.col("age").cast(pl.Int64)).with_columns(sex=pl.lit("F"))
    return {"person": person, "visit_occurrence": pl.DataFrame({"patient": ["p2"]})}


def test_a_summary_counts_and_names_columns(place: Place) -> None:
    found = summary(place.draft()).as_dict()
    assert (found["patients"], found["data_class"], found["submissions"]) == (40, "demonstration", ["s-1"])
    assert found["tables"][1] == {"name": "person", "rows": 40, "columns": [["patient", "String"], ["age", "Float64"]]}
    assert json.loads(json.dumps(found)) == found


def test_a_version_does_not_differ_from_itself(place: Place) -> None:
    manifest = place.draft()
    found = diff(manifest, manifest, place.store.read)
    assert (found.tables, found.patients_added, found.patients_removed, found.parts_written) == ((), 0, 0, 0)


def test_a_difference_names_columns_rows_and_patients(place: Place) -> None:
    first, _ = place.publish()
    second, _ = place.publish(changed(), previous=first)
    found = diff(first, second, place.store.read).as_dict()
    assert (found["patients_added"], found["patients_removed"]) == (1, 2)
    notes, persons, stays = found["tables"]
    assert notes == {
        "name": "note",
        "added": [],
        "removed": ["patient", "text"],
        "retyped": [],
        "rows_before": 80,
        "rows_after": 0,
    }
    assert persons == {
        "name": "person",
        "added": ["sex"],
        "removed": [],
        "retyped": ["age"],
        "rows_before": 40,
        "rows_after": 39,
    }
    assert (stays["name"], stays["rows_before"], stays["rows_after"]) == ("visit_occurrence", 0, 1)
    assert json.loads(json.dumps(found)) == found


def test_only_buckets_that_differ_are_read(place: Place) -> None:
    first, _ = place.publish()
    second = place.store.without(first, ["p3"], entry())
    read: list[int] = []

    def reading(dataset, part):
        read.append(part.bucket)
        return place.store.read(dataset, part)

    found = diff(first, second, reading)
    assert (found.patients_removed, found.parts_shared, found.parts_written, len(set(read))) == (1, 6, 2, 1)


def test_versions_in_other_buckets_are_compared_whole(place: Place) -> None:
    first, second = place.draft(), place.draft(tables(41), buckets=2)
    assert diff(first, second, place.store.read).patients_added == 1


def test_two_datasets_are_not_compared(place: Place) -> None:
    manifest = place.draft()
    with pytest.raises(Misuse):
        diff(manifest, replace(manifest, dataset="other"), place.store.read)
