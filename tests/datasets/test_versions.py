from dataclasses import replace

import pytest
from dataset_factories import compliance, dataset, entry, officer

from datasets.versions import (
    DataClass,
    DatasetVersion,
    MemoryDatasets,
    MemoryVersions,
    check_can_publish,
    check_can_withdraw,
    check_readable,
)
from policies.errors import Conflict, IllegalTransition, NotFound, Refused
from policies.states import VersionState

DRAFT = DatasetVersion("demo", 1, VersionState.DRAFT, "a" * 64, "li")
PUBLISHED = replace(DRAFT, state=VersionState.PUBLISHED)
WITHDRAWN = replace(DRAFT, state=VersionState.WITHDRAWN)


def test_an_officer_of_the_owner_publishes_and_withdraws() -> None:
    check_can_publish(officer(), dataset(), DRAFT)
    check_can_withdraw(officer(), dataset(), PUBLISHED)


@pytest.mark.parametrize("who", [compliance(), officer(org="other")])
def test_nobody_else_publishes_or_withdraws(who) -> None:
    for check in (check_can_publish, check_can_withdraw):
        with pytest.raises(Refused, match="owning"):
            check(who, dataset(), DRAFT)


def test_a_withdrawn_version_stays_withdrawn() -> None:
    for check in (check_can_publish, check_can_withdraw):
        with pytest.raises(IllegalTransition):
            check(officer(), dataset(), WITHDRAWN)


def test_only_a_published_version_is_readable() -> None:
    check_readable(PUBLISHED)
    for version in (DRAFT, WITHDRAWN):
        with pytest.raises(Refused):
            check_readable(version)


def test_datasets_are_listed_and_keep_owner_and_class() -> None:
    datasets = MemoryDatasets()
    datasets.put(dataset(), entry())
    datasets.put(dataset(id="alpha"), entry())
    datasets.put(dataset(title="New title"), entry())
    assert [one.title for one in datasets.all()] == ["Demonstration", "New title"]
    for changed in ({"owner_org": "other"}, {"data_class": DataClass.SENSITIVE}):
        with pytest.raises(Conflict):
            datasets.put(dataset(**changed), entry())
    with pytest.raises(NotFound):
        datasets.get("none")
    assert datasets.get("alpha").id == "alpha"


def test_a_version_changes_its_state_and_nothing_else() -> None:
    versions = MemoryVersions()
    for version in (DRAFT, DRAFT, PUBLISHED):
        versions.put(version, entry())
    assert (versions.get("demo", 1), versions.of("demo")) == (PUBLISHED, (PUBLISHED,))
    with pytest.raises(Conflict):
        versions.put(replace(PUBLISHED, digest="b" * 64), entry())
    with pytest.raises(IllegalTransition):
        versions.put(DRAFT, entry())
    with pytest.raises(NotFound):
        versions.get("demo", 2)
