"""Exact noise, charged statistics, synthetic previews, the catalogue's words, sealed and marked extracts, cards."""

import json
import math
import random
from datetime import date
from typing import Any

import numpy as np
import polars as pl
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from datasets import sealing, search, statistics, synthesis
from datasets.croissant import Card, croissant, healthdcat
from datasets.discrete import discrete_gaussian, noisy
from policies.errors import BadInput, Misuse, NotFound, Tampered

CHANCE = random.Random(7)
BELOW = CHANCE.randrange


def test_the_discrete_gaussian_is_centred_and_as_wide_as_it_says() -> None:
    drawn = [discrete_gaussian(3.5, BELOW) for _ in range(4000)]
    assert abs(np.mean(drawn)) < 0.3
    assert 3.2 < np.std(drawn) < 3.8
    exact = [math.exp(-(n**2) / (2 * 3.5**2)) for n in range(-40, 41)]
    assert abs(drawn.count(0) / len(drawn) - 1 / sum(exact)) < 0.03


@pytest.mark.parametrize("sigma", [0, -1.0, float("nan")])
def test_noise_needs_a_width(sigma: float) -> None:
    with pytest.raises(Misuse):
        discrete_gaussian(sigma, BELOW)


def test_noise_is_added_to_every_count() -> None:
    told = noisy([100] * 50, 2.0, BELOW)
    assert len(set(told)) > 1
    assert all(80 < value < 120 for value in told)


TABLES: dict[str, pl.DataFrame] = {
    "person": pl.DataFrame(
        {"patient": ["a", "b", "c"], "gender_concept_id": [8507, 8532, 0], "age_band": ["45-49", "90+", None]}
    ),
    "condition_occurrence": pl.DataFrame(
        {
            "patient": ["a"] * 6 + ["b", "c"],
            "condition_source_value": ["A01", "C34.1", "D60", "E11", "F20", "G40", "E78", "nonsense"],
        }
    ),
}
COLUMNS = {name: tuple((c, str(t)) for c, t in rows.schema.items()) for name, rows in TABLES.items()}


def scan(table: str) -> pl.LazyFrame:
    return TABLES[table].lazy()


def test_statistics_count_patients_by_public_vocabularies() -> None:
    counts = statistics.figures(COLUMNS, scan).counts
    assert counts["patients"] == {"all": 3}
    assert counts["sex"] == {"male": 1, "female": 1}
    assert (counts["age"]["40-49"], counts["age"]["90+"], sum(counts["age"].values())) == (1, 1, 2)
    assert counts["with condition_occurrence"] == {"yes": 3}


def test_one_patient_counts_in_few_chapters_only() -> None:
    chapters = statistics.figures(COLUMNS, scan).counts["chapter"]
    assert {name for name, count in chapters.items() if count} == {"I", "II", "III", "IV"}
    assert chapters["IV"] == 2


@pytest.mark.parametrize("gone", ["a", "b", "c"])
def test_one_patient_moves_all_figures_by_no_more_than_stated(gone: str) -> None:
    whole = statistics.figures(COLUMNS, scan)
    without = statistics.figures(COLUMNS, lambda table: scan(table).filter(pl.col("patient") != gone))
    moved = [whole.counts[q][a] - without.counts[q][a] for q in whole.counts for a in whole.counts[q]]
    assert math.sqrt(sum(one * one for one in moved)) <= whole.change + 1e-9


def test_released_figures_are_close_and_never_below_nothing() -> None:
    told = statistics.figures(COLUMNS, scan).released(0.2, BELOW)
    assert abs(told["patients"]["all"] - 3) < 6
    assert min(value for answers in told.values() for value in answers.values()) >= 0


def test_a_cohort_counts_who_has_a_row_of_each_kind() -> None:
    both = [
        {"table": "condition_occurrence", "column": "condition_source_value", "prefix": ["E1", "E7"]},
        {"table": "condition_occurrence", "column": "condition_source_value", "prefix": ["C"]},
    ]
    assert statistics.Cohort.of(both[:1]).count(COLUMNS, scan) == 2
    assert statistics.Cohort.of(both).count(COLUMNS, scan) == 1
    assert statistics.Cohort.of([]).count(COLUMNS, scan) == 3
    assert statistics.Cohort.of(both).as_list() == sorted(both, key=lambda one: one["prefix"])
    with pytest.raises(NotFound):
        statistics.Cohort.of([{"table": "person", "column": "name", "prefix": ["x"]}]).count(COLUMNS, scan)


@pytest.mark.parametrize(
    "wrong", ["all", [{}] * 11, [{"table": "a"}], [{"table": "a", "column": "b", "prefix": []}], [3]]
)
def test_a_question_that_is_no_cohort_is_refused(wrong: Any) -> None:
    with pytest.raises(BadInput):
        statistics.Cohort.of(wrong)


@pytest.mark.parametrize(("text", "expected"), [("7", "0-9"), (None, None), ("", None), ("120", "90+")])
def test_ages_fall_into_public_bands(text: str | None, expected: str | None) -> None:
    assert statistics.band(text) == expected


def test_words_of_both_languages_are_found() -> None:
    told = search.index({"title": "糖尿病 Discharge Summaries", "description": "二型糖尿病, ICD E11.9 and E11.9"})
    for asked in ("糖尿病", "summary", "discharge summaries", "e11", "E11.9", "糖"):
        terms = search.question(asked)
        assert terms, asked
        assert all(term in told for term in terms) is (asked != "summary"), asked
    assert told["糖尿"] > told["二型"]
    assert "高血" not in told
    assert len(search.question(" ".join(f"word{n}" for n in range(40)))) == search.MOST


def sample(rows: int = 3000) -> pl.DataFrame:
    source = np.random.default_rng(5)
    ill = source.random(rows) < 0.4
    glucose = np.clip(np.where(ill, 0.5, -0.4) + source.normal(0, 0.15, rows), -1, 1)
    return pl.DataFrame(
        {
            "patient": [f"p{n}" for n in range(rows)],
            "glucose": glucose.astype(np.float32),
            "sex=male": (source.random(rows) < 0.5).astype(np.float32),
            "label": ill.astype(np.int64),
        }
    )


LABEL = (synthesis.Column("label", (0.0, 1.0), whole=True),)


def fitted(noise: synthesis.Noise) -> synthesis.Model:
    rows = synthesis.one_row_each(sample(), 3)
    columns = synthesis.columns_of(rows, ["glucose", "sex=male"], LABEL, frozenset({"sex=male"}))
    return synthesis.fit(rows, columns, noise, BELOW)


def test_a_preview_looks_like_the_data_it_was_charged_for() -> None:
    model = fitted(synthesis.Noise())
    drawn = model.draw(4000, 1)
    assert drawn.columns == ["glucose", "sex=male", "label"]
    assert 0.33 < drawn["label"].mean() < 0.47
    means = dict(drawn.group_by("label").agg(pl.col("glucose").mean()).iter_rows())
    assert means[1] - means[0] > 0.5
    assert set(drawn["sex=male"].unique()) == {0.0, 1.0}
    assert drawn.equals(model.draw(4000, 1))
    assert abs(model.rows - 3000) < 200


def test_a_preview_with_much_noise_still_draws_rows() -> None:
    assert fitted(synthesis.Noise(1e5, 1e5, 1e5)).draw(50, 1).height == 50


def test_a_preview_is_charged_as_its_three_mechanisms() -> None:
    assert [event.sigma for event in synthesis.Noise(1.0, 2.0, 3.0).events()] == [1.0, 2.0, 3.0]


def test_each_patient_gives_a_preview_one_row() -> None:
    twice = pl.concat([sample(10), sample(10)])
    assert synthesis.one_row_each(twice, 1).height == 10


def test_a_recipe_with_too_many_columns_has_no_preview() -> None:
    with pytest.raises(BadInput):
        synthesis.columns_of(sample(2), [str(n) for n in range(65)], LABEL, frozenset())


def test_an_extract_opens_for_its_recipient_alone() -> None:
    key = X25519PrivateKey.generate()
    sealed = sealing.seal(b"rows", key.public_key().public_bytes_raw(), "e-1")
    assert sealing.open_sealed(sealed, key, "e-1") == b"rows"
    for wrong in (
        lambda: sealing.open_sealed(sealed, X25519PrivateKey.generate(), "e-1"),
        lambda: sealing.open_sealed(sealed, key, "e-2"),
        lambda: sealing.open_sealed(sealed[:-1] + bytes([sealed[-1] ^ 1]), key, "e-1"),
        lambda: sealing.open_sealed(b"", key, "e-1"),
    ):
        with pytest.raises(Tampered):
            wrong()
    with pytest.raises(Misuse):
        sealing.seal(b"rows", b"short", "e-1")


KEYS = {name: bytes([n]) * 32 for n, name in enumerate(("aico", "bico", "cico"))}
MARKED = ["glucose", "sex=male"]


def marked(rows: int = 2000) -> pl.DataFrame:
    return sealing.mark(sample(rows).drop("patient"), MARKED, KEYS["bico"])


@pytest.mark.parametrize(
    "leak",
    [
        lambda one: one,
        lambda one: one.sample(fraction=0.5, seed=2, shuffle=True),
        lambda one: one.select("glucose"),
        lambda one: one.reverse().with_columns(pl.lit(1).alias("other")),
    ],
    ids=["whole", "half", "one column", "turned round"],
)
def test_a_copy_tells_who_had_it(leak: Any) -> None:
    assert sealing.recipients(leak(marked()), MARKED, KEYS) == ["bico"]


def test_data_that_nobody_was_given_accuse_nobody() -> None:
    assert sealing.recipients(sample(2000).drop("patient"), MARKED, KEYS) == []
    assert sealing.suspect(pl.DataFrame({"sex=male": [0.0, 1.0]}), MARKED, KEYS["aico"]).chance == 1.0


def test_a_mark_moves_a_value_by_one_step_at_most_and_leaves_zeros_and_ones() -> None:
    before, after = sample(500).drop("patient"), marked(500)
    assert (before["glucose"] - after["glucose"]).abs().max() <= 1.6 / sealing.GRID
    assert before["sex=male"].equals(after["sex=male"])
    assert sealing.to_bytes(after) == sealing.to_bytes(marked(500))


def card(**changes: Any) -> Card:
    usual: dict[str, Any] = {
        "id": "net", "title": "糖尿病", "owner": "shdc", "url": "https://here/datasets/net", "version": 2,
        "created": "2026-03-01T00:00:00.000000Z", "digest": "a" * 64, "purposes": ("DUO:0000042",),
        "about": {"description_zh": "出院小结", "description_en": "Discharge summaries", "keywords": ["diabetes"],
                  "themes": ["endocrinology"], "dictionary": {"person.age_band": "年龄段"}},
        "data_class": "sensitive", "level": 3, "columns": COLUMNS, "submissions": ("s-1",), "mapping": "b" * 64,
        "profile": "c" * 64, "figures": {"patients": {"all": 40}, "age": {"40-49": 20, "50-59": 0, "90+": 3}},
        "preview": "glucose,label\n0.5,1\n", "preview_url": "https://here/preview.csv",
    }  # fmt: skip
    return Card(**usual | changes)


@pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated:DeprecationWarning")  # inside the validator's rdflib
@pytest.mark.parametrize("changes", [{}, {"preview": "", "about": {}, "figures": {}}], ids=["full", "bare"])
def test_a_card_is_valid_croissant(changes: Any, tmp_path: Any) -> None:
    mlc = pytest.importorskip("mlcroissant", reason="the validator is a tool of the tests alone")
    (tmp_path / "card.json").write_text(json.dumps(croissant(card(**changes))))
    found = mlc.Dataset(jsonld=str(tmp_path / "card.json")).metadata
    issues = found.ctx.issues
    assert (issues.errors, issues.warnings) == (set(), set())
    assert found.ctx.conforms_to.value.endswith("1.1")
    assert "http://purl.obolibrary.org/obo/DUO_0000042" in json.dumps(croissant(card()))


def test_a_card_tells_of_every_column_and_of_no_patient() -> None:
    rows = croissant(card())["recordSet"][0]["data"]
    assert {"dictionary/table": "person", "dictionary/column": "age_band", "dictionary/type": "String",
            "dictionary/meaning": "年龄段"} in rows  # fmt: skip
    assert len(rows) == sum(len(columns) for columns in COLUMNS.values())


def test_a_card_for_european_catalogues_says_how_many_and_how_old() -> None:
    told = healthdcat(card())
    assert told["healthdcatap:numberOfUniqueIndividuals"]["@value"] == 40
    assert (told["healthdcatap:minTypicalAge"]["@value"], told["healthdcatap:maxTypicalAge"]["@value"]) == (40, 120)
    assert told["dct:description"][0] == {"@language": "zh", "@value": "出院小结"}
    assert "adms:sample" not in healthdcat(card(preview=""))
    bare = healthdcat(card(figures={"age": {"50-59": 3}}, about={}))
    assert "healthdcatap:numberOfUniqueIndividuals" not in bare
    assert bare["healthdcatap:maxTypicalAge"]["@value"] == 59
    assert bare["dct:title"] == [{"@language": "zh", "@value": "糖尿病"}]
    assert date.fromisoformat(told["dct:issued"]["@value"][:10]) == date(2026, 3, 1)
