"""The console speaks Chinese completely, with the glossary's words."""

import re
from enum import StrEnum
from pathlib import Path

import pytest
from babel.messages.catalog import Message

from policies import errors, states
from policies.access import Action
from policies.people import Role
from service.console import languages
from service.console.words import CODES, WORDS
from tools import translations

ROOT = Path(__file__).resolve().parents[2]
HELD = re.compile(r"%\(\w+\)s")
CHINESE = re.compile(r"[\u4e00-\u9fff]")
OF_THE_TRAINER = {"search"}  # the glossary means the search for settings; a page searches the log
SAME_IN_BOTH = {"%(used)s of %(limit)s", "ε by PLD", "ε by PRV", "ε by RDP"}


def messages() -> list[Message]:
    return [one for one in translations.translated() if one.id]


def strings(found: object) -> tuple[str, ...]:
    return tuple(found) if isinstance(found, (tuple, list)) else (str(found),)


def test_the_catalogue_holds_what_the_sources_say_and_nothing_else():
    wanted = {one.id for one in translations.extracted() if one.id}
    assert {one.id for one in messages()} == wanted
    assert len(wanted) > 400


def test_the_catalogue_is_as_its_tool_writes_it():
    assert translations.FILE.read_text("utf-8") == translations.written(translations.updated())


def test_every_message_is_translated_and_none_is_a_guess():
    for one in messages():
        assert all(strings(one.string)), f"empty: {one.id}"
        assert not one.fuzzy, f"fuzzy: {one.id}"
        if strings(one.id)[0] not in SAME_IN_BOTH:
            assert all(CHINESE.search(text) for text in strings(one.string)), f"no Chinese: {one.id}"


def test_placeholders_agree():
    for one in messages():
        for text in strings(one.string):
            assert sorted(HELD.findall(text)) == sorted(HELD.findall(strings(one.id)[-1])), one.id


def test_a_message_with_a_plural_has_the_one_form_of_chinese():
    plural = [one for one in messages() if isinstance(one.id, tuple)]
    assert plural
    assert all(len(strings(one.string)) == 1 for one in plural)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_plurals_are_chosen_in_both_languages(count: int):
    english = "%(num)s row" if count == 1 else "%(num)s rows"
    assert languages.catalogue("en").ngettext("%(num)s row", "%(num)s rows", count) == english
    assert languages.catalogue("zh").ngettext("%(num)s row", "%(num)s rows", count) == "%(num)s 行"


def test_sentences_end_alike_in_both_languages():
    for one in messages():
        for text in strings(one.string):
            source = strings(one.id)[0]
            assert source.endswith(".") == text.endswith("。"), one.id
            assert source.endswith("…") == text.endswith("…"), one.id


def glossary() -> dict[str, tuple[str, ...]]:
    """Return English term -> the Chinese words for it."""
    rows = re.findall(r"^\| ([a-z][^|]+?) \| ([^|]+?) \|", (ROOT / "GLOSSARY.md").read_text("utf-8"), re.MULTILINE)
    found = {}
    for english, chinese in rows:
        terms, words = english.split(", "), chinese.split("、")
        for term, word in zip(terms, words, strict=True):
            found[term] = tuple(part.strip("（） ") for part in re.split(r"[（）]", word) if part.strip())
    return found


def test_terms_are_those_of_the_glossary():
    terms = glossary()
    assert len(terms) > 25
    wrong = []
    for one in messages():
        english = strings(one.id)[0].lower()
        chinese = strings(one.string)[0]
        for term, words in terms.items():
            if (
                term not in OF_THE_TRAINER
                and re.fullmatch(rf"{re.escape(term)}s?", english)
                and not any(word in chinese for word in words)
            ):
                wrong.append(f"{one.id}: {chinese}, not {words}")
    assert not wrong


LOANED = (  # the nouns that are always used in the glossary's sense, in every sentence they stand in
    "submission", "permit", "privacy budget", "quarantine", "pseudonym", "certificate", "access log", "checkpoint",
    "k-anonymity", "quasi-identifier", "data officer", "auditor", "dataset",
)  # fmt: skip


def test_sentences_use_the_glossary_too():
    terms = glossary()
    wrong = []
    for one in messages():
        english, chinese = strings(one.id)[0].lower(), strings(one.string)[0]
        for term in LOANED:
            if re.search(rf"\b{re.escape(term)}s?\b", english) and not any(word in chinese for word in terms[term]):
                wrong.append(f"{one.id}: {chinese}, not {terms[term]}")
    assert not wrong


def test_every_state_role_and_error_code_has_a_word():
    enums = [found for found in vars(states).values() if isinstance(found, type) and issubclass(found, StrEnum)]
    values = {one.value for found in enums for one in found}
    assert len(values) > 20
    assert values <= set(WORDS)
    assert {one.value for one in Role} <= set(WORDS)


def test_every_action_has_a_word():
    assert {one.value for one in Action} <= set(WORDS)


def test_every_error_of_the_kernel_has_a_heading():
    kernel = {
        one.code for one in vars(errors).values() if isinstance(one, type) and issubclass(one, errors.MedtrainError)
    }
    assert kernel <= set(CODES)


TEMPLATES = sorted((ROOT / "service/console/templates").glob("*.html"))
NAMES = {"medtrain", "OMOP", "CDM", "PLD", "PRV", "RDP", "CSV"}  # the same in both languages


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.stem)
def test_no_text_of_a_template_escapes_the_catalogue(template: Path):
    text = template.read_text("utf-8")
    text = re.sub(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", " ", text, flags=re.DOTALL)
    text = re.sub(r"<pre[^>]*>.*?</pre>|<code[^>]*>.*?</code>", " ", text, flags=re.DOTALL)  # commands
    text = re.sub(r'aria-[a-z]+="[^"]*"', " ", text)  # attributes that a macro writes
    text = re.sub(r"<!?[a-z/][^>]*>", " ", text, flags=re.DOTALL)
    assert set(re.findall(r"[A-Za-z]{2,}", text)) <= NAMES
