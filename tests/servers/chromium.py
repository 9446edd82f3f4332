"""The operating system's Chromium, driven by Playwright, and axe's judgement of a page."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import files

from playwright.sync_api import Browser, Page, sync_playwright

MISSING = "Chromium is missing. `make test` installs it where it may; otherwise: apt-get install chromium."
# The shell is the same browser without its windows: a test of pages takes half the time.
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
# Without these Chromium needs kernel features that containers lack, or talks to servers of its maker.
ARGUMENTS = ["--no-sandbox", "--disable-quic", "--disable-background-networking", "--disable-gpu"]
AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
COLOURS = ["color-contrast", "link-in-text-block"]  # what another colour scheme can break


class Missing(Exception):
    """No Chromium is to be found; the message says what to install."""


@contextmanager
def running() -> Iterator[Browser]:
    """Yield a browser. Raises Missing."""
    executable = next(filter(None, map(shutil.which, NAMES)), None)
    if executable is None:
        raise Missing(MISSING)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        yield browser
        browser.close()


def violations(page: Page, only: Sequence[str] = WCAG) -> list[tuple[str, int, str]]:
    """What axe finds against WCAG 2.2 AA: rule, number of places, the first place's HTML. Needs JavaScript."""
    size = page.viewport_size
    assert size is not None
    page.wait_for_load_state()  # who has just pressed a link may be between two pages
    # A sticky bar covers part of what lies beneath, and axe would call that a small target: show the whole page.
    height = page.evaluate("() => document.documentElement.scrollHeight + 40")
    page.set_viewport_size({"width": size["width"], "height": height})
    if page.evaluate("() => !('axe' in window)"):
        page.evaluate(AXE)
    found = page.evaluate(
        """only => axe.run(document, {runOnly: only})
           .then(result => result.violations.map(v => [v.id, v.nodes.length, v.nodes[0].html]))""",
        only,
    )
    page.set_viewport_size(size)
    return [(rule, count, html) for rule, count, html in found]
