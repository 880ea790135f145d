"""Drawing a page: templates, languages, how moments, numbers and words are written; a list as CSV."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_datetime
from babel.numbers import format_decimal
from fastapi import Request
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from policies.entry import moment
from policies.people import Person
from service.api.caller import the_facility
from service.console import languages
from service.console.headers import HEADERS, POLICY
from service.console.navigation import entries
from service.console.words import FATES, WORDS
from service.database import reading
from service.facility import Facility, is_frozen

HERE = Path(__file__).parent
STATIC = HERE / "static"
ZONE = ZoneInfo("Asia/Shanghai")
PLACES = {
    "submission": "/submissions",
    "dataset": "/datasets",
    "permit": "/permits",
    "run": "/runs",
    "release": "/releases",
}
NO_OBJECT = ("all", "own", "new", "any", "trace")
SCRIPTS = ("htmx.min.js", "hx-sse.min.js")
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def page(request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """Return a page in the visitor's language; with ``?lang=`` the choice is kept in a cookie."""
    language = languages.language_of(request)
    text = environment(language).get_template(template).render(**_frame(request, language), **values)
    answer = HTMLResponse(text, status, {**HEADERS, "Content-Security-Policy": POLICY, "Vary": "Cookie"})
    if request.query_params.get("lang") in languages.LANGUAGES:
        answer.set_cookie(languages.COOKIE, language, max_age=31_536_000, path="/", httponly=True, samesite="lax")
    return answer


def fragment(request: Request, template: str, **values: Any) -> str:
    """Return a piece of a page, in the visitor's language."""
    return environment(languages.language_of(request)).get_template(template).render(**values)


def table(name: str, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> Response:
    """Return rows as a CSV file that a spreadsheet reads as text: no value can be taken for a formula."""
    out = io.StringIO()
    write = csv.writer(out)
    write.writerow(columns)
    write.writerows([_cell(row.get(column, "")) for column in columns] for row in rows)
    return Response(
        "\ufeff" + out.getvalue(),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}.csv"'},
    )


@cache
def environment(language: str) -> Environment:
    """Return the templates of one language; a name that a page does not give is an error, not an empty place."""
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    catalogue, locale = languages.catalogue(language), languages.locale_of(language)
    made.install_gettext_translations(catalogue, newstyle=True)  # type: ignore[attr-defined]  # added by the extension
    made.filters["word"] = lambda value: catalogue.gettext(WORDS[value]) if value in WORDS else value
    made.filters["fate"] = lambda value: catalogue.gettext(FATES[value]) if value in FATES else value
    made.filters["fact"] = lambda value: ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
    made.filters["decimal"] = lambda value: f"{Decimal(str(value)).normalize():f}"
    made.filters["number"] = lambda value: format_decimal(value, locale=locale)
    made.filters["moment"] = lambda text: format_datetime(
        moment(text).astimezone(ZONE), "yyyy-MM-dd HH:mm:ss", locale=locale
    )
    made.filters["day"] = lambda text: format_datetime(moment(text).astimezone(ZONE), "yyyy-MM-dd", locale=locale)
    made.filters["clock"] = lambda text: format_datetime(moment(text).astimezone(ZONE), "HH:mm:ss", locale=locale)
    made.filters["size"] = lambda count: format_size(count, locale)
    made.filters["place"] = place_of
    return made


def format_size(count: int, locale: Locale) -> str:
    """Return a number of bytes as people read it, in steps of 1024."""
    value, unit = float(count), "B"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if value < 1024 or unit == "TiB":
            break
        value /= 1024
    return f"{format_decimal(round(value, 1), locale=locale)} {unit}"


def place_of(entry: Mapping[str, Any]) -> str:
    """Return the address of the page about a log entry's object, or nothing where there is none."""
    folder = PLACES.get(entry["kind"])
    return f"{folder}/{entry['object']}" if folder and entry["object"] not in NO_OBJECT else ""


def _frame(request: Request, language: str) -> dict[str, Any]:
    """Return what every page has around its content."""
    facility, person = the_facility(request), getattr(request.state, "person", None)
    other = next(one for one in languages.LANGUAGES if one != language)
    query = {**request.query_params, "lang": other}
    return {
        "lang": languages.LANGUAGES[language][0],
        "other_lang": languages.LANGUAGES[other],
        "other_url": f"{request.url.path}?{urlencode(query)}" if request.method == "GET" else f"/?lang={other}",
        "person": person,
        "nav": _nav(facility, person, request.url.path),
        "frozen": _frozen(facility),
        "scripts": scripts(),
        "csv_url": f"?{urlencode({**request.query_params, 'format': 'csv'})}",
    }


def scripts() -> list[str]:
    """Return the browser files that are here, in order: without them there is no tag, and nothing is missed."""
    return list(SCRIPTS) if all((STATIC / "vendor" / name).is_file() for name in SCRIPTS) else []


def _nav(facility: Facility, person: Person | None, path: str) -> list[dict[str, Any]]:
    if person is None:
        return []
    return [
        {"href": href, "title": title, "here": path == href or (href != "/" and path.startswith(f"{href}/"))}
        for href, title in entries(facility, person)
    ]


def _frozen(facility: Facility) -> bool:
    with reading(facility.database) as session:
        return is_frozen(session)


def _cell(value: Any) -> str:
    text = str(value)
    return f"'{text}" if text.startswith(FORMULA) else text
