"""Every page, as every role that may see it: sound for axe, silent in the browser's console, whole without scripts."""

import json
from collections.abc import Callable
from contextlib import closing
from typing import Any

import httpx
import pytest

from service.console.languages import LANGUAGES
from tests.console.stage import DATASET, Stage, Visitor

Visit = Callable[..., Any]
RULES = ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]
PAGES: dict[str | None, tuple[str, ...]] = {
    None: ("/sign-in", "/status", "/register"),
    "officer-zhou": (
        "/", "/submissions", "/submissions/new", "/submissions/{submission}", "/submissions/{submission}/quarantine",
        "/datasets", "/datasets/{dataset}", "/datasets/{dataset}/versions/1",
        "/datasets/{dataset}/assessment", "/log",
    ),
    "partner-lin": (
        "/", "/datasets/{dataset}", "/permits", "/permits/new", "/permits/{permit}", "/runs", "/runs/new",
        "/runs/{run}", "/releases/{run}",
    ),
    "compliance-wu": (
        "/", "/permits/{permit}", "/permits/{permit}/revocation", "/releases", "/releases/{run}",
        "/releases/{run}/approval", "/releases/{run}/refusal",
    ),
    "auditor-he": ("/", "/log", "/log/verification", "/people", "/facility"),
    "admin-gu": ("/", "/facility"),
    "security-admin": ("/people",),
}  # fmt: skip
"""Who looks at what. A page that several roles see alike is looked at once."""


def filled(path: str, stage: Stage) -> str:
    return path.format(submission=stage.submission, permit=stage.permit, run=stage.run, dataset=DATASET)


def complaints(page: Any, axe: str) -> list[str]:
    """Return what axe finds; the policy lets the test's own script in, which the browser runs apart from the page."""
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(axe)
    found = page.evaluate(
        "rules => axe.run(document, {runOnly: rules, resultTypes: ['violations']})", RULES
    )  # the answer names rules and elements
    return [f"{one['id']}: {one['nodes'][0]['html'][:120]}" for one in found["violations"]]


@pytest.mark.parametrize("who", PAGES, ids=str)
def test_pages_are_sound(at_release: Stage, visit: Visit, axe: str, who: str | None) -> None:
    """No complaint of axe, no message of the browser, so nothing that the content policy had to stop."""
    found = {}
    with visit(at_release, who) as visitor:
        for path in PAGES[who]:
            answer = visitor.open(filled(path, at_release))
            assert answer.status == 200, path
            assert "unsafe" not in answer.headers["content-security-policy"]
            assert visitor.page.locator("h1").count() == 1
            if wrong := complaints(visitor.page, axe):
                found[path] = wrong
    assert found == {}


def test_a_narrow_screen_needs_no_sideways_scrolling(at_release: Stage, visit: Visit, axe: str) -> None:
    with visit(at_release, "auditor-he") as he:
        he.page.set_viewport_size({"width": 390, "height": 800})
        for path in ("/", "/log", "/releases/{run}", "/submissions/{submission}"):
            he.open(filled(path, at_release))
            width = he.page.evaluate("() => document.documentElement.scrollWidth")
            assert width <= 390, path
        assert complaints(he.page, axe) == []


def test_the_dark_scheme_has_contrast_too(at_release: Stage, visit: Visit, axe: str) -> None:
    with visit(at_release, "compliance-wu", color_scheme="dark") as wu:
        wu.open(f"/releases/{at_release.run}")
        assert complaints(wu.page, axe) == []


def test_everything_is_reached_by_keyboard(at_release: Stage, visit: Visit) -> None:
    with visit(at_release, "compliance-wu") as wu:
        wu.open(f"/releases/{at_release.run}")
        wu.page.keyboard.press("Tab")
        assert wu.page.evaluate("() => document.activeElement.className") == "skip"
        wu.page.keyboard.press("Enter")
        assert wu.page.evaluate("() => document.activeElement.id") == "main"
        for _ in range(40):
            wu.page.keyboard.press("Tab")
            if wu.page.evaluate("() => document.activeElement.innerText") == "Approve …":
                break
        wu.page.keyboard.press("Enter")
        wu.page.wait_for_load_state()
        assert wu.heading() == "Approve this release"


@pytest.mark.parametrize("who", ["officer-zhou", "partner-lin", "compliance-wu"])
def test_without_scripts_every_page_is_whole_in_chinese(at_release: Stage, visit: Visit, who: str) -> None:
    with visit(at_release, who, java_script_enabled=False, language="zh") as visitor:
        for path in PAGES[who]:
            assert visitor.open(filled(path, at_release)).status == 200
            assert visitor.page.locator("html").get_attribute("lang") == "zh-Hans"
            assert visitor.page.locator("main").inner_text()


@pytest.fixture
def signed_in(at_release: Stage) -> Callable[[str], httpx.Client]:
    """Return how somebody signs in without a browser."""

    def enter(who: str) -> httpx.Client:
        client = httpx.Client(base_url=at_release.url, headers={"Sec-Fetch-Site": "same-origin"}, timeout=150)
        assert client.post("/sign-in", data={"token": at_release.tokens[who]}).status_code == 303
        return client

    return enter


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_link_or_button_of_a_page_leads_to_a_refusal(
    at_release: Stage, signed_in: Callable[[str], httpx.Client], language: str
) -> None:
    import re

    for who, paths in PAGES.items():
        if who is None:
            continue
        with closing(signed_in(who)) as client:
            seen = {}
            for path in paths:
                text = client.get(filled(path, at_release), params={"lang": language}).text
                for href in re.findall(r'href="(/[^"#]*)"', text):
                    seen.setdefault(href.replace("&amp;", "&"), path)
            for href, path in seen.items():
                if not href.startswith("/static"):
                    assert client.get(href).status_code == 200, f"{who}: {path} leads to {href}"


def test_a_form_of_another_site_is_refused(at_release: Stage, signed_in: Callable[[str], httpx.Client]) -> None:
    with closing(signed_in("compliance-wu")) as client:
        for site in ("cross-site", "same-site", "none"):
            answer = client.post(f"/releases/{at_release.run}/approval", headers={"Sec-Fetch-Site": site})
            assert answer.status_code == 403
            assert "cross-site" in answer.text
        assert client.post(
            f"/releases/{at_release.run}/approval", headers={"Sec-Fetch-Site": "", "Origin": "https://elsewhere.example"}
        ).status_code == 403  # fmt: skip


def _steps(said: str) -> list[dict[str, Any]]:
    """Return the changes of state in a stream of events."""
    found = [json.loads(line.removeprefix("data: ")) for line in said.splitlines() if line.startswith("data: ")]
    return [one for one in found if one]


def test_progress_is_followed_as_events_by_programs_and_by_pages(
    at_release: Stage, signed_in: Callable[[str], httpx.Client]
) -> None:
    bearer = {"Authorization": f"Bearer {at_release.tokens['partner-lin']}"}
    said = httpx.get(f"{at_release.url}/api/v1/runs/{at_release.run}/events", headers=bearer, timeout=150).text
    states = ["queued", "preparing", "training", "auditing", "awaiting-release"]
    assert [step["state"] for step in _steps(said)] == states
    assert said.count("event: state") == 5
    assert said.index("event: end") > said.index("awaiting-release")
    last = [line.removeprefix("id: ") for line in said.splitlines() if line.startswith("id: ")][2]
    resumed = httpx.get(
        f"{at_release.url}/api/v1/runs/{at_release.run}/events", headers={**bearer, "Last-Event-ID": last}, timeout=150
    ).text
    assert resumed.count("event: state") == 2
    officer = {"Authorization": f"Bearer {at_release.tokens['officer-zhou']}"}
    done = httpx.get(
        f"{at_release.url}/api/v1/submissions/{at_release.submission}/events", headers=officer, timeout=150
    )
    assert _steps(done.text)[-1]["state"] == "accepted"
    refused = httpx.get(f"{at_release.url}/api/v1/runs/{at_release.run}/events", headers=officer, timeout=150)
    assert refused.status_code == 403
    with closing(signed_in("partner-lin")) as client:
        pieces = client.get(f"/runs/{at_release.run}/events").text
    assert "<ol class" in pieces
    assert "event: end" in pieces


def test_the_pages_need_nobody_elses_files(at_release: Stage, visit: Visit) -> None:
    with visit(at_release, "officer-zhou") as zhou:
        asked: list[str] = []
        zhou.page.on("request", lambda request: asked.append(request.url))
        zhou.open(f"/submissions/{at_release.submission}")
        assert asked
        assert all(url.startswith(at_release.url) for url in asked)


def window(visitor: Visitor) -> str:
    return str(visitor.page.url)
