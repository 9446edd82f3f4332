"""The life of a visit at the desk: its panel with all its buttons, the calls to make, a practitioner who is ill."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from playwright.sync_api import Page
from werkzeug.test import TestResponse

from booking.actions import appointment as appointments
from booking.actions import visit
from booking.domain.access import PATIENT, Caller
from booking.domain.appointment import ASKED, Status
from booking.store.appointment import Appointment, by_public_id
from booking.store.base import db
from booking.store.outbox import Message
from tests.cast import Make
from tests.desk import ADA, EVE, Desk, press, token_in
from tests.servers.chromium import violations

SetClock = Callable[[datetime], None]
MINUTE = timedelta(minutes=1)


@pytest.fixture
def elm(make: Make) -> Desk:
    return Desk(make, make.elm)


@pytest.fixture
def cy(elm: Desk) -> FlaskClient:
    return elm.signed_in()


def row(elm: Desk, id: str) -> Appointment:
    with elm.make.app.app_context():
        return by_public_id(elm.elm, id)


def buttons(page: str) -> list[str]:
    """What the panel's buttons and links with a button's look say."""
    panel = page[page.index('<section id="panel"') : page.index("</section>")]
    return re.findall(r'class="btn[^>]*>([^<]+)<', panel)


def push(client: FlaskClient, id: str, button: str, **changes: str) -> TestResponse:
    """Push a button of the visit's panel: what its form has in it is sent, with some fields changed."""
    page = client.get(f"/desk/elm/appointments/{id}").text
    forms = re.findall(r"<form.*?</form>", page, re.DOTALL)
    [form] = [form for form in forms if re.search(rf"<button[^>]*>{re.escape(button)}<", form)]
    fields = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form))
    fields |= dict(re.findall(r'<button[^>]* name="(\w+)" value="([^"]*)"', form))
    action = re.search(r'action="([^"]+)"', form)
    assert action
    return client.post(action[1], data=fields | changes)


def send(client: FlaskClient, page: str, path: str, **fields: str) -> TestResponse:
    """Send a form to a path, with the token of a page."""
    return client.post(path, data={"csrf_token": token_in(client.get(page).text)} | fields)


def at_work(client: FlaskClient, set_clock: SetClock, now: datetime, minutes: int) -> None:
    """Let time pass at the desk, which somebody uses all the while."""
    for passed in range(0, minutes, 25):
        set_clock(now + passed * MINUTE)
        client.get("/desk/elm/phone")
    set_clock(now + minutes * MINUTE)


def test_the_day_of_a_visit_is_one_button_after_another(elm: Desk, cy: FlaskClient) -> None:
    id = elm.ask("Mon 09:00", service="needles", note="By wheelchair")
    steps: tuple[tuple[str, str, dict[str, str]], ...] = (
        ("Arrived", "Ada has arrived.", {}),
        ("Check in", "Ada is checked in, place 2.", {"place": "2"}),
        ("Done", "The visit of Ada is done.", {}),
    )
    for button, said, fields in steps:
        answer = push(cy, id, button, **fields)
        assert answer.status_code == 303
        assert said in cy.get(answer.location).text
    page = cy.get(f"/desk/elm/appointments/{id}").text
    for said in ("Checked in, place 2", "By wheelchair", 'href="tel:+16305550142"', "Invite", "Waits to be sent"):
        assert said in page, said
    for status in ("Checked in", "Arrived", "Booked"):
        [undo] = [button for button in buttons(cy.get(f"/desk/elm/appointments/{id}").text) if "Undo" in button]
        assert f"is: {status}." in cy.get(push(cy, id, undo).location).text
    assert row(elm, id).status == Status.BOOKED
    assert elm.mails("booked") == ["ada@example.com"]


def test_a_button_pushed_twice_is_pushed_once(elm: Desk, cy: FlaskClient) -> None:
    id = elm.ask("Mon 09:00")
    old = str(row(elm, id).version)
    push(cy, id, "Arrived")
    again = cy.get(f"/desk/elm/appointments/{id}").text
    fields = {"csrf_token": re.findall(r'csrf_token" value="([^"]+)"', again)[0], "version": old}
    answer = cy.post(f"/desk/elm/appointments/{id}/status", data={**fields, "to": "arrived"})
    assert (answer.status_code, row(elm, id).status) == (303, Status.ARRIVED)
    push(cy, id, "Undo: Arrived")
    answer = cy.post(f"/desk/elm/appointments/{id}/back", data={**fields, "to": "booked"})
    assert (answer.status_code, row(elm, id).status) == (303, Status.BOOKED)
    page = cy.get(f"/desk/elm/appointments/{id}").text
    assert page.count("Taken back: Booked") == 1


def test_who_comes_second_reads_what_the_first_one_did(elm: Desk, cy: FlaskClient) -> None:
    id = elm.ask("Mon 09:00")
    page = cy.get(f"/desk/elm/appointments/{id}").text
    fields = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page))
    di = elm.signed_in("di@elm.example", role="owner")
    push(di, id, "Arrived")
    deeds = {
        "status": {"to": "checked-in"},
        "back": {"to": "booked"},
        "longer": {"until": "x"},
        "cancel": {"why": "patient"},
    }
    for deed, more in deeds.items():
        answer = cy.post(f"/desk/elm/appointments/{id}/{deed}", data=fields | more)
        assert answer.status_code == 409, deed
        assert "Nothing was changed" in answer.text
        assert re.search(r"<b>Arrived</b> · [Dd]i ", answer.text), deed
        assert "<b>Booked</b>" not in answer.text
    assert row(elm, id).status == Status.ARRIVED


def test_practitioners_note_what_they_see_and_the_rest_is_the_desks(
    elm: Desk, now: datetime, set_clock: SetClock
) -> None:
    id = elm.ask("Mon 09:00")
    bo = elm.signed_in("bo@elm.example", role="practitioner")
    cy = elm.signed_in()
    at_work(bo, set_clock, now, 70)
    at_work(cy, set_clock, now, 70)
    assert buttons(bo.get(f"/desk/elm/appointments/{id}").text) == ["Arrived", "Print card"]
    assert set(buttons(cy.get(f"/desk/elm/appointments/{id}").text)) >= {"Did not come", "Move", "Rebook", "Cancel"}
    page = f"/desk/elm/appointments/{id}"
    assert send(bo, page, f"{page}/status", to="noshow").status_code == 403
    assert send(bo, page, f"{page}/status", to="cancelled").status_code == 422
    for deed in ("cancel", "again", "settle"):
        assert press(bo, page, f"{page}/{deed}").status_code == 404
    push(bo, id, "Arrived")
    assert row(elm, id).status == Status.ARRIVED


def test_nobody_arrives_before_the_day(elm: Desk, cy: FlaskClient) -> None:
    id = elm.ask("Tue 09:00")
    assert "Arrived" not in buttons(cy.get(f"/desk/elm/appointments/{id}").text)
    page = f"/desk/elm/appointments/{id}"
    assert send(cy, page, f"{page}/status", to="arrived").status_code == 409


def test_a_place_that_is_taken_is_not_given_again(elm: Desk, cy: FlaskClient) -> None:
    ada, eve = (elm.ask(at, service="needles", who=who) for at, who in (("Mon 09:00", ADA), ("Mon 09:15", EVE)))
    for id, place in ((ada, "1"), (eve, "2")):
        push(cy, id, "Arrived")
        push(cy, id, "Check in", place=place)
    page = cy.get(f"/desk/elm/appointments/{eve}").text
    assert '<option value="1" disabled>1: Ada</option>' in page
    answer = push(cy, eve, "Change the place", place="1")
    assert (answer.status_code, row(elm, eve).place) == (409, 2)
    assert "Somebody sits at that place" in answer.text
    push(cy, eve, "Change the place", place="3")
    assert row(elm, eve).place == 3


def test_a_visit_that_runs_over_says_who_waits(elm: Desk, cy: FlaskClient, now: datetime, set_clock: SetClock) -> None:
    ada, eve = elm.ask("Mon 09:00"), elm.ask("Mon 10:00", who=EVE)
    push(cy, ada, "Arrived")
    push(cy, ada, "Check in")
    at_work(cy, set_clock, now, 105)
    page = cy.get(f"/desk/elm/appointments/{ada}").text
    assert "Running over by 15 minutes" in page
    for minutes in ("40", "50", "00"):
        answer = push(cy, ada, "10 more minutes")
        assert f":{minutes}." in cy.get(answer.location).text
    at_work(cy, set_clock, now, 125)
    answer = push(cy, ada, "10 more minutes")
    assert answer.status_code == 409
    assert eve in answer.text
    assert "10:00 Eve" in answer.text


def test_cancelling_asks_why_and_the_time_may_be_booked_again(elm: Desk, cy: FlaskClient) -> None:
    id = elm.ask("Tue 10:00", note="By wheelchair")
    page = f"/desk/elm/appointments/{id}/cancel"
    assert press(cy, page).status_code == 422
    assert 'id="why-error"' in press(cy, page).text
    answer = press(cy, page, why="patient", reason="Has a cold")
    shown = cy.get(answer.location).text
    assert "Cancelled: the patient phoned" in shown
    assert "Has a cold" in shown
    assert "Book it again" in buttons(shown)
    answers = [send(cy, "/desk/elm/phone", f"/desk/elm/appointments/{id}/again") for _ in range(2)]
    assert answers[0].location == answers[1].location
    answer = answers[0]
    again = re.search(r"appointments/(\w+)", answer.location)
    assert again
    assert again[1] != id
    assert (row(elm, again[1]).status, row(elm, again[1]).starts_at) == ("booked", row(elm, id).starts_at)
    assert row(elm, again[1]).patient_id == row(elm, id).patient_id
    assert "By wheelchair" in cy.get(answer.location).text
    assert "Book it again" not in cy.get(f"/desk/elm/appointments/{id}").text  # the time is taken


def test_a_mistake_is_taken_out_even_after_the_visit(
    elm: Desk, cy: FlaskClient, now: datetime, set_clock: SetClock
) -> None:
    id = elm.ask("Mon 09:00")
    at_work(cy, set_clock, now, 100)
    push(cy, id, "Did not come")
    page = cy.get(f"/desk/elm/appointments/{id}/cancel").text
    assert "The patient cancels" not in page
    answer = press(cy, f"/desk/elm/appointments/{id}/cancel", why="mistake", reason="Twice in the book")
    assert "taken out as a mistake" in cy.get(answer.location).text
    assert row(elm, id).status == Status.ENTERED_IN_ERROR


def test_the_inbox_says_what_fits_now(make: Make) -> None:
    elm = Desk(make, make.clinic(confirmation="request"))
    cy, id = elm.signed_in(), elm.ask("Tue 10:00")
    page = cy.get("/desk/elm/requests").text
    assert "Free near it:" in page
    offered = re.search(r'class="d-other" href="([^"]+)"', page)
    assert offered
    assert "checked" in cy.get(offered[1].replace("&amp;", "&")).text
    fields = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page))
    elm.patient_cancels(id)
    answer = cy.post(f"/desk/elm/requests/{id}/confirm", data=fields)
    assert answer.status_code == 409
    assert "Withdrawn" in answer.text


# Please phone


def test_whom_no_mail_reaches_stands_on_the_list_until_they_are_told(elm: Desk, cy: FlaskClient) -> None:
    ada, eve = elm.ask("Tue 10:00"), elm.ask("Wed 10:00", who=EVE)
    press(cy, f"/desk/elm/appointments/{eve}/cancel", why="clinic", message="Bo is ill.")
    with elm.make.app.app_context():
        db.session.execute(
            sa.update(Message).where(Message.role == "patient", Message.state == "queued").values(state="failed")
        )
        db.session.commit()
    page = cy.get("/desk/elm/phone").text
    assert page.index("Ada</a></h2>") < page.index("Eve</a></h2>")  # Ada comes sooner
    for said in ("The clinic has to cancel their visit on Wed 13 Jan, 10:00 with Bo Andersen.", "Bo is ill.", "2<span"):
        assert said in page, said
    message = re.findall(r'name="message" value="(\d+)"', page)[1]
    answer = press(cy, "/desk/elm/phone", f"/desk/elm/phone/{eve}", message=message)
    page = cy.get(answer.location).text
    assert "Eve was told." in page
    assert "Eve</a></h2>" not in page
    assert "Told by phone by" in cy.get(f"/desk/elm/appointments/{eve}").text
    bo = elm.signed_in("bo@elm.example", role="practitioner")
    assert press(bo, "/desk/elm/phone", f"/desk/elm/phone/{ada}", message=message).status_code == 404
    press(cy, answer.location, f"/desk/elm/phone/{eve}/back", message=message)
    assert "Eve</a></h2>" in cy.get("/desk/elm/phone").text
    assert press(cy, "/desk/elm/phone", f"/desk/elm/phone/{ada}").status_code == 404


def test_who_is_asked_to_choose_finds_the_way_on_their_page(
    elm: Desk, client: FlaskClient, now: datetime, set_clock: SetClock
) -> None:
    id = elm.ask("Mon 09:00")
    set_clock(now + 50 * MINUTE)  # the clinic's notice is two hours
    client.get(elm.make.link(row(elm, id)))
    page = f"/elm/appointments/{id}"
    assert "by phone only" in client.get(page).text
    with elm.make.app.app_context():
        visit.ask_to_choose(elm.elm, id, by=Caller("staff", None, "owner"), now=now)
    assert "We can't keep this time." in client.get(page).text
    answer = send(client, f"{page}/reschedule", f"{page}/reschedule", start="2027-01-12T10:00Z", service="visit")
    assert answer.status_code == 303
    assert "You are booked" in client.get(page).text


# Ill today


def test_every_visit_of_who_is_ill_is_settled_on_one_screen(elm: Desk, cy: FlaskClient) -> None:
    """Dee works on Tuesdays from ten to two: one visit goes to her, two can't at the same time."""
    who = [elm.make.person(name, email=f"{name}@example.com") for name in ("Ada", "Bea", "Cleo", "Dot")]
    ada, bea, cleo, dot = (
        elm.ask(at, who=one) for at, one in zip(("Tue 10:00", "Tue 11:00", "Tue 15:00", "Tue 16:00"), who, strict=True)
    )
    eve = elm.ask("Tue 12:00", who=EVE)
    page = "/desk/elm/ill?practitioner=bo&on=2027-01-12"
    assert "Close the time of Bo Andersen" in cy.get(page).text
    for _ in range(2):
        answer = press(cy, page, "/desk/elm/ill", practitioner="bo", on="2027-01-12", until="2027-01-12")
    shown = cy.get(answer.location).text
    assert shown.count("<fieldset") == 5
    assert "no longer fits them" in cy.get("/desk/elm/requests").text
    fields = dict(re.findall(r'type="hidden" name="([\w-]+)" value="([^"]*)"', shown))
    fields |= dict(re.findall(r'type="radio" name="([\w-]+)" value="([^"]*)" checked', shown))
    assert fields[f"do-{ada}"] == "2027-01-12T10:00Z/dee"
    assert fields[f"do-{cleo}"] == "choose"
    fields |= {f"do-{dot}": "cancel", f"do-{eve}": "leave", "message": "Bo is ill."}
    with elm.make.app.app_context():
        appointments.cancel(elm.elm, bea, by=PATIENT, now=elm.make.now)
    answer = cy.post("/desk/elm/ill/visits", data=fields)
    shown = cy.get(answer.location).text
    for said in (
        "Ada now comes on Tue 12 Jan, 10:00.",
        "Bea, Tue 12 Jan, 11:00: cancelled.",
        "Cleo, Tue 12 Jan, 15:00: asked to choose another time.",
        "Dot, Tue 12 Jan, 16:00: cancelled.",
    ):
        assert said in shown, said
    assert shown.count("<fieldset") == 2  # Cleo, who has not chosen yet, and Eve
    assert [row(elm, id).status for id in (ada, cleo, dot, eve)] == ["booked", "booked", "cancelled", "booked"]
    assert (row(elm, cleo).needs_desk, row(elm, eve).needs_desk) == (ASKED, "stranded")
    assert elm.mails("choose") == ["Cleo@example.com"]
    twice = cy.post("/desk/elm/ill/visits", data=fields)
    assert twice.status_code == 303
    assert elm.mails("choose") == ["Cleo@example.com"]


def test_an_odd_absence_is_never_our_fault(cy: FlaskClient) -> None:
    for query, status in {
        "practitioner=nobody": 404,
        "practitioner=bo&on=2027-02-30": 422,
        "practitioner=bo&on=2027-02-01&until=2028-02-01": 422,
        "practitioner=bo&on=9999-12-31": 422,
        "practitioner=bo&on=2027-02-02&until=2027-02-01": 200,
        "done=x,y": 200,
    }.items():
        assert cy.get(f"/desk/elm/ill?{query}").status_code == status, query


# For everybody


@pytest.mark.settings(rate_limits="off")
def test_axe_finds_nothing_on_the_pages_of_a_visits_life(
    page: Page, live_server: str, elm: Desk, cy: FlaskClient
) -> None:
    ada, eve = elm.ask("Mon 09:00", service="needles", note="By wheelchair"), elm.ask("Tue 10:00", who=EVE)
    press(cy, "/desk/elm/ill", "/desk/elm/ill", practitioner="bo", on="2027-01-12", until="2027-01-12")
    gone = elm.ask("Wed 10:00", who=EVE)
    press(cy, f"/desk/elm/appointments/{gone}/cancel", why="clinic")
    push(cy, ada, "Arrived")
    push(cy, ada, "Check in", place="1")
    page.goto(live_server + elm.link())
    page.get_by_role("button", name="Sign in as Cy").click()
    found = {}
    for path in (f"appointments/{ada}", f"appointments/{eve}/cancel", "phone", "ill?practitioner=bo&on=2027-01-12"):
        page.goto(f"{live_server}/desk/elm/{path}")
        for width, scheme in ((360, "light"), (1280, "dark")):
            page.set_viewport_size({"width": width, "height": 800})
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
            found[path, width] = violations(page)
            assert page.evaluate("() => document.documentElement.scrollWidth") <= width, (path, width)
    assert not any(found.values()), found
