"""Every patient page in a real browser: axe, narrow screens, the bar, weight, and a policy that nothing breaks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

import pytest
from playwright.sync_api import Page, Response

from booking.actions import appointment as visits
from booking.domain.access import Caller
from tests.cast import ELM, Make
from tests.servers.chromium import COLOURS, violations

pytestmark = pytest.mark.settings(rate_limits="off")
CY = Caller("staff", 1, "front-desk")
DETAILS = "/elm/book/visit/details?start=2027-01-11T09:30Z&practitioner=bo"
LARGEST, MOST_REQUESTS = 25 * 1024, 4
SMALL, PHONE, WIDE = ({"width": 320, "height": 640}, {"width": 360, "height": 740}, {"width": 1280, "height": 800})
Open = Callable[..., Page]


def states(page: Page, host: str, make: Make) -> Iterator[str]:
    """Bring the browser to each patient page and each of its states, one after the other; their names."""

    def open_(path: str) -> None:
        page.goto(host + path)

    def press(words: str, role: Literal["button", "link"] = "button") -> None:
        with page.expect_navigation():
            page.get_by_role(role, name=words).first.click()

    for path in ("/", "/elm/", "/elm/directions", "/elm/book", "/elm/book?reason=poor-sleep", "/elm/book/needles"):
        open_(path)
        yield path
    open_("/elm/book/visit?from=2027-01-12")
    yield "times, two practitioners"
    open_("/elm/book/visit?from=2027-01-30")
    yield "an empty week"
    open_("/oak/book/visit")
    yield "by phone only"
    open_(DETAILS)
    yield "details without a hold"
    page.get_by_role("button", name="Hold it").click()
    page.get_by_text("We are holding this time").wait_for()
    yield "details"
    press("Confirm")
    yield "errors"
    open_(DETAILS.replace("09:30", "11:30"))
    page.get_by_label("Full name").fill("Ada Lovelace")
    page.get_by_label("Mobile phone").fill("020 7946 0101")
    make.appointment("Mon 11:30", person=make.person("Eve"))
    press("Confirm")
    yield "taken"
    press("12:00 instead")
    yield "booked"
    visit = make.appointment("Wed 09:00", person=make.person("Ida"))
    open_(make.link(visit))
    press("Change time", "link")
    yield "another time"
    page.go_back()
    press("Cancel the visit", "link")
    yield "cancel"
    press("Yes, cancel it")
    yield "cancelled"
    make.clinic(ELM_WITH_A_GAP, confirmation="request")
    visit = make.appointment("Thu 09:00", person=make.person("Joe"))
    open_(make.link(visit))
    yield "requested"
    with make.app.app_context():
        visits.offer(make.elm, visit.public_id, make.at("Thu 10:00"), message="Bo is away.", by=CY, now=make.now)
    page.reload()
    yield "offered"
    open_("/elm/lost-link")
    yield "lost link"
    page.get_by_label("E-mail").fill("ada@example.com")
    press("Send me the links")
    yield "links sent"
    open_("/elm/nothing")
    yield "not found"


ELM_WITH_A_GAP = ELM + '\n[[closures]]\nfrom = 2027-01-30T00:00:00\nto = 2027-02-09T00:00:00\nname = "Rebuilding"\n'


@pytest.fixture
def house(make: Make) -> Make:
    make.clinic(ELM_WITH_A_GAP)
    make.clinic(ELM.replace('name = "Visit"\n', 'name = "Visit"\nonline = false\n'), slug="oak", name="Oak Clinic")
    return make


def test_every_state_is_accessible_fits_a_small_phone_and_is_easy_to_hit(
    open_page: Open, live_server: str, house: Make
) -> None:
    page = open_page(reduced_motion="reduce")
    wrong: list[tuple[object, ...]] = []
    for name in states(page, live_server, house):
        wrong += [(name, "wide", *violation) for violation in violations(page)]
        page.set_viewport_size(PHONE)
        wrong += [(name, "phone", *violation) for violation in violations(page)]
        page.emulate_media(color_scheme="dark")
        wrong += [(name, "dark", *violation) for violation in violations(page, COLOURS)]
        page.emulate_media(color_scheme="light")
        page.set_viewport_size(SMALL)
        if page.evaluate("() => document.documentElement.scrollWidth > innerWidth"):
            wrong.append((name, "scrolls sideways"))
        box = page.locator(".bar").bounding_box() if name != "/" else None
        if name != "/" and (box is None or box["y"] + box["height"] > SMALL["height"] + 1):
            wrong.append((name, "the bar is out of view"))
        small = page.evaluate(
            """() => [...document.querySelectorAll('main a, main button, .bar a')]
               .filter(e => e.offsetParent && !e.closest('p, li, dd, td, h3') && e.getBoundingClientRect().height < 44)
               .map(e => e.textContent.trim())"""
        )
        wrong += [(name, words, "is hard to hit") for words in small]
        page.set_viewport_size(WIDE)
    assert wrong == []


def test_text_twice_as_large_and_spaced_stays_inside(open_page: Open, live_server: str, house: Make) -> None:
    page = open_page(**SMALL)
    wrong = []
    for path in ("/elm/", "/elm/directions", "/elm/book/visit", DETAILS):
        page.goto(live_server + path)
        page.evaluate(
            """() => { const sheet = new CSSStyleSheet();
               sheet.replaceSync(`* { line-height: 1.5 !important; letter-spacing: .12em !important;
                 word-spacing: .16em !important } p { margin-bottom: 2em !important }`);
               document.adoptedStyleSheets = [sheet]; }"""
        )
        if page.evaluate("() => document.documentElement.scrollWidth > innerWidth"):
            wrong.append(path)
    assert wrong == []


@pytest.mark.parametrize(
    "path", ["/elm/", "/elm/directions", "/elm/book", "/elm/book/visit", "/elm/book/needles?new=1", DETAILS, "visit"]
)
def test_a_cold_page_is_light_and_keeps_to_its_policy(
    open_page: Open, live_server: str, house: Make, path: str
) -> None:
    page = open_page(width=360, height=740)
    if path == "visit":
        visit = house.appointment("Wed 09:00")
        page.goto(live_server + house.link(visit))
        path = f"/elm/appointments/{visit.public_id}"
        page.context.new_cdp_session(page).send("Network.clearBrowserCache")
    faults: list[str] = []
    answers: list[Response] = []
    page.on("console", lambda message: faults.append(message.text))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("response", lambda answer: answers.append(answer))
    page.goto(live_server + path, wait_until="networkidle")
    sizes = [answer.request.sizes() for answer in answers]
    assert len(answers) <= MOST_REQUESTS
    assert sum(size["responseBodySize"] + size["responseHeadersSize"] for size in sizes) <= LARGEST
    assert faults == []
