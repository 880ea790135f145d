"""Describing datasets and finding them: words in Chinese and English, filters, and which fit a partner's purpose."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from datasets import search as words
from datasets.duo import CONDITIONS, COVERS, Intent, match
from datasets.versions import LEVELS
from policies.access import Action, Resource
from policies.errors import Misuse
from policies.people import Person, Role
from policies.states import VersionState
from service.acts import act
from service.database import reading, unit_of_work
from service.facility import Facility
from service.models import DatasetRow, VersionRow
from service.models_governance import TermRow
from service.shelf import Shelf, shelf
from service.sight import REVIEWERS, dataset_in, level_of, resource_of_dataset, resources_in

TEXTS = ("title_zh", "title_en", "description_zh", "description_en", "contact", "retention_basis", "collection")
LISTS = ("keywords", "themes", "modalities", "diseases")
LONGEST = 4000
SHOWN = 50
DICTIONARY = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What to look for; what is not given is not asked.

    Attributes:
        text: Words, Chinese or English; all of them must occur.
        theme, modality, owner, data_class: Equal to that of the dataset.
        purpose: A DUO code that the consent must cover.
    """

    text: str = ""
    theme: str = ""
    modality: str = ""
    owner: str = ""
    data_class: str = ""
    purpose: str = ""


def describe(facility: Facility, person: Person, dataset: str, said: Mapping[str, Any]) -> dict[str, Any]:
    """Return a dataset's description, changed where ``said`` says something, and indexed.

    Args:
        said: Texts and lists by the names in ``TEXTS`` and ``LISTS``, ``dictionary`` (column -> what it means),
            ``purposes`` (DUO codes), ``level`` (1 to 5), ``genomic`` (whether human genetic resources),
            ``retention_days``.

    Raises:
        Refused, Misuse, NotFound: naming the rule.
    """
    with act(facility, person, Action.DATASET_DESCRIBE, resource_of_dataset(facility, dataset)) as this:
        changed = _checked(said)
        with unit_of_work(facility.database, facility.clock) as work:
            row = dataset_in(work.session, dataset)
            governed: dict[str, Any] = {
                k: changed.pop(k) for k in ("purposes", "level", "genomic", "diseases") if k in changed
            }
            if row.document.get("genetic_approval") and governed.get("genomic") is False:
                raise Misuse("its records hold human genetic resources: a description does not take that back")
            about = {**row.document.get("about", {}), **changed}
            if "diseases" in governed:
                about["diseases"] = governed["diseases"]
            row.document = {**row.document, **governed, "about": about}
            row.title = about.get("title_zh") or about.get("title_en") or row.title
            index(work.session, row)
            work.add(this.entry(changed=tuple(sorted((*changed, *governed)))))
            return shape(row)


def find(facility: Facility, person: Person, wanted: Wanted, *, limit: int = 20, offset: int = 0) -> dict[str, Any]:
    """Return the datasets that the person may know of and that have what is wanted, the best first.

    Raises:
        Misuse: the page is too long.
    """
    if not 1 <= limit <= SHOWN or offset < 0:
        raise Misuse(f"ask for 1 to {SHOWN} datasets at a time")
    with reading(facility.database) as session:
        kept = shelf(session, facility.database, shape)
        if kept is None:
            rows = session.scalars(_query(person, wanted).limit(limit + 1).offset(offset)).all()
            page = [(shape(row), resource) for row, resource in zip(rows, resources_in(session, rows), strict=True)]
    if kept is not None:
        page = list(islice(_matching(kept, person, wanted), offset, offset + limit + 1))
    shown = [one for one, resource in page[:limit] if facility.may(person, Action.DATASET_LIST, resource)]
    return {"items": shown, "next": offset + limit if len(page) > limit else None}


def fitting(facility: Facility, person: Person, intent: Intent) -> list[dict[str, Any]]:
    """Return every dataset the person may know of: whether it fits his purpose, and what is unmet where it does not."""
    with reading(facility.database) as session:
        rows = session.scalars(_query(person, Wanted())).all()
        seen = resources_in(session, rows)
    known = [r for r, resource in zip(rows, seen, strict=True) if facility.may(person, Action.DATASET_LIST, resource)]
    found = []
    for row in known:
        fit = match(frozenset(row.document.get("purposes", ())), frozenset(row.document.get("diseases", ())), intent)
        found.append({"id": row.id, "title": row.title, "owner": row.org, "fits": fit.fits, "unmet": list(fit.unmet)})
    return sorted(found, key=lambda one: (not one["fits"], one["id"]))


def shape(row: DatasetRow) -> dict[str, Any]:
    """Return what the catalogue says of a dataset to everybody who may know of it."""
    return {
        "id": row.id,
        "title": row.title,
        "owner": row.org,
        "data_class": row.data_class,
        "level": level_of(row),
        "genomic": bool(row.document.get("genomic", False)),
        "purposes": row.document.get("purposes", []),
        "about": row.document.get("about", {}),
    }


def index(session: Session, row: DatasetRow) -> None:
    """Write the words of a dataset's description, in the transaction that writes the description."""
    about = row.document.get("about", {})
    said = {
        "title": " ".join((row.id, row.title, about.get("title_zh", ""), about.get("title_en", ""))),
        "keywords": " ".join(one for name in LISTS for one in about.get(name, ())),
        "description": f"{about.get('description_zh', '')} {about.get('description_en', '')} {row.org}",
        "dictionary": " ".join(f"{name} {text}" for name, text in about.get("dictionary", {}).items()),
    }
    session.execute(sa.delete(TermRow).where(TermRow.dataset == row.id))
    session.add_all(TermRow(term=term, dataset=row.id, weight=weight) for term, weight in words.index(said).items())


def _matching(kept: Shelf, person: Person, wanted: Wanted) -> Iterator[tuple[dict[str, Any], Resource]]:
    """Yield what ``_query`` finds, in its order, from memory."""
    marked = [kept.words.get(one, {}) for term in (wanted.theme, wanted.modality) for one in words.question(term)]
    wide = _wide(wanted.purpose)
    for name in kept.ranked(words.question(wanted.text)):
        one = kept.kept[name]
        own = Role.DATA_OFFICER in person.roles and one.resource.org == person.org
        if (
            (one.resource.state == "published" or own or person.roles & REVIEWERS)
            and wanted.owner in ("", one.resource.org)
            and wanted.data_class in ("", one.data_class)
            and all(weights.get(name, 0) >= words.WEIGHTS["keywords"] for weights in marked)
            and (not wanted.purpose or any(code in said for code in wide for said in one.purposes))
        ):
            yield one.shown, one.resource


def _wide(purpose: str) -> list[str]:
    """Return the codes of consent that cover a purpose."""
    return [purpose, *(code for code, covered in COVERS.items() if purpose in covered)]


def _query(person: Person, wanted: Wanted) -> sa.Select[DatasetRow]:
    query = sa.select(DatasetRow)
    if asked := words.question(wanted.text):
        hits = (
            sa.select(TermRow.dataset, sa.func.sum(TermRow.weight).label("score"))
            .where(TermRow.term.in_(asked))
            .group_by(TermRow.dataset)
            .having(sa.func.count() == len(asked))
            .subquery()
        )
        query = query.join(hits, hits.c.dataset == DatasetRow.id).order_by(hits.c.score.desc())
    if not person.roles & REVIEWERS:  # the same that the access rules say, asked of all rows at once
        published = sa.select(VersionRow.dataset).where(VersionRow.state == VersionState.PUBLISHED)
        own = DatasetRow.org == person.org if Role.DATA_OFFICER in person.roles else sa.false()
        query = query.where(sa.or_(DatasetRow.id.in_(published), own))
    for value, column in ((wanted.owner, DatasetRow.org), (wanted.data_class, DatasetRow.data_class)):
        if value:
            query = query.where(column == value)
    for term in (wanted.theme, wanted.modality):
        for one in words.question(term):
            query = query.where(
                sa.exists().where(
                    TermRow.dataset == DatasetRow.id, TermRow.term == one, TermRow.weight >= words.WEIGHTS["keywords"]
                )
            )
    if wanted.purpose:
        wide = _wide(wanted.purpose)
        told = sa.cast(DatasetRow.document["purposes"], sa.String)
        query = query.where(sa.or_(*(told.contains(code) for code in wide)))
    return query.order_by(DatasetRow.id)


def _checked(said: Mapping[str, Any]) -> dict[str, Any]:
    """Return the description's parts, each of its kind.

    Raises:
        Misuse: naming the part that is not.
    """
    known = {*TEXTS, *LISTS, "dictionary", "purposes", "level", "genomic", "retention_days"}
    if unknown := sorted(set(said) - known):
        raise Misuse(f"a description has no part named {', '.join(unknown)[:100]}")
    found = dict(said)
    rules: tuple[tuple[str, Callable[[Any], bool]], ...] = (
        *((name, lambda v: isinstance(v, str) and len(v) <= LONGEST) for name in TEXTS),
        *((name, _is_words) for name in LISTS),
        ("dictionary", lambda v: isinstance(v, dict) and len(v) <= DICTIONARY and _is_words([*v, *v.values()])),
        (
            "purposes",
            lambda v: _is_words(v) and set(v) <= {*COVERS, *CONDITIONS, "DUO:0000016"} and bool(set(v) & COVERS.keys()),
        ),
        ("level", lambda v: v in LEVELS and not isinstance(v, bool)),
        ("genomic", lambda v: isinstance(v, bool)),
        ("retention_days", lambda v: isinstance(v, int) and not isinstance(v, bool) and v > 0),
    )
    for name, holds in rules:
        if name in found and not holds(found[name]):
            raise Misuse(f"the description's {name} is not of its kind")
    return found


def _is_words(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) <= 2 * DICTIONARY
        and all(isinstance(one, str) and len(one) <= LONGEST for one in value)
    )
