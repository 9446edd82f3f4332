"""The day on paper, the sheet that is mailed in the evening, and the practitioner's own page."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from booking.actions import outbox, paper
from booking.store.base import db
from booking.store.outbox import Message
from tests.cast import ELM, Make
from tests.desk import press

SHEET = "/desk/elm/day-sheet?on=2027-01-12"
ME = "/desk/elm/me"
PHONE = "+442079460155"


def cells(page: str) -> list[str]:
    """The words of the table's rows, a row in a line."""
    rows = re.findall(r"<tr>(.*?)</tr>", page.partition("<tbody>")[2], re.S)
    return [" ".join(re.sub(r"<[^>]+>", " ", row).split()) for row in rows]


def headings(page: str) -> list[str]:
    return [" ".join(re.sub(r"<[^>]+>", " ", text).split()) for text in re.findall(r"<h2 id=\"s\d.*?</h2>", page, re.S)]


def test_a_sheet_has_each_visit_of_the_day_with_phone_room_and_note(make: Make, desk: FlaskClient) -> None:
    make.appointment("Tue 10:00", service="needles", person=make.person(phone=PHONE), note="Uses a cane")
    make.appointment("Tue 09:00", person=make.person("Eve Moss", email=None, phone="+442079460156"), new=True)
    make.appointment("Tue 11:00", practitioner="dee", person=make.person("Ida Nyman"))
    make.appointment("Wed 09:00", person=make.person("Una Webb"))
    page = desk.get(SHEET).text
    assert headings(page) == ["Bo Andersen · Tuesday, 12 January 2027", "Dee Marsh · Tuesday, 12 January 2027"]
    assert cells(page)[:2] == [
        "09:00 – 09:30 Eve Moss New patient 020 7946 0156 Visit",
        "10:00 – 10:45 Ada Lovelace 020 7946 0155 Community acupuncture Ward Uses a cane",
    ]
    assert "Una" not in page


def test_a_sheet_is_for_one_practitioner_or_by_room_without_losing_anybody(make: Make, desk: FlaskClient) -> None:
    make.appointment("Tue 10:00", service="needles")
    make.appointment("Tue 11:00", practitioner="dee", person=make.person("Ida Nyman"))
    assert "Ida" not in desk.get(f"{SHEET}&practitioner=bo").text
    by_room = desk.get(f"{SHEET}&room=").text
    assert [text.partition(" · ")[0] for text in headings(by_room)] == ["Ward", "Without a room"]
    assert "Ada" in by_room
    assert "Ida" in by_room
    assert "No visits on this day" in desk.get("/desk/elm/day-sheet?on=2027-01-13&practitioner=bo").text
    for nonsense in ("practitioner=nobody", "room=nowhere", "on=9999-12-31"):
        assert desk.get(f"/desk/elm/day-sheet?{nonsense}").status_code == 404


# By mail


def evening(make: Make, hour: int = 18) -> datetime:
    return make.at("Mon 00:00") + timedelta(hours=hour)


def mails(make: Make, now: datetime) -> list[EmailMessage]:
    with make.app.app_context():
        paper.mail_day_sheets(now)
        sent = set((make.app.config["SETTINGS"].instance / "mail").glob("*"))
        outbox.deliver(now)
        found = sorted(set((make.app.config["SETTINGS"].instance / "mail").glob("*")) - sent)
    read = [message_from_bytes(path.read_bytes(), policy=default) for path in found]
    return [mail for mail in read if mail["To"] == "desk@elm.example"]


def test_tomorrows_names_and_times_are_mailed_once_in_the_evening_and_nothing_else(make: Make) -> None:
    make.clinic(day_sheet=True)
    make.appointment("Tue 10:00", service="needles", person=make.person(phone=PHONE), note="Uses a cane")
    make.appointment("Wed 10:00", person=make.person("Una Webb"))
    assert mails(make, evening(make, 17)) == []
    [mail] = mails(make, evening(make))
    assert mail["Subject"] == "Day sheet for Tuesday, 12 January 2027"
    body = mail.get_body(("plain",))
    assert body is not None
    text = body.get_content()
    assert "10:00  Ada L." in text
    assert "Bo Andersen" in text
    assert "/desk/elm/day-sheet?on=2027-01-12" in text
    for private in ("Lovelace", "acupuncture", "cane", "0155", "Una"):
        assert private not in text
    assert mails(make, evening(make, 20)) == []
    [next_day] = mails(make, evening(make, 24 + 18))
    assert "Una W." in next_day.as_string()


def test_a_clinic_that_does_not_want_it_and_a_day_without_visits_get_no_sheet(make: Make) -> None:
    make.appointment("Tue 10:00")
    assert mails(make, evening(make)) == []
    make.clinic(day_sheet=True)
    assert mails(make, evening(make, 24 + 18)) == []


# The practitioner's own page


@pytest.fixture
def bo(make: Make) -> FlaskClient:
    client = make.app.test_client()
    assert make.elm
    client.set_cookie("sid", make.session("Bo@elm.example", role="practitioner"))
    return client


def test_a_practitioner_sees_their_own_day_week_and_hours(make: Make, bo: FlaskClient) -> None:
    visit = make.appointment("Tue 09:00", note="Uses a cane")
    make.appointment("Tue 11:00", practitioner="dee", person=make.person("Ida Nyman"))
    today = bo.get(ME).text
    assert "Nobody is booked with you on this day" in today
    assert "first at 09:00" in today
    page = bo.get(f"{ME}?on=2027-01-12").text
    assert f'href="/desk/elm/appointments/{visit.public_id}">Ada Lovelace</a>' in page
    assert "Uses a cane" in page
    assert "Ida" not in page
    assert "Monday" in page
    assert "Saturday" not in page.partition("My weekly hours")[2]


def test_who_is_no_practitioner_is_told_how_to_become_one(make: Make, desk: FlaskClient) -> None:
    assert "No practitioner of this clinic has your e-mail address" in desk.get(ME).text
    assert press(desk, "/desk/elm/", f"{ME}/time-off", from_on="2027-01-18", to_on="2027-01-18").status_code == 404


def test_time_off_is_entered_shown_kept_from_patients_and_taken_back(make: Make, bo: FlaskClient) -> None:
    free = "/api/v1/clinics/elm/slots?service=visit&practitioner=bo&from=2027-01-18&to=2027-01-20"
    assert press(bo, ME, f"{ME}/time-off", from_on="2027-01-18", to_on="2027-01-19", note="Course").status_code == 303
    page = bo.get(f"{ME}?done=added").text
    assert "Mon 18 Jan to Tue 19 Jan" in page.replace(",", "")
    assert "Your time off is entered" in page
    assert bo.get(free).get_json()["slots"] == []
    ends = {"starts": "2027-01-18T00:00:00", "ends": "2027-01-20T00:00:00"}
    assert press(bo, ME, f"{ME}/time-off/remove", **ends).status_code == 303
    assert bo.get(free).get_json()["slots"]
    assert press(bo, ME, f"{ME}/time-off/remove", **ends).status_code == 404


WRONG = [
    ({"to_on": "2027-01-18"}, "Enter a date"),
    ({"from_on": "18.1.", "to_on": "2027-01-18"}, "Enter a date"),
    ({"from_on": "2027-01-18", "to_on": "2027-01-17"}, "It has to end after it begins"),
    ({"from_on": "2027-01-18", "to_on": "2027-01-18", "from_time": "half"}, "Enter a time such as 09:30"),
    ({"from_on": "2027-01-18", "to_on": "2027-01-18", "from_time": "09:01"}, "whole five minutes"),
]


def test_what_is_no_time_off_comes_back_with_the_reason_beside_it(make: Make, bo: FlaskClient) -> None:
    for typed, said in WRONG:
        answer = press(bo, ME, f"{ME}/time-off", note="Course", **typed)
        assert answer.status_code == 422, typed
        assert said in answer.text, typed
        assert 'value="Course"' in answer.text


def test_time_off_over_visits_lists_them_first_and_then_marks_them(make: Make, bo: FlaskClient) -> None:
    visit = make.appointment("Tue 09:00")
    typed = {"from_on": "2027-01-12", "to_on": "2027-01-12", "to_time": "12:00"}
    answer = press(bo, ME, f"{ME}/time-off", **typed)
    assert answer.status_code == 409
    assert f"/desk/elm/appointments/{visit.public_id}" in answer.text
    assert "None is entered" in answer.text
    assert press(bo, ME, f"{ME}/time-off", keep="1", **typed).status_code == 303
    with make.app.app_context():
        assert db.session.scalar(sa.text("select needs_desk from appointment")) == "stranded"


def test_no_message_about_a_sheet_is_left_in_another_clinic(make: Make) -> None:
    make.clinic(day_sheet=True)
    make.clinic(ELM, slug="oak", email="desk@oak.example", day_sheet=True)
    make.appointment("Tue 10:00")
    with make.app.app_context():
        assert paper.mail_day_sheets(evening(make)) == 1
        query = sa.select(Message.address).where(Message.kind == "day-sheet")
        assert list(db.session.scalars(query)) == ["desk@elm.example"]
