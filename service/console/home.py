"""The first page: what waits for the person who signed in."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from policies.access import Action
from policies.people import Person
from service import catalogue, permits, releases, runs, staff, submissions
from service.api.caller import Here
from service.console.drawing import page
from service.console.navigation import allowed, entries
from service.console.session import Visitor
from service.console.words import N_
from service.facility import Facility

router = APIRouter()
GOING_ON = ("queued", "preparing", "training", "auditing")


@router.get("/")
def get_home(request: Request, here: Here, visitor: Visitor) -> Response:
    """Show what waits for a decision, and what is going on."""
    return page(
        request, "home.html", waiting=waiting(here, visitor), going_on=going_on(here, visitor),
        figures=figures(here, visitor), stop=staff.standing(here),
    )  # fmt: skip


def waiting(facility: Facility, person: Person) -> list[dict[str, Any]]:
    """Return what this person can decide now: the same rule says so that guards the decision."""
    return [*_submissions(facility, person), *_permits(facility, person), *_releases(facility, person)]


def going_on(facility: Facility, person: Person) -> dict[str, Any]:
    """Return the submissions and runs that jobs work on, and what the person's permits have left."""
    listed = permits.listing(facility, person)
    mine = [one for one in listed if one["state"] == "active" and one["holder_org"] == person.org]
    return {
        "runs": [one for one in runs.listing(facility, person) if one["state"] in GOING_ON],
        "permits": [{**one, "used": runs.usage(facility, one["id"])} for one in mine],
        "submissions": [
            one for one in submissions.listing(facility, person) if one["state"] in ("profiled", "mapped", "processing")
        ],
    }


def figures(facility: Facility, person: Person) -> list[tuple[str, str, int]]:
    """Return (title, address, how many) of what the person may see: the state of things at one glance."""
    submitted, applied, trained = (
        submissions.listing(facility, person), permits.listing(facility, person), runs.listing(facility, person),
    )  # fmt: skip
    may = {href for href, _ in entries(facility, person)}
    found = (
        (N_("datasets"), "/datasets", len(catalogue.listing(facility, person))),
        (N_("submissions to be reviewed"), "/submissions", _in_state(submitted, "needs-review")),
        (N_("applications to be decided"), "/permits", _in_state(applied, "submitted")),
        (N_("permits in force"), "/permits", _in_state(applied, "active")),
        (N_("runs going on"), "/runs", sum(_in_state(trained, state) for state in GOING_ON)),
        (N_("releases to be decided"), "/releases", _in_state(trained, "awaiting-release")),
        (N_("models released"), "/releases", _in_state(trained, "released")),
    )
    return [one for one in found if one[1] in may]


def _in_state(rows: list[dict[str, Any]], state: str) -> int:
    return sum(one["state"] == state for one in rows)


def _submissions(facility: Facility, person: Person) -> list[dict[str, Any]]:
    return [
        _task(N_("Review a submission"), f"/submissions/{one['id']}", one)
        for one in submissions.listing(facility, person)
        if one["state"] == "needs-review" and allowed(facility, person, Action.SUBMISSION_ACCEPT, one)
    ]


def _permits(facility: Facility, person: Person) -> list[dict[str, Any]]:
    steps = {
        "draft": (Action.PERMIT_SUBMIT, N_("Hand in an application")),
        "submitted": (Action.PERMIT_APPROVE, N_("Decide on an application")),
    }
    found = [{**one, "org": one["holder_org"]} for one in permits.listing(facility, person) if one["state"] in steps]
    return [
        _task(steps[one["state"]][1], f"/permits/{one['id']}", one)
        for one in found
        if person.id not in one["approvals"] and allowed(facility, person, steps[one["state"]][0], one)
    ]


def _releases(facility: Facility, person: Person) -> list[dict[str, Any]]:
    found = [
        {**one, "id": one["run"], "author": runs.get(facility, one["run"]).author}
        for one in releases.listing(facility, person)
        if one["state"] == "awaiting-release" and person.id not in one["approvals"]
    ]
    return [
        _task(N_("Decide on a release"), f"/releases/{one['id']}", one)
        for one in found
        if allowed(facility, person, Action.RELEASE_APPROVE, one)
    ]


def _task(title: str, href: str, one: dict[str, Any]) -> dict[str, Any]:
    known = {"id": one["id"], "org": one["org"], "data_class": one.get("data_class")}
    return {"title": title, "href": href, **known}
