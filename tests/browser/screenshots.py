"""The pictures of the README: `make screenshots`.

They are taken of the demonstration in a folder of its own, on a Tuesday morning that stands still, so that the same
code gives the same pictures. Not a test: pytest does not collect it.
"""

from __future__ import annotations

import logging
import re
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from flask import Flask
from playwright.sync_api import Browser, Page
from werkzeug.serving import make_server

from booking import clock, create_app, demo
from booking.actions import outbox
from booking.settings import read as read_settings
from booking.store import schema
from tests.servers import chromium

NOW = datetime(2026, 11, 24, 15, 5, tzinfo=UTC)  # Tuesday, 9:05 in Chicago
FOLDER = Path(__file__).parents[2] / "docs" / "screenshots"
PHONE = (390, 844)
DESKTOP = (1280, 800)


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    _set_clock(NOW)
    with chromium.running() as browser, demonstration() as (app, url):
        for name, size in (("phone", PHONE), ("desktop", DESKTOP)):
            patient(app, url, _page(browser, size), name)
        with app.app_context():
            link = demo.desk_link(now=NOW)
        desk(url, url + urlsplit(link).path, _page(browser, DESKTOP))
    for path in sorted(FOLDER.glob("*.png")):
        print(f"{path.relative_to(FOLDER.parents[1])}  {path.stat().st_size // 1024} KB")


@contextmanager
def demonstration() -> Iterator[tuple[Flask, str]]:
    """The demonstration, served on loopback, and its address."""
    with tempfile.TemporaryDirectory() as folder:
        server = make_server("127.0.0.1", 0, lambda *_: [], threaded=True)
        url = f"http://127.0.0.1:{server.port}"
        settings = read_settings({"BOOKING_ENV": "demo", "BOOKING_INSTANCE": folder})
        schema.upgrade(settings.database)
        app = create_app(settings)
        with app.app_context():
            for slug in demo.missing():
                demo.make(slug, now=NOW)
        server.app = app
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield app, url
        finally:
            server.shutdown()
            thread.join()


def patient(app: Flask, url: str, page: Page, size: str) -> None:
    """From the clinic's page to the invite in the mailbox."""
    _set_clock(NOW)
    page.goto(f"{url}/prairie/")
    _take(page, f"home-{size}")
    page.goto(f"{url}/prairie/book/community-acupuncture?new=0&day=2026-11-25")
    if size == "phone":
        page.locator(".p-days").evaluate("days => scrollTo(0, days.getBoundingClientRect().top - 16)")
    _take(page, f"times-{size}")
    page.locator(".p-times button").first.click()
    name = "Rosa Delgado" if size == "phone" else "Walter Young"
    email = name.lower().replace(" ", ".") + "@example.com"
    page.get_by_label("Full name").fill(name)
    page.get_by_label("Mobile phone").fill("(630) 555-0119")
    page.get_by_label("E-mail").fill(email)
    _take(page, f"details-{size}")
    _set_clock(NOW + timedelta(minutes=1))  # nobody fills in a form at once
    page.get_by_role("button", name=re.compile("^Confirm")).click()
    page.wait_for_url("**/appointments/*")
    _take(page, f"booked-{size}")
    with app.app_context():
        outbox.deliver(clock.now())
    page.goto(f"{url}/mailbox")
    page.locator("li").filter(has_text=f"To {email}").get_by_role("link").click()
    _take(page, f"invite-{size}")
    page.goto(f"{page.url}/html")
    _take(page, f"mail-{size}")


def desk(url: str, link: str, page: Page) -> None:
    page.goto(link)
    page.get_by_role("button").first.click()
    page.goto(f"{url}/desk/prairie/")
    page.locator("#board a[data-v]").nth(4).click()
    page.locator("#panel h1").wait_for()
    _take(page, "desk-day")
    page.goto(f"{url}/desk/lakeside/?view=rooms")
    _take(page, "desk-rooms")
    page.goto(f"{url}/desk/prairie/")
    page.keyboard.press("n")
    page.get_by_label("Patient").fill("kim")
    page.locator("#found [data-hit]").first.wait_for()
    page.keyboard.press("Enter")
    page.get_by_role("group", name="As last time").wait_for()
    _take(page, "desk-new")
    page.goto(f"{url}/desk/harbor/requests")
    _take(page, "desk-requests")
    page.goto(f"{url}/admin/prairie/services/community-acupuncture")
    _take(page, "desk-service")


def _set_clock(instant: datetime) -> None:
    clock.now = lambda: instant


def _page(browser: Browser, size: tuple[int, int]) -> Page:
    profile = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        locale="en-US",
        timezone_id="America/Chicago",
        reduced_motion="reduce",
    )
    # The pages' scripts tell the time by the device's clock.
    profile.clock.set_fixed_time(NOW)
    return profile.new_page()


def _take(page: Page, name: str) -> None:
    page.screenshot(path=FOLDER / f"{name}.png", animations="disabled", caret="hide")


if __name__ == "__main__":
    main()
