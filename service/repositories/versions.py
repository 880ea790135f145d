"""Datasets and their versions in the database."""

from dataclasses import replace

import sqlalchemy as sa

from datasets.versions import USUAL_LEVEL, DataClass, Dataset, DatasetVersion
from policies.entry import Entry
from policies.errors import Conflict, NotFound
from service.models import DatasetRow, VersionRow
from service.repositories.place import Place


class SqlDatasets:
    """Implements ``datasets.versions.Datasets``."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def get(self, dataset: str) -> Dataset:
        """Return a dataset.

        Raises:
            NotFound: it is not registered.
        """
        with self._place.reading() as session:
            row = session.get(DatasetRow, dataset)
            if row is None:
                raise NotFound("there is no such dataset")
            return _dataset(row)

    def all(self) -> tuple[Dataset, ...]:
        """Return every dataset, by id."""
        with self._place.reading() as session:
            rows = session.scalars(sa.select(DatasetRow)).all()
            return tuple(sorted(map(_dataset, rows), key=lambda dataset: dataset.id))

    def put(self, dataset: Dataset, entry: Entry) -> None:
        """Register or change a dataset.

        Raises:
            Conflict: its owner or its data class would change.
        """
        with self._place.writing() as work:
            row = work.session.get(DatasetRow, dataset.id, with_for_update=True)
            if row is None:
                row = DatasetRow(
                    id=dataset.id, org=dataset.owner_org, data_class=dataset.data_class.value, created_at=entry.at
                )
                row.document = {}
                work.session.add(row)
            elif (row.org, row.data_class) != (dataset.owner_org, dataset.data_class.value):
                raise Conflict("a dataset keeps its owner and its data class")
            kept = {"purposes": sorted(dataset.purposes), "diseases": sorted(dataset.diseases)}
            row.title = dataset.title
            row.document = {**row.document, **kept, "level": dataset.level, "genomic": dataset.genomic}
            work.add(entry)


class SqlVersions:
    """Implements ``datasets.versions.Versions``."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def get(self, dataset: str, number: int) -> DatasetVersion:
        """Return a version.

        Raises:
            NotFound: it is not registered.
        """
        with self._place.reading() as session:
            row = session.get(VersionRow, (dataset, number))
            if row is None:
                raise NotFound("there is no such version")
            return _version(row)

    def of(self, dataset: str) -> tuple[DatasetVersion, ...]:
        """Return a dataset's versions, oldest first."""
        with self._place.reading() as session:
            wanted = sa.select(VersionRow).where(VersionRow.dataset == dataset).order_by(VersionRow.number)
            return tuple(_version(row) for row in session.scalars(wanted))

    def put(self, version: DatasetVersion, entry: Entry) -> None:
        """Register a version or change its state.

        Raises:
            Conflict: what it says about a number that is taken differs in more than the state.
            IllegalTransition: the state cannot become that one.
        """
        with self._place.writing() as work:
            row = work.session.get(VersionRow, (version.dataset, version.number), with_for_update=True)
            if row is None:
                work.session.add(
                    VersionRow(
                        dataset=version.dataset,
                        number=version.number,
                        state=version.state,
                        digest=version.digest,
                        created_at=entry.at,
                        document={"author": version.author},
                    )
                )
            elif replace(_version(row), state=version.state) != version:
                raise Conflict("a version is immutable: publish the next one")
            else:
                row.state = version.state
            work.add(entry)


def _dataset(row: DatasetRow) -> Dataset:
    said, kind = row.document, DataClass(row.data_class)
    return Dataset(
        row.id,
        row.title,
        row.org,
        kind,
        frozenset(said.get("purposes", ())),
        frozenset(said.get("diseases", ())),
        int(said.get("level", USUAL_LEVEL[kind])),
        bool(said.get("genomic", False)),
    )


def _version(row: VersionRow) -> DatasetVersion:
    return DatasetVersion(row.dataset, row.number, row.state, row.digest or "", row.document.get("author", ""))
