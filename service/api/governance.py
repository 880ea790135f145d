"""The governed catalogue: finding data, charged figures, cards, lineage; rights, extracts, incidents, openness."""

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel

from datasets.duo import Intent
from policies.states import IncidentState
from service import (
    assessment,
    cards,
    describing,
    extracts,
    incidents,
    lineage,
    measuring,
    openness,
    rights,
    takeout,
    withdrawal,
)
from service.api.caller import Caller, Here
from service.api.submissions import Reason

router = APIRouter(tags=["governance"])


class About(BaseModel):
    """A dataset's description: the parts to change."""

    about: dict[str, Any]


class Cohort(BaseModel):
    """Patients who have a row of each kind: table, column and prefixes of its text."""

    cohort: list[dict[str, Any]]


class Wish(BaseModel):
    """What somebody wants data for."""

    purpose: str
    diseases: list[str] = []
    commercial: bool = False
    for_profit: bool = False
    ethics: bool = True
    country: str = "CN"
    undertakes: list[str] = []


class PatientRequest(BaseModel):
    """A patient's request: who he is, in one of the ways of the documentation, and what it is about."""

    kind: str
    who: dict[str, str]
    said: dict[str, str] = {}


class Outcome(BaseModel):
    """What fulfils a correction: the submission that corrected the records."""

    submission: str = ""


class Merged(BaseModel):
    """Two pseudonyms that are one patient."""

    kept: str
    gone: str


class Confirm(BaseModel):
    """The name of the organisation that leaves."""

    confirm: str


class Takeout(BaseModel):
    """Where all data of one's own go: an X25519 key in base64; and their form: omop, parquet or delta."""

    recipient: str
    form: str = "omop"


class NewExtract(BaseModel):
    """An extract under a permit: the recipient's X25519 key in base64, and the features where not all."""

    permit: str
    recipient: str
    columns: list[str] = []


class NewIncident(BaseModel):
    """An incident: leak, tampering or loss; the datasets it concerns; what is known by now."""

    kind: str
    datasets: list[str] = []
    told: dict[str, str] = {}


class NextStep(BaseModel):
    """The next state of an incident, and what is known by now."""

    state: IncidentState
    told: dict[str, str] = {}


@router.get("/search")
def get_search(
    here: Here, caller: Caller, q: str = "", theme: str = "", modality: str = "", owner: str = "",
    data_class: str = "", purpose: str = "", limit: int = 20, offset: int = 0,
) -> JSONResponse:  # fmt: skip
    """Find datasets by words, Chinese or English, and filters."""
    wanted = describing.Wanted(
        text=q[:200], theme=theme, modality=modality, owner=owner, data_class=data_class, purpose=purpose
    )
    return JSONResponse(describing.find(here, caller, wanted, limit=limit, offset=offset))  # JSON already: not checked


@router.post("/fit")
def post_fit(here: Here, caller: Caller, wish: Wish) -> dict[str, Any]:
    """Say which datasets fit a purpose, and what is unmet where one does not."""
    intent = Intent(
        purpose=wish.purpose, diseases=frozenset(wish.diseases), commercial=wish.commercial, for_profit=wish.for_profit,
        ethics=wish.ethics, country=wish.country, undertakes=frozenset(wish.undertakes),
    )  # fmt: skip
    return {"items": describing.fitting(here, caller, intent)}


@router.put("/datasets/{dataset}/description")
def put_description(dataset: str, here: Here, caller: Caller, said: About) -> dict[str, Any]:
    """Describe a dataset: texts, keywords, data dictionary, consent, level."""
    return describing.describe(here, caller, dataset, said.about)


@router.get("/datasets/{dataset}/statistics")
def get_statistics(dataset: str, here: Here, caller: Caller) -> dict[str, Any]:
    """Show the released statistics of the newest version."""
    return measuring.statistics_of(here, caller, dataset)


@router.post("/datasets/{dataset}/statistics", status_code=201)
def post_statistics(dataset: str, here: Here, caller: Caller) -> dict[str, Any]:
    """Release the statistics of the newest version: measured and charged once."""
    return measuring.release_statistics(here, caller, dataset)


@router.get("/datasets/{dataset}/preview")
def get_preview(dataset: str, recipe: str, here: Here, caller: Caller) -> dict[str, Any]:
    """Show the synthetic preview for a recipe."""
    return measuring.preview_of(here, caller, dataset, recipe)


@router.get("/datasets/{dataset}/preview.csv")
def get_preview_csv(dataset: str, recipe: str, here: Here, caller: Caller) -> Response:
    """Download the synthetic preview for a recipe."""
    return Response(measuring.preview_of(here, caller, dataset, recipe)["csv"], media_type="text/csv")


@router.post("/datasets/{dataset}/preview", status_code=201)
def post_preview(dataset: str, recipe: str, here: Here, caller: Caller) -> dict[str, Any]:
    """Release a synthetic preview for a recipe: made and charged once."""
    return measuring.release_preview(here, caller, dataset, recipe)


@router.post("/datasets/{dataset}/counts")
def post_count(dataset: str, here: Here, caller: Caller, asked: Cohort) -> dict[str, Any]:
    """Ask how many patients are in a cohort: with noise, charged, and only so often."""
    return measuring.count(here, caller, dataset, asked.cohort)


@router.get("/datasets/{dataset}/card")
def get_card(dataset: str, request: Request, here: Here, caller: Caller, form: str = "croissant") -> dict[str, Any]:
    """Return the dataset's card: ``croissant`` or ``healthdcat-ap``, as JSON-LD."""
    return cards.card(here, caller, dataset, form, str(request.base_url).rstrip("/"))


@router.get("/datasets/{dataset}/lineage")
def get_lineage(dataset: str, here: Here, caller: Caller, form: str = "prov") -> Any:
    """Return where the data came from and went: ``prov`` (PROV-JSON) or ``openlineage`` (run events)."""
    if form == "openlineage":
        return {"items": lineage.openlineage(here, caller, dataset)}
    return lineage.prov(here, caller, dataset)


@router.get("/datasets/{dataset}/assessment")
def get_assessment(dataset: str, here: Here, caller: Caller, language: str = "zh") -> Response:
    """Return the impact assessment and the statement on de-identification (Markdown), gaps marked."""
    return Response(assessment.assess(here, caller, dataset, language), media_type="text/markdown; charset=utf-8")


@router.post("/datasets/{dataset}/merges")
def post_merge(dataset: str, here: Here, caller: Caller, two: Merged) -> dict[str, Any]:
    """Make two pseudonyms that are one patient one."""
    return withdrawal.merge(here, caller, dataset, two.kept, two.gone)


@router.get("/datasets/{dataset}/handles")
def get_handles(dataset: str, here: Here, caller: Caller) -> dict[str, Any]:
    """List the withdrawal tokens of your own patients."""
    return {"items": rights.handles(here, caller, dataset)}


@router.post("/departure")
def post_departure(here: Here, caller: Caller, sure: Confirm) -> dict[str, Any]:
    """Leave, with all of your hospital's data: every version, upload and key of them is destroyed."""
    return withdrawal.leave(here, caller, sure.confirm)


@router.post("/takeout")
def post_takeout(here: Here, caller: Caller, where: Takeout) -> StreamingResponse:
    """Take all data of your own hospital out: OMOP CDM, Parquet or Delta files in a parcel sealed to its key."""
    made = takeout.take_out(here, caller, where.recipient, where.form)
    return StreamingResponse(made, media_type="application/octet-stream")


@router.get("/rights")
def get_rights(here: Here, caller: Caller) -> dict[str, Any]:
    """List patients' requests, the most urgent first."""
    return {"items": rights.listing(here, caller)}


@router.post("/rights", status_code=201)
def post_rights(here: Here, caller: Caller, asked: PatientRequest) -> dict[str, Any]:
    """File a patient's request: withdrawal, objection, access or correction."""
    return rights.file(here, caller, asked.kind, asked.who, asked.said)


@router.get("/rights/{request_id}")
def get_right(request_id: str, here: Here, caller: Caller) -> dict[str, Any]:
    """Show a request and what came of it."""
    return rights.show(here, caller, request_id)


@router.post("/rights/{request_id}/fulfilment")
def post_fulfilment(request_id: str, here: Here, caller: Caller, done: Outcome | None = None) -> dict[str, Any]:
    """Carry a request out."""
    return withdrawal.fulfil(here, caller, request_id, done.model_dump() if done else {})


@router.post("/rights/{request_id}/refusal")
def post_refusal(request_id: str, here: Here, caller: Caller, why: Reason) -> dict[str, Any]:
    """Refuse a request, with the reason that the patient is told."""
    return rights.refuse(here, caller, request_id, why.reason)


@router.get("/rights/{request_id}/receipt")
def get_receipt(request_id: str, here: Here, caller: Caller) -> Response:
    """Return the signed receipt of a withdrawal."""
    return Response(withdrawal.receipt(here, caller, request_id), media_type="application/json")


@router.get("/extracts")
def get_extracts(here: Here, caller: Caller) -> dict[str, Any]:
    """List the extracts that you may see."""
    return {"items": extracts.listing(here, caller)}


@router.post("/extracts", status_code=201)
def post_extract(here: Here, caller: Caller, asked: NewExtract) -> dict[str, Any]:
    """Prepare an extract that leaves: only under a permit that says so."""
    return extracts.prepare(here, caller, asked.permit, asked.recipient, tuple(asked.columns))


@router.get("/extracts/{extract}/content")
def get_extract(extract: str, here: Here, caller: Caller) -> Response:
    """Fetch an extract, sealed to the recipient's key (HPKE; the info is the extract's id)."""
    return Response(extracts.fetch(here, caller, extract), media_type="application/octet-stream")


@router.get("/incidents")
def get_incidents(here: Here, caller: Caller) -> dict[str, Any]:
    """List the incidents that you may see."""
    return {"items": incidents.listing(here, caller)}


@router.post("/incidents", status_code=201)
def post_incident(here: Here, caller: Caller, new: NewIncident) -> dict[str, Any]:
    """Record an incident; the owners of the data are told at once."""
    return incidents.record(here, caller, new.kind, new.datasets, new.told)


@router.get("/incidents/{incident}")
def get_incident(incident: str, here: Here, caller: Caller) -> dict[str, Any]:
    """Show an incident."""
    return incidents.show(here, caller, incident)


@router.post("/incidents/{incident}/steps")
def post_step(incident: str, here: Here, caller: Caller, step: NextStep) -> dict[str, Any]:
    """Take an incident one step on: contained, notified, closed."""
    return incidents.advance(here, caller, incident, step.state, step.told)


@router.get("/incidents/{incident}/subjects")
def get_subjects(incident: str, here: Here, caller: Caller) -> dict[str, Any]:
    """List the patients of your own hospital whom it concerns."""
    return {"items": incidents.subjects(here, caller, incident)}


@router.get("/incidents/{incident}/notification")
def get_notification(incident: str, here: Here, caller: Caller) -> Response:
    """Return what people and the authority are told (Markdown), gaps marked."""
    return Response(incidents.document(here, caller, incident), media_type="text/markdown; charset=utf-8")


@router.get("/register")
def get_register(here: Here) -> dict[str, Any]:
    """Return the public data-use register. No sign-in."""
    return {"items": openness.register(here)}


@router.get("/use")
def get_use(here: Here, caller: Caller) -> dict[str, Any]:
    """Return how your hospital's patients' data were used, and what was spent."""
    return openness.own_use(here, caller)
