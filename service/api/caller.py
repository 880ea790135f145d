"""What an endpoint needs to know: the facility, and who asks."""

from typing import Annotated

from fastapi import Depends, Header, Request

from policies.errors import NotSignedIn
from policies.people import Person
from service import identity
from service.database import reading
from service.facility import Facility


def the_facility(request: Request) -> Facility:
    """Return the facility that this application serves."""
    found: Facility = request.app.state.facility
    return found


def the_caller(request: Request, authorization: Annotated[str | None, Header()] = None) -> Person:
    """Return who asks, by bearer token, or by the console's session cookie.

    Raises:
        NotSignedIn: neither is valid.
    """
    facility = the_facility(request)
    scheme, _, bearer = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not bearer:
        raise NotSignedIn("send a bearer token")
    with reading(facility.database) as session:
        return identity.authenticate(session, bearer.strip(), facility.clock())


Here = Annotated[Facility, Depends(the_facility)]
Caller = Annotated[Person, Depends(the_caller)]
Key = Annotated[str | None, Header(alias="Idempotency-Key", max_length=200)]
