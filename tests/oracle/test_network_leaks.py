"""The whole pipeline on a generated network: nothing of the truth gets out, and that needs every detector layer."""

from pathlib import Path

import pytest

from deid.keys import ProjectKeys
from deid.mapping import load_mapping
from deid.pipeline import ALL_LAYERS, Outcome, process
from deid.policy import load_profile
from deid.records import FolderRecords
from policies.errors import LeakFound
from service.demo import oracle
from service.demo.network import Truth, generate
from service.demo.oracle import Blob, Hit

MAPPING = Path(__file__).parents[2] / "policies/mappings/demo-network.yaml"
KEYS = ProjectKeys(index=b"i" * 32, pseudonym=b"p" * 32, shift=b"s" * 32)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Truth]:
    out = tmp_path_factory.mktemp("network")
    return out / "records", generate(out, patients=80, seed=5)


def run(records: Path, layers: frozenset[str] = ALL_LAYERS) -> Outcome:
    return process(
        FolderRecords(records), load_mapping(MAPPING), load_profile("cn_enclave"), KEYS, project="demo", layers=layers
    )


@pytest.fixture(scope="module")
def outcome(network: tuple[Path, Truth]) -> Outcome:
    return run(network[0])


def leaks(truth: Truth, outcome: Outcome) -> list[Hit]:
    report = [Blob("report", repr(outcome.report.as_dict()).encode()), Blob("page", outcome.report.html().encode())]
    return oracle.hits(truth, [*oracle.tables(truth, outcome.tables), *report])


def test_nothing_of_the_truth_is_in_tables_images_and_report(network: tuple[Path, Truth], outcome: Outcome) -> None:
    found = leaks(network[1], outcome)
    assert [(hit.kind, hit.where, network[1].identifiers[hit.identifier].layer) for hit in found] == []
    assert outcome.tables["image_occurrence"].height >= 4
    assert outcome.tables["person"].height == 80


def test_every_published_note_is_known_to_be_somebodys(network: tuple[Path, Truth], outcome: Outcome) -> None:
    blobs = [b for b in oracle.tables(network[1], outcome.tables) if b.where.startswith("note")]
    assert len(blobs) > 100
    assert all(blob.person is not None for blob in blobs)


# The tagger stands in for cues and propagation, so it is off where they are. No name of these notes needs it alone:
# that it is needed is shown in tests/deid/detect.
@pytest.mark.parametrize("layer", sorted(ALL_LAYERS - {"tagger"}))
def test_without_one_layer_something_leaks(network: tuple[Path, Truth], layer: str) -> None:
    try:
        outcome = run(network[0], ALL_LAYERS - {layer} - ({"tagger"} if layer in ("cues", "propagation") else set()))
    except LeakFound:
        return  # the service's own second look saw it first and published nothing
    missed = {network[1].identifiers[hit.identifier].layer for hit in leaks(network[1], outcome)}
    assert layer in missed
