"""Two requests of one person that meet between reading and locking, or one and an import. On SQLite they can't: a
writer locks first."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
import sqlalchemy as sa

from booking.actions import appointment as actions
from booking.actions import importing
from booking.actions import slot as slots
from booking.domain.access import PATIENT
from booking.domain.errors import BookingError, WrongStatus
from booking.domain.moving import Row
from booking.store import hold as holds
from booking.store.access import IdempotencyKey
from booking.store.appointment import Appointment
from booking.store.base import db
from booking.store.hold import Hold
from tests.cast import Make

pytestmark = [
    pytest.mark.usefixtures("context"),
    pytest.mark.parametrize("both_databases", ["postgresql"], indirect=True),
]

Between = Callable[[Callable[[], object]], None]


@pytest.fixture
def between(both_databases: str, make: Make, monkeypatch: pytest.MonkeyPatch) -> Between:
    """Call it with what a rival does, in a connection of its own, just before the first lock is asked for."""
    lock = holds.lock
    rivals: list[Callable[[], object]] = []

    def lock_after_rival(*args: object) -> object:
        if rivals:
            rival = rivals.pop()

            def run() -> None:
                with make.app.app_context():
                    rival()

            thread = threading.Thread(target=run)
            thread.start()
            thread.join(20)
        return lock(*args)

    monkeypatch.setattr(holds, "lock", lock_after_rival)
    return rivals.append


def every_visit_has_its_time() -> bool:
    """Whether each visit stands with a hold of its own."""
    query = sa.select(Hold.id).select_from(Appointment).outerjoin(Hold, Hold.appointment_id == Appointment.id)
    return None not in db.session.scalars(query).all()


def test_another_time_chosen_in_a_second_tab_leaves_the_booked_one_alone(make: Make, between: Between) -> None:
    wish, nine, ten = make.wish(), make.at("Tue 09:00"), make.at("Tue 10:00")
    make.hold("Tue 09:00", session_key="ada")
    between(lambda: actions.book(make.elm, wish, nine, make.person(), by=PATIENT, now=make.now, session_key="ada"))
    slots.hold(make.elm, wish, ten, session_key="ada", now=make.now)
    assert every_visit_has_its_time()
    assert len(db.session.scalars(sa.select(Hold)).all()) == 2


def test_one_hold_booked_in_two_tabs_makes_one_visit(make: Make, between: Between) -> None:
    wish, nine = make.wish(), make.at("Tue 09:00")
    make.hold("Tue 09:00", session_key="ada")

    def book(name: str) -> Appointment:
        return actions.book(make.elm, wish, nine, make.person(name), by=PATIENT, now=make.now, session_key="ada")

    between(lambda: book("Ada Lovelace"))
    with pytest.raises(BookingError):
        book("Eve Other")
    assert every_visit_has_its_time()
    assert len(db.session.scalars(sa.select(Appointment)).all()) == 1


@pytest.mark.parametrize("session_key", ["ada", None])
def test_the_same_request_twice_at_once_gives_the_same_visit(
    make: Make, between: Between, session_key: str | None
) -> None:
    wish, nine, key = make.wish(), make.at("Tue 09:00"), IdempotencyKey("web", "key", "digest")
    if session_key:
        make.hold("Tue 09:00", session_key=session_key)

    def book() -> str:
        return actions.book(
            make.elm, wish, nine, make.person(), by=PATIENT, now=make.now, session_key=session_key, key=key
        ).public_id

    first: list[str] = []
    between(lambda: first.append(book()))
    assert [book()] == first


def test_two_moves_at_once_end_in_one_of_them(make: Make, between: Between) -> None:
    visit = make.appointment("Tue 09:00")
    ten, eleven = make.at("Tue 10:00"), make.at("Tue 11:00")
    between(lambda: actions.reschedule(make.elm, visit.public_id, ten, by=PATIENT, now=make.now))
    actions.reschedule(make.elm, visit.public_id, eleven, by=PATIENT, now=make.now)
    assert every_visit_has_its_time()
    assert db.session.scalars(sa.select(Hold.starts_at)).all() == [eleven]


def test_a_move_of_what_is_being_cancelled_is_refused(make: Make, between: Between) -> None:
    visit = make.appointment("Tue 09:00")
    between(lambda: actions.cancel(make.elm, visit.public_id, by=PATIENT, now=make.now))
    with pytest.raises(WrongStatus):
        actions.reschedule(make.elm, visit.public_id, make.at("Tue 10:00"), by=PATIENT, now=make.now)
    assert db.session.scalars(sa.select(Hold)).all() == []


def test_an_import_leaves_out_a_visit_whose_patient_books_another_at_that_moment(make: Make, between: Between) -> None:
    row = Row(2, "2027-01-12 10:15", "visit", "bo", "Ada Lovelace", "ada@example.com")
    verdicts = importing.examine(make.elm, [row], now=make.now)
    wish, ten = make.wish(practitioner="dee"), make.at("Tue 10:00")
    between(lambda: actions.book(make.elm, wish, ten, make.person(), by=PATIENT, now=make.now))
    assert importing.write(make.elm, verdicts, now=make.now) == verdicts
    assert db.session.scalars(sa.select(Appointment.starts_at)).all() == [ten]
    assert every_visit_has_its_time()
