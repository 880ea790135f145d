"""Fixtures of the pipeline's tests; the factories are in ``small_network``."""

import pytest

from deid.keys import ProjectKeys
from deid.mapping import Mapping, parse_mapping
from deid.pipeline import Outcome, process
from deid.policy import Profile, load_profile
from deid.records import MemoryRecords
from tests.deid.small_network import KEYS, MAPPING, Run


@pytest.fixture(scope="session")
def mapping() -> Mapping:
    return parse_mapping(MAPPING)


@pytest.fixture(scope="session")
def enclave() -> Profile:
    return load_profile("cn_enclave")


@pytest.fixture
def run(mapping: Mapping, enclave: Profile) -> Run:
    """Run the pipeline over in-memory files."""

    def go(
        content: dict[str, bytes], profile: Profile = enclave, keys: ProjectKeys = KEYS, project: str = "p"
    ) -> Outcome:
        return process(MemoryRecords(content), mapping, profile, keys, project=project)

    return go
