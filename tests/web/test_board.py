"""The board's pages and what moves on them, without a browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from booking.actions import appointment as appointments
from booking.domain.access import Caller
from booking.store import board as asked
from booking.store.appointment import Appointment
from booking.store.base import db
from booking.store.hold import Hold
from booking.store.outbox import Message
from booking.store.practitioner import Actor
from tests.cast import ELM, Make
from tests.desk import press, token_in

BOARD, PART = "/desk/elm/?on=2027-01-12", "/desk/elm/board?on=2027-01-12"
CY = Caller("staff", 1, "front-desk")
SetClock = Callable[[datetime], None]
MINUTE = timedelta(minutes=1)
BEA = {"name": "Bea Potter"}


def row(page: str, name: str) -> str:
    """The line of a visit on the board."""
    return next(line for line in page.splitlines() if f"<b>{name}" in line)


def send(client: FlaskClient, visit: Appointment, deed: str, **fields: Any) -> TestResponse:
    """What the board's script sends."""
    token = token_in(client.get("/desk/elm/keys").text)
    path, accept = f"/desk/elm/appointments/{visit.public_id}/{deed}", {"Accept": "application/json"}
    return client.post(path, data={"csrf_token": token, **fields}, headers=accept)


def read(make: Make, visit: Appointment) -> Appointment:
    with make.app.app_context():
        return db.session.get_one(Appointment, visit.id)


def actor(make: Make, slug: str) -> int:
    with make.app.app_context():
        return db.session.scalars(sa.select(Actor.id).where(Actor.slug == slug)).one()


# What is drawn


def test_stages_stand_in_their_rows_in_both_views(make: Make, desk: FlaskClient) -> None:
    make.appointment("Tue 10:00", service="needles")
    make.appointment("Tue 10:15", service="needles", person=make.person(**BEA))
    practitioners = desk.get(BOARD).text
    assert re.search(r'class="s12 b-booked k\d b-one"><a class="d2"', row(practitioners, "Ada"))
    assert '<i class="b-rest s2 d6 l0"></i><i class="b-again s8 d1"></i>' in row(practitioners, "Ada")
    assert '<i class="b-rest s2 d6 l1"></i>' in row(practitioners, "Bea")
    assert 'class="b-col g2"' in practitioners
    rooms = desk.get(BOARD + "&view=rooms").text
    assert re.search(r'class="s15 b-booked k\d l1 o6"><a class="d9"', row(rooms, "Bea"))
    assert '<i class="b-turn s9 d1"></i>' in row(rooms, "Bea")
    assert "10:15 Community acupuncture, Bo Andersen" in row(rooms, "Bea")


def test_a_status_is_a_sign_and_a_word(make: Make, desk: FlaskClient, now: datetime, set_clock: SetClock) -> None:
    make.appointment("Mon 09:00")
    for minutes, kind, said in ((25, "b-booked", None), (50, "b-booked", None), (76, "b-late", "Late")):
        set_clock(now + minutes * MINUTE)
        line = row(desk.get("/desk/elm/").text, "Ada")
        assert kind in line
        assert (f"<em>{said}</em>" in line) is bool(said)
    make.clinic(confirmation="request")
    make.appointment("Tue 10:00", person=make.person(**BEA))
    assert '<i aria-hidden="true">?</i><b>Bea Potter</b>' in desk.get(BOARD).text
    assert "<em>Requested</em>" in desk.get(BOARD).text


def test_closed_time_time_off_and_closures_are_shaded_and_named(make: Make, desk: FlaskClient) -> None:
    off = 'time_off = [{from = 2027-01-12T12:00:00, to = 2027-01-12T13:00:00, note = "Dentist"}]\n'
    text = ELM.replace('\n[[practitioners]]\nslug = "dee"', f'{off}\n[[practitioners]]\nslug = "dee"')
    make.clinic(text + '\n[[closures]]\nfrom = 2027-01-12T16:00:00\nto = 2027-01-13T00:00:00\nname = "Stocktaking"\n')
    page = desk.get(BOARD).text
    assert '<p class="b-away s36 d12">Off: Dentist</p>' in page
    assert '<p class="b-away s84 d12">Closed: Stocktaking</p>' in page
    assert '<i class="b-closed s60 d36"></i>' in page, "Dee goes home at two"
    assert re.findall(r">(Free [^<]+)<", page) == ["Free 09:00–12:00", "Free 13:00–16:00", "Free 10:00–14:00"]


def test_a_held_time_is_there_until_it_lapses(
    make: Make, desk: FlaskClient, now: datetime, set_clock: SetClock
) -> None:
    make.hold("Tue 12:00")
    assert 'class="s36 d6 b-held">Held until 08:10: Visit<' in desk.get(BOARD).text
    set_clock(now + 12 * MINUTE)
    assert "b-held" not in desk.get(BOARD).text


def test_a_visit_over_capacity_says_so(make: Make, desk: FlaskClient) -> None:
    make.appointment("Tue 10:00")
    bea = make.appointment("Tue 11:00", person=make.person(**BEA))
    with make.app.app_context():
        start, bo = make.at("Tue 10:00"), bea.practitioner_id
        appointments.reschedule(make.elm, bea.public_id, start, practitioner=bo, squeeze="pain", by=CY, now=make.now)
    page = desk.get(BOARD).text
    assert "b-over" in row(page, "Bea")
    assert "<em>over capacity</em>" in row(page, "Bea")
    assert "over capacity" not in row(page, "Ada")
    assert "l0 o2" in row(page, "Ada")
    assert "l1 o2" in row(page, "Bea")


def test_a_week_shows_a_practitioners_days_side_by_side(make: Make, desk: FlaskClient) -> None:
    make.appointment("Tue 10:00")
    make.appointment("Fri 10:00", person=make.person(**BEA))
    make.appointment("Tue 11:00", practitioner="dee", person=make.person("Eve Moneypenny"))
    page = desk.get("/desk/elm/week?practitioner=bo&on=2027-01-13").text
    assert re.findall(r'<h2 id="c\d"><a [^>]*>([^<]*)</a>', page) == [
        "Mon 11 Jan", "Tue 12 Jan", "Wed 13 Jan", "Thu 14 Jan", "Fri 15 Jan",
    ]  # fmt: skip
    assert page.index("Ada Lovelace") < page.index("Bea Potter")
    assert "Eve" not in page
    assert desk.get("/desk/elm/week?practitioner=nobody").status_code == 404


def test_the_clock_change_moves_the_hours_with_it(make: Make, desk: FlaskClient) -> None:
    make.clinic(horizon=90)
    make.appointment("Mon 10:00", weeks=11)  # the day after London's spring forward
    page = desk.get("/desk/elm/?on=2027-03-29").text
    assert 'data-start="2027-03-29T08:00Z"' in page
    assert "s12 " in row(page, "Ada")


TWO_ZONES = ELM.replace(
    "\n[[rooms]]",
    '\n[[locations]]\nslug = "york"\nname = "York"\naddress = ["2 Elm Street", "New York"]\nzone = "America/New_York"\n'
    "\n[[rooms]]",
    1,
).replace(
    'hours = [{days = "Tue", from = "10:00", to = "14:00", location = "main"}]',
    'hours = [{days = "Tue", from = "10:00", to = "14:00", location = "york"}]',
)


def test_places_with_other_clocks_have_boards_of_their_own(make: Make, desk: FlaskClient) -> None:
    make.clinic(TWO_ZONES)
    make.appointment("Tue 16:00", practitioner="dee")
    assert "Ada" not in desk.get(BOARD).text
    assert "London time" in desk.get(BOARD).text
    york = desk.get(BOARD + "&location=york").text
    assert "11:00 Visit, York" in row(york, "Ada")
    assert "New York time" in york
    assert "Ada" in desk.get(BOARD + "&view=list").text


# What is asked every few seconds


def test_an_unchanged_board_is_not_sent_again(
    make: Make, desk: FlaskClient, now: datetime, set_clock: SetClock
) -> None:
    visit = make.appointment("Tue 10:00")
    tag = desk.get(PART).headers["ETag"]
    assert f'data-tag="{tag.strip(chr(34))}"' in desk.get(BOARD).text
    set_clock(now + MINUTE)

    def is_same() -> bool:
        nonlocal tag
        answer = desk.get(PART, headers={"If-None-Match": tag})
        tag = answer.headers["ETag"]
        assert (answer.status_code == 304) is (answer.text == "")
        return answer.status_code == 304

    assert is_same(), "tomorrow has no now in it"
    for change in (
        lambda: make.appointment("Tue 12:00", person=make.person(**BEA)),
        lambda: make.hold("Tue 13:00"),
        lambda: make.clinic(name="Elm and Oak"),
    ):
        change()
        assert not is_same()
        assert is_same()
    with make.app.app_context():
        appointments.cancel(make.elm, visit.public_id, by=CY, now=make.now)
    assert not is_same()
    other = "/desk/elm/board?on=2027-01-12&view=rooms"
    assert desk.get(other, headers={"If-None-Match": tag}).status_code == 200
    today = desk.get("/desk/elm/board").headers["ETag"]
    set_clock(now + 2 * MINUTE)
    assert desk.get("/desk/elm/board", headers={"If-None-Match": today}).status_code == 200


def test_the_stamp_sees_live_holds_alone(make: Make) -> None:
    made: Hold = make.hold("Tue 13:00")
    assert made.expires_at is not None
    with make.app.app_context():
        live = [asked.stamp(make.elm, make.now + minutes * MINUTE).held for minutes in (0, 10, 11)]
    assert [[id for id, _ in found] for found in live] == [[made.id], [made.id], []]


def test_a_practitioner_looks_and_moves_nothing(make: Make) -> None:
    visit = make.appointment("Tue 10:00")
    bo = make.app.test_client()
    bo.set_cookie("sid", make.session("bo@elm.example", role="practitioner"))
    page = bo.get(BOARD).text
    assert "Ada" in page
    assert "data-may-move" not in page
    assert "Free" not in page
    assert send(bo, visit, "move", start="2027-01-12T11:00Z").status_code == 404


# Moving


def test_the_script_moves_a_visit_and_takes_it_back(make: Make, desk: FlaskClient) -> None:
    visit = make.appointment("Tue 10:00")
    answer = send(desk, visit, "move", start="2027-01-12T11:00:00.000Z", practitioner="dee", version=visit.version)
    assert answer.status_code == 200
    assert answer.json["said"].startswith("Ada Lovelace now comes on Tue 12 Jan, 11:00.")
    moved = read(make, visit)
    assert (moved.starts_at, moved.practitioner_id) == (make.at("Tue 11:00"), actor(make, "dee"))
    assert moved.version == answer.json["version"]
    assert send(desk, visit, "undo").json["said"] == "The visit of Ada Lovelace is back at Tue 12 Jan, 10:00."
    assert read(make, visit).starts_at == make.at("Tue 10:00")


def test_who_looked_at_an_older_visit_is_told_how_it_stands(make: Make, desk: FlaskClient) -> None:
    visit = make.appointment("Tue 10:00")
    send(desk, visit, "move", start="2027-01-12T11:00Z", version=visit.version)
    for deed, fields in (("move", {"start": "2027-01-12T12:00Z"}), ("undo", {})):
        answer = send(desk, visit, deed, version=visit.version, **fields)
        assert answer.status_code == 409
        assert "It is now Booked, Tue 12 Jan, 11:00 with Bo Andersen." in answer.json["said"]
    page = press(desk, f"/desk/elm/appointments/{visit.public_id}/move", time="2027-01-12T12:00Z/bo", version="1")
    assert (page.status_code, "is not what you looked at any more" in page.text) == (409, True)
    assert read(make, visit).starts_at == make.at("Tue 11:00")


@pytest.mark.parametrize(
    ("fields", "said", "may_squeeze"),
    [
        ({"start": "2027-01-12T11:00Z"}, "Bo Andersen has another visit then. Bea Potter", True),
        ({"start": "2027-01-12T17:00Z"}, "Bo Andersen does not work there then.", False),
        ({"start": "2027-01-11T07:00Z"}, "This time has passed.", False),
        ({"start": "2027-01-12T14:00Z", "practitioner": "dee"}, "Dee Marsh does not work there then.", False),
    ],
)
def test_where_a_visit_cannot_go_is_said_with_the_cause(
    make: Make, desk: FlaskClient, fields: dict[str, str], said: str, may_squeeze: bool
) -> None:
    visit = make.appointment("Tue 10:00")
    make.appointment("Tue 11:00", person=make.person(**BEA))
    answer = send(desk, visit, "move", **fields)
    assert (answer.status_code, said in answer.json["said"]) == (409, True)
    assert ("squeeze" in answer.json) is may_squeeze
    assert read(make, visit).starts_at == make.at("Tue 10:00")


def test_the_same_patient_is_not_moved_into_another_visit_of_theirs(make: Make, desk: FlaskClient) -> None:
    visit = make.appointment("Tue 10:00")
    make.appointment("Tue 11:00", practitioner="dee")
    answer = send(desk, visit, "move", start="2027-01-12T11:00Z")
    assert (answer.status_code, answer.json["said"]) == (409, "Ada Lovelace has another visit at that time.")


def test_without_script_a_form_lists_times_moves_squeezes_and_goes_back(make: Make, desk: FlaskClient) -> None:
    visit = make.appointment("Tue 10:00")
    bea = make.appointment("Tue 11:00", person=make.person(**BEA))
    page = f"/desk/elm/appointments/{visit.public_id}/move"
    shown = desk.get(page).text
    assert 'value="2027-01-12T10:30Z/bo"' in shown
    assert 'value="2027-01-12T10:00Z/bo"' not in shown
    assert press(desk, page).status_code == 422
    moved = press(desk, page, time="2027-01-12T12:00Z/dee", tell="no", version="1")
    assert "Ada Lovelace now comes on Tue 12 Jan, 12:00." in desk.get(moved.location).text
    with make.app.app_context():
        assert not db.session.scalar(sa.select(Message.id).where(Message.kind == "moved"))
    full = {"time": "exact", "on": "2027-01-12", "at": "11:00", "who": "bo"}
    refused = press(desk, page, **full)
    assert refused.status_code == 409
    assert f'href="/desk/elm/appointments/{bea.public_id}"' in refused.text
    assert 'value="11:00"' in refused.text
    squeezed = press(desk, page, **full, squeeze="In pain")
    assert squeezed.status_code == 303
    after = desk.get(squeezed.location).text
    assert f'action="/desk/elm/appointments/{visit.public_id}/undo"' in after
    back = press(desk, squeezed.location, f"/desk/elm/appointments/{visit.public_id}/undo")
    assert "is back at Tue 12 Jan, 12:00" in desk.get(back.location).text
    assert read(make, visit).practitioner_id == actor(make, "dee")


def test_what_is_no_place_is_refused(make: Make, desk: FlaskClient) -> None:
    visit = make.appointment("Tue 10:00")
    for fields, status in (
        ({"start": "x"}, 422),
        ({"start": "2027-01-12T11:00"}, 422),
        ({"start": "2027-01-12T11:00Z", "practitioner": "nobody"}, 404),
        ({"start": "2027-01-12T11:00Z", "room": "attic"}, 404),
        ({"start": "2027-01-12T11:00Z", "tell": "loudly"}, 422),
        ({"time": "exact", "on": "", "at": ""}, 422),
        ({"start": "2027-01-12T11:00Z", "squeeze": "x" * 201}, 422),
    ):
        assert send(desk, visit, "move", **fields).status_code == status, fields
    assert read(make, visit).starts_at == make.at("Tue 10:00")
