"""The catalogue: described, searched, fitted to a purpose; measured once and charged; cards, lineage, levels."""

import io
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa

from datasets.duo import Intent
from policies.errors import BudgetExhausted, Frozen, Misuse, NotFound, Refused
from policies.states import RunState
from service import assessment, cards, catalogue, describing, lineage, measuring, openness, runs, shelf, staff
from service.database import engine, unit_of_work
from service.describing import Wanted
from service.models import ChargeRow
from service.models_governance import MeasurementRow
from tests.service.verbs.small_facility import Small, active_permit, clinical, count, entry_for, model, publish
from tests.service.verbs.test_run_verbs import held, spec

ABOUT = {
    "title_zh": "糖尿病出院小结",
    "title_en": "Diabetes discharge summaries",
    "description_zh": "三家医院的住院患者",
    "keywords": ["diabetes", "糖尿病"],
    "themes": ["内分泌"],
    "modalities": ["text"],
    "dictionary": {"person.age_band": "年龄段"},
    "purposes": ["DUO:0000006", "DUO:0000046"],
    "level": 3,
}


@pytest.fixture
def clinic(both: Small) -> Small:
    """Return a facility with a described dataset of real patients, on which recipes can be built."""
    publish(both.facility, dataset="clinic", tables=clinical, data_class="sensitive")
    describing.describe(both.facility, both.zhou, "clinic", ABOUT)
    return both


def names(found: Any) -> list[str]:
    return [one["id"] for one in found["items"]]


def find(small: Small, who: str = "lin", **wanted: str) -> list[str]:
    """Return what memory finds, which is what the database finds."""
    found = names(describing.find(small.facility, small.people[who], Wanted(**wanted)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shelf, "MOST", -1)
        assert names(describing.find(small.facility, small.people[who], Wanted(**wanted))) == found
    return found


def test_a_dataset_is_found_by_words_of_both_languages_and_by_filters(clinic: Small) -> None:
    for text in ("糖尿病", "出院", "diabetes", "discharge summary", "Diabetes 住院", "age_band", ""):
        assert ("clinic" in find(clinic, text=text)) is (text != "discharge summary"), text
    assert find(clinic, text="高血压") == []
    assert find(clinic, theme="内分泌", modality="text") == ["clinic"]
    assert find(clinic, theme="心血管") == []
    assert find(clinic, owner="shdc", data_class="sensitive") == ["clinic"]
    assert find(clinic, owner="nobody") == []
    assert find(clinic, purpose="DUO:0000007") == ["clinic", "net"]
    assert find(clinic, purpose="DUO:0000042") == ["net"]


def test_results_come_in_pages_and_the_best_first(clinic: Small) -> None:
    publish(clinic.facility, dataset="other")
    describing.describe(clinic.facility, clinic.zhou, "other", {"description_en": "diabetes, and much else"})
    first = describing.find(clinic.facility, clinic.lin, Wanted(text="diabetes"), limit=1)
    assert (names(first), first["next"]) == (["clinic"], 1)
    last = describing.find(clinic.facility, clinic.lin, Wanted(text="diabetes"), limit=1, offset=1)
    assert (names(last), last["next"]) == (["other"], None)
    with pytest.raises(Misuse):
        describing.find(clinic.facility, clinic.lin, Wanted(), limit=51)


def test_what_anybody_changed_is_found_at_the_next_question(clinic: Small) -> None:
    assert find(clinic, text="diabetes") == ["clinic"]
    changes = (
        ("update catalogue_terms set term = 'asthma' where term = 'diabete'", "asthma", ["clinic"]),
        ("delete from catalogue_terms where term = 'asthma'", "asthma", []),
        ("insert into catalogue_terms (term, dataset, weight) values ('copd', 'clinic', 2)", "copd", ["clinic"]),
        ("update versions set state = 'withdrawn' where dataset = 'clinic'", "copd", []),
        ("update versions set state = 'published' where dataset = 'clinic'", "copd", ["clinic"]),
    )
    other = engine(clinic.facility.database.url.render_as_string(hide_password=False))
    for statement, asked, found in changes:
        with unit_of_work(other) as work:
            work.session.execute(sa.text(statement))
            work.add(entry_for(clinic.facility))
        assert find(clinic, text=asked) == found, statement
    describing.describe(clinic.facility, clinic.zhou, "clinic", {"title_zh": "另一个名字"})
    (one,) = describing.find(clinic.facility, clinic.lin, Wanted(text="另一个"))["items"]
    assert one["title"] == "另一个名字"
    other.dispose()


def test_the_level_of_the_data_decides_who_finds_them(clinic: Small) -> None:
    describing.describe(clinic.facility, clinic.zhou, "clinic", {"level": 4})
    seen = {who for who in ("lin", "zhou", "qian", "wu", "audit") if "clinic" in find(clinic, who)}
    assert seen == {"zhou", "wu", "audit"}
    with pytest.raises(Refused, match="classification"):
        catalogue.show(clinic.facility, clinic.lin, "clinic")
    with pytest.raises(Refused, match="classification"):
        measuring.count(clinic.facility, clinic.lin, "clinic", [])


@pytest.mark.parametrize(
    "said",
    [
        {"wish": "much"}, {"title_zh": 3}, {"keywords": "diabetes"}, {"dictionary": ["a"]}, {"purposes": ["research"]},
        {"purposes": ["DUO:0000046"]}, {"level": 6}, {"level": True}, {"genomic": "yes"}, {"retention_days": 0},
    ],
)  # fmt: skip
def test_a_description_of_the_wrong_kind_is_refused(small: Small, said: Any) -> None:
    with pytest.raises(Misuse):
        describing.describe(small.facility, small.zhou, "net", said)


def test_only_its_owner_describes_and_measures_a_dataset(small: Small) -> None:
    for who in ("qian", "lin", "wu", "audit", "system"):
        with pytest.raises(Refused):
            describing.describe(small.facility, small.people[who], "net", {"title_en": "mine"})
        with pytest.raises(Refused):
            measuring.release_statistics(small.facility, small.people[who], "net")
    with pytest.raises(NotFound):
        describing.describe(small.facility, small.zhou, "none", {})


def test_a_partner_is_told_which_datasets_fit_his_purpose(clinic: Small) -> None:
    told = {
        one["id"]: one
        for one in describing.fitting(
            clinic.facility, clinic.lin, Intent(purpose="DUO:0000006", commercial=True, for_profit=True)
        )
    }
    assert (told["net"]["fits"], told["clinic"]["fits"], told["clinic"]["unmet"]) == (True, False, ["DUO:0000046"])


def test_statistics_are_charged_once_and_then_given_again(clinic: Small) -> None:
    here = clinic.facility
    with pytest.raises(NotFound):
        measuring.statistics_of(here, clinic.lin, "clinic")
    first = measuring.release_statistics(here, clinic.zhou, "clinic")
    assert measuring.release_statistics(here, clinic.zhou, "clinic") == first
    assert measuring.statistics_of(here, clinic.lin, "clinic") == first
    assert (count(here, MeasurementRow), count(here, ChargeRow)) == (1, 1)
    (charge,) = here.charges.of_run(first["id"])
    assert (len(charge.tokens), charge.state.value, first["rho"]) == (200, "spent", str(charge.amount.rho))
    assert abs(first["figures"]["patients"]["all"] - 200) < 6 * first["sigma"]
    publish(here, dataset="clinic", tables=clinical, data_class="sensitive")
    with pytest.raises(NotFound):
        measuring.statistics_of(here, clinic.lin, "clinic")


def test_a_preview_is_rows_that_a_model_can_be_written_against(clinic: Small) -> None:
    here = clinic.facility
    made = measuring.release_preview(here, clinic.zhou, "clinic", "demo-diabetes")
    rows = pl.read_csv(io.StringIO(measuring.preview_of(here, clinic.lin, "clinic", "demo-diabetes")["csv"]))
    assert tuple(rows.columns) == (*here.recipe("demo-diabetes").names, "label")
    assert rows.height == made["rows"] > 50
    assert set(rows["label"].unique()) <= {0, 1}
    assert Decimal(made["rho"]) < Decimal("0.02")
    with pytest.raises(NotFound):
        measuring.release_preview(here, clinic.zhou, "clinic", "none")


def test_a_partner_asks_so_many_counts_and_no_more(clinic: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    here = clinic.facility
    ill = [{"table": "condition_occurrence", "column": "condition_source_value", "prefix": ["E11"]}]
    first = measuring.count(here, clinic.lin, "clinic", ill)
    assert measuring.count(here, clinic.sun, "clinic", ill) == first
    assert abs(first["patients"] - 67) < 6 * first["sigma"]
    for place in range(19):
        measuring.count(here, clinic.lin, "clinic", [{**ill[0], "prefix": [f"X{place}"]}])
    with pytest.raises(BudgetExhausted):
        measuring.count(here, clinic.lin, "clinic", [{**ill[0], "prefix": ["Y"]}])
    assert measuring.count(here, clinic.rival, "clinic", [{**ill[0], "prefix": ["Z"]}])["kind"] == "count"
    staff.freeze(here, clinic.wu, "incident")
    with pytest.raises(Frozen):
        measuring.count(here, clinic.rival, "clinic", [{**ill[0], "prefix": ["W"]}])


def test_a_failed_measurement_charges_nobody(clinic: Small) -> None:
    with pytest.raises(NotFound):
        measuring.count(clinic.facility, clinic.lin, "clinic", [{"table": "a", "column": "b", "prefix": ["c"]}])
    assert count(clinic.facility, ChargeRow) == 0


def test_a_card_holds_what_was_released(clinic: Small) -> None:
    here = clinic.facility
    bare = cards.card(here, clinic.lin, "clinic", "croissant", "https://here")
    assert bare["distribution"] == []
    measuring.release_statistics(here, clinic.zhou, "clinic")
    measuring.release_preview(here, clinic.zhou, "clinic", "demo-diabetes")
    full = cards.card(here, clinic.lin, "clinic", "croissant", "https://here")
    assert full["distribution"][0]["contentUrl"].endswith("preview.csv?recipe=demo-diabetes")
    assert "numberOfUniqueIndividuals" in str(cards.card(here, clinic.lin, "clinic", "healthdcat-ap"))
    with pytest.raises(Misuse):
        cards.card(here, clinic.lin, "clinic", "poster")


def released(small: Small) -> str:
    run = str(runs.submit(small.facility, small.lin, spec(active_permit(small)), *model())["id"])
    held(small, run)
    from tests.service.verbs.test_run_verbs import move

    move(small, run, RunState.RELEASED)
    return run


def test_lineage_leads_from_submissions_to_releases(small: Small) -> None:
    publish(small.facility)
    run = released(small)
    told = lineage.prov(small.facility, small.zhou, "net")
    used = {(one["prov:activity"], one["prov:entity"]) for one in told["used"].values()}
    assert ("mt:publish-net-1", "mt:submission/s-by-hand") in used
    assert (f"mt:{run}", "mt:dataset/net/2") in used
    made = {(one["prov:entity"], one["prov:activity"]) for one in told["wasGeneratedBy"].values()}
    assert (f"mt:release/{run}", f"mt:release-{run}") in made
    assert set(told["agent"]) == {"mt:org/shdc", "mt:org/pudong-ai"}
    events = lineage.openlineage(small.facility, small.wu, "net")
    assert {event["job"]["name"] for event in events} == {"publish", "train", "release"}
    assert all({"eventTime", "producer", "schemaURL", "run", "job"} <= set(event) for event in events)
    with pytest.raises(Refused):
        lineage.prov(small.facility, small.lin, "net")


def test_the_same_rows_and_mapping_give_the_same_content(small: Small) -> None:
    publish(small.facility, dataset="clinic", tables=clinical)
    publish(small.facility, dataset="clinic", tables=clinical)
    first, second = (small.facility.manifest_of("clinic", number) for number in (1, 2))
    assert (first.content, first.sources) == (second.content, second.sources)
    assert [part.sha256 for part in first.parts] == [part.sha256 for part in second.parts]
    publish(small.facility, dataset="clinic", tables=clinical, patients=199)
    assert small.facility.manifest_of("clinic", 3).content != first.content


def test_two_versions_differ_in_rows_patients_and_statistics_to_those_who_may_see(clinic: Small) -> None:
    publish(clinic.facility, dataset="clinic", tables=clinical, patients=198, data_class="sensitive")
    told = catalogue.diff(clinic.facility, clinic.zhou, "clinic", 1, 2)
    assert told["patients_removed"] == 2
    glucose = [one for one in told["statistics"] if one["column"] == "value_as_number"]
    assert [(one["before"]["filled"], one["after"]["filled"]) for one in glucose] == [(200, 198)]
    assert "statistics" not in catalogue.diff(clinic.facility, clinic.lin, "clinic", 1, 2)
    shown = catalogue.version(clinic.facility, clinic.zhou, "clinic", 2)
    assert (shown["profile"], shown["report"]) == ("0" * 64, "0" * 64)


def test_the_register_shows_everybody_who_uses_what_for_what(small: Small) -> None:
    run = released(small)
    (entry,) = openness.register(small.facility)
    assert (entry["holder"], entry["ethics"], entry["runs"], entry["released"]) == ("pudong-ai", "e-1", 1, 1)
    assert run not in str(entry)


def test_a_hospital_sees_how_its_own_data_were_used(clinic: Small) -> None:
    measuring.count(clinic.facility, clinic.rival, "clinic", [])
    run = released(clinic)
    told = openness.own_use(clinic.facility, clinic.zhou)
    use = {one["dataset"]: one for one in told["datasets"]}
    assert [one["run"] for one in use["net"]["runs"]] == [run]
    assert Decimal(use["net"]["runs"][0]["rho"]) > 0
    assert use["net"]["permits"][0]["holder"] == "pudong-ai"
    assert [one["org"] for one in use["clinic"]["measurements"]] == ["rival-ai"]
    assert openness.own_use(clinic.facility, clinic.qian)["datasets"] == []
    with pytest.raises(Refused):
        openness.own_use(clinic.facility, clinic.lin)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_an_assessment_says_what_is_known_and_marks_the_gaps(clinic: Small, language: str) -> None:
    text = assessment.assess(clinic.facility, clinic.zhou, "clinic", language)
    assert "GB/T 39725-2020 level 3" in text
    gap = assessment.GAP[language]
    assert f"{text.count(gap)}" in text.splitlines()[2]
    assert text.count(gap) >= 8
    shown = assessment.html(text)
    assert shown.count("<h2>") == shown.count("<ul>") == shown.count("</ul>") == 5
    assert "<script" not in assessment.html("- <script>")
    with pytest.raises(Misuse):
        assessment.assess(clinic.facility, clinic.zhou, "clinic", "fr")
    with pytest.raises(Refused):
        assessment.assess(clinic.facility, clinic.lin, "clinic", language)
