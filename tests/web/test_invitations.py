"""Invites that say something else than the settings by now: seen where the settings are, told when somebody says so."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import Page, expect

from booking.actions import outbox
from tests.cast import Make
from tests.desk import Desk, press
from tests.servers.chromium import COLOURS, violations
from tests.servers.smtp import Mailbox
from tests.web.test_admin import saved, send

INVITATIONS = "/admin/elm/invitations"


@pytest.fixture
def elm(make: Make) -> Desk:
    return Desk(make, make.elm)


@pytest.fixture
def deliver(app: Flask, make: Make) -> Callable[[], int]:
    def deliver() -> int:
        with app.app_context():
            return outbox.deliver(make.now)

    return deliver


def test_who_saves_a_new_address_is_asked_whether_people_are_to_be_told(
    elm: Desk, mailbox: Mailbox, deliver: Callable[[], int]
) -> None:
    ada = elm.make.appointment("Tue 10:00", note="my back hurts")
    deliver()
    olga, cy = elm.signed_in("olga@elm.example", role="owner"), elm.signed_in()
    assert "say what your settings say" in olga.get("/admin/elm/").text
    assert "Tell the people" not in olga.get(INVITATIONS).text

    page = olga.get(saved(send(olga, "/admin/elm/locations/main", ("directions.en", "Now next door.")))).text
    assert "1 invitation says something else than this now" in page
    assert "1 says something else than your settings" in cy.get("/admin/elm/").text
    assert ada.reference in cy.get(INVITATIONS).text

    too_long = press(cy, INVITATIONS, message="x" * 501)
    assert too_long.status_code == 422
    assert "x" * 501 in too_long.text
    answer = press(cy, INVITATIONS, message="We have moved.")
    assert answer.status_code == 303
    assert "The people of 1 visit get a mail" in cy.get(answer.location).text
    deliver()
    told = mailbox.to("ada@example.com")[-1].get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert "We have moved." in told
    assert "Now next door." in told
    assert len(mailbox.to("bo@elm.example")) == 2
    assert "say what your settings say" in cy.get("/admin/elm/").text
    assert "Told what the clinic changed" in cy.get(f"/desk/elm/appointments/{ada.public_id}").text


def test_practitioners_and_other_clinics_send_nothing(elm: Desk, client: FlaskClient) -> None:
    for stranger in (elm.signed_in("bo@elm.example", role="practitioner"), elm.signed_in("olga@oak.example", oak=True)):
        assert stranger.get(INVITATIONS).status_code in (403, 404)
    assert client.get(INVITATIONS).status_code == 303


@pytest.mark.settings(rate_limits="off")
def test_axe_finds_nothing_and_the_keyboard_is_enough(
    page: Page, live_server: str, make: Make, mailbox: Mailbox, deliver: Callable[[], int]
) -> None:
    for hour, name in enumerate(("Ada Lovelace", "Eve Moneypenny", "Grace Hopper"), 9):
        make.appointment(f"Tue {hour:02}:00", person=make.person(name))
    deliver()
    make.clinic(phone="020 7946 0199")
    page.context.add_cookies(
        [{"name": "sid", "value": make.session("olga@elm.example", role="owner"), "url": live_server}]
    )
    page.emulate_media(reduced_motion="reduce")
    found = {}
    page.goto(live_server + "/admin/elm/")
    found["overview"] = violations(page)
    page.get_by_role("link", name="Invitations").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Invitations")
    found["invitations"] = violations(page)
    page.set_viewport_size({"width": 360, "height": 800})
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 360
    page.emulate_media(color_scheme="dark")
    found["dark"] = violations(page, COLOURS)
    page.get_by_label("What you want to say").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("The people of 3 visits get a mail")
    found["told"] = violations(page)
    assert {name: faults for name, faults in found.items() if faults} == {}
