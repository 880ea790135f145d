"""Signing in and out."""

from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from policies.errors import NotSignedIn
from service.console.drawing import page
from service.console.session import sign_in, sign_out

router = APIRouter()


@router.get("/sign-in")
def get_sign_in(request: Request, next: str = "/") -> Response:  # noqa: A002  # the address's own word
    """Ask for the token."""
    return page(request, "sign_in.html", next=_inside(next), wrong=False)


@router.post("/sign-in")
def post_sign_in(
    request: Request,
    token: Annotated[str, Form(max_length=200)],
    next: Annotated[str, Form()] = "/",  # noqa: A002  # the address's own word
) -> Response:
    """Begin a session, or ask again."""
    answer = RedirectResponse(_inside(next), 303)
    try:
        sign_in(request, answer, token.strip())
    except NotSignedIn:
        return page(request, "sign_in.html", 401, next=_inside(next), wrong=True)
    return answer


@router.post("/sign-out")
def post_sign_out() -> Response:
    """End the session."""
    answer = RedirectResponse("/sign-in", 303)
    sign_out(answer)
    return answer


def _inside(address: str) -> str:
    """Return the address where it is a path of this console; a link to elsewhere leads home."""
    parts = urlsplit(address)
    safe = not parts.scheme and not parts.netloc and address.startswith("/") and not address.startswith(("//", "/\\"))
    return address if safe else "/"
