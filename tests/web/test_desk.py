"""The front desk: coming in, the day, and the three answers to a request."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from booking.domain.appointment import Status
from booking.domain.availability import Reason, ReasonCode
from booking.store import appointment as appointments
from booking.store.appointment import Appointment, Change
from booking.store.base import db
from booking.store.outbox import Message
from booking.store.staff import Session, SignInLink, Staff
from booking.web.desk import words
from tests.cast import Make
from tests.desk import EVE, TUESDAY, Desk, open_desk, press, token_in

TEN = datetime(2027, 1, 12, 10, tzinfo=UTC)  # on Tuesday
SetClock = Callable[[datetime], None]
MINUTE = timedelta(minutes=1)


@pytest.fixture
def elm(make: Make) -> Desk:
    return open_desk(make)


@pytest.fixture
def cy(elm: Desk) -> FlaskClient:
    return elm.signed_in()


def visit(elm: Desk, public_id: str) -> Appointment:
    with elm.make.app.app_context():
        return appointments.by_public_id(elm.elm, public_id)


def count(elm: Desk, table: type) -> int:
    with elm.make.app.app_context():
        return db.session.scalar(sa.select(sa.func.count()).select_from(table)) or 0


# Coming in


def test_cy_asks_for_a_link_opens_it_and_is_at_her_desk(elm: Desk, client: FlaskClient) -> None:
    elm.link()
    assert press(client, "/login", to="/login/link", email="cy@elm.example").location == "/login/sent"
    assert elm.mails("sign-in") == ["cy@elm.example"] * 2
    link = elm.link()
    shown = client.get(link)
    assert "Sign in as Cy" in shown.text
    assert shown.headers["Cache-Control"] == "no-store"
    assert press(client, link).location == "/desk/"
    assert client.get("/desk/").location == "/desk/elm/"
    assert "Elm Clinic" in client.get("/desk/elm/").text


def test_the_answer_is_the_same_whether_the_address_is_known_or_not(elm: Desk, client: FlaskClient) -> None:
    elm.link()
    known = press(client, "/login", to="/login/link", email="cy@elm.example")
    unknown = press(client, "/login", to="/login/link", email="ada@example.com")
    assert (known.status_code, known.location, known.text) == (unknown.status_code, unknown.location, unknown.text)


def test_what_is_no_address_is_said_next_to_the_field(elm: Desk, client: FlaskClient) -> None:
    for address in ("", "cy", "cy@", "@elm.example", "cy@elm", "a" * 250 + "@elm.example"):
        answer = press(client, "/login", to="/login/link", email=address)
        assert (answer.status_code, 'id="email-error"' in answer.text) == (422, True), address
    assert elm.mails("sign-in") == []


def test_a_mail_scanner_that_opens_the_link_signs_nobody_in(elm: Desk, client: FlaskClient) -> None:
    link = elm.link()
    for _ in range(3):
        assert "sid" not in client.get(link).headers.get("Set-Cookie", "")
    assert count(elm, Session) == 0
    assert press(client, link).status_code == 303


def test_a_link_signs_in_once(elm: Desk, client: FlaskClient) -> None:
    link = elm.link()
    press(client, link)
    again = elm.make.app.test_client()
    assert again.get(link).status_code == 404
    assert "does not work any more" in again.get(link).text
    answer = again.post(link, data={"csrf_token": token(again)})
    assert answer.status_code == 404
    assert count(elm, Session) == 1


def token(client: FlaskClient) -> str:
    """What a form of this browser carries."""
    return token_in(client.get("/login").text)


def test_an_old_link_and_an_invented_one_get_the_same_page(elm: Desk, client: FlaskClient, set_clock: SetClock) -> None:
    link = elm.link()
    set_clock(elm.make.now + timedelta(hours=73))
    old, invented = client.get(link), client.get("/login/li_invented")
    assert (old.status_code, old.text) == (invented.status_code, invented.text)
    assert old.status_code == 404


def test_signing_in_without_the_forms_token_is_refused(elm: Desk, client: FlaskClient) -> None:
    assert client.post(elm.link()).status_code == 400
    assert count(elm, Session) == 0


def test_the_session_cookie_is_closed_to_scripts_and_new_at_each_sign_in(elm: Desk, client: FlaskClient) -> None:
    first = press(client, elm.link())
    [cookie] = [line for line in first.headers.getlist("Set-Cookie") if line.startswith("sid=")]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    old = client.get_cookie("sid")
    press(client, elm.link())
    new = client.get_cookie("sid")
    assert old is not None
    assert new is not None
    assert old.value != new.value
    other = elm.make.app.test_client()
    other.set_cookie("sid", old.value)
    assert other.get("/desk/").status_code == 303


@pytest.mark.settings(public_url="https://localhost")
def test_over_https_the_session_cookie_is_tied_to_the_host(elm: Desk) -> None:
    client = elm.make.app.test_client()
    link = elm.link()
    shown = client.get(link, base_url="https://localhost")
    answer = client.post(
        link,
        data={"csrf_token": token_in(shown.text)},
        base_url="https://localhost",
        headers={"Referer": "https://localhost" + link},
    )
    [cookie] = [line for line in answer.headers.getlist("Set-Cookie") if "sid=" in line]
    assert cookie.startswith("__Host-sid=")
    assert "Secure" in cookie


def test_signing_out_needs_a_post_and_ends_the_session(elm: Desk, cy: FlaskClient) -> None:
    secret = cy.get_cookie("sid")
    assert secret is not None
    assert cy.get("/logout", follow_redirects=True).status_code == 404
    assert cy.get("/desk/elm/").status_code == 200
    assert press(cy, "/desk/elm/", "/logout").location == "/login"
    cy.set_cookie("sid", secret.value)
    assert cy.get("/desk/elm/").location.startswith("/login?next=")


@pytest.mark.parametrize(("later", "door"), [(timedelta(minutes=30), "/unlock"), (timedelta(hours=12), "/login")])
def test_a_session_left_alone_asks_again_who_is_there(
    cy: FlaskClient, now: datetime, set_clock: SetClock, later: timedelta, door: str
) -> None:
    set_clock(now + later - MINUTE if later < timedelta(hours=1) else now)
    assert cy.get("/desk/elm/").status_code == 200
    set_clock(now + later * 2)
    assert cy.get("/desk/elm/requests?a=1").location == f"{door}?next=/desk/elm/requests?a%3D1"


def test_a_disabled_person_is_out_at_once(elm: Desk, cy: FlaskClient) -> None:
    with elm.make.app.app_context():
        db.session.execute(sa.update(Staff).values(disabled_at=elm.make.now))
        db.session.commit()
    assert cy.get("/desk/elm/").status_code == 303


def test_the_page_asked_for_comes_after_signing_in(elm: Desk, client: FlaskClient) -> None:
    answer = press(client, elm.link() + "?next=/desk/elm/requests")
    assert answer.location == "/desk/elm/requests"


def test_signing_in_never_leads_to_another_host(elm: Desk, client: FlaskClient) -> None:
    for path in ("https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"):
        link = elm.link()
        assert press(client, link, f"{link}?next={path}").location == "/desk/", path


def test_the_eleventh_try_within_five_minutes_waits(elm: Desk, client: FlaskClient) -> None:
    answers = [press(client, "/login", to="/login/link", email=f"a{n}@example.com").status_code for n in range(11)]
    assert answers == [303] * 10 + [429]


def test_who_works_in_two_clinics_chooses(elm: Desk) -> None:
    elm.link("cy@elm.example", oak=True)
    client = elm.signed_in()
    page = client.get("/desk/")
    assert page.status_code == 200
    assert "Elm Clinic" in page.text
    assert "Oak Clinic" in page.text


# Doors

PAGES = ["/desk/elm/", "/desk/elm/requests", "/desk/elm/why-not"]
ABOUT_ONE = ["/requests/{id}/offer", "/requests/{id}/decline", "/appointments/{id}/cancel"]
DEEDS = [*ABOUT_ONE, "/requests/{id}/confirm", "/appointments/{id}/settle"]


@pytest.mark.parametrize("page", PAGES)
def test_a_stranger_is_asked_to_sign_in_and_another_clinics_staff_find_nothing(elm: Desk, page: str) -> None:
    assert elm.make.app.test_client().get(page).location == f"/login?next={page}"
    assert elm.signed_in("di@oak.example", oak=True).get(page).status_code == 404


@pytest.mark.parametrize("deed", DEEDS)
def test_only_this_clinics_desk_may_answer(elm: Desk, deed: str) -> None:
    path = "/desk/elm" + deed.format(id=elm.ask())
    stranger = elm.make.app.test_client()
    fields = {"csrf_token": token(stranger), "time": "x"}
    assert stranger.post(path, data=fields).status_code == 404
    reader = elm.signed_in("bo@elm.example", role="practitioner")
    assert press(reader, "/desk/elm/requests", path).status_code == 404
    other = elm.signed_in("di@oak.example", oak=True)
    assert press(other, "/desk/oak/", path).status_code == 404
    assert count(elm, Change) == 1


@pytest.mark.parametrize("deed", DEEDS)
def test_another_clinics_visit_is_not_there(elm: Desk, deed: str) -> None:
    di = elm.signed_in("di@oak.example", oak=True)
    path = "/desk/oak" + deed.format(id=elm.ask())
    assert press(di, "/desk/oak/", path, time="x").status_code == 404
    assert count(elm, Change) == 1


@pytest.mark.parametrize("page", [*PAGES, *("/desk/elm" + path for path in ABOUT_ONE), "/desk/"])
def test_nothing_of_the_desk_is_kept_by_browsers(elm: Desk, cy: FlaskClient, page: str) -> None:
    answer = cy.get(page.format(id=elm.ask()))
    assert answer.status_code in (200, 303)
    assert answer.headers["Cache-Control"] == "no-store"


def test_looking_changes_nothing(elm: Desk, cy: FlaskClient) -> None:
    id = elm.ask()
    tables = (Appointment, Change, Message, Session, SignInLink, Staff)
    before = [count(elm, table) for table in tables]
    for page in [*PAGES, *("/desk/elm" + path.format(id=id) for path in ABOUT_ONE)]:
        assert cy.get(page).status_code in (200, 303)
    assert cy.get(f"/desk/elm/requests/{id}/confirm").status_code == 405
    assert [count(elm, table) for table in tables] == before
    assert visit(elm, id).status == Status.PENDING


@pytest.mark.parametrize("deed", DEEDS)
def test_a_deed_without_the_forms_token_is_refused(elm: Desk, cy: FlaskClient, deed: str) -> None:
    id = elm.ask()
    assert cy.post("/desk/elm" + deed.format(id=id), data={"time": "x"}).status_code == 400
    assert visit(elm, id).status == Status.PENDING


def test_a_practitioner_reads_but_has_no_buttons(elm: Desk) -> None:
    elm.ask()
    bo = elm.signed_in("bo@elm.example", role="practitioner")
    page = bo.get("/desk/elm/requests").text
    assert "Ada" in page
    assert "Confirm" not in page
    assert "Answer" not in bo.get(TUESDAY).text


# The day


def test_the_day_shows_each_visit_with_all_that_the_desk_needs(elm: Desk, cy: FlaskClient) -> None:
    elm.ask(note="Comes by wheelchair <b>", new=True, service="needles")
    page = cy.get(TUESDAY).text
    for said in (
        "10:00",
        "11:00",
        "Ada",
        'href="tel:+16305550142"',
        "Community acupuncture",
        "Bo Andersen, Ward",
        "Requested",
        "New patient",
        "Comes by wheelchair &lt;b&gt;",
        "Mail waits to be sent",
        "1 request",
    ):
        assert said in page


def test_visits_stand_in_the_order_of_their_time_and_only_on_their_day(elm: Desk, cy: FlaskClient) -> None:
    elm.ask("Tue 11:00", who=EVE)
    elm.ask()
    elm.ask("Wed 10:00", who=EVE)
    page = cy.get(TUESDAY).text
    assert re.findall(r"<h2><a[^>]*>(\w+)</a></h2>", page) == ["Ada", "Eve"]
    assert "<h2>" not in cy.get("/desk/elm/?view=list").text


def test_the_day_may_be_narrowed_to_a_practitioner(elm: Desk, cy: FlaskClient) -> None:
    elm.ask()
    assert "Ada" in cy.get("/desk/elm/?on=2027-01-12&practitioner=bo&location=main").text
    assert "Ada" not in cy.get("/desk/elm/?on=2027-01-12&practitioner=dee").text


def test_the_day_leads_to_the_one_before_after_and_back_to_today(cy: FlaskClient) -> None:
    page = cy.get("/desk/elm/?on=2027-03-01&practitioner=bo").text
    assert "on=2027-02-28" in page
    assert "on=2027-03-02" in page
    assert 'href="/desk/elm/?practitioner=bo"' in page


def test_an_odd_address_is_never_our_fault(cy: FlaskClient) -> None:
    for query, status in {
        "on=2027-02-30": 422,
        "on=tomorrow": 422,
        "on=0001-01-01": 404,
        "on=9999-12-31": 404,
        "practitioner=nobody": 404,
        "location=oak": 404,
        "done=confirmed&visit=x": 200,
        "done=x&visit=": 200,
    }.items():
        assert cy.get(f"/desk/elm/?{query}").status_code == status, query


def test_who_has_not_come_is_late(elm: Desk, cy: FlaskClient, now: datetime, set_clock: SetClock) -> None:
    id = elm.ask("Mon 09:00")
    press(cy, "/desk/elm/requests", f"/desk/elm/requests/{id}/confirm")
    for minutes, is_late in ((20, False), (45, False), (74, False), (75, True), (104, True), (105, False)):
        set_clock(now + minutes * MINUTE)
        assert ("Late" in cy.get("/desk/elm/").text) is is_late


def test_a_failed_invite_says_to_phone(elm: Desk, cy: FlaskClient) -> None:
    id = elm.ask()
    press(cy, "/desk/elm/requests", f"/desk/elm/requests/{id}/confirm")
    assert "Invite waits to be sent" in cy.get(TUESDAY).text
    for state, said in (("sent", "Invite sent"), ("failed", "Invite could not be sent, please phone")):
        with elm.make.app.app_context():
            db.session.execute(sa.update(Message).where(Message.kind == "confirmed").values(state=state))
            db.session.commit()
        assert said in cy.get(TUESDAY).text


# Requests


def test_requests_stand_oldest_first_with_their_wish(elm: Desk, cy: FlaskClient, now: datetime) -> None:
    elm.ask(who=EVE)
    elm.ask("Tue 11:00")
    page = cy.get("/desk/elm/requests").text
    assert page.index("<b>Eve</b>") < page.index("<b>Ada</b>")
    assert "Asked on Mon 11 Jan, 08:00." in page
    assert "Lapses on Tue 12 Jan, 08:00." in page
    assert "Nobody waits for an answer." not in page
    assert '<span class="d-count">2<' in page


def test_confirming_books_the_visit_and_says_who_hears_of_it(elm: Desk, cy: FlaskClient) -> None:
    id = elm.ask()
    answer = press(cy, "/desk/elm/requests", f"/desk/elm/requests/{id}/confirm")
    assert answer.status_code == 303
    assert "Confirmed. Ada gets the invitation by e-mail." in cy.get(answer.location).text
    assert visit(elm, id).status == Status.BOOKED
    assert elm.mails("confirmed") == ["ada@example.com"]


def test_who_has_no_e_mail_is_to_be_phoned(elm: Desk, cy: FlaskClient) -> None:
    id = elm.ask(who=EVE)
    answer = press(cy, "/desk/elm/requests", f"/desk/elm/requests/{id}/confirm")
    assert "Eve has no e-mail: please phone +1 630-555-0177." in cy.get(answer.location).text


def test_a_double_click_confirms_once(elm: Desk, cy: FlaskClient) -> None:
    id = elm.ask()
    answers = [press(cy, "/desk/elm/requests", f"/desk/elm/requests/{id}/confirm") for _ in range(2)]
    assert answers[0].location == answers[1].location
    assert elm.mails("confirmed") == ["ada@example.com"]


@pytest.mark.parametrize("deed", ["confirm", "offer"])
def test_a_request_that_the_patient_withdrew_meanwhile_is_left_alone(elm: Desk, cy: FlaskClient, deed: str) -> None:
    id = elm.ask()
    elm.patient_cancels(id)
    answer = press(cy, "/desk/elm/requests", f"/desk/elm/requests/{id}/{deed}", time="2027-01-12T11:00Z/bo")
    assert answer.status_code == 409
    assert "Nothing was changed" in answer.text
    assert "It is now: Cancelled." in answer.text
    assert visit(elm, id).status == Status.CANCELLED


def test_a_request_that_was_confirmed_meanwhile_is_not_declined(elm: Desk, cy: FlaskClient) -> None:
    id = elm.ask()
    press(cy, "/desk/elm/requests", f"/desk/elm/requests/{id}/confirm")
    answer = press(cy, "/desk/elm/requests", f"/desk/elm/requests/{id}/decline")
    assert "It is now: Booked." in answer.text
    assert visit(elm, id).status == Status.BOOKED
    assert cy.get(f"/desk/elm/requests/{id}/decline").status_code == 303


def test_declining_sends_the_message_and_frees_the_time(elm: Desk, cy: FlaskClient) -> None:
    id = elm.ask()
    page = f"/desk/elm/requests/{id}/decline"
    answer = press(cy, page, message="Bo is away that day.")
    assert "Cancelled. Ada is told by e-mail." in cy.get(answer.location).text
    assert elm.mails("declined") == ["ada@example.com"]
    assert visit(elm, id).status == Status.CANCELLED
    assert elm.ask()
    assert press(cy, "/desk/elm/requests", page, message="Again").location == answer.location
    assert elm.mails("declined") == ["ada@example.com"]


def test_words_that_are_too_long_come_back(elm: Desk, cy: FlaskClient) -> None:
    id = elm.ask()
    for path, field in (("requests/{id}/decline", "message"), ("appointments/{id}/cancel", "reason")):
        answer = press(cy, "/desk/elm/" + path.format(id=id), why="other", **{field: "x" * 501})
        assert answer.status_code == 422
        assert "under 500 characters" in answer.text
        assert "x" * 501 in answer.text
        assert press(cy, "/desk/elm/" + path.format(id=id), why="other", **{field: "\x1b[0m"}).status_code == 422
        press(cy, "/desk/elm/requests", f"/desk/elm/requests/{id}/confirm")
    assert visit(elm, id).status == Status.BOOKED


def test_a_request_is_declined_and_not_cancelled(elm: Desk, cy: FlaskClient) -> None:
    id = elm.ask()
    page = f"/desk/elm/appointments/{id}/cancel"
    assert cy.get(page).location == f"/desk/elm/requests/{id}/decline"
    assert press(cy, "/desk/elm/requests", page).location == f"/desk/elm/requests/{id}/decline"
    assert visit(elm, id).status == Status.PENDING


def test_offering_another_time_holds_it_and_waits_for_the_patient(elm: Desk, cy: FlaskClient) -> None:
    id = elm.ask()
    page = f"/desk/elm/requests/{id}/offer"
    shown = cy.get(page).text
    assert 'value="2027-01-12T10:30Z/bo"' in shown
    assert 'value="2027-01-12T10:00Z/dee"' in shown
    assert 'value="2027-01-12T10:00Z/bo"' not in shown  # what was asked for is no other time
    answer = press(cy, page, time="2027-01-12T11:00Z/dee", message="Bo Andersen has a meeting.")
    assert "Offered. Ada gets the new time by e-mail" in cy.get(answer.location).text
    moved = visit(elm, id)
    assert (moved.status, moved.waits_for, moved.starts_at) == ("pending", "patient", TEN + timedelta(hours=1))
    assert elm.mails("offered") == ["ada@example.com"]
    requests = cy.get("/desk/elm/requests").text
    assert "Waiting for the patient" in requests
    assert "Nobody waits for an answer." in requests
    assert "d-count" not in requests


def test_a_double_click_offers_once(elm: Desk, cy: FlaskClient) -> None:
    id = elm.ask()
    page = f"/desk/elm/requests/{id}/offer"
    for _ in range(2):
        assert press(cy, page, time="2027-01-12T11:00Z/dee").status_code == 303
    assert elm.mails("offered") == ["ada@example.com"]


def test_a_time_that_went_meanwhile_comes_back_with_others_and_the_message(elm: Desk, cy: FlaskClient) -> None:
    id = elm.ask()
    elm.ask("Tue 10:30", who=EVE)
    answer = press(cy, f"/desk/elm/requests/{id}/offer", time="2027-01-12T10:30Z/bo", message="Half an hour later?")
    assert answer.status_code == 409
    assert "Half an hour later?" in answer.text
    assert 'value="2027-01-12T11:00Z/bo"' in answer.text
    assert visit(elm, id).starts_at == TEN


def test_what_is_no_time_is_refused(elm: Desk, cy: FlaskClient) -> None:
    id = elm.ask()
    for time in (
        "",
        "x",
        "2027-01-12T11:00Z",
        "2027-01-12T11:00Z/nobody",
        "/bo",
        "2027-01-12T11:00/bo",
        "2027-13-12T11:00Z/bo",
    ):
        assert press(cy, f"/desk/elm/requests/{id}/offer", time=time).status_code == 422, time
    assert visit(elm, id).starts_at == TEN


def test_a_full_week_end_shows_the_next_free_time(elm: Desk, cy: FlaskClient) -> None:
    id = elm.ask("Fri 11:30")
    page = cy.get(f"/desk/elm/requests/{id}/offer?from=2027-01-16")
    assert "Monday, 18 January" in page.text or "Monday 18 January" in page.text
    page = cy.get(f"/desk/elm/requests/{id}/offer?from=2027-01-19&practitioner=dee").text
    assert "/dee" in page
    assert "Z/bo" not in page


def test_an_odd_day_to_offer_from_is_never_our_fault(elm: Desk, cy: FlaskClient) -> None:
    id = elm.ask()
    for day, status in {"2027-02-30": 422, "9999-12-31": 404, "2000-01-01": 200}.items():
        assert cy.get(f"/desk/elm/requests/{id}/offer?from={day}").status_code == status, day


def test_cancelling_frees_the_time(elm: Desk, cy: FlaskClient) -> None:
    id = elm.ask()
    press(cy, "/desk/elm/requests", f"/desk/elm/requests/{id}/confirm")
    answer = press(cy, f"/desk/elm/appointments/{id}/cancel", why="clinic", reason="Bo is ill")
    assert "Cancelled. Ada is told by e-mail." in cy.get(answer.location).text
    assert visit(elm, id).status == Status.CANCELLED
    assert cy.get(f"/desk/elm/appointments/{id}/cancel").status_code == 303


def test_a_marked_visit_is_listed_until_the_desk_leaves_it_as_it_is(elm: Desk, cy: FlaskClient) -> None:
    id = elm.ask()
    press(cy, "/desk/elm/requests", f"/desk/elm/requests/{id}/confirm")
    with elm.make.app.app_context():
        db.session.execute(sa.update(Appointment).values(needs_desk="stranded"))
        db.session.commit()
    assert "no longer fits them" in cy.get("/desk/elm/requests").text
    assert "no longer fits them" in cy.get(TUESDAY).text
    for _ in range(2):
        answer = press(cy, "/desk/elm/requests", f"/desk/elm/appointments/{id}/settle")
        assert "The visit of Ada stays as it is." in cy.get(answer.location).text
    assert "no longer fits them" not in cy.get("/desk/elm/requests").text
    assert visit(elm, id).status == Status.BOOKED
    assert count(elm, Change) == 3


def test_a_marked_visit_that_is_over_is_not_listed(elm: Desk, cy: FlaskClient, set_clock: SetClock) -> None:
    id = elm.ask("Mon 09:00")
    press(cy, "/desk/elm/requests", f"/desk/elm/requests/{id}/confirm")
    with elm.make.app.app_context():
        db.session.execute(sa.update(Appointment).values(needs_desk="stranded"))
        db.session.commit()
    for minutes, is_listed in ((20, True), (40, True), (60, True), (89, True), (90, False)):
        set_clock(elm.make.now + minutes * MINUTE)
        assert ("no longer fits them" in cy.get("/desk/elm/requests").text) is is_listed, minutes


# Why not


def test_the_desk_hears_why_a_time_is_not_on_offer(elm: Desk, cy: FlaskClient) -> None:
    elm.ask()
    for query, said in {
        "on=2027-01-12&at=11:00": "It is on offer",
        "on=2027-01-12&at=10:00": "Bo Andersen has another visit then.",
        "on=2027-01-12&at=10:10": "This service does not start at that minute.",
        "on=2027-01-16&at=10:00": "Bo Andersen does not work there then.",
        "on=2027-01-11&at=07:00": "This time has passed.",
        "on=2027-12-13&at=10:00&for=patient": "further ahead than patients may book",
    }.items():
        assert said in cy.get(f"/desk/elm/why-not?service=visit&practitioner=bo&{query}").text, query


def test_an_odd_question_is_never_our_fault(cy: FlaskClient) -> None:
    for query, status in {
        "service=visit&practitioner=bo&on=2027-01-12&at=25:00": 422,
        "service=visit&practitioner=bo&on=9999-12-31&at=10:00": 422,
        "service=visit&practitioner=nobody&on=2027-01-12&at=10:00": 404,
        "service=none&practitioner=bo&on=2027-01-12&at=10:00": 404,
        "service=visit&on=2027-01-12&at=10:00": 200,
        "service=visit": 200,
    }.items():
        assert cy.get(f"/desk/elm/why-not?{query}").status_code == status, query


def test_every_reason_and_every_status_has_words(elm: Desk) -> None:
    with elm.make.app.test_request_context("/desk/elm/"):
        elm.make.app.preprocess_request()
        for code in ReasonCode:
            for until in (None, TEN):
                assert words.reason_words(Reason(code, name="Rest", until=until), "Bo", "Europe/London").endswith(".")
        assert len({words.status_words(status) for status in Status}) == len(Status)
        assert set(words.GLYPHS) == set(Status)
