"""Finding data, patients' rights, incidents, a hospital's own view of use, and the impact assessment."""

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from markupsafe import Markup

from datasets.duo import COVERS, Intent
from policies.access import Action, Kind, Resource
from policies.errors import NotFound
from policies.people import Role
from policies.states import IncidentState
from service import assessment, describing, incidents, measuring, openness, rights, withdrawal
from service.api.caller import Here
from service.console.drawing import page, table
from service.console.session import Visitor

router = APIRouter()
COLUMNS = ("id", "title", "owner", "data_class", "level")


@router.get("/find")
def get_find(
    request: Request, here: Here, visitor: Visitor, q: str = "", purpose: str = "", offset: int = 0, format: str = ""  # noqa: A002  # the address's own word
) -> Response:  # fmt: skip
    """Find datasets by words and purpose; with a purpose each says whether it fits."""
    found = describing.find(here, visitor, describing.Wanted(text=q[:200]), offset=max(0, offset))
    fits = {}
    if purpose in COVERS:
        fits = {one["id"]: one for one in describing.fitting(here, visitor, Intent(purpose=purpose))}
    if format == "csv":
        return table("datasets", COLUMNS, found["items"])
    return page(
        request, "find.html", rows=found["items"], next=found["next"], q=q, purpose=purpose, fits=fits,
        purposes=tuple(COVERS),
    )  # fmt: skip


@router.get("/datasets/{dataset}/figures")
def get_figures(request: Request, here: Here, visitor: Visitor, dataset: str) -> Response:
    """Show the released statistics of a dataset, and who may release them."""
    from service.sight import resource_of_dataset

    try:
        found: dict[str, Any] | None = measuring.statistics_of(here, visitor, dataset)
    except NotFound:
        found = None
    may = here.may(visitor, Action.DATASET_MEASURE, resource_of_dataset(here, dataset))
    return page(request, "figures.html", dataset=dataset, found=found, may_release=may and found is None)


@router.post("/datasets/{dataset}/figures")
def post_figures(here: Here, visitor: Visitor, dataset: str) -> Response:
    """Release the statistics."""
    measuring.release_statistics(here, visitor, dataset)
    return RedirectResponse(f"/datasets/{dataset}/figures", 303)


@router.get("/datasets/{dataset}/assessment")
def get_assessment(request: Request, here: Here, visitor: Visitor, dataset: str) -> Response:
    """Show the impact assessment and the statement on de-identification."""
    from service.console.languages import language_of

    text = assessment.assess(here, visitor, dataset, language_of(request))
    return page(request, "assessment.html", dataset=dataset, body=Markup(assessment.html(text)))  # noqa: S704  # escaped there


@router.get("/rights")
def get_rights(request: Request, here: Here, visitor: Visitor) -> Response:
    """List patients' requests; an officer files new ones."""
    blank = Resource(Kind.RIGHTS, "new", org=visitor.org, state="received")
    return page(
        request, "rights.html", rows=rights.listing(here, visitor), kinds=rights.KINDS,
        may_file=here.may(visitor, Action.RIGHTS_FILE, blank),
    )  # fmt: skip


@router.post("/rights")
def post_rights(
    here: Here,
    visitor: Visitor,
    kind: Annotated[str, Form()],
    token: Annotated[str, Form(max_length=64)] = "",
    dataset: Annotated[str, Form(max_length=64)] = "",
    pseudonym: Annotated[str, Form(max_length=64)] = "",
    purpose: Annotated[str, Form(max_length=16)] = "",
    note: Annotated[str, Form(max_length=500)] = "",
) -> Response:
    """File a request: by withdrawal token, or by dataset and pseudonym. Nobody's identity goes through a form."""
    who = {"token": token.strip()} if token.strip() else {"dataset": dataset.strip(), "pseudonym": pseudonym.strip()}
    made = rights.file(here, visitor, kind, who, {"purpose": purpose.strip(), "note": note})
    return RedirectResponse(f"/rights/{made['id']}", 303)


@router.get("/rights/{request_id}")
def get_right(request: Request, here: Here, visitor: Visitor, request_id: str) -> Response:
    """Show a request and what came of it."""
    one = rights.show(here, visitor, request_id)
    resource = rights.resource_of(rights.row_of(here, request_id))
    may = one["state"] == "received" and here.may(visitor, Action.RIGHTS_DECIDE, resource)
    return page(request, "right.html", one=one, may_decide=may)


@router.post("/rights/{request_id}/fulfilment")
def post_fulfilment(
    here: Here, visitor: Visitor, request_id: str, submission: Annotated[str, Form(max_length=64)] = ""
) -> Response:
    """Carry a request out."""
    withdrawal.fulfil(here, visitor, request_id, {"submission": submission.strip()})
    return RedirectResponse(f"/rights/{request_id}", 303)


@router.post("/rights/{request_id}/refusal")
def post_refusal(
    here: Here, visitor: Visitor, request_id: str, reason: Annotated[str, Form(min_length=1, max_length=500)]
) -> Response:
    """Refuse a request."""
    rights.refuse(here, visitor, request_id, reason)
    return RedirectResponse(f"/rights/{request_id}", 303)


@router.get("/incidents")
def get_incidents(request: Request, here: Here, visitor: Visitor) -> Response:
    """List incidents; compliance and the security administrator record new ones."""
    new = Resource(Kind.INCIDENT, "new", state="open")
    return page(
        request, "incidents.html", rows=incidents.listing(here, visitor), kinds=incidents.KINDS,
        may_record=here.may(visitor, Action.INCIDENT_RECORD, new), datasets=[one.id for one in here.datasets.all()],
    )  # fmt: skip


@router.post("/incidents")
def post_incident(
    here: Here,
    visitor: Visitor,
    kind: Annotated[str, Form()],
    dataset: Annotated[list[str] | None, Form()] = None,
    causes: Annotated[str, Form(max_length=2000)] = "",
) -> Response:
    """Record an incident."""
    made = incidents.record(here, visitor, kind, dataset or [], {"causes": causes})
    return RedirectResponse(f"/incidents/{made['id']}", 303)


@router.get("/incidents/{incident}")
def get_incident(request: Request, here: Here, visitor: Visitor, incident: str) -> Response:
    """Show an incident as article 57 wants it told, and take it one step on."""
    from policies.states import TRANSITIONS

    one = incidents.show(here, visitor, incident)
    state = IncidentState(one["state"])
    resource = Resource(Kind.INCIDENT, incident, state=one["state"])
    return page(
        request, "incident.html", one=one, fields=incidents.FIELDS,
        steps=sorted(step.value for step in TRANSITIONS[IncidentState][state])
        if here.may(visitor, Action.INCIDENT_RECORD, resource)
        else [],
        may_list=Role.DATA_OFFICER in visitor.roles,
    )  # fmt: skip


@router.post("/incidents/{incident}")
async def post_step(request: Request, here: Here, visitor: Visitor, incident: str) -> Response:
    """Take an incident one step on."""
    given = await request.form()
    told = {name: str(given[name]) for name in incidents.FIELDS if given.get(name)}
    incidents.advance(here, visitor, incident, IncidentState(str(given["state"])), told)
    return RedirectResponse(f"/incidents/{incident}", 303)


@router.get("/incidents/{incident}/subjects")
def get_subjects(here: Here, visitor: Visitor, incident: str) -> Response:
    """Download whom of the visitor's own hospital an incident concerns."""
    return table("subjects", ("dataset", "pseudonym"), incidents.subjects(here, visitor, incident))


@router.get("/use")
def get_use(request: Request, here: Here, visitor: Visitor) -> Response:
    """Show how the visitor's hospital's data were used, and what was spent."""
    return page(request, "use.html", told=openness.own_use(here, visitor))
