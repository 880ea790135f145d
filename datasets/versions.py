"""Datasets and their numbered, immutable versions, and who may publish and read them."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol

from policies.entry import Entry
from policies.errors import Conflict, NotFound, Refused
from policies.people import Person, Role
from policies.states import VersionState, check_transition


class DataClass(StrEnum):
    """Whose data it is. ``demonstration`` (synthetic or public) may be shown exactly; ``sensitive`` may not."""

    DEMONSTRATION = "demonstration"
    SENSITIVE = "sensitive"


@dataclass(frozen=True, slots=True)
class Dataset:
    """A governed collection.

    Attributes:
        id: Lower-case name, part of every object's AAD: it never changes.
        title: For people.
        owner_org: The organisation that decides over it.
        data_class: Synthetic or public, or of real patients.
        purposes: GA4GH DUO codes for which its patients' data may be used, and the conditions (``datasets.duo``).
        diseases: ICD-10 prefixes that a disease-specific consent is about.
        level: Classification, 1 (open) to 5 (strictly limited); GB/T 39725-2020, 6.2.
        genomic: Whether these are human genetic resources.
    """

    id: str
    title: str
    owner_org: str
    data_class: DataClass
    purposes: frozenset[str]
    diseases: frozenset[str] = frozenset()
    level: int = 3
    genomic: bool = False


@dataclass(frozen=True, slots=True)
class DatasetVersion:
    """One snapshot of a dataset.

    Attributes:
        dataset, number: Its name; numbers count from 1.
        state: Draft, published or withdrawn.
        digest: SHA-256 of its signed manifest: the anchor against rollback, kept apart from the manifest.
        author: Who made it.
    """

    dataset: str
    number: int
    state: VersionState
    digest: str
    author: str


LEVELS = (1, 2, 3, 4, 5)
USUAL_LEVEL = {DataClass.DEMONSTRATION: 1, DataClass.SENSITIVE: 3}
"""De-identified records that might be linked again are of level 3: for approved projects only (GB/T 39725-2020)."""


class Datasets(Protocol):
    """Where datasets are registered. Every write takes the log entry it belongs to."""

    def get(self, dataset: str) -> Dataset: ...
    def all(self) -> tuple[Dataset, ...]: ...
    def put(self, dataset: Dataset, entry: Entry) -> None: ...


class Versions(Protocol):
    """Where versions are registered. Every write takes the log entry it belongs to."""

    def get(self, dataset: str, number: int) -> DatasetVersion: ...
    def of(self, dataset: str) -> tuple[DatasetVersion, ...]: ...
    def put(self, version: DatasetVersion, entry: Entry) -> None: ...


class MemoryDatasets:
    """Datasets in memory, for tests."""

    def __init__(self) -> None:
        self._rows: dict[str, Dataset] = {}
        self.entries: list[Entry] = []

    def get(self, dataset: str) -> Dataset:
        """Return a dataset.

        Raises:
            NotFound: it is not registered.
        """
        if dataset not in self._rows:
            raise NotFound("there is no such dataset")
        return self._rows[dataset]

    def all(self) -> tuple[Dataset, ...]:
        """Return every dataset, by id."""
        return tuple(self._rows[name] for name in sorted(self._rows))

    def put(self, dataset: Dataset, entry: Entry) -> None:
        """Register or change a dataset.

        Raises:
            Conflict: its owner or its data class would change.
        """
        old = self._rows.get(dataset.id, dataset)
        if (old.owner_org, old.data_class) != (dataset.owner_org, dataset.data_class):
            raise Conflict("a dataset keeps its owner and its data class")
        self._rows[dataset.id] = dataset
        self.entries.append(entry)


class MemoryVersions:
    """Versions in memory, for tests."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, int], DatasetVersion] = {}
        self.entries: list[Entry] = []

    def get(self, dataset: str, number: int) -> DatasetVersion:
        """Return a version.

        Raises:
            NotFound: it is not registered.
        """
        if (dataset, number) not in self._rows:
            raise NotFound("there is no such version")
        return self._rows[dataset, number]

    def of(self, dataset: str) -> tuple[DatasetVersion, ...]:
        """Return a dataset's versions, oldest first."""
        return tuple(self._rows[key] for key in sorted(self._rows) if key[0] == dataset)

    def put(self, version: DatasetVersion, entry: Entry) -> None:
        """Register a version or change its state.

        Raises:
            Conflict: what it says about a number that is taken differs in more than the state.
            IllegalTransition: the state cannot become that one.
        """
        old = self._rows.get((version.dataset, version.number))
        if old is not None and old != version:
            if replace(old, state=version.state) != version:
                raise Conflict("a version is immutable: publish the next one")
            check_transition(old.state, version.state)
        self._rows[version.dataset, version.number] = version
        self.entries.append(entry)


def check_can_publish(person: Person, dataset: Dataset, version: DatasetVersion) -> None:
    """Refuse unless a data officer of the owning organisation publishes a draft.

    Raises:
        Refused, IllegalTransition: naming the rule.
    """
    _check_owner(person, dataset)
    check_transition(version.state, VersionState.PUBLISHED)


def check_can_withdraw(person: Person, dataset: Dataset, version: DatasetVersion) -> None:
    """Refuse unless a data officer of the owning organisation withdraws a version that is not yet withdrawn.

    Raises:
        Refused, IllegalTransition: naming the rule.
    """
    _check_owner(person, dataset)
    check_transition(version.state, VersionState.WITHDRAWN)


def check_readable(version: DatasetVersion) -> None:
    """Refuse a version that is not published: nothing is extracted from a draft or a withdrawn one.

    Raises:
        Refused: naming its state.
    """
    if version.state is not VersionState.PUBLISHED:
        raise Refused(f"version {version.number} is {version.state.value}, not published")


def _check_owner(person: Person, dataset: Dataset) -> None:
    if Role.DATA_OFFICER not in person.roles or person.org != dataset.owner_org:
        raise Refused("only a data officer of the owning organisation may do this")
