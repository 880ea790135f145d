"""The console served from a copy of a played facility, and the people who look at it in a browser."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from policies.people import Role
from service import staff
from service.database import reading
from service.demo.story import listening
from service.facility import Facility, opened
from service.identity import FIRST, TOKEN_FILE
from service.models import PermitRow, RunRow, SubmissionRow
from service.settings import read

DATASET = "demo-network-fast"
MORE = {"auditor-he": ("shdc-audit", Role.AUDITOR), "admin-gu": ("facility", Role.SYSTEM_ADMIN)}
PATIENCE_MS = 150_000
"""How long a page is waited for: a busy machine is no failure."""
VERBOSE = "Password forms should"  # a hint of the browser, not a message of the page


@dataclass(frozen=True)
class Stage:
    """A served facility: its address, its people's tokens, and the ids of what was played."""

    url: str
    facility: Facility = field(repr=False)
    tokens: dict[str, str] = field(repr=False)
    submission: str
    permit: str
    run: str


@dataclass
class Visitor:
    """One person's browser window, with everything the browser complained about."""

    stage: Stage
    page: Any
    said: list[str]

    def open(self, path: str) -> Any:
        """Go to a page; return the answer."""
        return self.page.goto(self.stage.url + path)

    def press(self, name: str) -> None:
        """Press the one button or link of that name, and wait for the page it leads to."""
        found = self.page.get_by_role("button", name=name, exact=True)
        (found if found.count() else self.page.get_by_role("link", name=name, exact=True)).first.click()
        self.page.wait_for_load_state()

    def heading(self) -> str:
        return str(self.page.locator("h1").inner_text())

    def state(self) -> str:
        """Return the state beside the heading."""
        return str(self.page.locator(".head .tag").first.inner_text())

    def text(self) -> str:
        return str(self.page.locator("main").inner_text())


@contextmanager
def staged(home: Path, copy: Path) -> Iterator[Stage]:
    """Yield a served copy of a home."""
    shutil.copytree(home, copy, ignore=shutil.ignore_patterns("environment"))
    with opened(read(home=copy, database="", log_interval=0.5)) as facility:
        tokens = {path.stem: path.read_text().strip() for path in (copy / "demo").glob("*.token")}
        tokens[FIRST.id] = (copy / TOKEN_FILE).read_text().strip()
        for name, (org, role) in MORE.items():
            tokens[name] = staff.add(facility, FIRST, name, org, frozenset({role}))["token"]
        with listening(facility) as url:
            yield Stage(url, facility, tokens, *_ids(facility))


@contextmanager
def visiting(browser: Any, stage: Stage, who: str | None, **options: Any) -> Iterator[Visitor]:
    """Yield a window of somebody who signed in through the form; at the end the browser must have been content."""
    language = options.pop("language", "en")
    context = browser.new_context(viewport={"width": 1280, "height": 900}, locale="en-GB", **options)
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    visitor = Visitor(stage, page, [])
    page.on("console", lambda message: VERBOSE in message.text or visitor.said.append(message.text))
    page.on("pageerror", lambda problem: visitor.said.append(str(problem)))
    try:
        page.goto(f"{stage.url}/sign-in?lang={language}")
        if who is not None:
            page.fill("#token", stage.tokens[who])
            page.click("main form button")
            page.wait_for_load_state()
        yield visitor
    finally:
        context.close()
    assert visitor.said == []


def _ids(facility: Facility) -> tuple[str, str, str]:
    with reading(facility.database) as session:
        found = [session.scalar(sa.select(row.id)) or "" for row in (SubmissionRow, PermitRow, RunRow)]
    return found[0], found[1], found[2]
