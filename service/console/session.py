"""Signing in to the console: the session cookie holds the person's bearer token, encrypted, for eight hours."""

import base64
from datetime import timedelta
from typing import Annotated
from urllib.parse import urlsplit

from cryptography.fernet import Fernet, InvalidToken
from fastapi import Depends, Request
from starlette.responses import Response

from policies.errors import NotSignedIn, Refused
from policies.people import Person
from service import identity
from service.api.caller import the_facility
from service.database import reading
from service.facility import Facility

COOKIE = "medtrain_session"
LIFETIME = timedelta(hours=8)
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


class CrossSite(Refused):
    """A form of another site, or of none, asked for a change."""

    code = "cross-site"


def sign_in(request: Request, response: Response, bearer: str) -> Person:
    """Return who signed in; the answer carries the session cookie.

    Raises:
        NotSignedIn: the token is not valid.
    """
    facility = the_facility(request)
    person = _person(facility, bearer)
    sealed = _box(facility).encrypt_at_time(bearer.encode(), _now(facility)).decode()
    response.set_cookie(
        COOKIE,
        sealed,
        max_age=int(LIFETIME.total_seconds()),
        path="/",
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return person


def sign_out(response: Response) -> None:
    """Drop the session cookie."""
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")


def the_visitor(request: Request) -> Person:
    """Return who asks; the token is checked again on every request, so a revoked one ends the session at once.

    Raises:
        NotSignedIn: there is no session, or it has ended.
    """
    facility = the_facility(request)
    try:
        bearer = _box(facility).decrypt_at_time(
            request.cookies.get(COOKIE, ""), int(LIFETIME.total_seconds()), _now(facility)
        )
    except InvalidToken:
        raise NotSignedIn("sign in first") from None
    request.state.person = _person(facility, bearer.decode())
    found: Person = request.state.person
    return found


def check_same_site(request: Request) -> None:
    """Refuse a change that no page of this console asked for.

    Browsers say where a request comes from (``Sec-Fetch-Site``, or ``Origin`` before 2020); one that says nothing is
    refused.

    Raises:
        CrossSite: it comes from elsewhere.
    """
    if request.method in SAFE_METHODS:
        return
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin", "")
    same = site == "same-origin" if site else bool(origin) and urlsplit(origin).netloc == request.headers.get("host")
    if not same:
        raise CrossSite("this form was not sent from a page of this console")


def _person(facility: Facility, bearer: str) -> Person:
    with reading(facility.database) as session:
        return identity.authenticate(session, bearer, facility.clock())


def _box(facility: Facility) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(facility.keystore.secret("console", "session")))


def _now(facility: Facility) -> int:
    return int(facility.clock().timestamp())


Visitor = Annotated[Person, Depends(the_visitor)]
