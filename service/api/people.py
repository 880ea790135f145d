"""People, and who I am."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel

from policies.people import Role
from service import staff
from service.api.caller import Caller, Here

router = APIRouter(tags=["people"])


class NewPerson(BaseModel):
    """Somebody to add."""

    id: str
    org: str
    roles: list[Role]


@router.get("/me")
def get_me(caller: Caller) -> dict[str, Any]:
    """Say who the token stands for."""
    return {"id": caller.id, "org": caller.org, "roles": sorted(caller.roles)}


@router.get("/people")
def get_people(here: Here, caller: Caller) -> dict[str, Any]:
    """List everybody who may sign in."""
    return {"items": staff.listing(here, caller)}


@router.post("/people/{person}/tokens", status_code=201)
def post_token(person: str, here: Here, caller: Caller) -> dict[str, Any]:
    """Issue a new token; the answer holds it, this once."""
    return staff.issue(here, caller, person)


@router.post("/people", status_code=201)
def post_person(here: Here, caller: Caller, new: NewPerson) -> dict[str, Any]:
    """Add a person; the answer holds their token, this once."""
    return staff.add(here, caller, new.id, new.org, frozenset(new.roles))
