"""A practitioner's own calendar, from its address on the page to a time that is not on offer, in a real browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from playwright.sync_api import Page, expect

from booking.actions import outside
from tests.cast import Make
from tests.desk import Desk, open_desk
from tests.formats.test_busy import calendar, event
from tests.servers import caldav, https
from tests.servers.chromium import violations
from tests.servers.https import Server, answer

pytestmark = pytest.mark.settings(rate_limits="off")

OpenPage = Callable[..., Page]


@pytest.fixture
def elm(make: Make) -> Desk:
    return open_desk(make)


@pytest.fixture
def server(app: Flask) -> Iterator[Server]:
    with https.running() as server:
        server.answers["/own.ics"] = answer(200, calendar("DTSTART:20270111T100000Z\nDTEND:20270111T110000Z"))
        app.config["SETTINGS"] = app.config["SETTINGS"].model_copy(update={"calendar_origins": server.origin})
        yield server


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_bo_enters_a_calendar_and_nobody_is_offered_its_times(
    open_page: OpenPage, live_server: str, app: Flask, make: Make, elm: Desk, server: Server, script: bool
) -> None:
    page = open_page(360, 740, java_script_enabled=script)
    page.goto(live_server + elm.link("bo@elm.example", role="practitioner"))
    page.get_by_role("button", name="Sign in as Bo").click()
    page.goto(f"{live_server}/desk/elm/calendars")
    page.get_by_text("Add a calendar Bo Andersen").click()
    page.get_by_label("Address").fill("webcals://wrong")
    page.get_by_role("button", name="Add it").click()
    expect(page.get_by_role("alert")).to_contain_text("has to begin with https://")
    expect(page.get_by_label("Address")).to_have_value("webcals://wrong")
    if script:
        assert violations(page) == []
    page.get_by_label("Address").fill(f"{server.origin}/own.ics")
    page.get_by_role("button", name="Add it").click()
    expect(page.get_by_role("status").first).to_contain_text("It is read within a minute")
    with app.app_context():
        assert outside.read_due(make.now)
    page.reload()
    expect(page.get_by_role("main")).to_contain_text("Busy times as of Mon 11 Jan, 08:00.")
    page.goto(f"{live_server}/desk/elm/week?practitioner=bo&on=2027-01-11")
    expect(page.get_by_text("Busy in their own calendar")).to_be_visible()
    page.goto(f"{live_server}/elm/book/visit?practitioner=bo&from=2027-01-11")
    expect(page.get_by_role("button", name="9:30").first).to_be_visible()
    expect(page.get_by_role("button", name="10:30")).to_have_count(0)


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_bo_enters_an_account_and_chooses_by_keyboard_what_counts(
    open_page: OpenPage, live_server: str, app: Flask, make: Make, elm: Desk, script: bool
) -> None:
    with caldav.running() as there:
        kept = calendar(event("DTSTAMP:20270101T000000Z\nDTSTART:20270111T100000Z\nDURATION:PT1H", "choir")).decode()
        there.describe(there.make_calendar("choir", choir=kept), "Choir")
        there.describe(there.make_calendar("family"), "Family " + "long" * 24)
        app.config["SETTINGS"] = app.config["SETTINGS"].model_copy(update={"calendar_origins": there.url})
        page = open_page(360, 740, java_script_enabled=script)
        page.goto(live_server + elm.link("bo@elm.example", role="practitioner"))
        page.get_by_role("button", name="Sign in as Bo").click()
        page.goto(f"{live_server}/desk/elm/calendars")
        page.get_by_text("Add a calendar Bo Andersen").click()
        page.get_by_label("Address").fill(there.url)
        page.get_by_label("User name").fill(there.user)
        page.get_by_label("Password").fill(there.password)
        page.get_by_role("button", name="Add it").click()
        expect(page.get_by_role("status").first).to_contain_text("It is read within a minute")
        with app.app_context():
            assert outside.read_due(make.now)
        page.reload()
        asked = page.get_by_role("group", name="Which of these say when Bo Andersen is busy?")
        for box in asked.get_by_role("checkbox").all():
            expect(box).to_be_checked()
            box.uncheck()
        page.get_by_role("button", name="Let these count").press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("Choose at least one calendar")
        expect(asked).to_have_accessible_description("Error: Choose at least one calendar, or remove the account")
        assert page.evaluate("document.documentElement.scrollWidth") == 360
        if script:
            assert violations(page) == []
        asked.get_by_label("Choir").press("Space")
        page.keyboard.press("Enter")
        expect(page.get_by_role("status").first).to_contain_text("They are read within a minute")
        with app.app_context():
            assert outside.read_due(make.now)
        page.reload()
        expect(page.get_by_role("main")).to_contain_text("Busy times as of Mon 11 Jan, 08:00.")
        expect(page.get_by_role("main")).not_to_contain_text("Family")
        page.goto(f"{live_server}/desk/elm/week?practitioner=bo&on=2027-01-11")
        expect(page.get_by_text("Busy in their own calendar")).to_be_visible()
