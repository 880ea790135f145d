"""Permits: the partner's application, with a look at the answers before it goes, and the decision of compliance."""

import re
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel

from datasets.duo import HOME
from policies.access import Action
from policies.errors import MedtrainError
from policies.review import permit_rules
from service import catalogue, drafts, history, permits, runs
from service.api.caller import Here
from service.console.drawing import ZONE, page, table
from service.console.navigation import allowed
from service.console.session import Visitor
from service.console.words import APPLIED_FOR, N_
from service.facility import Facility

router = APIRouter(prefix="/permits")
COLUMNS = ("id", "holder", "dataset", "recipe", "purpose", "epsilon", "runs", "not_after", "state")
FIELDS = ("dataset", "recipe", "purpose", "legal_basis", "ethics", "epsilon", "runs", "not_after")
PARTIES = ("controller", "controller_country", "access_country", "justification")
COUNTRY = re.compile(r"[A-Z]{2}")
DELTA = "0.00001"


class Typed(BaseModel):
    """An application as far as it is typed: nothing of it is checked yet."""

    draft: str = ""
    dataset: str = ""
    recipe: str = ""
    purpose: str = ""
    legal_basis: str = ""
    ethics: str = ""
    epsilon: str = ""
    runs: str = ""
    not_after: str = ""
    controller: str = ""
    controller_country: str = ""
    access_country: str = ""
    justification: str = ""


@router.get("")
def get_permits(request: Request, here: Here, visitor: Visitor, format: str = "") -> Response:  # noqa: A002  # the address's own word
    """List the applications that the visitor may see."""
    rows = permits.listing(here, visitor)
    if format == "csv":
        return table("permits", COLUMNS, rows)
    blank = {"id": "new", "org": visitor.org, "author": visitor.id, "state": "draft"}
    may_apply = allowed(here, visitor, Action.PERMIT_CREATE, blank)
    return page(request, "permits.html", rows=rows, may_apply=may_apply)


@router.get("/new")
def get_new(request: Request, here: Here, visitor: Visitor, dataset: str = "", draft: str = "") -> Response:
    """Show the empty form, or what was typed into it before."""
    blank = {**dict.fromkeys((*FIELDS, *PARTIES), ""), "controller": visitor.org}
    begun = {"controller_country": HOME, "access_country": HOME, "dataset": dataset, "runs": "1", "draft": draft}
    kept = drafts.show(here, visitor, draft)["answers"] if draft else {}
    typed = {name: str(kept[name]) for name in (*FIELDS, *PARTIES) if name in kept}
    return _form(request, here, visitor, {**blank, **begun, **typed}, {})


@router.post("/new/draft")
def post_draft(request: Request, here: Here, visitor: Visitor, typed: Annotated[Typed, Form()]) -> Response:
    """Keep what has been typed so far; the browser sends it while somebody types."""
    kept = drafts.save(here, visitor, typed.draft or None, typed.model_dump(exclude={"draft"}))
    return page(request, "permit_kept.html", draft=kept["id"], saved=kept["saved"])


@router.post("/new/draft/removal")
def post_removal(here: Here, visitor: Visitor, draft: Annotated[str, Form()]) -> Response:
    """Throw a draft away."""
    drafts.throw_away(here, visitor, draft)
    return RedirectResponse("/permits/new", 303)


@router.post("/new")
def post_new(
    request: Request,
    here: Here,
    visitor: Visitor,
    dataset: Annotated[str, Form()] = "",
    recipe: Annotated[str, Form()] = "",
    purpose: Annotated[str, Form()] = "",
    legal_basis: Annotated[str, Form(max_length=500)] = "",
    ethics: Annotated[str, Form(max_length=100)] = "",
    epsilon: Annotated[str, Form(max_length=20)] = "",
    runs: Annotated[str, Form(max_length=4)] = "",
    not_after: Annotated[str, Form(max_length=10)] = "",
    controller: Annotated[str, Form(max_length=100)] = "",
    controller_country: Annotated[str, Form(max_length=2)] = HOME,
    access_country: Annotated[str, Form(max_length=2)] = HOME,
    justification: Annotated[str, Form(max_length=2000)] = "",
    draft: Annotated[str, Form(max_length=64)] = "",
    step: Annotated[str, Form()] = "check",
) -> Response:
    """Check the answers; show what is wrong, or everything once more, or hand the application in."""
    given = dict(zip(FIELDS, (dataset, recipe, purpose, legal_basis, ethics, epsilon, runs, not_after), strict=True))
    given |= dict(zip(PARTIES, (controller, controller_country, access_country, justification), strict=True))
    given = {name: text.strip() for name, text in given.items()}
    given["draft"] = draft
    wrong = _wrong(here, visitor, given)
    if wrong or step == "change":
        return _form(request, here, visitor, given, wrong)
    if step == "check":
        return page(request, "permit_check.html", given=given, delta=DELTA)
    ends = datetime.combine(date.fromisoformat(not_after), time.max, ZONE).replace(microsecond=0)
    asked = {name: given[name] for name in (*FIELDS, *PARTIES)}
    made = permits.create(here, visitor, {**asked, "delta": DELTA, "not_after": ends.isoformat()})
    permits.submit(here, visitor, made["id"])
    drafts.throw_away(here, visitor, draft)
    return RedirectResponse(f"/permits/{made['id']}", 303)


@router.get("/{permit}")
def get_permit(request: Request, here: Here, visitor: Visitor, permit: str) -> Response:
    """Show an application: what was asked, who decided, what its runs have used."""
    one = _one(permits.show(here, visitor, permit))
    may = {
        "submit": one["state"] == "draft" and allowed(here, visitor, Action.PERMIT_SUBMIT, one),
        "approve": one["state"] == "submitted"
        and visitor.id not in one["approvals"]
        and allowed(here, visitor, Action.PERMIT_APPROVE, one),
        "reject": one["state"] == "submitted" and allowed(here, visitor, Action.PERMIT_REJECT, one),
        "revoke": one["state"] == "active" and allowed(here, visitor, Action.PERMIT_REVOKE, one),
    }
    mine = [run for run in runs.listing(here, visitor) if run["permit"] == permit]
    may_run = one["state"] == "active" and visitor.id in one["people"] and visitor.org == one["org"]
    return page(
        request, "permit.html", one=one, may=may, used=runs.usage(here, permit), runs=mine,
        data_class=here.datasets.get(one["dataset"]).data_class, may_run=may_run,
        happened=history.about(here, visitor, permit),
    )  # fmt: skip


@router.get("/{permit}/submission")
def get_submission(request: Request, here: Here, visitor: Visitor, permit: str) -> Response:
    """Ask once more before handing in."""
    return _ask(request, here, visitor, permit, N_("Hand in this application"), N_("Compliance decides on it."))


@router.post("/{permit}/submission")
def post_submission(here: Here, visitor: Visitor, permit: str) -> Response:
    """Hand in."""
    permits.submit(here, visitor, permit)
    return RedirectResponse(f"/permits/{permit}", 303)


@router.get("/{permit}/approval")
def get_approval(request: Request, here: Here, visitor: Visitor, permit: str) -> Response:
    """Ask once more before approving."""
    sentence = N_("With the last approval needed the permit becomes active at once.")
    return _ask(request, here, visitor, permit, N_("Approve this application"), sentence)


@router.post("/{permit}/approval")
def post_approval(here: Here, visitor: Visitor, permit: str) -> Response:
    """Approve."""
    permits.approve(here, visitor, permit)
    return RedirectResponse(f"/permits/{permit}", 303)


@router.get("/{permit}/rejection")
def get_rejection(request: Request, here: Here, visitor: Visitor, permit: str) -> Response:
    """Ask once more, and for the reason."""
    sentence = N_("The application ends here. The partner may apply again.")
    return _ask(request, here, visitor, permit, N_("Reject this application"), sentence, dangerous=True)


@router.post("/{permit}/rejection")
def post_rejection(
    here: Here, visitor: Visitor, permit: str, reason: Annotated[str, Form(min_length=1, max_length=200)]
) -> Response:
    """Reject."""
    permits.reject(here, visitor, permit, reason)
    return RedirectResponse(f"/permits/{permit}", 303)


@router.get("/{permit}/revocation")
def get_revocation(request: Request, here: Here, visitor: Visitor, permit: str) -> Response:
    """Ask once more, and for the reason."""
    sentence = N_("No run starts under it any more, and none that waits gets its keys.")
    return _ask(request, here, visitor, permit, N_("Revoke this permit"), sentence, dangerous=True)


@router.post("/{permit}/revocation")
def post_revocation(
    here: Here, visitor: Visitor, permit: str, reason: Annotated[str, Form(min_length=1, max_length=200)]
) -> Response:
    """Take it back."""
    permits.revoke(here, visitor, permit, reason)
    return RedirectResponse(f"/permits/{permit}", 303)


def _ask(
    request: Request,
    here: Facility,
    visitor: Visitor,
    permit: str,
    title: str,
    sentence: str,
    *,
    dangerous: bool = False,
) -> Response:
    one = _one(permits.show(here, visitor, permit))
    return page(
        request, "confirm.html", title=title, sentence=sentence, one=one, list=("/permits", N_("Permits")),
        back=f"/permits/{permit}",
        reason=dangerous, dangerous=dangerous,
    )  # fmt: skip


def _one(permit: dict[str, Any]) -> dict[str, Any]:
    return {**permit, "org": permit["holder_org"]}


def _form(request: Request, here: Facility, visitor: Visitor, given: dict[str, str], wrong: dict[str, str]) -> Response:
    known = {
        "datasets": [one["id"] for one in catalogue.listing(here, visitor)],
        "recipes": [one["name"] for one in catalogue.recipes(here, visitor)],
        "purposes": APPLIED_FOR,
    }
    status = 422 if wrong else 200
    others = [one for one in drafts.listing(here, visitor) if one["id"] != given["draft"]]
    return page(
        request, "permit_new.html", status, given=given, wrong=wrong, known=known, delta=DELTA, drafts=others
    )  # fmt: skip


def _wrong(here: Facility, visitor: Visitor, given: dict[str, str]) -> dict[str, str]:
    """Return field -> what is wrong with it, as sentences to be translated."""
    today = here.clock().astimezone(ZONE).date()
    checks = (
        (
            "dataset",
            given["dataset"] in {one["id"] for one in catalogue.listing(here, visitor)},
            N_("Choose a dataset"),
        ),
        ("recipe", _is_recipe(here, given["recipe"]), N_("Choose a feature recipe")),
        ("purpose", given["purpose"] in APPLIED_FOR, N_("Choose a purpose")),
        ("legal_basis", bool(given["legal_basis"]), N_("Name the legal basis")),
        ("ethics", bool(given["ethics"]), N_("Name the ethics approval")),
        *(
            (name, bool(COUNTRY.fullmatch(given[name])), N_("A country is two capital letters, such as CN"))
            for name in ("controller_country", "access_country")
        ),
        ("epsilon", _between(given["epsilon"], 0, 10), N_("Epsilon is a number above 0, at most 10")),
        ("runs", given["runs"].isdecimal() and 1 <= int(given["runs"]) <= 100, N_("The number of runs is 1 to 100")),
        (
            "not_after",
            _is_later(given["not_after"], today),
            N_("The last day lies ahead"),
        ),
        (
            "not_after",
            not _is_later(given["not_after"], today + timedelta(days=permit_rules().maximum_days)),
            N_("No permit lasts that long: choose an earlier last day"),
        ),
    )
    return {name: sentence for name, holds, sentence in checks if not holds}


def _is_recipe(here: Facility, name: str) -> bool:
    try:
        here.recipe(name)
    except MedtrainError:
        return False
    return True


def _between(text: str, low: int, high: int) -> bool:
    try:
        found = Decimal(text)
    except InvalidOperation:
        return False
    return found.is_finite() and low < found <= high


def _is_later(text: str, today: date) -> bool:
    try:
        return date.fromisoformat(text) > today
    except ValueError:
        return False
