"""The card of a dataset for machines: Croissant 1.1 and HealthDCAT-AP, of its newest published version."""

from typing import Any

import sqlalchemy as sa

from datasets.croissant import Card, croissant, healthdcat
from policies.access import Action
from policies.errors import Misuse
from policies.people import Person
from service.acts import seen
from service.database import reading
from service.facility import Facility
from service.measuring import PREVIEW, STATISTICS, newest_published
from service.models_governance import MeasurementRow
from service.sight import dataset_in, level_of, resource_of_dataset

FORMS = {"croissant": croissant, "healthdcat-ap": healthdcat}


def card(facility: Facility, person: Person, dataset: str, form: str, base: str = "") -> dict[str, Any]:
    """Return a dataset's card as JSON-LD.

    Args:
        form: ``croissant`` or ``healthdcat-ap``.
        base: The address of this facility, for links.

    Raises:
        Refused, NotFound, Misuse: naming the rule.
    """
    if form not in FORMS:
        raise Misuse(f"a card is one of {', '.join(FORMS)}")
    seen(facility, person, Action.DATASET_SHOW, resource_of_dataset(facility, dataset), card=form)
    with reading(facility.database) as session:
        row = dataset_in(session, dataset)
        number = newest_published(session, dataset)
        query = sa.select(MeasurementRow).where(MeasurementRow.dataset == dataset, MeasurementRow.version == number)
        measured = session.scalars(query.order_by(MeasurementRow.at, MeasurementRow.id)).all()
    manifest = facility.manifest_of(dataset, number)
    statistics = [one.document["figures"] for one in measured if one.kind == STATISTICS]
    previews = [one for one in measured if one.kind == PREVIEW]
    url = f"{base}/datasets/{dataset}"
    return FORMS[form](
        Card(
            id=dataset,
            title=row.title,
            owner=row.org,
            url=url,
            version=number,
            created=manifest.created,
            digest=manifest.content,
            about=row.document.get("about", {}),
            purposes=tuple(row.document.get("purposes", ())),
            data_class=row.data_class,
            level=level_of(row),
            columns=manifest.columns,
            submissions=manifest.sources.submissions,
            mapping=manifest.sources.mapping,
            profile=manifest.sources.profile,
            figures=statistics[-1] if statistics else {},
            preview=previews[-1].document["csv"] if previews else "",
            preview_url=f"{base}/api/v1/datasets/{dataset}/preview.csv?recipe={previews[-1].document['about']}"
            if previews
            else "",
        )
    )
