"""The application: the API, and the console beside it."""

from fastapi import FastAPI

from service.api import (
    catalogue,
    facility_log,
    governance,
    people,
    permits,
    problems,
    releases,
    runs,
    secrecy,
    submissions,
)
from service.facility import Facility

PREFIX = "/api/v1"
MAX_BODY = 2 << 30


def create_app(facility: Facility) -> FastAPI:
    """Return the ASGI application of an open facility, without the stock API pages: they load foreign scripts."""
    app = FastAPI(
        title="medtrain",
        version="1",
        docs_url=None,
        redoc_url=None,
        openapi_url=f"{PREFIX}/openapi.json",
        max_body_size=MAX_BODY,
    )
    app.state.facility = facility
    problems.install(app)
    for module in (people, submissions, secrecy, governance, catalogue, permits, runs, releases, facility_log):
        app.include_router(module.router, prefix=PREFIX)
    from service.console.pages import install

    install(app)
    return app
