"""A real Chromium, axe, and the console on two stages of the demonstration. What is absent is skipped, visibly."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from tests.console.stage import Stage, Visitor, staged, visiting
from tests.story.play import Way

ROOT = Path(__file__).resolve().parents[2]
AXE = ROOT / "node_modules/axe-core/axe.min.js"
QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
Visit = Callable[..., AbstractContextManager[Visitor]]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Yield a headless Chromium; while it is there, an event loop runs that other tests must not meet."""
    chromium = os.environ.get("MEDTRAIN_TEST_CHROMIUM") or shutil.which("chromium")
    if not chromium:
        pytest.skip("Chromium is not installed: make system-deps")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=chromium, args=list(QUIET))
        yield made
        made.close()


@pytest.fixture(scope="session")
def axe() -> str:
    """Return the source of axe-core, which npm installs for the tests."""
    if not AXE.is_file():
        pytest.skip("axe-core is not here: npm ci --ignore-scripts")
    return AXE.read_text("utf-8")


@pytest.fixture(scope="module")
def at_review(way_on_sqlite: Way, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Yield the console where the officer's report waits to be read."""
    with staged(way_on_sqlite.review, tmp_path_factory.mktemp("console") / "home") as stage:
        yield stage


@pytest.fixture(scope="module")
def at_release(way_on_sqlite: Way, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Yield the console where the trained model waits for its approvals."""
    with staged(way_on_sqlite.release, tmp_path_factory.mktemp("console") / "home") as stage:
        yield stage


@pytest.fixture
def visit(browser: Any) -> Visit:
    """Return how somebody opens a window: ``with visit(stage, "officer-zhou") as zhou``."""

    def open_window(stage: Stage, who: str | None, **options: Any) -> AbstractContextManager[Visitor]:
        return visiting(browser, stage, who, **options)

    return open_window


@pytest.fixture
def picture() -> Callable[[Visitor, str], None]:
    """Return how a picture for the documents is taken; only ``make screenshots`` asks for them."""
    folder = os.environ.get("MEDTRAIN_SCREENSHOTS")

    def take(visitor: Visitor, name: str) -> None:
        if folder:
            visitor.page.screenshot(
                path=Path(folder) / f"{name}.png", clip={"x": 0, "y": 0, "width": 1280, "height": 900}
            )

    return take
