"""A request from end to end in real browsers: Ada asks, Cy answers, Ada's page says so."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from booking.actions import appointment, inbox
from booking.domain.access import Caller
from booking.domain.reply import Outcome
from tests.cast import Make
from tests.desk import TUESDAY, Desk, open_desk
from tests.formats.replies import written
from tests.servers.chromium import violations

pytestmark = pytest.mark.settings(rate_limits="off")

OpenPage = Callable[..., Page]
CALLER = Caller("staff", 1, "front-desk")


@pytest.fixture
def elm(make: Make) -> Desk:
    return open_desk(make)


def sign_in(page: Page, live_server: str, elm: Desk) -> None:
    page.goto(live_server + elm.link())
    page.get_by_role("button", name="Sign in as Cy").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Today")


def ask(page: Page, live_server: str) -> None:
    page.goto(f"{live_server}/elm/book/visit?from=2027-01-12")
    page.get_by_role("button", name="9:00").first.click()
    page.get_by_label("name").fill("Ada")
    page.get_by_role("textbox", name="E-mail").fill("ada@example.com")
    page.get_by_role("button", name="Ask for").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Request sent")


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_ada_asks_cy_confirms_and_adas_page_says_booked(
    open_page: OpenPage, live_server: str, elm: Desk, script: bool
) -> None:
    ada, cy = open_page(java_script_enabled=script), open_page(java_script_enabled=script)
    ask(ada, live_server)
    sign_in(cy, live_server, elm)
    cy.get_by_role("link", name="Requests 1").click()
    cy.get_by_role("button", name="Confirm 09:00, Tue 12 Jan").click()
    expect(cy.get_by_role("status")).to_have_text("Confirmed. Ada gets the invitation by e-mail.")
    ada.reload()
    expect(ada.get_by_role("heading", level=1)).to_have_text("You are booked")


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_cy_offers_another_time_and_ada_accepts_it(
    open_page: OpenPage, live_server: str, elm: Desk, script: bool
) -> None:
    ada, cy = open_page(java_script_enabled=script), open_page(java_script_enabled=script)
    ask(ada, live_server)
    sign_in(cy, live_server, elm)
    cy.goto(f"{live_server}/desk/elm/requests")
    cy.get_by_role("link", name="Offer another time").click()
    cy.get_by_label("From").fill("2027-01-13")
    cy.get_by_role("button", name="Show times").click()
    cy.get_by_role("group", name="Wednesday, 13 January 2027").get_by_label("11:30").check()
    cy.get_by_label("Message").fill("Bo is away on Tuesday.")
    cy.get_by_role("button", name="Offer this time").click()
    expect(cy.get_by_role("status")).to_contain_text("Offered. Ada gets the new time by e-mail")
    ada.reload()
    expect(ada.get_by_role("heading", level=1)).to_have_text("We offer you another time")
    ada.get_by_role("button", name="Accept").click()
    expect(ada.get_by_role("heading", level=1)).to_have_text("You are booked")
    cy.goto(f"{live_server}/desk/elm/?on=2027-01-13&view=list")
    expect(cy.get_by_role("listitem").filter(has_text="Ada")).to_contain_text("Booked")


def test_cy_declines_and_ada_reads_why(open_page: OpenPage, live_server: str, elm: Desk) -> None:
    ada, cy = open_page(), open_page()
    ask(ada, live_server)
    sign_in(cy, live_server, elm)
    cy.goto(f"{live_server}/desk/elm/requests")
    cy.get_by_role("link", name="Decline with message").click()
    cy.get_by_label("Message").fill("We are full this month.")
    cy.get_by_role("button", name="Decline the request").click()
    expect(cy.get_by_role("status")).to_have_text("Cancelled. Ada is told by e-mail.")
    ada.reload()
    expect(ada.get_by_role("main")).to_contain_text("We are full this month.")


def decline_from_an_alias(elm: Desk) -> str:
    """Ada's visit is confirmed, and its invite declined by somebody who was not invited; the visit's public id."""
    make, id = elm.make, elm.ask()
    with make.app.app_context():
        visit = appointment.confirm(make.elm, id, by=CALLER, now=make.now)
        sender = "fox" * 20 + "@relay.alias-provider.example"
        facts = {"uid": visit.uid, "organizer": make.app.config["SETTINGS"].sender, "sender": sender}
        assert inbox.receive(written("outlook", status="DECLINED", **facts), make.now) is Outcome.FORGED
    return id


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_an_answer_that_does_not_count_is_put_away_by_keyboard(
    open_page: OpenPage, live_server: str, elm: Desk, script: bool
) -> None:
    id = decline_from_an_alias(elm)
    cy = open_page(java_script_enabled=script)
    sign_in(cy, live_server, elm)
    for path in (f"/desk/elm/appointments/{id}", "/desk/elm/requests"):
        cy.goto(live_server + path)
        for width in (360, 1280) if script else ():
            cy.set_viewport_size({"width": width, "height": 800})
            assert violations(cy) == []
            assert cy.evaluate("() => document.documentElement.scrollWidth") <= width
    expect(cy.get_by_role("link", name="Requests 1")).to_be_visible()
    cy.get_by_role("link", name="+1 630-555-0142").last.focus()
    cy.keyboard.press("Tab")  # to the address, as the patient's phone stands before it
    cy.keyboard.press("Tab")
    expect(cy.get_by_role("button", name="Dealt with Ada")).to_be_focused()
    cy.keyboard.press("Enter")
    expect(cy.get_by_role("status")).to_contain_text("is put away")
    expect(cy.get_by_role("link", name="Requests", exact=True)).to_be_visible()


def test_axe_finds_nothing_at_the_desk(page: Page, live_server: str, elm: Desk) -> None:
    asked, offered, booked = elm.ask(note="By wheelchair", new=True), elm.ask("Tue 11:00"), elm.ask("Tue 12:00")
    late = elm.ask("Wed 09:00")
    link = elm.link()
    page.emulate_media(reduced_motion="reduce")  # or a colour is looked at that is still on its way
    found: dict[str, list[tuple[str, int, str]]] = {}

    def look(path: str) -> None:
        page.goto(live_server + path)
        check(path)

    def check(path: str) -> None:
        found[path] = []
        for width in (360, 1280):
            page.set_viewport_size({"width": width, "height": 800})
            found[path] += violations(page)
            assert page.evaluate("() => document.documentElement.scrollWidth") <= width, (path, width)
        first = page.evaluate("() => document.querySelector('a[href], button, input:not([type=hidden])').textContent")
        assert first == "Skip to content", path

    for path in ("/login", "/login/sent", "/login/li_unknown", link):
        look(path)
    page.get_by_role("button", name="Sign in as Cy").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Today")
    for id in (booked, late):
        page.goto(f"{live_server}/desk/elm/requests")
        page.locator(f"#v-{id}").get_by_role("button", name="Confirm").click()
        expect(page.get_by_role("status")).to_contain_text("Confirmed.")
    page.goto(f"{live_server}/desk/elm/requests/{offered}/offer")
    page.get_by_label("14:00").first.check()
    page.get_by_role("button", name="Offer this time").click()
    expect(page.get_by_role("status")).to_contain_text("Offered.")
    check("offered")
    for path in (
        "/desk/elm/",
        TUESDAY,
        f"/desk/elm/requests/{asked}/offer",
        f"/desk/elm/requests/{asked}/decline",
        f"/desk/elm/appointments/{booked}/cancel",
        "/desk/elm/why-not?service=visit&practitioner=bo&on=2027-01-12&at=12:00",
    ):
        look(path)
    page.goto(f"{live_server}/desk/elm/requests/{asked}/offer")
    page.get_by_role("button", name="Offer this time").click()
    expect(page.get_by_role("alert")).to_contain_text("Choose a time")
    check("nothing chosen")
    assert {path: faults for path, faults in found.items() if faults} == {}
