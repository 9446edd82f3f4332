"""The form: what it asks, what it refuses and in which words, and what becomes of the time meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from booking.store import appointment as appointments
from booking.store.appointment import Appointment
from booking.store.base import db
from booking.store.hold import Hold
from booking.store.patient import Patient
from tests.cast import Make
from tests.visitor import Visitor

VISIT = "/elm/book/visit"
MINUTE = timedelta(minutes=1)
ADA = {"name": "Ada Lovelace", "email": "ada@example.com", "phone": "020 7946 0101"}

# Robots are told apart by how long they take, and the clock of a test stands still.
pytestmark = pytest.mark.settings(rate_limits="off")


@pytest.fixture
def ada(client: FlaskClient, make: Make) -> Visitor:
    assert make.elm
    return Visitor(client)


@pytest.fixture
def booked(app: Flask) -> Callable[[], list[tuple[Appointment, Patient]]]:
    """Call it for all visits with their patients."""

    def read() -> list[tuple[Appointment, Patient]]:
        with app.app_context():
            query = sa.select(Appointment, Patient).join(Patient, Patient.id == Appointment.patient_id)
            return [(visit, patient) for visit, patient in db.session.execute(query.order_by(Appointment.id))]

    return read


Booked = Callable[[], list[tuple[Appointment, Patient]]]


# Booking


def test_a_patient_books_with_what_they_typed(ada: Visitor, booked: Booked, app: Flask, make: Make) -> None:
    ada.open(VISIT).press("09:30").press("Confirm Mon 11 Jan, 09:30", **ADA, note="I use a wheelchair.")
    assert "You are booked" in ada.words
    [(visit, patient)] = booked()
    assert visit.starts_at == make.at("Mon 09:30")
    assert (patient.name, patient.email, patient.phone) == ("Ada Lovelace", "ada@example.com", "+442079460101")
    assert visit.remind
    with app.app_context():
        assert appointments.note_of(db.session.get_one(Appointment, visit.id)) == "I use a wheelchair."


def test_a_phone_number_is_enough(ada: Visitor, booked: Booked) -> None:
    ada.open(VISIT).press("09:30").press("Confirm", name="Ada", phone="020 7946 0101")
    assert "We have your phone number only" in ada.words
    assert booked()[0][1].email is None


def test_the_form_says_until_when_the_visit_may_be_changed(ada: Visitor) -> None:
    assert "until Mon 11 Jan, 14:30; after that please call." in ada.open(VISIT).press("16:30").words
    assert "To change or cancel, please call us." in ada.open(VISIT).press("09:00").words


def test_where_the_desk_confirms_the_button_asks(client: FlaskClient, make: Make) -> None:
    make.clinic(confirmation="request")
    ada = Visitor(client).open(VISIT)
    assert "The visit is not confirmed until we answer." in ada.words
    ada.press("Ask for this time").press("Ask for Mon 11 Jan, 09:00", **ADA)
    assert "Request sent" in ada.words
    assert "Your visit is not yet confirmed." in ada.words
    assert "You are booked" not in ada.words


def test_one_form_sent_twice_is_one_visit(ada: Visitor, booked: Booked) -> None:
    ada.open(VISIT).press("09:30")
    form = ada.page
    ada.press("Confirm", **ADA)
    first = ada.path
    ada.page = form
    ada.press("Confirm", **ADA)
    assert ada.path == first
    assert len(booked()) == 1


def test_one_form_sent_twice_with_other_details_is_refused(ada: Visitor, booked: Booked) -> None:
    ada.open(VISIT).press("09:30")
    form = ada.page
    ada.press("Confirm", **ADA)
    ada.page = form
    ada.press("Confirm", **ADA | {"name": "Eve"})
    assert ada.status == 409
    assert "This form was sent before with other details." in ada.words
    assert len(booked()) == 1


# What is wrong with the entries

WRONG = [
    ({"name": ""}, "Enter your full name"),
    ({"name": "  \t "}, "Enter your full name"),
    ({"name": "1234"}, "Enter your full name"),
    ({"name": "A" * 101}, "Enter your full name"),
    ({"name": "Ada\x07"}, "Enter your full name"),
    ({"phone": "", "email": ""}, "Enter a phone number or an e-mail so that we can reach you"),
    ({"phone": "12"}, "Enter a phone number with its area code, like 020 7946 0142"),
    ({"phone": "call me"}, "Enter a phone number with its area code"),
    ({"phone": "0" * 60}, "Enter a phone number with its area code"),
    ({"email": "ada"}, "Enter an e-mail address like name@example.com, or leave it empty"),
    ({"email": "ada@example.com, eve@example.com"}, "Enter an e-mail address like"),
    ({"email": "ada@example.com\r\nBcc: eve@example.com"}, "Enter an e-mail address like"),
    ({"email": "a" * 300 + "@example.com"}, "Enter an e-mail address like"),
    ({"note": "x" * 501}, "Keep the note under 500 characters"),
]


@pytest.mark.parametrize(("typed", "said"), WRONG)
def test_a_wrong_entry_is_named_first_on_the_page_and_at_its_field(
    ada: Visitor, booked: Booked, typed: dict[str, str], said: str
) -> None:
    ada.open(VISIT).press("09:30").press("Confirm", **ADA | {"note": "By bus."} | typed)
    assert ada.status == 422
    assert ada.words.startswith("Error: Your details")
    assert ada.words.count(said) == 2
    assert ada.words.index(said) < ada.words.index("Your details", 30)
    kept = ada.fields("name")
    other = "name" if "name" not in typed else "note"
    assert kept[other] == {"name": "Ada Lovelace", "note": "By bus."}[other]
    assert not booked()


def test_each_error_leads_to_its_field_which_names_it(ada: Visitor) -> None:
    ada.open(VISIT).press("09:30").press("Confirm", phone="12")
    assert ada.link("Enter your full name") == ""
    assert '<a href="#name">' in ada.html
    assert 'aria-describedby="phone-hint phone-error" aria-invalid="true"' in ada.html


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("  Ada   Lovelace ", "Ada Lovelace"),
        ("Jose\u0301 Mun\u0303oz", "Jos\u00e9 Mu\u00f1oz"),
        ("O'Brien & <b>Co", "O'Brien & <b>Co"),
        ("王秀英", "王秀英"),
        ("Nguyễn Thị \U0001f33f", "Nguyễn Thị \U0001f33f"),
    ],
)
def test_names_are_kept_as_people_write_them(ada: Visitor, booked: Booked, typed: str, kept: str) -> None:
    ada.open(VISIT).press("09:30").press("Confirm", **ADA | {"name": typed})
    assert "You are booked" in ada.words
    assert booked()[0][1].name == kept
    assert kept in ada.words


@pytest.mark.parametrize("typed", ["020 7946 0101", "+44 20 7946 0101", "(020) 7946-0101", "0044 20 7946 0101"])
def test_phone_numbers_are_read_as_people_write_them(ada: Visitor, booked: Booked, typed: str) -> None:
    ada.open(VISIT).press("09:30").press("Confirm", **ADA | {"phone": typed})
    assert booked()[0][1].phone == "+442079460101"


# The time meanwhile


def test_a_plain_link_says_that_nothing_is_held_and_offers_to(ada: Visitor) -> None:
    ada.open(f"{VISIT}/details?start=2027-01-11T09:30Z&practitioner=bo")
    assert "This time is free, but not held yet." in ada.words
    ada.press("Hold it for 10 minutes")
    assert "We are holding this time for you until 08:10." in ada.words


def test_a_plain_link_with_an_offset_works_even_if_its_plus_was_not_encoded(ada: Visitor) -> None:
    ada.open(f"{VISIT}/details?start=2027-01-11T10:30:00+01:00")
    assert "Monday, 11 January 2027, 09:30" in ada.words


def test_a_plain_link_can_be_booked_without_a_hold(ada: Visitor, booked: Booked) -> None:
    ada.open(f"{VISIT}/details?start=2027-01-11T09:30Z").press("Confirm", **ADA)
    assert "You are booked" in ada.words
    assert len(booked()) == 1


def test_a_plain_link_to_a_service_that_asks_comes_back_to_its_time(ada: Visitor) -> None:
    ada.open("/elm/book/needles/details?start=2027-01-11T09:30Z").follow("I have been before")
    assert "Monday, 11 January 2027, 09:30" in ada.words


def test_a_link_to_a_time_that_is_gone_offers_the_nearest(ada: Visitor, make: Make) -> None:
    make.appointment("Mon 09:30")
    ada.open(f"{VISIT}/details?start=2027-01-11T09:30Z&practitioner=bo")
    assert ada.status == 409
    assert "Someone just took this time." in ada.words
    assert ada.buttons()[:3] == ["Today, 09:00", "Today, 10:00", "Today, 10:30"]


@pytest.mark.parametrize(
    ("start", "said"),
    [
        ("2027-01-11T07:00Z", "This time has passed."),
        ("2027-01-11T08:00Z", "This time is too soon to book online."),
        ("2027-06-07T08:00Z", "This time is further ahead than can be booked online."),
        ("2027-01-16T10:00Z", "The clinic is not open for this visit then."),
    ],
)
def test_a_link_to_a_time_that_never_was_says_why(ada: Visitor, start: str, said: str) -> None:
    ada.open(f"{VISIT}/details?start={start}&practitioner=bo")
    assert ada.status == 409
    assert said in ada.words


@pytest.mark.parametrize(
    "start", ["", "tomorrow", "2027-01-11T09:30", "2027-01-11T09:31Z", "0001-01-01T00:00Z", "2027-13-01T00:00Z"]
)
def test_a_start_that_is_none_is_refused(ada: Visitor, start: str) -> None:
    assert ada.open(f"{VISIT}/details?start={start}").status == 422
    assert "020 7946 0142" in ada.words


def test_a_time_taken_meanwhile_keeps_everything_typed_and_offers_the_nearest(
    ada: Visitor, make: Make, booked: Booked
) -> None:
    ada.open(f"{VISIT}/details?start=2027-01-11T09:30Z&practitioner=bo")
    make.appointment("Mon 09:30", person=make.person("Eve"))
    ada.press("Confirm", **ADA, note="By bus.")
    assert ada.status == 409
    assert ada.words.startswith("Error: Your details")
    assert "Someone just took 09:30. Your details are kept." in ada.words
    kept = ada.fields("name")
    assert {name: kept[name] for name in (*ADA, "note")} == ADA | {"note": "By bus."}
    assert ada.buttons()[:3] == [f"Book Mon 11 Jan, {clock} instead" for clock in ("09:00", "10:00", "10:30")]
    ada.press("10:00 instead")
    assert "You are booked" in ada.words
    assert [visit.starts_at for visit, _ in booked()] == [make.at("Mon 09:30"), make.at("Mon 10:00")]


def test_a_time_somebody_took_between_page_and_press_offers_the_nearest(ada: Visitor, make: Make) -> None:
    ada.open(VISIT)
    make.hold("Mon 09:30")
    ada.press("09:30")
    assert ada.status == 409
    assert ada.words.startswith("Error: Choose a time")
    assert ada.buttons()[:3] == ["Today, 09:00 with Bo", "Today, 10:00 with Bo", "Today, 10:30 with Bo"], (
        "with anyone, as she had chosen"
    )


def test_a_hold_that_is_over_is_silently_taken_again(
    ada: Visitor, set_clock: Callable[[datetime], None], now: datetime, booked: Booked
) -> None:
    ada.open(VISIT).press("09:30")
    set_clock(now + 15 * MINUTE)
    ada.press("Confirm", **ADA)
    assert "You are booked" in ada.words
    assert len(booked()) == 1


def test_a_hold_can_be_kept_longer(
    ada: Visitor, set_clock: Callable[[datetime], None], now: datetime, app: Flask
) -> None:
    ada.open(VISIT).press("09:30")
    set_clock(now + 9 * MINUTE)
    ada.press("Keep holding")
    assert "We are holding this time for you until 08:19." in ada.words
    with app.app_context():
        assert len(db.session.scalars(sa.select(Hold)).all()) == 1


def test_too_many_visits_says_to_phone(client: FlaskClient, make: Make, booked: Booked) -> None:
    make.clinic(open_visits_per_patient=1)
    make.appointment("Tue 09:00", person=make.person(phone="+442079460101"))
    ada = Visitor(client).open(VISIT).press("09:30")
    ada.press("Confirm", **ADA)
    assert ada.status == 409
    assert "You have 1 visit booked. To book more, please call." in ada.words
    assert ada.fields("name")["name"] == "Ada Lovelace"
    assert len(booked()) == 1


def test_who_has_another_visit_then_is_told(ada: Visitor, make: Make) -> None:
    make.appointment("Tue 10:00", practitioner="dee")
    ada.open(f"{VISIT}/details?start=2027-01-12T10:00Z&practitioner=bo").press("Confirm", **ADA)
    assert ada.status == 409
    assert "You already have a visit at this time." in ada.words


# Forged, replayed, robots


@pytest.mark.parametrize(
    ("forged", "status"),
    [
        ({"practitioner": "nobody"}, 404),
        ({"location": "nowhere"}, 404),
        ({"start": "never"}, 422),
        ({"start": "2027-01-11T09:30Z/nobody"}, 404),
        ({"start": "2027-01-11T03:00Z"}, 409),
        ({"key": "k" * 5000}, 200),
        ({"new": "perhaps"}, 200),
    ],
)
def test_forged_hidden_fields_get_a_page_not_a_fault(ada: Visitor, forged: dict[str, str], status: int) -> None:
    ada.open(VISIT).press("09:30")
    next(form for form in ada.page.forms if "name" in form.fields).fields.update(forged)
    ada.press("Confirm", **ADA)
    assert ada.status == status
    assert "020 7946 0142" in ada.words


def test_a_null_character_is_refused(ada: Visitor) -> None:
    ada.open(VISIT).press("09:30").press("Confirm", **ADA | {"note": "a\0b"})
    assert ada.status == 400
    assert "020 7946 0142" in ada.words


@pytest.mark.settings(rate_limits="on")
class TestRobots:
    """The bot checks are on."""

    @pytest.fixture(autouse=True)
    def _on_the_form(self, ada: Visitor) -> None:
        ada.open(VISIT).press("09:30")

    def test_a_form_sent_at_once_has_to_be_sent_again(
        self, ada: Visitor, set_clock: Callable[[datetime], None], now: datetime
    ) -> None:
        ada.press("Confirm", **ADA)
        assert ada.status == 422
        assert "That was very quick." in ada.words
        set_clock(now + MINUTE)
        assert "You are booked" in ada.press("Confirm").words

    def test_the_field_that_nobody_sees_stays_empty(
        self, ada: Visitor, set_clock: Callable[[datetime], None], now: datetime
    ) -> None:
        set_clock(now + MINUTE)
        ada.press("Confirm", **ADA, website="https://example.com")
        assert ada.status == 422
        assert ada.fields("name")["website"] == ""
        assert "You are booked" in ada.press("Confirm").words

    @pytest.mark.parametrize("stamp", ["", "forged", "MQ.forged"])
    def test_a_forged_stamp_has_to_be_sent_again(
        self, ada: Visitor, stamp: str, set_clock: Callable[[datetime], None], now: datetime
    ) -> None:
        set_clock(now + MINUTE)
        ada.press("Confirm", **ADA, stamp=stamp)
        assert ada.status == 422
        set_clock(now + 2 * MINUTE)
        assert "You are booked" in ada.press("Confirm").words

    def test_somebody_who_books_and_books_is_stopped(
        self, ada: Visitor, set_clock: Callable[[datetime], None], now: datetime
    ) -> None:
        for minute in range(1, 7):
            assert ada.status != 429
            ada.open(VISIT).press("Book this time")
            set_clock(now + minute * MINUTE)
            ada.press("Confirm", **ADA)
        assert ada.status == 429
        assert int(ada.answer.headers["Retry-After"]) > 0
