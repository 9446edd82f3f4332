"""Cy books by phone, without a mouse: how many keys that takes, and whether everybody can use the pages."""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa
from playwright.sync_api import Page, expect

from booking.store.appointment import Appointment
from booking.store.base import db
from tests.cast import Make
from tests.servers.chromium import violations

KEYS_BESIDES_THE_NAME = 12


def sign_in(page: Page, live_server: str, make: Make) -> None:
    page.context.add_cookies([{"name": "sid", "value": make.session(), "url": live_server}])


class Keys:
    """A keyboard that counts."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.pressed = 0

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)
            self.pressed += 1


def test_a_follow_up_is_booked_by_keyboard_in_few_keys_and_only_once(page: Page, live_server: str, make: Make) -> None:
    make.appointment("Mon 10:30", service="needles")
    make.appointment("Mon 12:00", person=make.person("Adam Grey"))
    sign_in(page, live_server, make)
    page.goto(f"{live_server}/desk/elm/requests")
    keys = Keys(page)
    keys.press("n")
    expect(page.get_by_label("Patient")).to_be_focused()
    page.keyboard.type("lovel")
    expect(page.locator("#found")).to_contain_text("1 patient is found.")
    keys.press("Enter")
    expect(page.get_by_role("group", name="As last time").get_by_role("button").first).to_be_focused()
    expect(page.locator(":focus")).to_contain_text("Mon 18 Jan, 10:30")
    keys.press("ArrowDown", "Enter", "Enter")  # the second by a nervous finger
    expect(page.get_by_role("heading", level=1)).to_have_text("Booked")
    expect(page.locator("#panel")).to_contain_text("Mon 25 Jan, 10:30")
    assert keys.pressed <= KEYS_BESIDES_THE_NAME
    with make.app.app_context():
        visits = sa.select(sa.func.count()).select_from(Appointment)
        assert db.session.scalar(visits) == 3


def test_somebody_new_is_booked_by_keyboard_and_what_is_wrong_keeps_what_was_typed(
    page: Page, live_server: str, make: Make
) -> None:
    make.appointment("Mon 10:30")
    sign_in(page, live_server, make)
    page.goto(f"{live_server}/desk/elm/new")
    expect(page.get_by_label("Patient")).to_be_focused()
    page.keyboard.type("Zoe Blake")
    expect(page.locator("#found")).to_contain_text("Nobody is found")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Mobile phone")).to_be_focused()
    page.keyboard.type("12")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_be_focused()
    expect(page.get_by_label("Full name")).to_have_value("Zoe Blake")
    page.get_by_label("Mobile phone").fill("020 7946 0155")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").first).to_contain_text("Zoe Blake has no e-mail.")


def test_axe_finds_nothing_on_the_pages_of_quick_book(
    open_page: Callable[..., Page], live_server: str, make: Make
) -> None:
    make.appointment("Mon 10:00")
    make.appointment("Tue 10:00", person=make.person("Eve Black"))
    found: dict[str, list[tuple[str, int, str]]] = {}
    for width, scheme in ((360, "light"), (1280, "dark")):
        page = open_page(width=width, color_scheme=scheme)
        sign_in(page, live_server, make)

        def look(name: str, page: Page = page, at: str = f"{width} {scheme}") -> None:
            found[f"{name} {at}"] = violations(page)
            assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth"), (name, at)

        page.goto(f"{live_server}/desk/elm/new?start=2027-01-12T10:00Z&practitioner=bo")
        page.get_by_label("Patient").fill("ada")
        expect(page.locator("#found")).to_contain_text("1 patient")
        look("found")
        page.keyboard.press("Enter")
        page.get_by_text("Note and reminder").click()
        expect(page.get_by_role("link", name="Eve Black, 10:00–10:30")).to_be_visible()
        look("full")
        page.get_by_role("button", name="Squeeze in").click()
        expect(page.get_by_role("alert")).to_contain_text("Say why")
        look("wrong")
        page.get_by_label("Why it has to be then").fill("In pain")
        page.get_by_role("button", name="Squeeze in").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Booked")
        look("booked")
        page.get_by_role("button", name="Undo").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("The booking was taken back")
        page.goto(f"{live_server}/desk/elm/why-not?service=visit&on=2027-01-12&at=10:00&for=desk")
        look("why not")
    assert {name: faults for name, faults in found.items() if faults} == {}
