"""Feeds: what stands in them, how much they tell, and what a calendar program that asks again and again gets."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
import vobject
from flask import Flask
from flask.testing import FlaskClient
from icalendar import Calendar
from werkzeug.test import TestResponse

from booking.actions import appointment as visits
from booking.actions import feed as actions
from booking.domain.access import Caller
from booking.domain.feed import Detail, Kind
from booking.store import appointment, audit
from booking.store import feed as feeds
from booking.store.base import db
from booking.store.clinic import Location
from booking.store.outbox import Message
from booking.store.patient import Patient
from booking.store.practitioner import Actor
from tests.cast import Make

OWNER = Caller("staff", 1, "owner")


class Feeds:
    """Elm Clinic's feeds, as a test asks for them."""

    def __init__(self, app: Flask, make: Make, client: FlaskClient) -> None:
        self.app, self.make, self.client = app, make, client

    def subject(self, kind: Kind, slug: str) -> int:
        rows = Location if kind is Kind.LOCATION else Actor
        with self.app.app_context():
            return db.session.scalars(
                sa.select(rows.id).where(rows.clinic_id == self.make.elm, rows.slug == slug)
            ).one()

    def address(self, detail: Detail = Detail.INITIALS, *, kind: Kind = Kind.PRACTITIONER, slug: str = "bo") -> str:
        """The path of a new feed."""
        of = self.subject(kind, slug)
        with self.app.app_context():
            found = actions.make(self.make.elm, kind, of, detail=detail, by=OWNER, now=self.make.now)
            return feeds.address(found).removeprefix("http://localhost")

    def change(self, action: Callable[..., Any], *args: Any, **more: Any) -> None:
        with self.app.app_context():
            action(self.make.elm, *args, by=OWNER, now=more.pop("now", self.make.now), **more)

    def events(self, address: str) -> list[Any]:
        """What stands in the feed, read by two libraries that share no code and have to agree."""
        answer = self.client.get(address)
        assert answer.status_code == 200
        found = Calendar.from_ical(answer.data).events
        other = list(getattr(vobject.readOne(answer.text), "vevent_list", []))
        assert [str(event["uid"]) for event in found] == [event.uid.value for event in other]
        for one, two in zip(found, other, strict=True):
            assert one.errors == []
            assert one.start == two.dtstart.value
            assert one.start.astimezone(UTC) == two.dtstart.value.astimezone(UTC)
            assert one.end.astimezone(UTC) == two.dtend.value.astimezone(UTC)
            assert str(one["summary"]) == two.summary.value
        return found


@pytest.fixture
def elm(app: Flask, make: Make, client: FlaskClient) -> Feeds:
    return Feeds(app, make, client)


def test_a_feed_has_the_visits_under_their_mailed_uids(elm: Feeds, make: Make) -> None:
    address = elm.address()
    visit = make.appointment("Mon 09:00")
    [event] = elm.events(address)
    assert event["uid"] == visit.uid
    assert event.start == visit.starts_at
    assert event["dtstart"].params["TZID"] == "Europe/London"
    assert event["summary"] == f"Visit: A. L., {visit.reference}"
    assert event["dtstamp"].dt == visit.updated_at.replace(microsecond=0)


def test_the_owner_says_how_much_a_feed_tells_and_it_never_tells_why(elm: Feeds, make: Make) -> None:
    make.clinic(languages=["en"])
    address = elm.address(Detail.BUSY)
    make.appointment("Mon 09:00", note="my knee, since the fall")
    bo = elm.subject(Kind.PRACTITIONER, "bo")
    told = {}
    for detail in Detail:
        elm.change(actions.tell, Kind.PRACTITIONER, bo, detail)
        [event] = elm.events(address)
        told[detail] = str(event["summary"])
        text = elm.client.get(address).text.replace("\r\n ", "")
        assert not any(said in text for said in ("knee", "Back pain", "ada@", "ATTENDEE", "METHOD", "VALARM"))
        assert ("Ada" in text) == (detail is Detail.NAMES)
        assert ("/desk/elm/appointments/" in text) == (detail is not Detail.BUSY)
    assert told[Detail.BUSY] == "Busy"
    assert told[Detail.INITIALS].startswith("Visit: A. L., ")
    assert told[Detail.NAMES] == "Ada Lovelace"  # the service has no public name


@pytest.mark.usefixtures("both_databases")
def test_rooms_and_locations_say_with_whom(elm: Feeds, make: Make) -> None:
    make.appointment("Mon 09:00", service="needles")
    for kind, slug in ((Kind.ROOM, "ward"), (Kind.LOCATION, "main")):
        [event] = elm.events(elm.address(Detail.BUSY, kind=kind, slug=slug))
        assert event["summary"] == "Busy, Bo Andersen"
        assert event["location"].startswith("Elm House, ")


def test_a_move_and_a_cancel_follow_and_the_cancelled_leaves_after_a_month(
    elm: Feeds, make: Make, set_clock: Callable[[datetime], None]
) -> None:
    address = elm.address()
    visit = make.appointment("Mon 09:00", weeks=1)
    start = make.at("Tue 10:00", weeks=1)
    elm.change(visits.reschedule, visit.public_id, start)
    [event] = elm.events(address)
    assert (event["uid"], event.start, event["sequence"]) == (visit.uid, start, 1)
    elm.change(visits.cancel, visit.public_id)
    [event] = elm.events(address)
    assert (event["status"], event["transp"], event["sequence"]) == ("CANCELLED", "TRANSPARENT", 2)
    assert event["summary"].startswith("Cancelled: ")
    for days, left in ((30, 1), (31, 0)):
        set_clock(make.now + timedelta(days=days))
        # The past begins a month back too, so the visit is moved out of its way.
        with elm.app.app_context():
            row = appointment.by_public_id(make.elm, visit.public_id)
            row.starts_at, row.ends_at = (make.now + timedelta(days=40, minutes=n) for n in (0, 45))
            db.session.commit()
        assert len(elm.events(address)) == left


def test_the_window_is_a_month_back_and_a_year_ahead(
    elm: Feeds, make: Make, set_clock: Callable[[datetime], None]
) -> None:
    address, visit = elm.address(), make.appointment("Mon 09:00")
    for days, found in ((-365, 1), (-366, 0), (30, 1), (31, 0)):
        set_clock(visit.starts_at + timedelta(days=days))
        assert len(elm.events(address)) == found, days


def test_a_request_is_tentative_and_never_seen_again_once_withdrawn(elm: Feeds, make: Make) -> None:
    make.clinic(confirmation="request")
    address, visit = elm.address(), make.appointment("Mon 09:00")
    [event] = elm.events(address)
    assert event["status"] == "TENTATIVE"
    elm.change(visits.cancel, visit.public_id)
    assert elm.events(address) == []


def test_an_empty_feed_still_has_its_zone_and_its_name(elm: Feeds, make: Make) -> None:
    text = elm.client.get(elm.address()).text
    found = Calendar.from_ical(text)
    assert [str(zone["tzid"]) for zone in found.timezones] == ["Europe/London"]
    assert "\r\nNAME:Bo Andersen\\, Elm Clinic\r\n" in text
    assert "X-WR-CALNAME:Bo Andersen\\, Elm Clinic\r\n" in text
    assert "REFRESH-INTERVAL;VALUE=DURATION:PT1H\r\n" in text
    assert "X-PUBLISHED-TTL:PT1H\r\n" in text
    assert "\nUID" not in text


def test_times_are_right_on_both_sides_of_the_change_of_the_clocks(elm: Feeds, make: Make) -> None:
    make.clinic(horizon=100)
    address = elm.address()
    starts = [("Fri 09:00", 10), ("Mon 09:00", 11)]  # the clocks change on Sunday, 28 March 2027
    made = [make.appointment(start, weeks=weeks) for start, weeks in starts]
    events = elm.events(address)
    assert [event.start.astimezone(UTC) for event in events] == [visit.starts_at for visit in made]
    assert [event.start.hour for event in events] == [9, 9]
    assert [event.start.astimezone(UTC).hour for event in events] == [9, 8]
    assert elm.client.get(address).text.count("BEGIN:VTIMEZONE") == 1


def test_a_new_address_ends_the_old_one_within_one_request(elm: Feeds, make: Make) -> None:
    old = elm.address()
    assert elm.client.get(old).status_code == 200
    elm.change(actions.renew, Kind.PRACTITIONER, elm.subject(Kind.PRACTITIONER, "bo"))
    assert elm.client.get(old).status_code == 404
    new = elm.address()
    assert new != old
    assert elm.client.get(new).status_code == 200
    elm.change(actions.end, Kind.PRACTITIONER, elm.subject(Kind.PRACTITIONER, "bo"))
    assert elm.client.get(new).status_code == 404
    with elm.app.app_context():
        entries = audit.search(make.elm, audit.Wanted())
        assert [e.action for e in entries][:3] == ["feed.ended", "feed.renewed", "feed.made"]
        assert entries[0].facts["of"].startswith("practitioner:")


def test_wrong_addresses_are_404_and_guessing_ends(elm: Feeds) -> None:
    good = elm.address()
    wrong = [good[:-5] + "x.ics", good.replace("fd_", "mg_"), "/feeds/fd_x_y.ics", "/feeds/é.ics"]
    assert {elm.client.get(address).status_code for address in wrong} == {404}
    answers = [elm.client.get(wrong[0]) for _ in range(30)]
    assert [answers[-1].status_code, answers[0].status_code] == [429, 404]
    assert elm.client.get(good).status_code == 200
    assert {elm.client.open(good, method=m).status_code for m in ("POST", "PUT", "DELETE", "PATCH")} == {405}


def test_whoever_has_left_the_clinic_has_no_feed(elm: Feeds, make: Make) -> None:
    address = elm.address()
    make.appointment("Mon 09:00")
    assert elm.client.get(address).status_code == 200
    with elm.app.app_context():
        row = db.session.get_one(Actor, elm.subject(Kind.PRACTITIONER, "bo"))
        row.archived_at = make.now
        db.session.execute(sa.text("update clinic set revision = revision + 1"))
        db.session.commit()
    assert elm.client.get(address).status_code == 404


def test_the_answer_carries_what_subscriptions_need(elm: Feeds) -> None:
    answer = elm.client.get(elm.address())
    assert answer.headers["Content-Type"] == "text/calendar; charset=utf-8"
    assert answer.headers["Cache-Control"] == "private, no-cache"
    assert answer.headers["Vary"] == "Accept-Encoding"
    assert answer.headers["X-Robots-Tag"] == "noindex"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "Set-Cookie" not in answer.headers
    assert "Content-Encoding" not in answer.headers
    assert not answer.headers["ETag"].startswith("W/")


@pytest.mark.usefixtures("both_databases")
def test_an_unchanged_feed_is_not_sent_again(elm: Feeds, make: Make) -> None:
    address = elm.address()
    make.appointment("Mon 09:00")
    first = elm.client.get(address)
    tag, modified = first.headers["ETag"], first.headers["Last-Modified"]

    def ask(**headers: str) -> TestResponse:
        return elm.client.get(address, headers={name.replace("_", "-"): value for name, value in headers.items()})

    unchanged = [{"If_None_Match": t} for t in (tag, f'"x", {tag}', f"W/{tag}", "*")] + [
        {"If_Modified_Since": modified}
    ]
    for headers in unchanged:
        answer = ask(**headers)
        assert (answer.status_code, answer.data) == (304, b""), headers
        assert answer.headers["ETag"] == tag
    assert ask(If_None_Match='"x"', If_Modified_Since=modified).status_code == 200  # the tag is asked first
    head = elm.client.head(address)
    assert (head.status_code, head.data, head.headers["ETag"]) == (200, b"", tag)
    assert int(head.headers["Content-Length"]) == len(first.data)
    packed = ask(Accept_Encoding="gzip")
    assert gzip.decompress(packed.data) == first.data
    assert packed.headers["ETag"] != tag
    assert ask(Accept_Encoding="gzip", If_None_Match=packed.headers["ETag"]).status_code == 304

    make.appointment("Mon 11:00", person=make.person("Grace Hopper"))
    for headers in unchanged[:3] + unchanged[4:]:  # in the same second, too
        assert ask(**headers).status_code == 200, headers
    assert ask().headers["Last-Modified"] > modified


def test_last_modified_does_not_go_back_when_the_newest_visit_leaves(elm: Feeds, make: Make) -> None:
    address = elm.address()
    visit = make.appointment("Tue 09:00", service="visit")
    before = elm.client.get(address).headers["Last-Modified"]
    with elm.app.app_context():
        row = appointment.by_public_id(make.elm, visit.public_id)
        row.practitioner_id = elm.subject(Kind.PRACTITIONER, "dee")
        db.session.execute(sa.text("update clinic set board_revision = board_revision + 1"))
        db.session.commit()
    answer = elm.client.get(address, headers={"If-Modified-Since": before})
    assert answer.status_code == 200
    assert answer.headers["Last-Modified"] > before


def test_an_event_is_written_once_for_each_change(elm: Feeds, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    from booking.formats import feed as written

    address, count = elm.address(), 0
    block = written.block

    def counted(*args: Any, **more: Any) -> Any:
        nonlocal count
        count += 1
        return block(*args, **more)

    monkeypatch.setattr(written, "block", counted)
    made = [make.appointment(f"Mon {hour}:00", person=make.person(f"P{hour} X")) for hour in (10, 11, 12)]
    for _ in range(2):
        elm.client.get(address)
    assert count == 3
    elm.change(visits.cancel, made[0].public_id)
    elm.client.get(address)
    assert count == 4
    make.clinic(name="Elm Clinic of London")  # its title is said in every feed, the clinic's texts in every event
    elm.client.get(address)
    assert count == 7


def test_an_event_that_cannot_be_written_is_left_out(elm: Feeds, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    from booking.formats import feed as written

    block, bad = written.block, make.appointment("Mon 09:00")
    good = make.appointment("Mon 11:00", person=make.person("Grace Hopper"))

    def broken(visit: Any, *args: Any, **more: Any) -> Any:
        if visit.uid == bad.uid:
            raise ValueError("not a text")
        return block(visit, *args, **more)

    monkeypatch.setattr(written, "block", broken)
    assert [event["uid"] for event in elm.events(elm.address())] == [good.uid]


def test_no_log_has_the_address(elm: Feeds, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def broken(*args: object) -> None:
        raise RuntimeError("broken")

    address = elm.address()
    elm.app.config["PROPAGATE_EXCEPTIONS"] = False
    monkeypatch.setattr(feeds, "stamps", broken)
    assert elm.client.get(address).status_code == 500
    assert "fault at GET /feeds/<token>.ics" in caplog.text
    assert "fd_" not in caplog.text


def test_a_changed_name_reaches_the_feed_and_hostile_ones_stay_one_line(elm: Feeds, make: Make) -> None:
    address = elm.address(Detail.NAMES)
    name = "Ada 🦉🦉🦉🦉🦉🦉🦉🦉🦉🦉🦉🦉🦉🦉🦉🦉🦉🦉🦉 O;Brien, \\n\u2028BEGIN:VEVENT"
    make.appointment("Mon 09:00")
    elm.client.get(address)
    with elm.app.app_context():
        someone = db.session.scalars(sa.select(Patient)).one()
        someone.name = name
        db.session.execute(sa.text("update clinic set board_revision = board_revision + 1"))
        db.session.commit()
    [event] = elm.events(address)
    assert event["summary"] == name.replace("\u2028", " ")
    assert all(len(line) <= 75 for line in elm.client.get(address).data.split(b"\r\n"))


def test_patients_are_mailed_the_address_of_all_their_visits(elm: Feeds, make: Make) -> None:
    first, second = make.appointment("Mon 09:00"), make.appointment("Mon 11:00")
    make.appointment("Mon 12:00", person=make.person("Grace Hopper"))
    elm.change(actions.mail_address, first.patient_id, anew=False)
    with elm.app.app_context():
        sent = db.session.scalars(sa.select(Message).where(Message.kind == "feed")).one()
        assert sent.address == "ada@example.com"
        address = feeds.address(feeds.of(make.elm, Kind.PATIENT, first.patient_id) or feeds.Feed())
    events = elm.events(address.removeprefix("http://localhost"))
    assert [event["uid"] for event in events] == [first.uid, second.uid]
    assert {str(event["summary"]) for event in events} == {"Appointment at Elm Clinic"}
    assert all("ATTENDEE" not in event and "ORGANIZER" not in event for event in events)
    elm.change(actions.mail_address, first.patient_id, anew=True)
    assert elm.client.get(address.removeprefix("http://localhost")).status_code == 404
