"""A morning at the desk, by keyboard alone: a request, an arrival, a walk-in, somebody who does not come."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from playwright.sync_api import Locator, Page, expect

from booking.domain.access import Caller
from tests.cast import Make
from tests.desk import open_desk

pytestmark = pytest.mark.settings(rate_limits="off")


def visit(page: Page, name: str) -> Locator:
    return page.locator("#board a[data-v]").filter(has_text=name)


def test_a_morning_by_keyboard_alone(
    make: Make, page: Page, live_server: str, set_clock: Callable[[datetime], None]
) -> None:
    elm = open_desk(make)
    elm.ask("Mon 15:00")
    by_phone = Caller("staff", 1, "front-desk")
    make.appointment("Mon 09:00", person=make.person("Eve Moneypenny"), by=by_phone)
    make.appointment("Mon 09:30", person=make.person("Joe Bloggs"), by=by_phone)
    make.now = make.at("Mon 09:30") + timedelta(minutes=20)
    set_clock(make.now)
    page.context.add_cookies([{"name": "sid", "value": make.session(), "url": live_server}])

    # The request that came overnight.
    page.goto(f"{live_server}/desk/elm/requests")
    page.get_by_role("button", name="Confirm 15:00").press("Enter")
    expect(page.get_by_role("status")).to_contain_text("Confirmed.")

    # Eve comes, is shown in, and leaves.
    page.goto(f"{live_server}/desk/elm/?on=2027-01-11")
    for key, word in (("a", "Arrived"), ("c", "Checked in"), ("d", "Done")):
        visit(page, "Eve").focus()
        page.keyboard.press(key)
        expect(visit(page, "Eve")).to_contain_text(word, ignore_case=True)

    # Joe does not come.
    visit(page, "Joe").focus()
    page.keyboard.press("x")
    expect(visit(page, "Joe")).to_contain_text("did not come", ignore_case=True)

    # Zoe walks in, whom nobody knows: Bo takes her next.
    page.keyboard.press("w")
    page.keyboard.type("Zoe Blake")  # before the panel is there, and none of it is a key of the board
    expect(page.get_by_label("Patient")).to_have_value("Zoe Blake")
    expect(page.locator("#panel")).to_contain_text("Walk-in")
    expect(page.locator("#found")).to_contain_text("Nobody is found")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Mobile phone")).to_be_focused()
    page.keyboard.type("020 7946 0155")
    page.keyboard.press("Enter")
    expect(page.locator("#panel button:focus")).to_contain_text("10:00")
    page.keyboard.press("Enter")
    expect(page.locator("#panel h1")).to_have_text("Booked, and arrived")
    expect(visit(page, "Zoe")).to_contain_text("Arrived", ignore_case=True, timeout=6000)
