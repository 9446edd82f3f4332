"""A request from end to end in real browsers: Ada asks, Cy answers, Ada's page says so."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.cast import Make
from tests.desk import TUESDAY, Desk, open_desk
from tests.servers.chromium import violations

pytestmark = pytest.mark.settings(rate_limits="off")

OpenPage = Callable[..., Page]


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
