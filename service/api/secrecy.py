"""What is held for the secrecy officer."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from service import secrecy
from service.api.caller import Caller, Here

router = APIRouter(prefix="/held", tags=["secrecy"])


class Declassified(BaseModel):
    """By what held documents come back."""

    references: dict[str, str] = Field(
        default={}, description="Number of a held document, or all: the originator's declassification reference."
    )
    genetic_approval: str = Field(default="", description="Number of the approval or filing for genomes.")


@router.get("")
def get_held(here: Here, caller: Caller) -> dict[str, Any]:
    """List the submissions that are held, newest first."""
    return {"items": secrecy.listing(here, caller)}


@router.get("/{submission}")
def get_held_one(submission: str, here: Here, caller: Caller) -> dict[str, Any]:
    """Show where the held documents of a submission stand, and why they are held."""
    return secrecy.show(here, caller, submission)


@router.post("/{submission}/readmission")
def post_readmission(submission: str, here: Here, caller: Caller, by: Declassified) -> dict[str, Any]:
    """Let a submission in again, each held document under its originator's reference."""
    return secrecy.readmit(here, caller, submission, by.references, by.genetic_approval)


@router.post("/{submission}/destruction")
def post_destruction(submission: str, here: Here, caller: Caller) -> dict[str, Any]:
    """Destroy the isolated archive."""
    return secrecy.destroy(here, caller, submission)
