"""Permits."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel

from service import permits
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


@router.get("")
def get_permits(here: Here, caller: Caller) -> dict[str, Any]:
    """List the applications you may see."""
    return {"items": permits.listing(here, caller)}


@router.post("", status_code=201)
def post_permit(here: Here, caller: Caller, new: NewPermit, key: Key = None) -> dict[str, Any]:
    """Draft an application."""
    return permits.create(here, caller, new.model_dump(), key)


@router.get("/{permit}")
def get_permit(permit: str, here: Here, caller: Caller) -> dict[str, Any]:
    """Show an application."""
    return permits.show(here, caller, permit)


@router.post("/{permit}/submission")
def post_submission(permit: str, here: Here, caller: Caller) -> dict[str, Any]:
    """Hand an application in."""
    return permits.submit(here, caller, permit)


@router.post("/{permit}/approvals")
def post_approval(permit: str, here: Here, caller: Caller) -> dict[str, Any]:
    """Approve; enough approvals make it active."""
    return permits.approve(here, caller, permit)


@router.post("/{permit}/rejection")
def post_rejection(permit: str, here: Here, caller: Caller, why: Reason) -> dict[str, Any]:
    """Reject, with a reason."""
    return permits.reject(here, caller, permit, why.reason)


@router.post("/{permit}/revocation")
def post_revocation(permit: str, here: Here, caller: Caller, why: Reason) -> dict[str, Any]:
    """Take a permit back."""
    return permits.revoke(here, caller, permit, why.reason)
