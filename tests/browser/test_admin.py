"""The owner at her settings in a browser: rows and pictures follow at once, and every page is fit for everybody."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.cast import Make
from tests.servers.chromium import COLOURS, violations

pytestmark = pytest.mark.settings(rate_limits="off")


def test_olga_changes_a_service_and_takes_it_back_and_axe_finds_nothing(
    page: Page, live_server: str, make: Make
) -> None:
    visit = make.appointment("Tue 09:00")
    secret = make.session("olga@elm.example", role="owner")
    page.context.add_cookies([{"name": "sid", "value": secret, "url": live_server}])
    page.emulate_media(reduced_motion="reduce")  # colours change at once
    found: dict[str, list[tuple[str, int, str]]] = {}

    def check(name: str) -> None:
        """At both widths what depends on them; the colours of both schemes."""
        found[name] = violations(page)
        page.set_viewport_size({"width": 360, "height": 800})
        assert page.evaluate("() => document.documentElement.scrollWidth") <= 360, name
        page.emulate_media(color_scheme="dark")
        found[name] += violations(page, [*COLOURS, "target-size"])
        page.emulate_media(color_scheme="light")
        page.set_viewport_size({"width": 1280, "height": 800})

    page.goto(f"{live_server}/admin/elm/services/needles")
    stages = page.get_by_role("group", name="Stages of a visit")
    stages.get_by_role("button", name="Add a stage").click()
    added = stages.get_by_role("group", name="Stage 5").get_by_label("Minutes")
    expect(added).to_be_focused()
    added.fill("10")
    stages.get_by_role("group", name="Stage 5").get_by_label("Patient there").uncheck()
    picture = page.get_by_role("figure").first
    expect(picture).to_contain_text("Room minutes 0 to 60")
    stages.get_by_role("button", name="Remove Stage 4").click()
    expect(picture).to_contain_text("Room minutes 0 to 55")
    expect(stages.get_by_label("Minutes")).to_have_count(4)
    assert page.evaluate("() => history.length") == 2, "the page was loaded anew"
    check("service")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("status")).to_have_text("Saved.")
    check("saved")
    page.get_by_role("button", name="Undo").click()
    expect(picture).to_contain_text("Room minutes 0 to 50")

    page.goto(f"{live_server}/admin/elm/practitioners/bo/hours")
    page.get_by_role("group", name="Hours 1", exact=True).get_by_label("From").fill("10:00")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text(visit.reference)
    check("stranded")
    page.get_by_role("group", name="Hours 1", exact=True).get_by_label("To").fill("08:00")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("alert")).to_be_focused()
    page.get_by_role("link", name="The end has to come after the beginning.").click()
    expect(page.get_by_role("group", name="Hours 1", exact=True).get_by_label("To")).to_be_focused()
    check("wrong")

    for path in ("", "clinic", "closures", "locations/main", "file"):
        page.goto(f"{live_server}/admin/elm/{path}")
        check(path)
    assert {path: faults for path, faults in found.items() if faults} == {}
