"""Every kind of label, from recipe and permit to the files of a release; the worker runs in this process."""

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
import yaml
from safetensors.numpy import save

from policies.entry import stamp
from policies.errors import BadInput, Misuse
from service import execution, measuring, rehearsal, runs
from service.training import Method, job_folder, task_of
from tests.service.verbs.small_facility import Small, active_permit, model, publish
from training_sandbox import certificate, egress, provenance, worker
from training_sandbox.audit import audit, check_disclosure
from training_sandbox.certificate import Approval
from training_sandbox.graph.format import Graph, Node, Ref, Tensor
from training_sandbox.graph.reader import read_graph
from training_sandbox.jail.probe import Probe
from training_sandbox.jail.run import Ending
from training_sandbox.jail.tiers import Tier
from training_sandbox.release import package

FEATURES = [
    {"name": "age", "kind": "number", "from": "person", "column": "age", "bounds": [0, 100]},
    {"name": "n", "kind": "count", "from": "condition_occurrence", "bounds": [0, 4]},
]
CODES = {"i": ["I10"], "e": ["E11"], "j": ["J18"]}
CODED = {"from": "condition_occurrence", "column": "code"}
TOKENS = [
    FEATURES[0],
    {**CODED, "name": "codes", "kind": "sequence", "length": 3, "vocabulary": CODES},
    {"name": "text", "kind": "text", "from": "note", "column": "note_text", "length": 4, "buckets": 30},
]
CLASSES = {**CODED, "kind": "category", "classes": CODES, "take": "first"}
NUMBER = {"kind": "number", "from": "measurement", "column": "value_as_number", "bounds": [0, 20]}
SURVIVAL = {"kind": "survival", "from": "condition_occurrence", "where": {"code": ["E11"]}, "intervals": [30, 90]}
SITES = {"from": "visit_occurrence", "column": "hospital", "names": {"n": ["north"], "s": ["south"], "w": ["west"]}}

# name -> (label, outputs of a model, its loss, its charged figures)
KINDS: dict[str, tuple[dict[str, Any], int, str, set[str]]] = {
    "labels": ({**CODED, "kind": "set", "classes": CODES}, 3, "bce", {"auc", "accuracy"}),
    "value": (NUMBER, 1, "squared", {"mae", "r2"}),
    "time": (SURVIVAL, 3, "hazard", {"concordance"}),
}


def tables(names: list[str]) -> dict[str, pl.DataFrame]:
    count, first = range(len(names)), date(2026, 1, 1)
    days = [(37 * n) % 120 for n in count]
    codes = [("I10", "E11", "J18")[n % 3] for n in count]
    return {
        "person": pl.DataFrame({"patient": names, "age": [20.0 + n % 60 for n in count]}),
        "visit_occurrence": pl.DataFrame(
            {
                "patient": names,
                "visit_occurrence_id": list(count),
                "visit_start_date": [first] * len(names),
                "visit_end_date": [first + timedelta(days=days[n]) for n in count],
                "hospital": [("north", "south", "west")[n % 3] for n in count],
            }
        ),
        "condition_occurrence": pl.DataFrame(
            {"patient": names, "code": codes, "condition_start_date": [first + timedelta(days=d) for d in days]}
        ),
        "measurement": pl.DataFrame({"patient": names, "value_as_number": [float(n % 20) for n in count]}),
        "note": pl.DataFrame({"patient": names, "note_text": [f"text {n}" for n in count]}),
    }


def recipe(small: Small, name: str, label: dict[str, Any], features: Any = None, **more: Any) -> None:
    """Write one of the facility's own recipes."""
    usual = {"schema": "medtrain.recipe/1", "name": name, "unit": "patient", "record": "patient"}
    made = {**usual, "records_per_patient": 1, "label": label, "features": features or FEATURES, **more}
    folder = small.facility.settings.home / "recipes"
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(made, sort_keys=False))


def trained(small: Small, tmp_path: Path, spec: dict[str, Any], graph: bytes, init: bytes) -> dict[str, Any]:
    """Return the card of the release that a run comes to; nothing is left out but the jail and the people."""
    made = runs.submit(small.facility, small.lin, spec, graph, init)
    row = execution.run_row(small.facility, made["id"])
    graph, init = runs.model_of(
        small.facility, small.facility.permits.get(row.permit), Method.of(row.document), graph, init
    )
    keys = execution.run_keys(small.facility, row)
    folder = job_folder(small.facility, row, graph, init, keys.data_key, keys.run_key)
    check_disclosure(folder.patients, folder.labels)
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    for name, raw in folder.files.items():
        (tmp_path / "in" / name).write_bytes(raw)
    try:
        assert worker.work(keys.line(), tmp_path / "in", tmp_path / "out", lambda _: None) == 0
    finally:
        torch.set_flush_denormal(False)  # the worker owns its process; here other tests follow
    outputs = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    vetted = egress.vet(outputs, read_graph(graph), folder.job)
    found = audit(folder.job, vetted.steps)
    assert found.training.pld <= 1
    said = certificate.predicate(
        job=folder.job,
        permit=row.permit,
        source=execution.source_of(small.facility, "stays", 1),
        vetted=vetted,
        audit=found,
        probe=Probe(Tier.T2, ()),
        ending=Ending("ok", Tier.T2),
        policies=execution.rule_digests(),
        charges=[charge.id for charge in small.facility.charges.of_run(row.id)],
        approvals=[Approval("wu", stamp(small.clock())), Approval("xu", stamp(small.clock()))],
    )
    provenance.check(said)
    assert len(said["charges"]) == 2
    files = package(vetted, read_graph(graph), graph, folder.job, epsilon=found.training.pld).files
    card: dict[str, Any] = json.loads(files["card.json"])
    return card


def spec(permit: str, **changes: Any) -> dict[str, Any]:
    return {"permit": permit, "epsilon": "1", "training": {"steps": 4, "sampling_rate": 0.5}, **changes}


@pytest.fixture
def full(small: Small) -> Small:
    publish(small.facility, dataset="stays", patients=240, declared=250, tables=tables)
    return small


def permit_for(full: Small, name: str, *more: Any, **changes: Any) -> str:
    recipe(full, name, *more, **changes)
    return active_permit(full, recipe=name, dataset="stays")


@pytest.mark.parametrize("kind", KINDS)
def test_a_partners_graph_learns_every_kind_of_label(full: Small, tmp_path: Path, kind: str) -> None:
    label, outputs, loss, figures = KINDS[kind]
    permit = permit_for(full, kind, label)
    card = trained(full, tmp_path, spec(permit), *model(2, outputs))
    assert card["loss"] == loss
    assert set(card["figures"]["charged"]) == set(card["figures"]["exact"]) == figures
    assert ("upper" in card["task"]) == (kind == "value")


def test_a_graph_tells_classes_apart_by_numbers_codes_and_text_of_one_record(full: Small, tmp_path: Path) -> None:
    inputs = (("a", "float32", 1), ("codes", "int64", 3), ("text", "int64", 4))
    shapes = {"code": (4, 2), "letter": (31, 2), "w": (3, 5), "b": (3,)}
    graph = Graph(
        inputs=tuple(Tensor(name, kind, (1, width)) for name, kind, width in inputs),
        parameters=tuple(Tensor(name, "float32", shape) for name, shape in shapes.items()),
        nodes=(
            Node("embedding.default", (Ref("code"), Ref("codes")), (), ("c",)),
            Node("mean.dim", (Ref("c"), (1,)), (), ("cm",)),
            Node("embedding.default", (Ref("letter"), Ref("text")), (), ("t",)),
            Node("mean.dim", (Ref("t"), (1,)), (), ("tm",)),
            Node("cat.default", ((Ref("a"), Ref("cm"), Ref("tm")), 1), (), ("row",)),
            Node("linear.default", (Ref("row"), Ref("w"), Ref("b")), (), ("o",)),
        ),
        output="o",
    )
    random = np.random.default_rng(0)
    init = save({name: random.normal(0, 0.3, shape).astype(np.float32) for name, shape in shapes.items()})
    permit = permit_for(full, "tokens", CLASSES, TOKENS)
    card = trained(full, tmp_path, spec(permit), graph.to_json(), init)
    assert (card["task"], len(card["features"])) == ({"classes": 3, "kind": "multi-class"}, 8)
    assert set(card["figures"]["charged"]) == {"auc", "accuracy"}


def test_hospitals_average_their_models_in_one_run(full: Small, tmp_path: Path) -> None:
    permit = permit_for(full, "sited", {**CLASSES, "classes": {"i": ["I10"], "other": ["E11", "J18"]}}, sites=SITES)
    asked = {"name": "federated-averaging", "settings": {"rounds": 2, "steps": 2}}
    card = trained(full, tmp_path, spec(permit, algorithm=asked), b"", b"")
    assert card["algorithm"] == "federated-averaging"
    job = json.loads((tmp_path / "in" / "job.json").read_bytes())
    assert job["algorithm"]["settings"] == {"rounds": 2, "sites": 3, "steps": 2}
    assert job["plan"]["steps"] == 4


def test_a_linear_regression_predicts_a_real_value(full: Small, tmp_path: Path) -> None:
    permit = permit_for(full, "real", NUMBER)
    card = trained(full, tmp_path, spec(permit, algorithm={"name": "linear-regression"}), b"", b"")
    assert card["figures"]["exact"]["mae"] < 0.4


@pytest.mark.parametrize(
    ("label", "more", "algorithm", "said"),
    [
        (SURVIVAL, {}, "logistic-regression", "predicts classes"),
        (CLASSES, {"features": TOKENS}, "logistic-regression", "embedding"),
        (CLASSES, {}, "federated-averaging", "hospitals"),
    ],
)
def test_an_algorithm_that_does_not_fit_the_recipe_is_refused(
    full: Small, label: dict, more: dict, algorithm: str, said: str
) -> None:
    permit = permit_for(full, "odd", label, **more)
    with pytest.raises(Misuse, match=said):
        runs.submit(full.facility, full.lin, spec(permit, algorithm={"name": algorithm}), b"", b"")


def test_a_loss_of_another_task_is_refused(full: Small) -> None:
    given = spec(permit_for(full, "value", NUMBER), training={"steps": 2, "sampling_rate": 1.0, "loss": "bce"})
    with pytest.raises(Misuse, match="losses of a regression"):
        runs.submit(full.facility, full.lin, given, *model(2, 1))


def test_a_rehearsal_draws_rows_for_every_kind_of_label(full: Small) -> None:
    for name, (label, *_) in KINDS.items():
        recipe(full, name, label, TOKENS, sites=SITES)
        found = full.facility.recipe(name)
        rows = rehearsal._synthetic(30, found, task_of(found), 1, 1)
        assert {*task_of(found).columns, "site", "f7"} <= set(rows.columns)
        assert rows["f1"].max() <= 3
        assert rows["site"].max() == 2


def test_a_preview_knows_every_kind_of_label(full: Small) -> None:
    recipe(full, "time", SURVIVAL)
    found = measuring.release_preview(full.facility, full.zhou, "stays", "time")
    assert found["csv"].splitlines()[0] == "age,n,label,event"
    recipe(full, "tokens", CLASSES, TOKENS)
    with pytest.raises(BadInput, match="no preview"):
        measuring.release_preview(full.facility, full.zhou, "stays", "tokens")
