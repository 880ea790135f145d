"""Permits."""

from typing import Any

from fastapi import APIRouter, Response
from pydantic import BaseModel

from service import drafts, notices, permits
from service.api.caller import Caller, Here, Key
from service.api.submissions import Reason

router = APIRouter(prefix="/permits", tags=["permits"])


class NewPermit(BaseModel):
    """What a partner applies for. Numbers of the budget are decimal text."""

    dataset: str
    recipe: str
    purpose: str
    legal_basis: str
    ethics: str
    epsilon: str
    delta: str = "0.00001"
    runs: int = 1
    not_after: str
    people: list[str] = []
    controller: str = ""
    controller_country: str = "CN"
    access_country: str = "CN"
    commercial: bool = False
    diseases: list[str] = []
    undertakes: list[str] = []
    justification: str = ""
    delivery: str = "sandbox"
    delivery_basis: str = ""


class Answers(BaseModel):
    """What has been typed so far: any of the application's answers."""

    answers: dict[str, Any]


class Verdict(BaseModel):
    """A review: of the hospital, on ethics or on privacy. The note is not kept, only a commitment to it."""

    kind: str
    positive: bool
    note: str = ""


class Conditions(BaseModel):
    """Conditions under which it is granted, besides those there are."""

    conditions: list[str] = []


class Party(BaseModel):
    """Which side signs: holder or owner."""

    party: str


class Until(BaseModel):
    """A new last moment."""

    not_after: str


class Statement(BaseModel):
    """What became of the data and the results."""

    statement: str


@router.get("")
def get_permits(here: Here, caller: Caller) -> dict[str, Any]:
    """List the applications you may see."""
    return {"items": permits.listing(here, caller)}


@router.post("", status_code=201)
def post_permit(here: Here, caller: Caller, new: NewPermit, key: Key = None) -> dict[str, Any]:
    """Draft an application."""
    return permits.create(here, caller, new.model_dump(), key)


@router.get("/drafts")
def get_drafts(here: Here, caller: Caller) -> dict[str, Any]:
    """List your drafts."""
    return {"items": drafts.listing(here, caller)}


@router.post("/drafts", status_code=201)
def post_draft(here: Here, caller: Caller, typed: Answers) -> dict[str, Any]:
    """Begin a draft. Nothing of it is checked before it is handed in."""
    return drafts.save(here, caller, None, typed.answers)


@router.get("/drafts/{draft}")
def get_draft(draft: str, here: Here, caller: Caller) -> dict[str, Any]:
    """Show one of your drafts."""
    return drafts.show(here, caller, draft)


@router.put("/drafts/{draft}")
def put_draft(draft: str, here: Here, caller: Caller, typed: Answers) -> dict[str, Any]:
    """Keep what has been typed; it is laid over what was there."""
    return drafts.save(here, caller, draft, typed.answers)


@router.delete("/drafts/{draft}", status_code=204)
def delete_draft(draft: str, here: Here, caller: Caller) -> None:
    """Throw a draft away."""
    drafts.throw_away(here, caller, draft)


@router.post("/drafts/{draft}/submission")
def post_draft_submission(draft: str, here: Here, caller: Caller) -> dict[str, Any]:
    """Hand a draft in."""
    return drafts.hand_in(here, caller, draft)


@router.get("/notices")
def get_notices(here: Here, caller: Caller) -> dict[str, Any]:
    """List what your organisation was told: permits that end, withdrawals, incidents."""
    return {"items": notices.listing(here, caller)}


@router.get("/{permit}")
def get_permit(permit: str, here: Here, caller: Caller) -> dict[str, Any]:
    """Show an application."""
    return permits.show(here, caller, permit)


@router.post("/{permit}/submission")
def post_submission(permit: str, here: Here, caller: Caller) -> dict[str, Any]:
    """Hand an application in."""
    return permits.submit(here, caller, permit)


@router.patch("/{permit}")
def patch_permit(permit: str, here: Here, caller: Caller, typed: Answers) -> dict[str, Any]:
    """Change the terms, while it is a draft or was returned."""
    return permits.amend(here, caller, permit, typed.answers)


@router.get("/{permit}/precheck")
def get_precheck(permit: str, here: Here, caller: Caller) -> dict[str, Any]:
    """Show what a machine can say about it."""
    return {"items": permits.precheck(here, caller, permit)}


@router.post("/{permit}/reviews")
def post_review(permit: str, here: Here, caller: Caller, verdict: Verdict) -> dict[str, Any]:
    """Review, for the hospital, on ethics or on privacy."""
    return permits.review(here, caller, permit, verdict.kind, positive=verdict.positive, note=verdict.note)


@router.post("/{permit}/conflicts")
def post_conflict(permit: str, here: Here, caller: Caller) -> dict[str, Any]:
    """Say that you have an interest in it; you have no say from now on."""
    return permits.declare_conflict(here, caller, permit)


@router.post("/{permit}/return")
def post_return(permit: str, here: Here, caller: Caller, why: Reason) -> dict[str, Any]:
    """Return it for amendment."""
    return permits.give_back(here, caller, permit, why.reason)


@router.post("/{permit}/signatures")
def post_signature(permit: str, here: Here, caller: Caller, side: Party) -> dict[str, Any]:
    """Sign the terms; the last signature makes it active."""
    return permits.sign(here, caller, permit, side.party)


@router.post("/{permit}/renewal", status_code=201)
def post_renewal(permit: str, here: Here, caller: Caller, until: Until) -> dict[str, Any]:
    """Draft an application that goes on with this permit."""
    return permits.renew(here, caller, permit, until.not_after)


@router.post("/{permit}/closure")
def post_closure(permit: str, here: Here, caller: Caller, said: Statement) -> dict[str, Any]:
    """Close it, with a statement of what became of the data and the results."""
    return permits.close(here, caller, permit, said.statement)


@router.get("/{permit}/document")
def get_document(permit: str, here: Here, caller: Caller) -> Response:
    """Return the granted permit as a signed statement (DSSE)."""
    return Response(permits.document(here, caller, permit), media_type="application/json")


@router.post("/{permit}/approvals")
def post_approval(permit: str, here: Here, caller: Caller, under: Conditions | None = None) -> dict[str, Any]:
    """Vote for it; enough votes, and signatures where they are needed, make it active."""
    return permits.approve(here, caller, permit, under.conditions if under else ())


@router.post("/{permit}/rejection")
def post_rejection(permit: str, here: Here, caller: Caller, why: Reason) -> dict[str, Any]:
    """Vote against it, with a reason; enough votes reject it."""
    return permits.reject(here, caller, permit, why.reason)


@router.post("/{permit}/revocation")
def post_revocation(permit: str, here: Here, caller: Caller, why: Reason) -> dict[str, Any]:
    """Take a permit back."""
    return permits.revoke(here, caller, permit, why.reason)
