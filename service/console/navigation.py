"""Where a person may go: the same rules that guard the pages."""

from typing import Any

from policies.access import Action, Kind, Resource
from policies.people import Person
from service.console.words import N_
from service.facility import Facility


def entries(facility: Facility, person: Person) -> list[tuple[str, str]]:
    """Return (address, title) of the pages that the person may open, in order. Titles are to be translated."""
    asked = (
        ("/submissions", N_("Submissions"), Action.SUBMISSION_SHOW, Kind.SUBMISSION),
        ("/datasets", N_("Catalogue"), Action.DATASET_SHOW, Kind.DATASET),
        ("/find", N_("Find data"), Action.DATASET_LIST, Kind.DATASET),
        ("/use", N_("Use of our data"), Action.DATASET_LEAVE, Kind.DATASET),
        ("/rights", N_("Patients' rights"), Action.RIGHTS_SHOW, Kind.RIGHTS),
        ("/incidents", N_("Incidents"), Action.INCIDENT_SHOW, Kind.INCIDENT),
        ("/permits", N_("Permits"), Action.PERMIT_SHOW, Kind.PERMIT),
        ("/runs", N_("Training runs"), Action.RUN_SHOW, Kind.RUN),
        ("/releases", N_("Releases"), Action.RELEASE_SHOW, Kind.RELEASE),
        ("/people", N_("People"), Action.PERSON_LIST, Kind.PERSON),
        ("/facility", N_("Facility"), Action.FACILITY_SHOW, Kind.FACILITY),
        ("/log", N_("Access log"), Action.LOG_SEARCH, Kind.LOG),
    )
    mine = [
        (href, title)
        for href, title, action, kind in asked
        if facility.may(person, action, Resource(kind, "any", org=person.org, author=person.id, state="published"))
    ]
    return [("/", N_("Home")), *mine]


def allowed(facility: Facility, person: Person, action: Action, one: dict[str, Any]) -> bool:
    """Return whether a button is shown: the rule that guards the action, asked about what a listing returned."""
    resource = Resource(
        _KINDS[action.value.split(".")[0]], one["id"], org=one["org"], author=one.get("author", ""), state=one["state"]
    )
    return facility.may(person, action, resource)


_KINDS = {kind.value.lower(): kind for kind in Kind}
