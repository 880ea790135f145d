"""People: who may sign in, and adding somebody; the new token is shown once."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response

from policies.access import Action, Kind, Resource
from policies.errors import Conflict, Misuse
from policies.people import Role
from service import staff
from service.api.caller import Here
from service.console.drawing import page
from service.console.session import Visitor
from service.facility import Facility

router = APIRouter(prefix="/people")


@router.get("")
def get_people(request: Request, here: Here, visitor: Visitor) -> Response:
    """List everybody who may sign in."""
    return _page(request, here, visitor)


@router.post("")
def post_person(
    request: Request,
    here: Here,
    visitor: Visitor,
    id: Annotated[str, Form(pattern=r"^[a-z0-9][a-z0-9._-]{1,63}$")],  # noqa: A002  # the form's own word
    org: Annotated[str, Form(pattern=r"^[a-z0-9][a-z0-9._-]{1,63}$")],
    role: Annotated[list[Role], Form()],
) -> Response:
    """Add somebody; show the token this once."""
    try:
        made = staff.add(here, visitor, id, org, frozenset(role))
    except (Conflict, Misuse) as problem:
        return _page(request, here, visitor, problem.http_status, wrong=str(problem))
    return _page(request, here, visitor, 201, token=made["token"], owner=id)


@router.post("/{person}/tokens")
def post_token(request: Request, here: Here, visitor: Visitor, person: str) -> Response:
    """Issue a new token; show it this once."""
    return _page(request, here, visitor, 201, token=staff.issue(here, visitor, person)["token"], owner=person)


def _page(
    request: Request,
    here: Facility,
    visitor: Visitor,
    status: int = 200,
    *,
    token: str = "",
    owner: str = "",
    wrong: str = "",
) -> Response:
    new = Resource(Kind.PERSON, "new")
    may = {
        "add": here.may(visitor, Action.PERSON_ADD, new),
        "token": here.may(visitor, Action.TOKEN_ISSUE, new),
    }
    return page(
        request, "people.html", status, rows=staff.listing(here, visitor), may=may, roles=list(Role), token=token,
        owner=owner, wrong=wrong,
    )  # fmt: skip
