"""A morning of Cy's account in a real browser: password, passkey, a locked screen that keeps what was typed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from argon2 import PasswordHasher
from flask import Flask
from playwright.sync_api import Page, expect

from booking.store import hashed
from tests.cast import Make
from tests.desk import Desk, open_desk
from tests.servers.chromium import COLOURS, violations

pytestmark = pytest.mark.settings(rate_limits="off")

OpenPage = Callable[..., Page]
PASSWORD = "three small birds sing"


@pytest.fixture
def elm(make: Make, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setattr(hashed, "HASHER", PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))
    return open_desk(make)


@pytest.fixture
def host(app: Flask, live_server: str) -> str:
    """The server by a name: browsers tie passkeys to names, not to addresses."""
    named = live_server.replace("127.0.0.1", "localhost")
    app.config["SETTINGS"] = app.config["SETTINGS"].model_copy(update={"public_url": named})
    return named


def add_authenticator(page: Page) -> None:
    """A device that keeps passkeys and recognizes its owner."""
    device = page.context.new_cdp_session(page)
    device.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    device.send("WebAuthn.addVirtualAuthenticator", {"options": options})


def test_cy_sets_a_password_makes_a_passkey_and_uses_both(open_page: OpenPage, host: str, elm: Desk) -> None:
    visit = elm.ask()
    page = open_page(reduced_motion="reduce")
    page.clock.install()
    add_authenticator(page)
    page.goto(host + elm.link())
    page.get_by_role("button", name="Sign in and choose a password").click()
    page.get_by_label("New password").fill(PASSWORD)
    page.get_by_role("button", name="Use this password").click()

    page.goto(f"{host}/account")
    page.get_by_role("link", name="Add a passkey").click()
    page.get_by_label("Name of this passkey").fill("Cy's phone")
    page.get_by_role("button", name="Make the passkey").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your recovery codes")
    expect(page.get_by_role("listitem")).to_have_count(10)
    page.get_by_role("link", name="I have kept them").click()
    expect(page.get_by_text("Cy's phone").first).to_be_visible()
    assert violations(page) == []

    # Nobody uses the screen for half an hour: it locks, on the server too, and opens with what was typed.
    page.goto(f"{host}/desk/elm/requests/{visit}/decline")
    page.get_by_label("Message").fill("Bo is away")
    page.clock.fast_forward("29:30")
    expect(page.get_by_text("This screen locks in a minute")).to_be_visible()
    page.clock.fast_forward("00:40")
    dialog = page.get_by_role("dialog", name="Is it you, Cy?")
    expect(dialog).to_be_visible()
    expect(page.get_by_label("Message")).not_to_be_visible()
    expect(page).to_have_title("Locked")
    assert violations(page) == []
    page.emulate_media(color_scheme="dark")
    assert violations(page, COLOURS) == []
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    expect(dialog).to_be_visible()
    other = page.context.new_page()
    other.goto(f"{host}/desk/elm/")
    expect(other.get_by_role("heading", level=1)).to_have_text("Is it you, Cy?")
    other.close()
    dialog.get_by_label("Password").fill("wrong")
    dialog.get_by_role("button", name="Go on").click()
    expect(dialog.get_by_text("That was not right")).to_be_visible()
    dialog.get_by_label("Password").fill(PASSWORD)
    dialog.get_by_role("button", name="Go on").click()
    expect(page.get_by_label("Message")).to_have_value("Bo is away")
    expect(dialog).not_to_be_visible()
    page.clock.fast_forward("30:10")
    dialog.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_label("Message")).to_have_value("Bo is away")
    page.get_by_role("button", name="Decline").click()
    expect(page.get_by_role("status").first).to_contain_text("Ada is told by e-mail")

    # A passkey alone signs in; after a password it is the second factor.
    page.get_by_role("button", name="Sign out").first.click()
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Today")
    page.get_by_role("button", name="Sign out").first.click()
    page.get_by_label("E-mail address").fill("cy@elm.example")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("One more step")
    assert violations(page) == []
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Today")
