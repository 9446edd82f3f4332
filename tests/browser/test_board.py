"""The day board in real browsers: two desks at once; moves by mouse, keys and finger; undo without a mail."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from playwright.sync_api import Locator, Page, expect

from booking.store.appointment import Appointment
from booking.store.base import db
from booking.store.outbox import Message
from tests.cast import Make
from tests.servers.chromium import COLOURS, violations

pytestmark = pytest.mark.settings(rate_limits="off")

BOARD = "/desk/elm/?on=2027-01-12"
OpenPage = Callable[..., Page]


@pytest.fixture
def desk_page(make: Make, live_server: str, open_page: OpenPage) -> Callable[..., Page]:
    """Call it for the browser of somebody who is signed in at Elm's desk, with Tuesday's board open."""

    def desk_page(email: str = "cy@elm.example", path: str = BOARD, **options: Any) -> Page:
        page = open_page(**options)
        page.context.add_cookies([{"name": "sid", "value": make.session(email), "url": live_server}])
        page.goto(live_server + path)
        return page

    return desk_page


def visit(page: Page, name: str) -> Locator:
    return page.locator("#board a[data-v]").filter(has_text=name)


def place(page: Page, name: str) -> Any:
    box = visit(page, name).bounding_box()
    assert box
    return box


def drag(page: Page, link: Locator, *, rows: int, column: str = "") -> None:
    """Drag a visit some rows down, to another column if one is named; it is still held."""
    box, row = link.bounding_box(), page.locator("#board .b-body[data-start]").first.bounding_box()
    assert box
    assert row
    x, y = box["x"] + 20, box["y"] + 6
    height = row["height"] / 96  # nine to five
    page.mouse.move(x, y)
    page.mouse.down()
    target = page.locator(f"#board .b-body[data-practitioner={column}]").bounding_box() if column else None
    page.mouse.move(target["x"] + 30 if target else x, y + rows * height, steps=4)


def stands(make: Make, visit: Appointment) -> Any:
    with make.app.app_context():
        return db.session.get_one(Appointment, visit.id).starts_at


def waiting(make: Make) -> list[tuple[int, str]]:
    """What waits in the outbox."""
    with make.app.app_context():
        about = (Message.state == "queued", Message.appointment_id.is_not(None))
        rows = db.session.execute(sa.select(Message.id, Message.kind).where(*about))
        return [(id, kind) for id, kind in rows.all()]


@pytest.fixture
def sent(make: Make) -> Iterator[Callable[[], None]]:
    def sent() -> None:
        with make.app.app_context():
            db.session.execute(sa.update(Message).values(state="sent", attempts=1))
            db.session.commit()

    return sent


def test_two_desks_move_a_visit_see_each_other_and_take_it_back_unheard(
    make: Make, desk_page: Callable[..., Page], sent: Callable[[], None]
) -> None:
    ada = make.appointment("Tue 10:00")
    make.appointment("Tue 14:00", person=make.person("Eve Moneypenny"))
    sent()
    cy, dan = desk_page(), desk_page("dan@elm.example")
    ten = make.at("Tue 10:00")

    drag(cy, visit(cy, "Ada"), rows=12)
    ghost = cy.locator(".b-ghost")
    expect(ghost).to_contain_text("11:00 with Bo Andersen")
    expect(ghost).not_to_have_class(re.compile("b-bad"))
    cy.mouse.up()
    expect(cy.locator("#toast")).to_contain_text("Ada Lovelace now comes on Tue 12 Jan, 11:00.")
    expect(visit(cy, "Ada")).to_contain_text("11:00")
    expect(visit(dan, "Ada")).to_contain_text("11:00", timeout=6000)  # without a reload
    expect(dan.locator("#news")).to_have_text("Changed: Ada Lovelace")
    assert [kind for _id, kind in waiting(make)] == ["moved", "moved"]

    cy.keyboard.press("z")
    expect(cy.locator("#toast")).to_contain_text("is back at Tue 12 Jan, 10:00")
    assert (stands(make, ada), waiting(make)) == (ten, [])

    # Dan carries the visit by keys while Cy moves it: who comes second changes nothing and is told.
    dan.evaluate("() => document.dispatchEvent(new Event('visibilitychange'))")  # who comes back looks at once
    expect(visit(dan, "Ada")).to_contain_text("10:00")
    visit(dan, "Ada").focus()
    dan.keyboard.press("m")
    expect(dan.locator("#spoken")).to_contain_text("Moving Ada Lovelace")
    dan.keyboard.press("ArrowDown")
    dan.keyboard.press("Shift+ArrowDown")
    expect(dan.locator("#spoken")).to_have_text("10:20 with Bo Andersen")
    drag(cy, visit(cy, "Ada"), rows=0, column="dee")
    cy.mouse.up()
    expect(cy.locator("#toast")).to_contain_text("now comes on Tue 12 Jan, 10:00")
    dan.keyboard.press("Enter")
    expect(dan.locator("#toast")).to_contain_text("somebody else changed the visit of Ada Lovelace")
    expect(dan.locator("#toast")).to_contain_text("10:00 with Dee Marsh")
    expect(dan.locator("[data-practitioner=dee] a[data-v]")).to_contain_text("Ada")
    assert stands(make, ada) == ten


def test_a_visit_dropped_where_another_stands_goes_back_and_says_why(
    make: Make, desk_page: Callable[..., Page]
) -> None:
    ada = make.appointment("Tue 10:00")
    make.appointment("Tue 11:00", person=make.person("Eve Moneypenny"))
    cy = desk_page()
    visit(cy, "Ada").focus()
    cy.keyboard.press("m")
    for _ in range(4):
        cy.keyboard.press("ArrowDown")
    expect(cy.locator("#spoken")).to_have_text("11:00 with Bo Andersen, overlaps Eve Moneypenny")
    expect(cy.locator(".b-ghost")).to_have_class(re.compile("b-bad"))
    cy.keyboard.press("Enter")
    expect(cy.locator("#toast")).to_contain_text("Bo Andersen has another visit then.")
    expect(cy.locator("#toast")).to_contain_text("Eve Moneypenny")
    assert stands(make, ada) == make.at("Tue 10:00")

    # The way out: squeezed in, with a reason, in the panel beside the board.
    cy.locator("#toast").get_by_role("link", name="Squeeze it in").click()
    cy.get_by_label("Why it has to be then").fill("In pain")
    cy.get_by_role("button", name="Move the visit").click()
    expect(cy.locator("#toast")).to_contain_text("now comes on Tue 12 Jan, 11:00")
    expect(visit(cy, "Ada")).to_contain_text("over capacity")
    assert stands(make, ada) == make.at("Tue 11:00")

    # Enter opens a visit beside the board, Escape closes it; a click on free time books there.
    visit(cy, "Eve").press("Enter")
    expect(cy.locator("#panel h1")).to_have_text("Eve Moneypenny")
    expect(visit(cy, "Eve")).to_have_attribute("aria-current", "true")
    cy.keyboard.press("Escape")
    expect(cy.locator("#panel")).to_be_hidden()
    free = cy.get_by_role("link", name="Free 10:00–14:00")
    free.click(position={"x": 20, "y": 12 * 8 + 30})
    expect(cy.locator("#panel")).to_contain_text("11:15")


def test_a_finger_held_on_a_visit_moves_it_and_a_short_one_scrolls(make: Make, desk_page: Callable[..., Page]) -> None:
    ada = make.appointment("Tue 10:00")
    page = desk_page(path=BOARD + "&view=practitioners", width=360, height=740, has_touch=True, is_mobile=True)
    visit(page, "Ada").evaluate(
        "it => new Promise(done => { document.onscrollend = done; it.scrollIntoView({block: 'center'}); })"
    )
    wire = page.context.new_cdp_session(page)

    def touch(kind: str, *, down: float = 0) -> None:
        points = [] if kind == "touchEnd" else [{"x": box["x"] + 20, "y": box["y"] + 8 + down}]
        wire.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    before = page.evaluate("scrollY")
    page.evaluate("() => { window.scrolled = new Promise(done => { document.onscrollend = () => done(scrollY); }); }")
    box = place(page, "Ada")
    touch("touchStart")
    touch("touchMove", down=60)
    expect(page.locator(".b-ghost")).to_have_count(0)
    touch("touchEnd")
    assert page.evaluate("window.scrolled") < before - 20
    box = place(page, "Ada")
    touch("touchStart")
    expect(page.locator(".b-ghost")).to_be_visible()
    touch("touchMove", down=6 * 8)
    expect(page.locator(".b-ghost")).to_contain_text("10:30")
    touch("touchEnd")
    expect(page.locator("#toast")).to_contain_text("10:30")
    assert stands(make, ada) == make.at("Tue 10:00") + timedelta(minutes=30)


def test_a_change_that_comes_while_a_visit_is_pressed_waits_for_the_click(
    make: Make, desk_page: Callable[..., Page]
) -> None:
    make.appointment("Tue 10:00")
    page = desk_page()
    box = place(page, "Ada")
    page.mouse.move(box["x"] + 20, box["y"] + 6)
    page.mouse.down()
    make.appointment("Tue 14:00", person=make.person("Eve Moneypenny"))
    with page.expect_response(re.compile("/desk/elm/board")) as answered:
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    assert answered.value.status == 200
    assert answered.value.finished() is None
    page.evaluate("new Promise(done => setTimeout(done))")
    expect(visit(page, "Eve")).to_have_count(0)
    page.mouse.up()
    expect(page.locator("#panel h1")).to_have_text("Ada Lovelace")
    expect(visit(page, "Eve")).to_be_visible()


def test_axe_finds_nothing_on_the_board(make: Make, desk_page: Callable[..., Page], live_server: str) -> None:
    make.appointment("Tue 10:00", service="needles")
    make.appointment("Tue 10:15", service="needles", person=make.person("Eve Moneypenny"))
    make.hold("Tue 12:00")
    page = desk_page()
    found: dict[str, list[tuple[str, int, str]]] = {}
    page.emulate_media(reduced_motion="reduce")  # colours change at once
    widely = (BOARD, BOARD + "&view=list")
    for path in (*widely, BOARD + "&view=rooms", "/desk/elm/week?on=2027-01-12", "/desk/elm/keys"):
        page.goto(live_server + path)
        for width in (360, 1280) if path in widely else (1280,):
            page.set_viewport_size({"width": width, "height": 800})
            found[f"{path} {width}"] = violations(page)
            assert page.evaluate("() => document.documentElement.scrollWidth") <= width, (path, width)
        if path in widely:
            page.emulate_media(color_scheme="dark")
            found[f"{path} dark"] = violations(page, COLOURS)
            page.emulate_media(color_scheme="light")
    page.goto(live_server + BOARD)
    visit(page, "Ada").click()
    expect(page.locator("#panel h1")).to_have_text("Ada Lovelace")
    found["panel"] = violations(page)
    page.locator("#panel").get_by_role("link", name="Move").click()
    expect(page.locator("#panel h1")).to_have_text("Move the visit of Ada Lovelace")
    found["move"] = violations(page)
    assert {path: faults for path, faults in found.items() if faults} == {}
