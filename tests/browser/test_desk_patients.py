"""Cy finds Ada by keyboard, with and without script, and axe looks at what Cy sees."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.cast import Make
from tests.servers.chromium import COLOURS, violations


def sign_in(page: Page, live_server: str, make: Make) -> None:
    page.context.add_cookies([{"name": "sid", "value": make.session(), "url": live_server}])


def test_a_patient_is_found_while_cy_types_and_opened_by_keyboard(page: Page, live_server: str, make: Make) -> None:
    for starts, name in (("Tue 09:00", "Ada Lovelace"), ("Tue 10:00", "Adam Smith"), ("Tue 11:00", "Eve Adams")):
        make.appointment(starts, person=make.person(name, phone="+442079460177"))
    sign_in(page, live_server, make)
    page.emulate_media(reduced_motion="reduce")
    page.goto(f"{live_server}/desk/elm/patients")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("ada")
    expect(page.get_by_role("search").get_by_role("status")).to_have_text("3 patients are found.")
    assert page.url.endswith("/patients")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(page.locator("[data-hit]").nth(1)).to_be_focused()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    expect(page.get_by_role("searchbox")).to_be_focused()
    found = violations(page)
    # Enter comes before the answer does, and takes what the whole text finds.
    page.keyboard.type("m smtih")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Adam Smith")
    expect(page.get_by_role("heading", name="Same phone or e-mail")).to_be_visible()
    page.get_by_label("New note").fill("Rings first")
    page.get_by_role("button", name="Keep the note").click()
    expect(page.locator("#notes")).to_contain_text("Rings first")
    for width in (360, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("() => document.documentElement.scrollWidth") <= width
        found += violations(page)
    page.emulate_media(color_scheme="dark", reduced_motion="reduce")
    assert found + violations(page, COLOURS) == []


def test_without_script_the_form_finds_them_too(page_without_script: Page, live_server: str, make: Make) -> None:
    make.appointment("Tue 09:00")
    page = page_without_script
    sign_in(page, live_server, make)
    page.goto(f"{live_server}/desk/elm/patients")
    page.get_by_role("searchbox").fill("lovelcae")
    page.get_by_role("button", name="Search").click()
    page.get_by_role("link", name="Ada Lovelace").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Ada Lovelace")
