"""Practitioners' own calendars block their time: read from real servers, and never freed by a failure."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from booking import apart
from booking.actions import appointment as appointments
from booking.actions import clinic as clinics
from booking.actions import outside as actions
from booking.actions import slot
from booking.domain import availability as heart
from booking.domain.access import PATIENT, WORKER, Caller
from booking.domain.availability import Wish
from booking.domain.errors import Invalid, NotFound, SlotTaken
from booking.domain.outside import EVERY, Found
from booking.domain.time import Window, tick_of
from booking.store import audit, outside
from booking.store import hold as holds
from booking.store.appointment import Appointment, by_public_id
from booking.store.base import db, transaction
from booking.store.outside import OutsideBusy, OutsideCalendar, Place, State
from booking.store.practitioner import Actor, Service
from tests.cast import ELM, Make
from tests.formats.test_busy import calendar, event
from tests.servers import caldav, https
from tests.servers.account import account as servers_account
from tests.servers.account import calendar as told_calendar
from tests.servers.https import Request, Server, answer

CY = Caller("staff", 1, "front-desk")
PATH = "/private-0123/basic.ics"
TEN = "DTSTART:20270111T100000Z\nDTEND:20270111T110000Z"  # Monday, in winter time
OTHER_KEY = base64.b64encode(b"x" * 32).decode()
CLOCKS = ["09:00", "09:30", "10:00", "10:30", "11:00", "11:30", "12:00"]


@pytest.fixture
def server() -> Iterator[Server]:
    with https.running() as server:
        server.answers[PATH] = answer(200, calendar(TEN))
        yield server


class Own:
    """Bo's own calendar on another server, and what it does to Bo's Monday morning."""

    def __init__(self, app: Flask, make: Make, server: Server) -> None:
        self.app, self.make, self.server = app, make, server
        app.config["SETTINGS"] = app.config["SETTINGS"].model_copy(update={"calendar_origins": server.origin})
        self.elm = make.elm
        self.bo = make.wish().practitioner or 0
        self.now = make.now

    def add(self, url: str = "", who: int = 0, **place: str) -> OutsideCalendar:
        place = {"url": url or f"{self.server.origin}{PATH}"} | place
        with self.app.app_context():
            return actions.add(self.elm, who or self.bo, Place(**place), by=CY, now=self.now)

    def serve(self, *events: str) -> None:
        self.server.answers[PATH] = answer(200, calendar(*events))

    def fail(self, status: int = 500) -> None:
        self.server.answers[PATH] = answer(status)

    def read(self, after: timedelta = timedelta()) -> int:
        """Let the worker read all that is due after a while; how many calendars that were."""
        self.now += after
        with self.app.app_context():
            count = 0
            while actions.read_due(self.now):
                count += 1
            return count

    def row(self) -> OutsideCalendar:
        with self.app.app_context():
            return db.session.scalars(sa.select(OutsideCalendar)).one()

    def offered(self, day: str = "Mon", **wish: Any) -> list[str]:
        """The clock times of a morning at which Bo is on offer."""
        wanted = self.make.wish(**wish)
        start, stop = self.make.at(f"{day} 09:00"), self.make.at(f"{day} 12:00")
        with self.app.app_context():
            book, window = slot.read(self.elm, self.make.now), Window(tick_of(start), tick_of(stop) + 1)
            found = heart.slots(book.plan, book, wanted, window, self.make.now)
        return [f"{one.start:%H:%M}" for one in found]

    def move(self, visit: Appointment, clock: str) -> None:
        with self.app.app_context():
            appointments.reschedule(self.elm, visit.public_id, self.make.at(clock), by=CY, now=self.now)

    def book(self, clock: str = "Mon 10:00", **more: Any) -> Any:
        with self.app.app_context():
            given = {"by": PATIENT, "now": self.make.now} | more
            return appointments.book(self.elm, self.make.wish(), self.make.at(clock), self.make.person(), **given)


@pytest.fixture
def own(app: Flask, make: Make, server: Server) -> Own:
    return Own(app, make, server)


@pytest.mark.usefixtures("both_databases")
def test_a_busy_time_is_offered_to_nobody_from_the_reading_on_until_the_calendar_is_removed(own: Own) -> None:
    made = own.add()
    assert own.offered() == CLOCKS
    assert own.read() == 1
    assert own.offered() == ["09:00", "09:30", "11:00", "11:30", "12:00"]
    with pytest.raises(SlotTaken) as refused:
        own.book()
    assert own.make.at("Mon 10:00") not in [one.start for one in refused.value.alternatives]
    own.serve("DTSTART:20270111T090000Z\nDTEND:20270111T091500Z")
    assert own.read(EVERY) == 1
    assert own.offered() == CLOCKS[1:]
    own.book("Mon 11:00")
    assert own.offered() == ["09:30", "10:00", "10:30", "11:30", "12:00"]
    with own.app.app_context():
        actions.remove(own.elm, made.public_id, by=CY, now=own.now)
        told = [entry.action for entry in audit.search(own.elm, audit.Wanted(by_kind="staff"))]
        assert db.session.scalars(sa.select(OutsideBusy)).all() == []
    assert told[:2] == ["calendar.removed", "calendar.added"]
    assert own.offered() == ["09:00", "09:30", "10:00", "10:30", "11:30", "12:00"]
    assert own.read(EVERY) == 0


@pytest.mark.parametrize(
    "wrong",
    [
        answer(500),
        answer(404),
        answer(200, b"<html>Sign in</html>"),
        answer(200, calendar(TEN)[:-17]),
        answer(200, calendar(), Content_Length=5000),
        b"",
    ],
)
def test_a_failure_never_frees_time(own: Own, wrong: bytes) -> None:
    own.add()
    own.read()
    read_at = own.row().read_at
    own.server.answers[PATH] = wrong
    own.read(EVERY)
    row = own.row()
    assert (row.failing_since, row.read_at) == (own.now, read_at)
    assert row.fault
    assert own.offered() == ["09:00", "09:30", "11:00", "11:30", "12:00"]
    own.read(timedelta(days=3))
    assert own.row().failing_since == own.now - timedelta(days=3)
    assert own.offered() == ["09:00", "09:30", "11:00", "11:30", "12:00"]
    own.serve()
    own.read(timedelta(hours=1))
    row = own.row()
    assert (row.fault, row.failing_since, row.read_at) == (None, None, own.now)
    assert own.offered() == CLOCKS


def test_while_it_fails_it_is_tried_soon_and_then_more_seldom(own: Own) -> None:
    own.add()
    own.fail()
    tries = sum(own.read(timedelta(minutes=1)) for _ in range(60))
    assert tries == 6  # after 0, 2, 4, 8, 16 and 32 minutes
    own.serve(TEN)
    assert sum(own.read(timedelta(minutes=1)) for _ in range(60)) == 4


def test_an_unchanged_file_is_not_sent_again_but_on_another_day_all_of_it_is_read(own: Own) -> None:
    def changed(request: Request) -> bytes:
        known = request.headers["If-None-Match"] == '"1"'
        return answer(304) if known else answer(200, calendar(f"{TEN}\nRRULE:FREQ=DAILY"), ETag='"1"')

    own.server.answers[PATH] = changed
    own.add()
    own.read()
    own.read(EVERY)
    assert [request.headers["If-None-Match"] for request in own.server.requests] == [None, '"1"']
    assert own.row().read_at == own.now
    with own.app.app_context():
        last = sa.select(sa.func.max(OutsideBusy.stop))
        before = db.session.scalars(last).one()
    own.read(timedelta(days=1))
    assert own.server.requests[-1].headers["If-None-Match"] is None
    with own.app.app_context():
        assert db.session.scalars(last).one() > before  # the window moved on


def test_an_unchanged_calendar_leaves_what_others_remember_alone(own: Own) -> None:
    def revision() -> int:
        with own.app.app_context():
            return db.session.get_one(Actor, own.bo).revision

    own.add()
    own.read()
    known = revision()
    own.read(EVERY)
    assert revision() == known
    own.serve(TEN, "DTSTART:20270112T100000Z\nDURATION:PT1H")
    own.read(EVERY)
    assert revision() == known + 1


def test_this_clinics_own_visits_in_the_calendar_take_no_time_twice(own: Own) -> None:
    visit = own.book()
    own.serve(event(TEN.replace("110000", "103000"), visit.uid))
    own.add()
    own.read()
    with own.app.app_context():
        moved = appointments.reschedule(
            own.elm, visit.public_id, own.make.at("Mon 11:00"), by=CY, now=own.make.now, practitioner=None
        )
    assert moved.starts_at == own.make.at("Mon 11:00")
    assert own.offered() == ["09:00", "09:30", "10:00", "10:30", "11:30", "12:00"]


def test_a_visit_as_whose_patient_somebody_comes_is_not_theirs_to_give(own: Own) -> None:
    bo = own.make.person("Bo Andersen", email="Bo@elm.example")
    tuesday = own.make.appointment("Tue 10:00", practitioner="dee", person=bo)
    own.serve(event("DTSTART:20270112T100000Z\nDTEND:20270112T103000Z", tuesday.uid))
    own.add()
    own.read()
    assert own.offered("Tue") == ["09:00", "09:30", "10:30", "11:00", "11:30", "12:00"]


def test_visits_in_another_clinic_do_take_time(own: Own) -> None:
    oak = own.make.clinic(ELM, slug="oak", name="Oak Clinic")
    with own.app.app_context():
        wish = Wish(db.session.scalars(sa.select(Service.id).where(Service.clinic_id == oak)).first() or 0)
        there = appointments.book(oak, wish, own.make.at("Mon 10:00"), own.make.person(), by=PATIENT, now=own.make.now)
    own.serve(event(TEN, there.uid))
    own.add()
    own.read()
    assert "10:00" not in own.offered()


def test_the_desk_may_squeeze_a_visit_into_a_busy_time_with_a_reason(own: Own) -> None:
    own.add()
    own.read()
    staff = own.make.wish()
    with own.app.app_context(), pytest.raises(SlotTaken):
        appointments.book(own.elm, staff, own.make.at("Mon 10:00"), own.make.person(), by=CY, now=own.make.now)
    squeezed = own.book(by=CY, squeeze="Bo says yes")
    assert squeezed.starts_at == own.make.at("Mon 10:00")
    with own.app.app_context():
        [clash] = outside.clashes(own.elm, own.make.now)
        assert (clash.visit.id, clash.patient, clash.practitioner) == (squeezed.id, "Ada Lovelace", "Bo Andersen")
        assert outside.clashes(own.elm, squeezed.ends_at) == []


def test_a_visit_that_was_booked_before_stays_and_is_told(own: Own) -> None:
    visit = own.book("Mon 10:30")
    other = own.book("Mon 09:30")
    own.add()
    own.read()
    with own.app.app_context():
        assert [clash.visit.id for clash in outside.clashes(own.elm, own.make.now)] == [visit.id]
        appointments.cancel(own.elm, visit.public_id, by=CY, now=own.make.now)
        assert outside.clashes(own.elm, own.make.now) == []
    assert other.status == "booked"


@pytest.mark.usefixtures("both_databases")
@pytest.mark.parametrize(
    ("busy", "stands_at"),
    [
        (TEN, "11:30"),
        ("DTSTART:20270111T102500Z\nDURATION:PT1H", "11:30"),
        ("DTSTART:20270111T093000Z\nDURATION:PT30M", "10:00"),
        ("DTSTART:20270111T103000Z\nDURATION:PT1H", "10:00"),
        ("DTSTART:20270111T113000Z\nDURATION:PT1H", "10:00"),
        ("DTSTART:20270112T100000Z\nDURATION:PT1H", "10:00"),
    ],
)
def test_a_move_is_not_undone_into_a_time_that_became_busy(own: Own, busy: str, stands_at: str) -> None:
    visit = own.book()
    own.move(visit, "Mon 11:30")
    own.serve(busy)
    own.add()
    own.read()
    with own.app.app_context():
        if stands_at == "11:30":
            with pytest.raises(SlotTaken):
                appointments.undo_move(own.elm, visit.public_id, by=CY, now=own.now)
        else:
            appointments.undo_move(own.elm, visit.public_id, by=CY, now=own.now)
        found = by_public_id(own.elm, visit.public_id)
        assert found.starts_at == own.make.at(f"Mon {stands_at}")
        assert holds.of_appointment(found.id).starts_at == found.starts_at  # type: ignore[union-attr]


def test_a_visit_that_was_squeezed_into_a_busy_time_may_go_back_there(own: Own) -> None:
    own.add()
    own.read()
    visit = own.book(by=CY, squeeze="Bo says yes")
    own.move(visit, "Mon 11:30")
    with own.app.app_context():
        back = appointments.undo_move(own.elm, visit.public_id, by=CY, now=own.now)
    assert back.starts_at == own.make.at("Mon 10:00")


def test_two_workers_read_it_once_and_a_dead_one_is_stood_in_for(own: Own, monkeypatch: pytest.MonkeyPatch) -> None:
    own.add()

    def die(*_: Any, **__: Any) -> None:
        raise SystemExit

    with own.app.app_context(), monkeypatch.context() as patch:
        patch.setattr("booking.fetch.fetch", die)
        with pytest.raises(SystemExit):
            actions.read_due(own.now)
    assert own.read() == 0
    assert own.read(actions.LEASE) == 1
    assert "10:00" not in own.offered()


def test_a_calendar_that_breaks_the_reader_is_told_and_the_others_are_read(
    own: Own, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    own.add()
    own.server.answers["/other.ics"] = answer(200, calendar("DTSTART:20270111T090000Z\nDURATION:PT30M"))
    own.add(f"{own.server.origin}/other.ics")
    run = apart.run

    def broken(seconds: float, work: Any, contents: Any, **more: Any) -> Any:
        if b"T100000Z" in b"".join(contents):
            raise RecursionError("of Bo's dentist")
        return run(seconds, work, contents, **more)

    monkeypatch.setattr(apart, "run", broken)
    assert own.read() == 2
    assert own.offered() == CLOCKS[1:]
    with own.app.app_context():
        assert [one.fault for one in outside.of_clinic(own.elm)] == ["no-calendar", None]
    assert "RecursionError" in caplog.text
    assert "dentist" not in caplog.text


def test_an_event_that_is_not_understood_any_more_keeps_the_times_that_it_had(own: Own) -> None:
    own.serve(event(f"{TEN}\nRRULE:FREQ=DAILY", "choir"), event("DTSTART:20270111T120000Z\nDURATION:PT1H", "lunch"))
    own.add()
    own.read()
    own.serve(event(f"{TEN}\nRRULE:FREQ=DAILY;BYFOO=1", "choir"))
    own.read(EVERY)
    assert own.row().unread == 1
    assert own.offered() == ["09:00", "09:30", "11:00", "11:30", "12:00"]
    assert own.offered("Tue") == ["09:00", "09:30", "11:00", "11:30", "12:00"]
    own.serve(event("DTSTART:20270111T090000Z\nDURATION:PT30M", "choir"))
    own.read(EVERY)
    assert own.row().unread == 0
    assert own.offered() == CLOCKS[1:]
    assert "10:00" in own.offered("Tue")


def test_an_address_that_does_not_open_is_a_failure_of_its_own(own: Own) -> None:
    own.add()
    own.server.answers["/other.ics"] = answer(200, calendar("DTSTART:20270111T090000Z\nDURATION:PT30M"))
    own.add(f"{own.server.origin}/other.ics")

    @transaction
    def spoil() -> None:
        db.session.execute(sa.text("update outside_calendar set address = x'00' where id = 1"))

    with own.app.app_context():
        spoil()
    assert own.read() == 2
    assert own.offered() == CLOCKS[1:]
    with own.app.app_context():
        assert [bool(one.fault) for one in outside.of_clinic(own.elm)] == [True, False]


def test_another_calendar_is_taken_beside_one_whose_address_does_not_open(own: Own) -> None:
    own.add()
    own.app.config["SETTINGS"] = own.app.config["SETTINGS"].model_copy(update={"field_key": OTHER_KEY})
    own.server.answers["/other.ics"] = answer(200, calendar("DTSTART:20270111T090000Z\nDURATION:PT30M"))
    own.add(f"{own.server.origin}/other.ics")
    with pytest.raises(Invalid) as refused:
        own.add(f"{own.server.origin}/other.ics")
    assert refused.value.faults == {"url": "known"}
    assert own.read() == 2
    assert own.offered() == CLOCKS[1:]


@pytest.mark.usefixtures("both_databases")
def test_a_file_is_read_anew_when_it_would_be_understood_otherwise(own: Own) -> None:
    seen: list[str | None] = []

    def changed(request: Request) -> bytes:
        seen.append(request.headers["If-Modified-Since"])
        known = bool(request.headers["If-Modified-Since"])
        return answer(304) if known else answer(200, calendar(TEN), Last_Modified="then " * 39)

    own.server.answers[PATH] = changed
    own.add()
    own.read()
    own.read(EVERY)
    with own.app.app_context():
        clinics.load(ELM.replace('email = "bo@elm.example"', 'email = "bo@other.example"'), now=own.now)
    own.read(EVERY)
    assert [bool(one) for one in seen] == [False, True, False]


def test_what_keeps_the_reader_busy_is_given_up_and_frees_nothing(own: Own, monkeypatch: pytest.MonkeyPatch) -> None:
    own.add()
    own.read()
    monkeypatch.setattr(actions, "LONGEST", 0.01)
    own.serve(*["DTSTART:20270112T090000Z\nDURATION:PT30M\nRRULE:FREQ=DAILY"] * 50)
    own.read(EVERY)
    assert own.row().fault == "too-much"
    assert "10:00" not in own.offered()


def test_what_is_removed_while_it_is_read_stays_removed(own: Own) -> None:
    made = own.add()

    def removed(_: Request) -> bytes:
        with own.app.app_context():
            actions.remove(own.elm, made.public_id, by=CY, now=own.now)
        return answer(200, calendar(TEN))

    own.server.answers[PATH] = removed
    assert own.read() == 1
    assert own.offered() == CLOCKS


def test_who_has_left_is_not_read(own: Own) -> None:
    own.add()
    own.read()
    with own.app.app_context():
        bo, dee = (ELM.index(f'[[practitioners]]\nslug = "{who}"') for who in ("bo", "dee"))
        without_bo = ELM[:bo] + ELM[dee:]
        clinics.load(without_bo.replace('"visit", "needles"', '"visit"'), now=own.now, keep_visits=True)
        assert outside.of_clinic(own.elm) == []
    assert own.read(EVERY) == 0


def test_several_calendars_of_one_practitioner_add_up(own: Own) -> None:
    own.add()
    own.server.answers["/other.ics"] = answer(200, calendar("DTSTART:20270111T103000Z\nDTEND:20270111T113000Z"))
    other = own.add(f"{own.server.origin}/other.ics")
    assert own.read() == 2
    assert own.offered() == ["09:00", "09:30", "11:30", "12:00"]
    with own.app.app_context():
        actions.remove(own.elm, other.public_id, by=CY, now=own.now)
    assert own.offered() == ["09:00", "09:30", "11:00", "11:30", "12:00"]


def test_addresses_that_may_not_be_asked_are_refused_at_once(own: Own) -> None:
    def refused(url: str, who: int = 0) -> str:
        with pytest.raises(Invalid) as caught:
            own.add(url, who)
        return caught.value.faults["url"]

    own.add()
    assert refused(f"{own.server.origin}{PATH}") == "known"
    assert refused("http://calendar.example/a.ics") == "address"
    assert refused("https://bo:word@calendar.example/a.ics") == "address"
    assert refused("https://10.0.0.1/a.ics") == "private"
    for n in range(actions.MOST - 1):
        own.add(f"https://calendar.example/{n}.ics")
    assert refused("https://calendar.example/more.ics") == "many"
    with pytest.raises(NotFound):
        own.add("https://calendar.example/a.ics", 999)
    with own.app.app_context():
        ward = db.session.scalars(sa.select(Actor.id).where(Actor.slug == "ward")).one()
    with pytest.raises(NotFound):
        own.add("https://calendar.example/a.ics", ward)


def test_nothing_of_an_event_but_its_time_is_kept_and_the_address_is_sealed(own: Own, database_url: str) -> None:
    own.serve(f"{TEN}\nDESCRIPTION:Root canal\nLOCATION:12 Oak Road\nATTENDEE;CN=Zoe:mailto:zoe@example.com")
    own.add(user="bo-at-home", password="correct horse")
    own.read()
    with own.app.app_context():
        assert outside.place_of(own.row()).password == "correct horse"
        db.engine.dispose()
    folder = Path(database_url.removeprefix("sqlite:///")).parent
    kept = b"".join(path.read_bytes() for path in folder.glob("booking.db*"))
    assert b"outside_busy" in kept
    for secret in (b"Root canal", b"Oak Road", b"zoe@", b"Dentist", b"private-0123", b"bo-at-home", b"correct horse"):
        assert secret not in kept


def test_a_caldav_calendar_is_read_with_its_exceptions(own: Own) -> None:
    def put(*events: str) -> str:
        return calendar(*events).decode()

    weekly = event(
        "DTSTAMP:20270101T000000Z\nDTSTART;TZID=Europe/London:20260105T100000\n"
        "DTEND;TZID=Europe/London:20260105T110000\nRRULE:FREQ=WEEKLY",
        "choir",
    )
    moved = event(
        "DTSTAMP:20270101T000000Z\nRECURRENCE-ID;TZID=Europe/London:20270111T100000\n"
        "DTSTART;TZID=Europe/London:20270111T093000\nDTEND;TZID=Europe/London:20270111T100000",
        "choir",
    )
    free = event(f"DTSTAMP:20270101T000000Z\n{TEN}\nTRANSP:TRANSPARENT", "free")
    with caldav.running() as there:
        url = there.url + there.make_calendar("own", choir=put(weekly, moved), free=put(free))
        allowed = {"calendar_origins": there.url}
        own.app.config["SETTINGS"] = own.app.config["SETTINGS"].model_copy(update=allowed)
        own.add(url, user=there.user, password=there.password)
        own.read()
        assert own.offered() == ["09:00", "10:00", "10:30", "11:00", "11:30", "12:00"]
        with own.app.app_context():
            actions.remove(own.elm, own.row().public_id, by=WORKER, now=own.now)
        own.add(url, user=there.user, password="wrong")
        own.read()
        assert own.row().fault == "denied"


# Accounts


def choose(own: Own, *numbers: int, by: Caller = CY) -> None:
    with own.app.app_context():
        actions.choose(own.elm, own.row().public_id, numbers, by=by, now=own.now)


def chosen(own: Own) -> list[Place]:
    with own.app.app_context():
        return [outside.place_of(one) for one in outside.of_practitioner(own.elm, own.bo)]


def state(own: Own) -> State:
    with own.app.app_context():
        return outside.states(own.elm)[0]


@pytest.fixture
def account(own: Own) -> Own:
    """Bo's account is entered by its address alone; of its calendars "Choir" says busy, but others need not know."""
    own.server.answers |= servers_account(
        ("/cals/own/", told_calendar("Own")), ("/cals/choir/", told_calendar("Choir", is_transparent=True))
    )
    own.server.answers["/cals/own/"] = answer(200, calendar(TEN))
    own.server.answers["/cals/choir/"] = answer(200, calendar("DTSTART:20270111T090000Z\nDURATION:PT30M"))
    own.add(f"{own.server.origin}/", user="bo", password="secret")
    return own


@pytest.mark.usefixtures("both_databases")
def test_an_account_waits_for_a_choice_and_is_left_alone_until_then(account: Own) -> None:
    assert account.read() == 1
    with account.app.app_context():
        found = outside.choices_of(account.row())
    home = f"{account.server.origin}/cals/"
    assert found == [Found("Own", f"{home}own/", counts=True), Found("Choir", f"{home}choir/", counts=False)]
    assert (state(account).is_waiting, account.row().fault) == (True, None)
    assert account.offered() == CLOCKS
    assert account.read(timedelta(days=2)) == 0
    assert not state(account).is_to_warn_of(account.now)


@pytest.mark.usefixtures("both_databases")
def test_what_is_chosen_from_an_account_blocks_time_and_the_account_is_gone(account: Own) -> None:
    account.read()
    choose(account, 0)
    assert chosen(account) == [Place(f"{account.server.origin}/cals/own/", "bo", "secret", "Own")]
    assert account.read() == 1
    assert account.offered() == ["09:00", "09:30", "11:00", "11:30", "12:00"]
    assert not state(account).is_waiting
    with account.app.app_context():
        told = audit.search(account.elm, audit.Wanted())
    assert [entry.action for entry in told if entry.action.startswith("calendar.")] == ["calendar.added"] * 2
    with pytest.raises(NotFound):
        choose(account, 1)


def test_a_choice_makes_no_doubles_and_keeps_to_the_limit(account: Own) -> None:
    account.read()
    waiting = account.row().public_id

    def choose(*numbers: int) -> None:
        with account.app.app_context():
            actions.choose(account.elm, waiting, numbers, by=CY, now=account.now)

    with pytest.raises(Invalid) as refused:
        choose()
    assert refused.value.faults == {"url": "none"}
    with pytest.raises(Invalid):
        choose(-1, 7)
    others = [account.add(f"https://calendar.example/{n}.ics") for n in range(actions.MOST - 1)]
    with pytest.raises(Invalid) as refused:
        choose(0, 1)
    assert refused.value.faults == {"url": "many"}
    assert len(chosen(account)) == actions.MOST
    with account.app.app_context():
        assert outside.get(account.elm, waiting).choices
        actions.remove(account.elm, others[0].public_id, by=CY, now=account.now)
    account.add(f"{account.server.origin}/cals/own", user="bo", password="secret")
    choose(0, 1)
    assert [place.url.rpartition("/cals/")[2] for place in chosen(account)][-2:] == ["own", "choir/"]


@pytest.mark.parametrize(
    "page",
    [
        answer(200, b"<html>Sign in</html>"),
        answer(403),
        answer(404),
        answer(405),
        answer(302, Location="http://help.example/"),
    ],
)
def test_an_account_is_found_behind_whatever_its_address_shows_to_browsers(account: Own, page: bytes) -> None:
    told = account.server.answers["/"]
    assert isinstance(told, bytes)
    account.server.answers["/"] = lambda request: told if request.method == "PROPFIND" else page
    account.read()
    assert state(account).is_waiting


def test_the_only_calendar_of_an_account_is_taken_without_asking(account: Own) -> None:
    account.server.answers |= servers_account(("/cals/own/", told_calendar("Own")))
    assert account.read() == 2
    assert [place.name for place in chosen(account)] == ["Own"]
    assert account.offered() == ["09:00", "09:30", "11:00", "11:30", "12:00"]
    with account.app.app_context():
        assert audit.search(account.elm, audit.Wanted(by_kind="worker"))[0].action == "calendar.added"


def test_an_account_without_calendars_or_that_refuses_the_login_is_a_failure_as_any_other(account: Own) -> None:
    account.server.answers |= servers_account()
    account.read()
    assert account.row().fault == "no-calendar"
    account.server.answers = dict.fromkeys(account.server.answers, answer(401))
    assert account.read(EVERY) == 1
    assert (account.row().fault, account.row().choices) == ("denied", None)
    account.server.answers |= servers_account(("/a/", told_calendar("A")), ("/b/", told_calendar("B")))
    assert account.read(timedelta(hours=1)) == 1
    assert (account.row().fault, account.row().failing_since, state(account).is_waiting) == (None, None, True)


@pytest.mark.parametrize("status", [401, 404, 500])
def test_a_calendar_that_was_read_or_chosen_never_becomes_an_account(account: Own, status: int) -> None:
    account.read()
    choose(account, 0)
    account.server.answers["/cals/own/"] = answer(status)
    asked = len(account.server.requests)
    account.read()
    account.server.answers["/cals/own/"] = answer(200, calendar(TEN))
    account.read(EVERY)
    account.server.answers["/cals/own/"] = answer(status)
    account.read(EVERY)
    assert {request.path for request in account.server.requests[asked:]} == {"/cals/own/"}
    assert (account.row().choices, bool(account.row().fault)) == (None, True)
    assert account.offered() == ["09:00", "09:30", "11:00", "11:30", "12:00"]


def test_a_calendar_that_was_entered_itself_and_read_once_never_becomes_an_account(own: Own) -> None:
    own.server.answers |= servers_account(("/a/", told_calendar("A")), ("/b/", told_calendar("B")))
    own.server.answers["/.well-known/caldav"] = own.server.answers["/"]
    own.add(user="bo", password="secret")
    own.read()
    own.fail(404)
    own.read(EVERY)
    assert (own.row().fault, own.row().choices) == ("gone", None)


def test_an_account_that_is_removed_while_it_is_looked_through_stays_removed(account: Own) -> None:
    listed = account.server.answers["/cals/"]

    def removed(_: Request) -> bytes:
        with account.app.app_context():
            actions.remove(account.elm, account.row().public_id, by=CY, now=account.now)
        assert isinstance(listed, bytes)
        return listed

    account.server.answers["/cals/"] = removed
    assert account.read() == 1
    assert chosen(account) == []


def test_the_calendars_of_an_account_are_sealed_and_what_does_not_open_is_no_choice(
    account: Own, database_url: str
) -> None:
    account.read()
    with account.app.app_context():
        db.engine.dispose()
    folder = Path(database_url.removeprefix("sqlite:///")).parent
    kept = b"".join(path.read_bytes() for path in folder.glob("booking.db*"))
    assert b"outside_calendar" in kept
    assert b"Choir" not in kept
    assert b"/cals/" not in kept
    account.app.config["SETTINGS"] = account.app.config["SETTINGS"].model_copy(update={"field_key": OTHER_KEY})
    with account.app.app_context():
        assert outside.choices_of(account.row()) == []
    with pytest.raises(NotFound):
        choose(account, 0)


def test_from_the_address_of_a_real_account_to_a_busy_time(own: Own) -> None:
    with caldav.running() as there:
        mine = there.make_calendar("mine", choir=calendar(event(f"DTSTAMP:20270101T000000Z\n{TEN}", "choir")).decode())
        there.describe(mine, "Mine")
        there.describe(there.make_calendar("tasks"), "Tasks", "VTODO")
        there.describe(there.make_calendar("family"), "Family", "VEVENT")
        update = {"calendar_origins": there.url}
        own.app.config["SETTINGS"] = own.app.config["SETTINGS"].model_copy(update=update)
        own.add(there.url, user=there.user, password=there.password)
        assert own.read() == 1
        with own.app.app_context():
            names = [found.name for found in outside.choices_of(own.row())]
        assert sorted(names) == ["Family", "Mine"]
        choose(own, names.index("Mine"))
        assert own.read() == 1
        assert own.offered() == ["09:00", "09:30", "11:00", "11:30", "12:00"]


@pytest.mark.parametrize("both_databases", ["postgresql"], indirect=True)
def test_a_busy_time_that_arrives_while_somebody_books_it_is_seen(
    own: Own, both_databases: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    own.add()
    lock: Callable[..., Any] = holds.lock
    rivals = [own.read]

    def lock_after_rival(*args: object) -> object:
        if rivals:
            thread = threading.Thread(target=rivals.pop())
            thread.start()
            thread.join(20)
        return lock(*args)

    monkeypatch.setattr(holds, "lock", lock_after_rival)
    with pytest.raises(SlotTaken):
        own.book()
    assert rivals == []
