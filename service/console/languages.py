"""English and Chinese: which of them a request wants, and the catalogue of each."""

import io
from functools import cache
from pathlib import Path

from babel import Locale
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations
from fastapi import Request

LOCALES = Path(__file__).parent / "locale"
COOKIE = "medtrain_language"
LANGUAGES = {"en": ("en", "English"), "zh": ("zh-Hans", "中文")}
"""What ``?lang=`` takes -> the value of the page's ``lang``, and the language's own name."""


def language_of(request: Request) -> str:
    """Return ``en`` or ``zh``: by ``?lang=``, then the cookie, then what the browser prefers."""
    for wanted in (request.query_params.get("lang"), request.cookies.get(COOKIE)):
        if wanted in LANGUAGES:
            return wanted
    return _preferred(request.headers.get("accept-language", ""))


@cache
def catalogue(language: str) -> Translations:
    """Return the translations. They are read from the text file itself: nothing compiled can be stale."""
    compiled = io.BytesIO()
    if language == "zh":
        with (LOCALES / "zh_Hans" / "LC_MESSAGES" / "messages.po").open("rb") as file:
            write_mo(compiled, read_po(file, locale="zh_Hans"))
        compiled.seek(0)
        return Translations(compiled)
    return Translations()


@cache
def locale_of(language: str) -> Locale:
    """Return the locale by which numbers and moments are written."""
    return Locale.parse("zh_Hans_CN" if language == "zh" else "en_GB")


def _preferred(header: str) -> str:
    """Return the supported language with the highest quality; English when none is asked for."""
    best, found = 0.0, "en"
    for part in header.split(","):
        name, _, quality = part.strip().partition(";q=")
        weight = _number(quality) if quality else 1.0
        language = name.split("-")[0].lower()
        if language in LANGUAGES and weight > best:
            best, found = weight, language
    return found


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
