"""The demonstration's mailbox in a browser: the mail's own HTML, its links, and no axe violations."""

from __future__ import annotations

import re

import pytest
from flask import Flask
from playwright.sync_api import Page, expect

from booking.actions import outbox
from tests.cast import Make
from tests.servers.chromium import violations

pytestmark = pytest.mark.settings(env="demo")


@pytest.fixture
def mail(app: Flask, make: Make, live_server: str, page: Page) -> Page:
    """The page of the mail that Ada gets about her visit."""
    make.appointment("Tue 09:00")
    with app.app_context():
        outbox.deliver(make.now)
    page.goto(f"{live_server}/mailbox")
    page.locator("li").filter(has_text="ada@example.com").get_by_role("link").click()
    return page


def test_a_link_in_a_mail_opens_the_visit_in_a_page_of_its_own(mail: Page) -> None:
    with mail.expect_popup() as opened:
        mail.frame_locator("iframe").get_by_role("link", name=re.compile("change|cancel", re.I)).first.click()
    expect(opened.value).to_have_url(re.compile("/elm/appointments/"))


def test_axe_finds_nothing_in_the_mailbox(mail: Page, live_server: str) -> None:
    for width in (1280, 360):
        mail.set_viewport_size({"width": width, "height": 800})
        assert violations(mail) == []
        assert mail.evaluate("() => document.documentElement.scrollWidth") <= width
    mail.goto(f"{live_server}/mailbox")
    assert violations(mail) == []
