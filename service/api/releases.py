"""Releases."""

from typing import Any

from fastapi import APIRouter, Response

from service import releases
from service.api.caller import Caller, Here
from service.api.submissions import Reason

router = APIRouter(prefix="/releases", tags=["releases"])


@router.get("")
def get_releases(here: Here, caller: Caller) -> dict[str, Any]:
    """List the releases you may see."""
    return {"items": releases.listing(here, caller)}


@router.get("/{run}")
def get_release(run: str, here: Here, caller: Caller) -> dict[str, Any]:
    """Show everything that the decision rests on."""
    return releases.show(here, caller, run)


@router.post("/{run}/approvals")
def post_approval(run: str, here: Here, caller: Caller) -> dict[str, Any]:
    """Approve; the second approval lets the model leave."""
    return releases.approve(here, caller, run)


@router.post("/{run}/refusal")
def post_refusal(run: str, here: Here, caller: Caller, why: Reason) -> dict[str, Any]:
    """Refuse: the model never leaves."""
    return releases.refuse(here, caller, run, why.reason)


@router.get("/{run}/attacks")
def get_attacks(run: str, here: Here, caller: Caller) -> dict[str, Any]:
    """Show what attacks on the model found; for those who decide on releases."""
    return releases.attacks(here, caller, run)


@router.post("/{run}/canaries")
def post_canaries(run: str, here: Here, caller: Caller) -> dict[str, Any]:
    """Audit the run's mechanism with canary patients."""
    return releases.audit_with_canaries(here, caller, run)


@router.get("/{run}/files")
def get_files(run: str, here: Here, caller: Caller) -> dict[str, Any]:
    """Name the files of a released model."""
    return {"items": releases.names(here, caller, run)}


@router.get("/{run}/files/{name}")
def get_file(run: str, name: str, here: Here, caller: Caller) -> Response:
    """Download one file of a released model."""
    return Response(releases.fetch(here, caller, run, name), media_type="application/octet-stream")
