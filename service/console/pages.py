"""The console's pages, beside the API in the same application."""

from fastapi import FastAPI

from service.console.headers import SecurityHeaders


def install(app: FastAPI) -> None:
    """Add the console's pages and the security headers to the application."""
    app.add_middleware(SecurityHeaders)
