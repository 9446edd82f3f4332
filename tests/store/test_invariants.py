"""What must always hold is found when it does not: each case breaks one thing by hand."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from flask import Flask

from booking.actions import appointment as appointments
from booking.actions import outside as calendars
from booking.domain.access import PATIENT
from booking.domain.time import tick_of
from booking.store import invariants
from booking.store.base import db
from booking.store.outside import Place
from tests.cast import ELM, Make

BREAKS = {
    "no actor has more visits at one time than places": (
        "insert into hold_tick (clinic_id, actor_id, tick, seat, hold_id) "
        "select clinic_id, actor_id, tick, seat + 1, hold_id from hold_tick"
    ),
    "every visit to come has its hold": "delete from hold",
    "no visit that is over has a hold": "update appointment set status = 'cancelled'",
    "every hold agrees with its visit": "update hold set starts_at = datetime(starts_at, '+5 minutes')",
    "every hold's ticks are its own": "delete from hold_tick where tick = (select max(tick) from hold_tick)",
    "every row is of the same clinic as what it belongs to": (
        "update patient set clinic_id = (select max(id) from clinic)"
    ),
    "a visit's status is its last change's": "update appointment set status = 'arrived'",
    "the SEQUENCE of a visit's invites never goes back": "update appointment set sequence = 0",
    "every patient is found by name and contacts": "update patient set name = 'Ida'",
    "a merged record has no visits of its own": "update patient set merged_into_id = id",
    "the audit's chains hold": "update audit_head set hash = x'00'",
}


@pytest.fixture
def moved(app: Flask, make: Make) -> None:
    """Ada's visit, moved once; and another clinic."""
    visit = make.appointment("Tue 09:00")
    with app.app_context():
        appointments.reschedule(make.elm, visit.public_id, make.at("Wed 10:00"), by=PATIENT, now=make.now)
    make.clinic(ELM, slug="oak")


def broken(make: Make) -> list[str]:
    return [name for name, faults in invariants.faults(tick_of(make.now)) if faults]


def test_nothing_is_broken_in_a_book_that_was_kept_by_our_actions(app: Flask, make: Make, moved: None) -> None:
    with app.app_context():
        assert broken(make) == []
        assert [name for name, _ in invariants.faults(0)] == list(BREAKS)


@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_invariant_is_named(app: Flask, make: Make, moved: None, name: str) -> None:
    with app.app_context():
        db.session.execute(sa.text(BREAKS[name]))
        assert name in broken(make)


def test_a_squeeze_in_is_over_capacity_by_leave(app: Flask, make: Make, moved: None) -> None:
    with app.app_context():
        db.session.execute(sa.text(BREAKS["no actor has more visits at one time than places"]))
        db.session.execute(sa.text("""update change set what = '{"squeezed": true}'"""))
        assert broken(make) == []


def test_a_note_that_the_key_does_not_open_is_named(app: Flask, make: Make) -> None:
    visit = make.appointment("Tue 09:00", note="I use a cane.")
    with app.app_context():
        assert invariants.unopened() == []
        db.session.execute(sa.text("update appointment set note = cast(note || x'00' as blob)"))
        assert invariants.unopened() == [f"visit {visit.public_id}"]


def test_an_address_that_the_key_does_not_open_is_named(app: Flask, make: Make) -> None:
    bo = make.wish().practitioner or 0
    with app.app_context():
        calendars.add(make.elm, bo, Place("https://calendar.example/a.ics"), by=PATIENT, now=make.now)
        assert invariants.unopened() == []
        db.session.execute(sa.text("update outside_calendar set public_id = 'moved'"))
        db.session.expire_all()
        assert invariants.unopened() == ["calendar moved"]


def test_the_newest_instant_is_that_of_the_last_change(app: Flask, make: Make) -> None:
    make.appointment("Tue 09:00")
    with app.app_context():
        assert invariants.newest() == make.now
