"""Quick book: who is found, which times come first, what is booked, who stands in the way, and who hears of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from booking.domain.access import Caller
from booking.store import appointment as appointments
from booking.store.appointment import Appointment
from booking.store.base import db
from booking.store.patient import Patient
from booking.store.sealed import unseal
from tests.cast import ELM, Make
from tests.visitor import Visitor

CY = Caller("staff", 1, "front-desk")
ONE_PLACE = ELM.replace("places = 6", "places = 1")
SetClock = Callable[[datetime], None]


@pytest.fixture
def cy(desk: FlaskClient) -> Visitor:
    return Visitor(desk)


def choose(cy: Visitor, typed: str = "ada", **asked: str) -> Visitor:
    """Open quick book, search, and take the first who is found."""
    query = "&".join(f"{name}={value}" for name, value in asked.items())
    cy.open(f"/desk/elm/new?{query}").press("Find", q=typed)
    return cy.open(next(link.attributes["href"] for link in cy.page.links if "data-hit" in link.attributes))


def times(cy: Visitor) -> list[str]:
    """The buttons of times, in their order."""
    buttons = (button for button in cy.page.buttons if button.attributes.get("name") == "choice")
    return [" ".join(button.words.split()) for button in buttons]


def later(cy: Visitor, make: Make, set_clock: SetClock, time: str) -> None:
    """It is that time, and Cy has been at the desk all along."""
    make.now = make.at(time)
    set_clock(make.now)
    cy.client.set_cookie("sid", make.session())


def newest(make: Make) -> Appointment:
    with make.app.app_context():
        return db.session.scalars(sa.select(Appointment).order_by(Appointment.id.desc()).limit(1)).one()


def rows(make: Make, what: type) -> int:
    with make.app.app_context():
        return db.session.scalar(sa.select(sa.func.count()).select_from(what)) or 0


# The patient


def test_a_follow_up_is_the_same_service_weekday_and_time_with_the_same_practitioner(cy: Visitor, make: Make) -> None:
    make.appointment("Mon 10:30", service="needles")
    choose(cy)
    assert times(cy)[:3] == [f"Mon {day}, 10:30" for day in ("18 Jan", "25 Jan", "1 Feb")]
    cy.press("Mon 18 Jan, 10:30")
    assert "Ada Lovelace gets the invitation at ada@example.com. Bo Andersen gets an invite of their own." in cy.words
    booked = newest(make)
    assert (booked.starts_at, booked.status, booked.new_patient) == (make.at("Mon 10:30", weeks=1), "booked", False)
    assert booked.service_id == make.wish("needles").service
    with make.app.app_context():
        assert [change.by_kind for change in appointments.changes(booked.id)] == ["staff"]


def test_weeks_in_which_the_usual_time_is_gone_are_passed_over(cy: Visitor, make: Make) -> None:
    make.appointment("Mon 10:30")
    make.appointment("Mon 10:30", weeks=1, person=make.person("Eve Black"))
    assert times(choose(cy))[:3] == [f"Mon {day}, 10:30" for day in ("25 Jan", "1 Feb", "8 Feb")]


def test_what_is_typed_stands_in_no_address_and_a_script_asks_for_the_list_alone(cy: Visitor, make: Make) -> None:
    make.appointment()
    cy.open("/desk/elm/new").press("Find", q="lovelace")
    assert (cy.path, cy.answer.request.query_string) == ("/desk/elm/new", b"")
    part = cy.client.post(cy.path, data=cy.fields("q") | {"q": "lovelace"}, headers={"X-Part": "#found"})
    assert part.text.lstrip().startswith('<div id="found"')
    assert "Ada Lovelace" in part.text
    assert "Nobody is found" in cy.press("Find", q="nobody at all").words


def test_somebody_new_is_booked_in_place_by_what_was_searched_for(cy: Visitor, make: Make) -> None:
    cy.open("/desk/elm/new?service=needles").press("New patient", q="Zoë Blake")
    assert cy.fields("name")["name"] == "Zoë Blake"
    cy.press("09:00", phone="020 7946 0155", note="Comes by taxi")
    booked = newest(make)
    assert (booked.new_patient, booked.starts_at) == (True, make.at("Mon 09:00"))
    assert booked.ends_at - booked.starts_at == timedelta(minutes=60)  # what a first visit takes
    assert f"Zoë Blake has no e-mail. Tell them the time, and the reference {booked.reference}." in cy.words
    with make.app.app_context():
        assert appointments.note_of(booked) == "Comes by taxi"
    assert "020 7946 0155" in choose(cy, "zoe").words


@pytest.mark.parametrize(
    ("searched", "field"),
    [("Zoe", "name"), ("020 7946 0155", "phone"), ("zoe@example.com", "email")],
)
def test_a_new_patients_field_is_filled_with_what_looks_like_it(cy: Visitor, searched: str, field: str) -> None:
    fields = cy.open("/desk/elm/new").press("New patient", q=searched).fields("name")
    assert {name: fields[name] for name in ("name", "phone", "email") if fields[name]} == {field: searched}


def test_what_is_wrong_is_said_at_its_field_and_what_was_typed_stays(cy: Visitor, make: Make) -> None:
    cy.open("/desk/elm/new?on=2027-01-13").press("New patient").press("10:00", name="Zoe", note="By taxi", phone="12")
    assert cy.status == 422
    assert "Enter a phone number" in cy.words
    kept = cy.fields("name")
    assert (kept["name"], kept["phone"], kept["note"], kept["on"]) == ("Zoe", "12", "By taxi", "2027-01-13")
    assert rows(make, Appointment) == 0


def test_one_of_the_family_is_booked_on_the_same_contact(cy: Visitor, make: Make) -> None:
    make.appointment(person=make.person(phone="+442079460155"))
    choose(cy).follow("Somebody else on this contact")
    assert "On the same phone and e-mail as Ada Lovelace" in cy.words
    fields = cy.fields("name")
    assert (fields["name"], fields["phone"], fields["email"]) == ("", "+442079460155", "ada@example.com")
    cy.press("10:00", name="Ben Lovelace")
    with make.app.app_context():
        both = db.session.scalars(sa.select(Patient).order_by(Patient.id)).all()
    assert [(one.name, one.phone) for one in both] == [
        ("Ada Lovelace", "+442079460155"),
        ("Ben Lovelace", "+442079460155"),
    ]


# The time


def test_the_desk_books_past_notice_and_horizon_and_between_the_usual_times(
    cy: Visitor, make: Make, set_clock: SetClock
) -> None:
    make.appointment("Mon 09:00")
    later(cy, make, set_clock, "Mon 10:50")
    choose(cy, start="2027-01-11T11:05Z", practitioner="bo").press("Mon 11 Jan, 11:05")
    assert newest(make).starts_at == make.at("Mon 11:05")
    choose(cy, on="2027-12-13", at="10:00").press("Mon 13 Dec, 10:00")
    assert newest(make).starts_at == make.at("Mon 10:00", weeks=48)


def test_others_who_are_free_sooner_are_offered_too(cy: Visitor, make: Make) -> None:
    make.appointment("Tue 13:30", practitioner="bo")
    for hour in range(9, 13):
        for minute in ("00", "30"):
            make.appointment(f"Tue {hour:02}:{minute}", person=make.person(f"P{hour}{minute} Fox"))
    choose(cy, on="2027-01-12")
    assert times(cy)[3:5] == ["Tue 12 Jan, 10:00 Dee Marsh", "Tue 12 Jan, 10:30 Dee Marsh"]


def test_who_is_here_already_starts_in_the_tick_that_is_running_and_has_arrived(
    cy: Visitor, make: Make, set_clock: SetClock
) -> None:
    make.appointment("Mon 09:00")
    later(cy, make, set_clock, "Mon 10:03")
    choose(cy, walk_in="1")
    assert times(cy)[0] == "10:00"
    set_clock(make.at("Mon 10:06"))  # while they spoke
    cy.press("10:00")
    assert "Booked, and arrived" in cy.words
    booked = newest(make)
    assert (booked.starts_at, booked.status) == (make.at("Mon 10:05"), "arrived")


def test_a_walk_in_comes_to_whoever_is_free_first(cy: Visitor, make: Make, set_clock: SetClock) -> None:
    make.appointment("Tue 10:00")
    make.appointment("Tue 10:30", person=make.person("Eve Black"))
    later(cy, make, set_clock, "Tue 10:10")
    assert times(choose(cy, walk_in="1"))[:2] == ["10:10 Dee Marsh", "11:00 Bo Andersen"]


# In the way


@pytest.mark.usefixtures("both_databases")
def test_a_full_time_names_who_has_it_and_somebody_is_squeezed_in_for_a_reason(cy: Visitor, make: Make) -> None:
    make.appointment("Mon 09:00")
    eve = make.appointment("Mon 10:00", person=make.person("Eve Black"))
    assert (
        "Mon 11 Jan, 10:00 with Bo Andersen" in cy.open("/desk/elm/new?start=2027-01-11T10:00Z&practitioner=bo").words
    )
    choose(cy, start="2027-01-11T10:00Z", practitioner="bo")
    assert "Mon 11 Jan, 10:00 is not free Bo Andersen has another visit then." in cy.words
    assert cy.link("Eve Black, 10:00–10:30, Bo Andersen") == f"/desk/elm/appointments/{eve.public_id}"
    cy.press("Squeeze in at 10:00", note="In pain")
    assert cy.status == 422
    assert "Say why" in cy.words
    assert cy.fields("reason")["note"] == "In pain"
    cy.press("Squeeze in at 10:00", reason="Cannot sit any longer")
    booked = newest(make)
    assert booked.starts_at == make.at("Mon 10:00")
    with make.app.app_context():
        [change] = appointments.changes(booked.id)
        assert change.what == {"squeezed": True}
        assert change.reason
        assert unseal(change.reason, f"change.reason:{booked.public_id}") == b"Cannot sit any longer"


def test_nobody_is_squeezed_into_closed_hours(cy: Visitor, make: Make) -> None:
    make.appointment("Mon 09:00")
    choose(cy, start="2027-01-11T19:00Z", practitioner="bo")
    assert "Bo Andersen does not work there then." in cy.words
    assert not [words for words in times(cy) if "Squeeze" in words]
    sent = cy.fields("key") | {"choice": "squeeze/2027-01-11T19:00Z/bo", "reason": "Please"}
    assert cy.client.post("/desk/elm/new/book", data=sent).status_code == 409
    assert rows(make, Appointment) == 1


def test_a_time_that_went_meanwhile_is_told_with_what_took_it_and_nothing_typed_is_lost(
    cy: Visitor, make: Make
) -> None:
    make.appointment("Mon 09:00")
    choose(cy)
    make.appointment("Mon 09:00", weeks=1, person=make.person("Eve Black"))
    cy.press("Mon 18 Jan, 09:00", note="By taxi")
    assert cy.status == 409
    assert "09:00 is not free any more." in cy.words
    assert "Eve Black, 09:00–09:30, Bo Andersen" in cy.words
    assert cy.fields("key")["note"] == "By taxi"
    cy.press("Mon 18 Jan, 09:30")
    assert newest(make).starts_at == make.at("Mon 09:30", weeks=1)


def test_a_patient_who_has_another_visit_then_is_told_by_that_visit(cy: Visitor, make: Make) -> None:
    first = make.appointment("Tue 10:00")
    choose(cy, on="2027-01-12", at="10:00", practitioner="dee").press("Tue 12 Jan, 10:00")
    assert cy.status == 409
    assert "Ada Lovelace has another visit at that time. Nothing was booked." in cy.words
    assert cy.link("Ada Lovelace, 10:00–10:30") == f"/desk/elm/appointments/{first.public_id}"


def test_one_patient_may_have_more_visits_than_they_could_book_online(cy: Visitor, make: Make) -> None:
    for week in range(4):
        make.appointment("Mon 09:00", weeks=week)
    choose(cy).press("Mon 8 Feb, 09:00")
    assert rows(make, Appointment) == 5


def test_enter_pressed_twice_is_one_visit_and_the_form_sent_for_another_time_asks_first(
    cy: Visitor, make: Make
) -> None:
    make.appointment("Mon 09:00")
    sent = choose(cy).fields("key")
    first = cy.client.post("/desk/elm/new/book", data=sent | {"choice": "time/2027-01-18T09:00Z/bo"})
    again = cy.client.post("/desk/elm/new/book", data=sent | {"choice": "time/2027-01-18T09:00Z/bo"})
    assert first.headers["Location"] == again.headers["Location"]
    other = cy.client.post("/desk/elm/new/book", data=sent | {"choice": "time/2027-01-25T09:00Z/bo"})
    assert other.status_code == 409
    assert "This form has booked a visit already." in other.text
    assert rows(make, Appointment) == 2


def test_a_booking_that_is_taken_back_frees_its_time(cy: Visitor, make: Make) -> None:
    make.appointment("Mon 09:00")
    choose(cy).press("Mon 18 Jan, 09:00").press("Undo")
    assert "The booking was taken back" in cy.words
    assert newest(make).status == "entered-in-error"
    assert times(cy.follow("Book another time"))[0] == "Mon 18 Jan, 09:00"


def test_practitioners_look_and_do_not_book(make: Make) -> None:
    client = make.app.test_client()
    client.set_cookie("sid", make.session("bo@elm.example", role="practitioner"))
    assert client.get("/desk/elm/new").status_code == 404
    assert client.get("/desk/elm/why-not").status_code == 200


def test_odd_questions_are_never_our_fault(cy: Visitor, make: Make) -> None:
    make.appointment()
    make.clinic(ELM.replace("cy@elm.example", "di@oak.example"), slug="oak", name="Oak Clinic")
    with make.app.app_context():
        ada = db.session.scalars(sa.select(Patient.public_id)).one()
    for query, status in {
        "patient=none": 404,
        "booked=none": 404,
        f"patient={ada}&service=none": 404,
        f"patient={ada}&practitioner=none": 404,
        f"patient={ada}&start=soon": 422,
        f"patient={ada}&on=2027-13-01": 422,
        f"patient={ada}&on=9999-12-31": 422,
        f"patient={ada}&on=2027-01-12&at=25:00": 422,
        f"patient={ada}&on=2020-01-01": 200,
        f"patient={ada}&on=2199-01-01": 200,
        f"patient={ada}&at=10:00": 200,
    }.items():
        assert cy.client.get(f"/desk/elm/new?{query}").status_code == status, query
    sent = choose(cy).fields("key")
    for choice in ("", "time", "time/soon/bo", "time/2027-01-18T09:00Z/none", "steal/2027-01-18T09:00Z/bo"):
        assert cy.client.post("/desk/elm/new/book", data=sent | {"choice": choice}).status_code == 422, choice


# Why not


def test_each_reason_leads_to_its_cause(make: Make) -> None:
    make.clinic(ONE_PLACE + '\n[[closures]]\non = 2027-01-13\nname = "Painting"\n')
    client = make.app.test_client()
    client.set_cookie("sid", make.session("di@elm.example", role="owner"))
    di = Visitor(client)
    eve = make.appointment("Tue 10:00", service="needles", person=make.person("Eve Black"))
    make.hold("Tue 12:00")
    hers = f"/desk/elm/appointments/{eve.public_id}"
    ask = "/desk/elm/why-not?practitioner=bo&for=desk&new=0&on=2027-01"
    for query, said, href in [
        ("-12&at=10:15&service=needles", "Every place in the room is taken.", hers),
        ("-12&at=10:00&service=visit", "Bo Andersen has another visit then.", hers),
        ("-13&at=10:00&service=visit", "The clinic is closed until", "/admin/elm/closures"),
        ("-16&at=10:00&service=visit", "does not work there then", "/admin/elm/practitioners/bo/hours"),
        ("-12&at=10:10&service=visit", "does not start at that minute", "/admin/elm/services/visit"),
    ]:
        di.open(ask + query)
        assert said in di.words, query
        assert href in [link.attributes["href"] for link in di.page.links], query
    assert (
        "Held until 08:10 for a patient who fills in the form: 12:00–12:30"
        in di.open(ask + "-12&at=12:00&service=visit").words
    )
    assert "/admin/elm/rules" in di.open(f"{ask}-11&at=08:00&service=visit".replace("for=desk", "for=patient")).html


def test_without_a_practitioner_everybody_who_gives_the_service_is_asked(cy: Visitor, make: Make) -> None:
    make.appointment("Tue 10:00")
    words = cy.open("/desk/elm/why-not?service=visit&practitioner=&on=2027-01-12&at=10:00&for=desk").words
    assert "Not on offer with Bo Andersen Bo Andersen has another visit then. Ada Lovelace, 10:00–10:30" in words
    assert "It is on offer with Dee Marsh" in words
