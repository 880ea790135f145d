"""The catalogue: datasets, what a version holds, what it may be used for, and what its patients have been charged."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from policies.access import Action, Kind, Resource
from service import catalogue
from service.api.caller import Here
from service.console.drawing import page, table
from service.console.session import Visitor

router = APIRouter(prefix="/datasets")
COLUMNS = ("id", "owner", "data_class")


@router.get("")
def get_datasets(request: Request, here: Here, visitor: Visitor, format: str = "") -> Response:  # noqa: A002  # the address's own word
    """List the datasets that the visitor may know of."""
    rows = catalogue.listing(here, visitor)
    return table("datasets", COLUMNS, rows) if format == "csv" else page(request, "datasets.html", rows=rows)


@router.get("/{dataset}")
def get_dataset(request: Request, here: Here, visitor: Visitor, dataset: str) -> Response:
    """Show a dataset and its versions."""
    one = catalogue.show(here, visitor, dataset)
    org = visitor.org if "partner" in visitor.roles else one["owner"]
    may_budget = here.may(visitor, Action.BUDGET_SHOW, Resource(Kind.BUDGET, dataset, org=org))
    mine = Resource(Kind.PERMIT, "new", org=visitor.org, author=visitor.id, state="draft")
    return page(
        request,
        "dataset.html",
        one=one,
        budget=catalogue.budget(here, visitor, dataset) if may_budget else None,
        may_apply=here.may(visitor, Action.PERMIT_CREATE, mine),
        recipes=catalogue.recipes(here, visitor),
    )


@router.get("/{dataset}/versions/{number}")
def get_version(request: Request, here: Here, visitor: Visitor, dataset: str, number: int) -> Response:
    """Show what a version holds: tables and columns; counts where the data class or the role allows."""
    return page(request, "version.html", one=catalogue.version(here, visitor, dataset, number))
