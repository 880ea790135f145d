"""The console's pages, beside the API in the same application."""

import logging
from urllib.parse import quote

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from policies.errors import MedtrainError, NotSignedIn
from service.console import (
    catalogue,
    course,
    door,
    facility,
    governance,
    home,
    log,
    people,
    permits,
    public,
    releases,
    runs,
    submissions,
)
from service.console.drawing import STATIC, page
from service.console.headers import SecurityHeaders
from service.console.session import check_same_site
from service.defects import place

API = "/api/"
_log = logging.getLogger("medtrain.console")


def install(app: FastAPI) -> None:
    """Add the console's pages, its error pages and the security headers to the application."""
    app.add_middleware(SecurityHeaders)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    for module in (
        door,
        public,
        home,
        submissions,
        governance,
        catalogue,
        course,
        permits,
        runs,
        releases,
        log,
        people,
        facility,
    ):
        app.include_router(module.router, dependencies=[Depends(check_same_site)], include_in_schema=False)
    for kind in (MedtrainError, RequestValidationError, HTTPException, Exception):
        _add_error_page(app, kind)


def _add_error_page(app: FastAPI, kind: type[Exception]) -> None:
    """Answer an error below the console's paths with a page; those of the API stay problem details."""
    problems = app.exception_handlers.get(kind)

    async def answer(request: Request, error: Exception) -> Response:
        if problems is not None and request.url.path.startswith(API):
            told: Response = await problems(request, error)  # type: ignore[misc]  # the API's handlers are coroutines
            return told
        return _error_page(request, error)

    app.add_exception_handler(kind, answer)


def _error_page(request: Request, error: Exception) -> Response:
    if isinstance(error, NotSignedIn) and request.method == "GET":
        return RedirectResponse(f"/sign-in?next={quote(request.url.path)}", 303)
    if isinstance(error, MedtrainError):
        return page(request, "error.html", error.http_status, code=error.code, sentence=str(error))
    if isinstance(error, RequestValidationError):
        return page(request, "error.html", 400, code="usage", sentence=_malformed(error))
    if isinstance(error, HTTPException):
        code = {404: "not-found", 413: "too-large"}.get(error.status_code, "usage")
        return page(request, "error.html", error.status_code, code=code, sentence="")
    _log.error("a defect: %s at %s", type(error).__name__, place(error))
    return page(request, "error.html", 500, code="internal", sentence="")


def _malformed(error: RequestValidationError) -> str:
    return ", ".join(sorted({str(one["loc"][-1]) for one in error.errors()}))
