"""Booking in a real browser: with and without a script, by keyboard alone, and what a script makes nicer."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from playwright.sync_api import Page, expect

from tests.cast import Make

pytestmark = pytest.mark.settings(rate_limits="off")
PHONE = {"width": 360, "height": 740}
Open = Callable[..., Page]


@pytest.fixture(params=[True, False], ids=["script", "no script"])
def phone(request: pytest.FixtureRequest, open_page: Open) -> Page:
    """Ada's phone, with and without a script."""
    return open_page(**PHONE, java_script_enabled=request.param)


def fill(page: Page) -> None:
    page.get_by_label("Full name").fill("Ada Lovelace")
    page.get_by_label("Mobile phone").fill("020 7946 0101")
    page.get_by_role("textbox", name="E-mail").fill("ada@example.com")
    page.get_by_label("Anything we should know?").fill("I use a wheelchair.")


def test_a_patient_books_moves_and_cancels(phone: Page, live_server: str, make: Make) -> None:
    assert make.elm
    phone.goto(f"{live_server}/elm/")
    phone.get_by_role("link", name="Contact/Schedule").click()
    phone.get_by_role("link", name="Visit", exact=True).click()
    phone.get_by_role("link", name="Wed 13 Jan").click()
    expect(phone.get_by_role("heading", name="Wednesday 13 January")).to_be_visible()
    phone.get_by_role("button", name="10:30").click()
    expect(phone.get_by_text("We are holding this time for you until 08:10.")).to_be_visible()
    fill(phone)
    phone.get_by_role("button", name="Confirm Wed 13 Jan, 10:30").click()
    expect(phone.get_by_role("heading", name="You are booked")).to_be_visible()

    phone.get_by_role("link", name="Change time").click()
    phone.get_by_role("link", name="Thu 14 Jan").click()
    expect(phone.get_by_role("heading", name="Thursday 14 January")).to_be_visible()
    phone.get_by_role("button", name="11:00").click()
    expect(phone.get_by_text("It was Wed 13 Jan, 10:30 before.")).to_be_visible()

    phone.get_by_role("link", name="Cancel the visit").click()
    phone.get_by_role("button", name="Yes, cancel it").click()
    expect(phone.get_by_role("heading", name="Cancelled")).to_be_visible()


def test_a_request_is_never_called_booked(phone: Page, live_server: str, make: Make) -> None:
    make.clinic(confirmation="request")
    phone.goto(f"{live_server}/elm/book/visit")
    phone.get_by_role("button", name="Ask for this time").click()
    fill(phone)
    phone.get_by_role("button", name="Ask for Mon 11 Jan, 09:00").click()
    expect(phone.get_by_role("heading", name="Request sent")).to_be_visible()
    expect(phone.get_by_text("Your visit is not yet confirmed.")).to_be_visible()
    assert "booked" not in phone.inner_text("main").lower()


def test_a_time_taken_meanwhile_keeps_what_was_typed(phone: Page, live_server: str, make: Make) -> None:
    assert make.elm
    phone.goto(f"{live_server}/elm/book/visit/details?start=2027-01-11T09:30Z&practitioner=bo")
    fill(phone)
    make.appointment("Mon 09:30", person=make.person("Eve"))
    phone.get_by_role("button", name="Confirm").click()
    expect(phone.get_by_role("heading", name="Someone just took 09:30.")).to_be_visible()
    expect(phone.get_by_label("Full name")).to_have_value("Ada Lovelace")
    expect(phone.get_by_label("Anything we should know?")).to_have_value("I use a wheelchair.")
    phone.get_by_role("button", name="Book Mon 11 Jan, 10:00 instead").click()
    expect(phone.get_by_role("heading", name="You are booked")).to_be_visible()


def tab_to(page: Page, words: str) -> None:
    """Press Tab until the thing with these words has the focus, as someone does who sees the focus ring."""
    for _press in range(60):
        page.keyboard.press("Tab")
        focused = page.locator(":focus")
        name = f"{focused.inner_text()} {focused.get_attribute('id') or ''}"
        if words in " ".join(name.split()):
            return
    raise AssertionError(f"{words} is not reached by Tab")


def test_the_whole_booking_goes_by_keyboard_without_a_script(
    page_without_script: Page, live_server: str, make: Make
) -> None:
    assert make.elm
    page = page_without_script
    page.goto(f"{live_server}/elm/")
    page.keyboard.press("Tab")
    assert page.locator(":focus").inner_text() == "Skip to content"
    page.keyboard.press("Enter")
    for words, stop in (
        ("Book with Bo Andersen", "book?"),
        ("Visit", "visit?"),
        ("Wed 13 Jan", "day="),
        ("09:30", "details?"),
    ):
        tab_to(page, words)
        page.keyboard.press("Enter")
        page.wait_for_url(re.compile(re.escape(stop)))
    for field, typed in (("name", "Ada Lovelace"), ("phone", "020 7946 0101")):
        tab_to(page, field)
        page.keyboard.type(typed)
    tab_to(page, "Confirm Wed 13 Jan, 09:30")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/appointments/"))
    expect(page.get_by_role("heading", name="You are booked")).to_be_visible()


# With a script


def test_paging_days_does_not_load_the_page_anew(page: Page, live_server: str, make: Make) -> None:
    assert make.elm
    page.goto(f"{live_server}/elm/book/visit")
    page.evaluate("() => { window.still = 'here'; }")
    page.get_by_role("link", name="Later week").click()
    expect(page.get_by_role("heading", name="Monday 18 January")).to_be_focused()
    page.get_by_role("link", name="Tue 19 Jan").click()
    expect(page.get_by_role("heading", name="Tuesday 19 January")).to_be_focused()
    assert page.evaluate("() => window.still") == "here"
    assert "day=2027-01-19" in page.url
    page.reload()
    expect(page.get_by_role("heading", name="Tuesday 19 January")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("heading", name="Monday 18 January")).to_be_visible()


def test_a_device_in_another_zone_gets_both_times(open_page: Open, live_server: str, make: Make) -> None:
    assert make.elm
    page = open_page(**PHONE, timezone_id="America/New_York")
    page.goto(f"{live_server}/elm/book/visit")
    button = page.get_by_role("button", name=re.compile("^09:30"))
    expect(button).to_contain_text("04:30")
    expect(page.get_by_text("The small time is the one on your device.")).to_be_visible()
    button.click()
    expect(page.get_by_text("04:30 on your device's clock.")).to_be_visible()


def test_a_device_in_the_same_zone_gets_one(page: Page, live_server: str, make: Make) -> None:
    assert make.elm
    page.goto(f"{live_server}/elm/book/visit")
    expect(page.get_by_text("Times are London time.")).to_be_visible()
    expect(page.get_by_text("on your device")).to_have_count(0)


def test_the_end_of_a_hold_is_told_and_can_be_put_off_without_losing_a_word(
    page: Page, live_server: str, make: Make, now: datetime, set_clock: Callable[[datetime], None]
) -> None:
    assert make.elm
    page.clock.install(time=now)
    page.goto(f"{live_server}/elm/book/visit")
    page.get_by_role("button", name=re.compile("^09:30")).click()
    page.get_by_label("Full name").fill("Ada Lovelace")
    keep = page.get_by_role("button", name="Keep holding")
    page.clock.fast_forward("07:00")
    expect(keep).to_be_hidden()
    page.clock.fast_forward("01:30")
    expect(keep).to_be_visible()
    set_clock(now + timedelta(minutes=8, seconds=30))
    keep.click()
    expect(page.get_by_text("until 08:18.")).to_be_visible()
    expect(keep).to_be_hidden()
    expect(page.get_by_label("Full name")).to_have_value("Ada Lovelace")


def test_errors_get_the_focus_and_lead_to_their_fields(page: Page, live_server: str, make: Make) -> None:
    assert make.elm
    page.goto(f"{live_server}/elm/book/visit/details?start=2027-01-11T09:30Z")
    page.get_by_role("button", name="Confirm").click()
    expect(page).to_have_title(re.compile("^Error: "))
    expect(page.get_by_role("alert")).to_be_focused()
    page.get_by_role("link", name="Enter your full name").click()
    expect(page.get_by_label("Full name")).to_be_focused()
