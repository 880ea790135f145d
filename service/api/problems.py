"""Every error as problem details (RFC 9457): ``code`` is the error's stable code, ``exit_code`` the command line's."""

import logging

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from policies.errors import MedtrainError
from service.defects import place

MEDIA_TYPE = "application/problem+json"
_log = logging.getLogger("medtrain.api")


def install(app: FastAPI) -> None:
    """Turn every error that leaves an endpoint into problem details. None of them shows a value of a record."""
    app.add_exception_handler(MedtrainError, _ours)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _defect)


def problem(code: str, status: int, exit_code: int, detail: str) -> JSONResponse:
    """Return an answer of problem details."""
    body = {
        "type": f"urn:medtrain:problem:{code}",
        "title": code.replace("-", " "),
        "status": status,
        "detail": detail,
        "code": code,
        "exit_code": exit_code,
    }
    return JSONResponse(body, status, media_type=MEDIA_TYPE)


async def _ours(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, MedtrainError)
    return problem(error.code, error.http_status, error.exit_code, str(error))


async def _malformed(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    where = sorted({"/".join(str(part) for part in one["loc"]) for one in error.errors()})
    return problem("usage", 400, 2, f"the request is malformed at {', '.join(where)}")


async def _http(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    code = {404: "not-found", 405: "usage", 413: "too-large"}.get(error.status_code, "usage")
    return problem(code, error.status_code, 1, str(error.detail))


async def _defect(_request: Request, error: Exception) -> JSONResponse:
    _log.error("a defect: %s at %s", type(error).__name__, place(error))
    return problem("internal", 500, 1, f"a defect of the program: {type(error).__name__}")
