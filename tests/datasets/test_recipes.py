import copy
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from dataset_factories import KEY
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets.recipes import Features, build, load, parse
from policies.errors import BadMapping

RECIPES = sorted((Path(__file__).parents[2] / "policies" / "recipes").glob("*.yaml"))

NUMBER = {"name": "glucose", "kind": "number", "from": "measurement", "column": "value_as_number", "bounds": [0, 10]}
LABEL = {"kind": "exists", "from": "condition_occurrence", "where": {"code": {"prefix": ["E11"]}}}


def document(*features, **changed):
    usual = {
        "schema": "medtrain.recipe/1",
        "name": "r",
        "unit": "patient",
        "record": "patient",
        "records_per_patient": 1,
    }
    return copy.deepcopy(usual | {"label": LABEL, "features": list(features) or [NUMBER]} | changed)


def measurements(*rows) -> pl.DataFrame:
    columns = {
        "patient": pl.String,
        "visit_occurrence_id": pl.Int64,
        "measurement_date": pl.Date,
        "value_as_number": pl.Float64,
        "value_source_value": pl.String,
        "code": pl.String,
    }
    return pl.DataFrame(list(rows), schema=columns, orient="row")


def row(value=5.0, patient="a", visit=1, day=1, text=None, code="GLU"):
    return patient, visit, date(2026, 1, day), value, text, code


def scans(*rows, conditions=(("a", 1, "E11.9"),), patients="ab", visits=((1, "a"), (2, "a"), (3, "a"), (4, "b"))):
    tables = {
        "person": pl.DataFrame({"patient": list(patients), "age_band": ["70-79", None][: len(patients)]}),
        "visit_occurrence": pl.DataFrame(list(visits), schema=["visit_occurrence_id", "patient"], orient="row"),
        "condition_occurrence": pl.DataFrame(
            list(conditions),
            schema={"patient": pl.String, "visit_occurrence_id": pl.Int64, "code": pl.String},
            orient="row",
        ),
        "measurement": measurements(*rows),
    }
    return lambda table: tables[table].lazy()


def features(feature, *rows, **settings) -> pl.DataFrame:
    return build(parse(document(NUMBER | feature)), scans(*rows, **settings), KEY).frame


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_shipped_recipe_is_valid_and_named_after_its_file(path: Path) -> None:
    recipe = load(path)
    assert recipe.name == path.stem
    assert len(recipe.classes) == 2


def test_two_recipes_are_shipped() -> None:
    assert {path.stem for path in RECIPES} >= {"demo-diabetes", "diabetes130-readmission"}


@pytest.mark.parametrize(("value", "expected"), [(0, -1), (5, 0), (10, 1), (-99, -1), (1e9, 1), (2.5, -0.5)])
def test_a_number_is_scaled_by_its_public_bounds_and_clipped(value: float, expected: float) -> None:
    assert features({}, row(value))["glucose"].to_list() == [expected, 0]


@pytest.mark.parametrize(("take", "expected"), [("last", 0.8), ("first", -0.8), ("max", 1), ("min", -1), ("mean", 0)])
def test_one_of_several_values_is_taken_by_time(take: str, expected: float) -> None:
    rows = [row(9, day=4), row(10, day=2), row(0, day=3), row(1, day=1)]
    assert features({"take": take}, *rows)["glucose"][0] == pytest.approx(expected)


def test_rows_of_one_day_keep_their_order() -> None:
    assert features({}, row(1), row(9))["glucose"][0] == pytest.approx(0.8)


@pytest.mark.parametrize("absent", [None, float("nan"), float("inf")])
def test_a_missing_number_is_the_middle_and_says_so(absent: float | None) -> None:
    found = features({"missing": True}, row(absent), row(10, patient="b"))
    assert found.rows() == [("a", 0, 1, 1), ("b", 1, 0, 0)]


def test_a_logarithmic_scale_spreads_small_counts() -> None:
    found = [features({"scale": "log"}, row(value))["glucose"][0] for value in (0, 1, 10, 99)]
    assert found == pytest.approx([-1, 2 * 0.2890648 - 1, 1, 1], abs=1e-6)


def test_the_first_number_of_a_text_counts() -> None:
    found = features({"name": "age", "from": "person", "column": "age_band", "bounds": [0, 140], "missing": True})
    assert found["age"].to_list() == [0, 0]
    assert found["age:missing"].to_list() == [0, 1]


def test_a_number_within_text_may_have_a_sign_and_a_fraction() -> None:
    found = features({"column": "value_source_value", "bounds": [-10, 10]}, row(text="<-2.5 mmol/L"))
    assert found["glucose"][0] == -0.25


def test_conditions_select_rows_and_hold_together() -> None:
    where = {"code": ["GLU"], "value_source_value": {"prefix": ["ok", "fine"]}}
    rows = [row(1, text="ok1"), row(9, text="no"), row(9, code="TG", text="ok")]
    assert features({"where": where}, *rows)["glucose"][0] == pytest.approx(-0.8)


CATEGORY = {"name": "code", "kind": "category", "from": "measurement", "column": "code"}
VOCABULARY = {"sugar": ["GLU"], "t": {"prefix": ["T"]}, "late": {"prefix": ["TG"]}}


def category(*rows, **changed) -> list[list[float]]:
    recipe = parse(document(CATEGORY | {"vocabulary": VOCABULARY, "missing": True} | changed))
    frame = build(recipe, scans(*rows), KEY).frame
    return [list(values[1:-1]) for values in frame.rows()]


def test_a_category_is_one_hot_over_its_public_vocabulary() -> None:
    assert category(row(code="GLU"), row(code="X", patient="b")) == [[1, 0, 0, 0], [0, 0, 0, 0]]


def test_the_first_group_that_fits_counts() -> None:
    assert category(row(code="TG")) == [[0, 1, 0, 0], [0, 0, 0, 1]]


def test_the_last_row_decides_even_if_it_is_in_no_group() -> None:
    assert category(row(code="GLU", day=1), row(code="X", day=2))[0] == [0, 0, 0, 0]
    assert category(row(code="GLU", day=1), row(code="X", day=2), take="first")[0] == [1, 0, 0, 0]


def test_every_group_that_occurs_can_be_marked() -> None:
    assert category(row(code="GLU"), row(code="TG"), row(code="X"), take="any") == [[1, 1, 0, 0], [0, 0, 0, 1]]


def test_rows_are_counted_and_their_existence_is_one() -> None:
    count = {"name": "n", "kind": "count", "from": "measurement", "bounds": [0, 4]}
    exists = {"name": "any", "kind": "exists", "from": "measurement", "where": {"code": ["GLU"]}}
    found = build(parse(document(count, exists)), scans(row(), row(), row(code="TG")), KEY).frame
    assert found.select("n", "any").rows() == [(0.5, 1), (-1, 0)]


def test_columns_have_the_types_that_a_worker_expects() -> None:
    found = build(parse(document(CATEGORY | {"vocabulary": VOCABULARY})), scans(row()), KEY)
    assert found.names == ("code=sugar", "code=t", "code=late")
    assert found.classes == ("absent", "present")
    types = [pl.String, pl.Float32, pl.Float32, pl.Float32, pl.Int64]
    assert found.frame.dtypes == types
    assert found.frame.columns == ["patient", *found.names, "label"]


def test_a_label_is_whether_a_code_occurs() -> None:
    assert features({}, conditions=[("a", 1, "I10"), ("b", 4, "E110")])["label"].to_list() == [0, 1]


CLASSES = {
    "kind": "category",
    "from": "measurement",
    "column": "value_source_value",
    "classes": {"no": ["NO", ">30"], "soon": ["<30"]},
}


@pytest.mark.parametrize(("take", "expected"), [("last", 1), ("first", 0)])
def test_a_label_is_the_class_that_a_text_fits(take: str, expected: int) -> None:
    rows = [row(text=">30", day=1), row(text="<30", day=2), row(text="?", day=3), row(text=None, patient="b")]
    found = build(parse(document(label=CLASSES | {"take": take})), scans(*rows), KEY).frame
    assert found.select("patient", "label").rows() == [("a", expected)]


def visits(most: int = 9, key: bytes = KEY, **settings) -> Features:
    rows = [row(visit, visit=visit, patient="a" if visit < 4 else "b") for visit in (1, 2, 3, 4)]
    return build(parse(document(record="visit", records_per_patient=most)), scans(*rows, **settings), key)


def test_each_visit_is_a_record_of_its_own_rows_only() -> None:
    assert visits().frame["glucose"].to_list() == pytest.approx([-0.8, -0.6, -0.4, -0.2])


def test_a_persons_own_features_go_into_each_of_his_records() -> None:
    age = {"name": "age", "kind": "number", "from": "person", "column": "age_band", "bounds": [0, 140]}
    found = build(parse(document(age, record="visit", records_per_patient=9)), scans(), KEY)
    assert found.frame["age"].to_list() == [0, 0, 0, 0]


def test_at_most_so_many_records_of_a_patient_are_kept() -> None:
    assert visits(2).frame["patient"].to_list() == ["a", "a", "b"]


def test_which_records_are_kept_depends_on_the_key_alone() -> None:
    order = ((4, "b"), (3, "a"), (2, "a"), (1, "a"))
    assert visits(1, visits=order).frame.equals(visits(1).frame)
    kept = {tuple(visits(1, bytes([number]) * 32).frame["glucose"]) for number in range(12)}
    assert len(kept) > 1


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_no_patient_changes_anything_about_another(data: st.DataObject) -> None:
    """Add or remove one patient: the records of all others stay the same, bit for bit."""
    value = st.one_of(st.none(), st.floats(-5, 15))
    rows = data.draw(
        st.lists(st.builds(row, value, st.sampled_from("ab"), st.integers(1, 4), st.integers(1, 9)), max_size=12)
    )
    recipe = parse(document(NUMBER | {"missing": True}, record="visit", records_per_patient=2))
    everyone = build(recipe, scans(*rows), KEY).frame
    for kept in "ab":
        alone = scans(
            *(one for one in rows if one[0] == kept),
            conditions=[("a", 1, "E11.9")] if kept == "a" else [],
            visits=[one for one in ((1, "a"), (2, "a"), (3, "a"), (4, "b")) if one[1] == kept],
        )
        assert build(recipe, alone, KEY).frame.equals(everyone.filter(pl.col("patient") == kept))


def test_every_feature_lies_in_its_range() -> None:
    found = visits().frame["glucose"]
    assert found.min() >= -1
    assert found.max() <= 1


def test_a_column_that_is_not_there_is_named() -> None:
    with pytest.raises(BadMapping, match="measurement has no column unit_code"):
        features({"where": {"unit_code": ["x"]}}, row())


@pytest.mark.parametrize(
    "wrong",
    [
        document(schema="medtrain.recipe/2"),
        document(unit="visit"),
        document(NUMBER | {"bounds": [1]}),
        document(NUMBER | {"fit": "yes"}),
        document(NUMBER | {"from": "pg_user"}),
        document(NUMBER | {"column": "a; drop table"}),
        document(NUMBER | {"bounds": [5, 5]}),
        document(NUMBER, NUMBER),
        document(NUMBER | {"missing": True}, NUMBER | {"name": "glucose:missing"}),
        document(records_per_patient=2),
        document(label={"kind": "exists", "from": "person"}),
        document(label=CLASSES | {"classes": {"one": ["x"]}}),
        document(features=[]),
        [],
        None,
    ],
)
def test_a_recipe_that_is_not_one_is_refused(wrong: object) -> None:
    with pytest.raises(BadMapping):
        parse(wrong)


@pytest.mark.parametrize("text", ["a: [", "\x00", "- just\n- a list"])
def test_a_file_that_is_no_recipe_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(text)
    with pytest.raises(BadMapping):
        load(path)


def test_the_digest_of_a_recipe_changes_with_its_bounds() -> None:
    assert parse(document()).digest != parse(document(NUMBER | {"bounds": [0, 11]})).digest


STAYS = {
    "person": pl.DataFrame({"patient": ["a", "b", "c"]}),
    "visit_occurrence": pl.DataFrame(
        {
            "patient": ["a", "a", "b", "c"],
            "visit_occurrence_id": [1, 2, 3, 4],
            "visit_start_date": [date(2026, 1, 1), date(2026, 3, 1), date(2026, 1, 1), date(2026, 1, 1)],
            "visit_end_date": [date(2026, 1, 5), None, date(2026, 6, 1), date(2026, 1, 2)],
            "hospital": ["north", "south", "south", "elsewhere"],
        }
    ),
    "condition_occurrence": pl.DataFrame(
        {
            "patient": ["a", "a", "b", "b"],
            "visit_occurrence_id": [1, 2, 3, 3],
            "condition_start_date": [date(2026, 1, 3), date(2026, 2, 10), date(2026, 1, 1), date(2026, 1, 2)],
            "code": ["I10", "I21", "I10", "E11"],
        }
    ),
    "measurement": measurements(
        row(300, "a", 1, 1, code="DAYS"), row(2, "a", 2, 2, code="X"), row(20, "b", 3, 1, code="DAYS")
    ),
    "note": pl.DataFrame(
        {
            "patient": ["a", "a", "b"],
            "visit_occurrence_id": [1, 2, 3],
            "note_date": [date(2026, 2, 1), date(2026, 1, 1), date(2026, 1, 1)],
            "note_text": ["胸痛", "old", None],
        }
    ),
}
COUNT = {"name": "n", "kind": "count", "from": "condition_occurrence", "bounds": [0, 4]}
ILL = {"kind": "set", "from": "condition_occurrence", "column": "code"}
ILL["classes"] = {"heart": {"prefix": ["I"]}, "infarct": ["I21"], "sugar": ["E11"]}
INFARCT = {"kind": "survival", "from": "condition_occurrence", "where": {"code": ["I21"]}, "intervals": [30, 90]}
WRITTEN = {"from": "measurement", "where": {"code": ["DAYS"]}, "column": "value_as_number"}


def stays(*given: dict, **changed: object) -> Features:
    return build(parse(document(*(given or (COUNT,)), **changed)), lambda table: STAYS[table].lazy(), KEY)


def test_a_label_may_be_every_class_that_a_row_fits() -> None:
    found = stays(label=ILL)
    assert (found.labels, found.classes) == (("label0", "label1", "label2"), ("heart", "infarct", "sugar"))
    assert found.frame.select("patient", *found.labels).rows() == [("a", 1, 1, 0), ("b", 1, 0, 1), ("c", 0, 0, 0)]


def test_a_label_may_be_a_number_with_public_bounds() -> None:
    label = {"kind": "number", "from": "measurement", "column": "value_as_number", "bounds": [0, 100], "take": "max"}
    found = stays(label=label)
    assert found.classes == ()
    assert found.frame.select("patient", "label").rows() == [("a", 300.0), ("b", 20.0)]


def test_a_survival_is_counted_from_the_records_first_day_to_the_event_or_the_last_visit() -> None:
    found = stays(label=INFARCT)
    assert (found.labels, found.classes) == (("label", "event"), ("<30", "30-90", ">=90"))
    assert found.frame.select("patient", "label", "event").rows() == [("a", 1, 1), ("b", 2, 0), ("c", 0, 0)]


def test_a_record_that_begins_after_the_event_is_left_out() -> None:
    found = stays(label=INFARCT, record="visit", records_per_patient=4)
    assert found.frame.select("patient", "label", "event").rows() == [("a", 1, 1), ("b", 2, 0), ("c", 0, 0)]


def test_the_days_of_a_survival_may_be_written_in_a_column() -> None:
    found = stays(label=INFARCT | {"time": WRITTEN})
    assert found.frame.select("patient", "label", "event").rows() == [("a", 2, 1), ("b", 0, 0)]


def test_a_sequence_is_the_last_groups_in_time() -> None:
    codes = {"name": "codes", "kind": "sequence", "from": "condition_occurrence", "column": "code", "length": 2}
    codes["vocabulary"] = {"pressure": ["I10"], "infarct": ["I21"], "sugar": ["E11"]}
    recipe = parse(document(codes))
    assert recipe.tokens == (4, 4)
    found = stays(codes)
    assert found.frame.select("codes.0", "codes.1").rows() == [(1, 2), (1, 3), (0, 0)]


def test_a_text_is_its_first_characters_in_public_buckets() -> None:
    text = {"name": "t", "kind": "text", "from": "note", "column": "note_text", "length": 3, "buckets": 50}
    found = stays(text)
    expected = tuple(float(1 + ord(one) % 50) for one in "胸痛")
    assert found.frame.select("t.0", "t.1", "t.2").rows() == [(*expected, 0.0), (0.0, 0.0, 0.0), (0.0, 0.0, 0.0)]
    assert parse(document(text)).tokens == (51,) * 3


def test_a_patient_is_at_the_first_hospital_that_a_row_of_his_names() -> None:
    sites = {"from": "visit_occurrence", "column": "hospital", "names": {"n": ["north"], "s": ["south"]}}
    found = stays(sites=sites)
    assert found.sited
    assert found.frame.select("patient", "site").rows() == [("a", 0), ("b", 1)]


@pytest.mark.parametrize(
    ("label", "said"),
    [
        (INFARCT | {"intervals": [90, 30]}, "must rise"),
        (INFARCT | {"from": "person", "where": {"patient": ["a"]}}, "no date"),
        ({"kind": "number", "from": "measurement", "column": "code", "bounds": [1, 1]}, "lower bound"),
        (ILL | {"classes": {"one": ["I"]}}, "schema"),
    ],
)
def test_a_label_that_makes_no_sense_is_refused(label: dict, said: str) -> None:
    with pytest.raises(BadMapping, match=said):
        stays(label=label)
