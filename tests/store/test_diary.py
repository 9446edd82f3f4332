"""The diary remembers much and has to know when: it is compared with one that remembers nothing."""

from __future__ import annotations

import random

import pytest
import sqlalchemy as sa
from flask import current_app

from booking.actions import appointment as actions
from booking.actions import importing
from booking.actions import slot as slots
from booking.domain.access import Caller
from booking.domain.availability import Window
from booking.domain.errors import BookingError
from booking.domain.time import tick_of
from booking.store import base, diary
from booking.store.base import db, transaction
from booking.store.hold import KEPT_TOUCHED, Touched
from booking.store.practitioner import Actor
from tests.cast import DAYS, Make

pytestmark = pytest.mark.usefixtures("context")

CY = Caller("staff", 1, "front-desk")


def levels(make: Make, days: int = 30) -> dict[int, tuple[int, ...]]:
    book = slots.read(make.elm, make.now)
    start = tick_of(make.now)
    found = book.levels(sorted(book.revisions), Window(start, start + days * 288))
    db.session.rollback()
    return found


def as_read_anew(make: Make) -> dict[int, tuple[int, ...]]:
    """The same from a process that has just been started; this one's memory stays as it is."""
    remembered = current_app.extensions.pop(base.CACHES, None)
    try:
        return levels(make)
    finally:
        if remembered is not None:
            current_app.extensions[base.CACHES] = remembered


@pytest.mark.usefixtures("both_databases")
def test_whatever_happens_the_remembered_diary_is_what_the_database_says(make: Make) -> None:
    luck = random.Random(7)
    visits: list[str] = []
    for n in range(60):
        day, hour = luck.choice(DAYS[:5]), luck.randint(9, 16)
        deed = luck.choice(["book", "book", "squeeze", "needles", "move", "cancel", "sweep", "hold"])
        try:
            match deed:
                case "book" | "needles":
                    service = "visit" if deed == "book" else "needles"
                    person = make.person(name=f"Patient{n} Elm")
                    visits.append(
                        make.appointment(f"{day} {hour:02}:00", weeks=1, service=service, person=person).public_id
                    )
                case "squeeze":
                    person = make.person(name=f"Patient{n} Elm")
                    start = make.at(f"{day} {hour:02}:00", weeks=1)
                    made = actions.book(make.elm, make.wish(), start, person, by=CY, now=make.now, squeeze="in pain")
                    visits.append(made.public_id)
                case "move" if visits:
                    start = make.at(f"{day} {hour:02}:30", weeks=2)
                    actions.reschedule(make.elm, luck.choice(visits), start, by=CY, now=make.now)
                case "cancel" if visits:
                    actions.cancel(make.elm, visits.pop(luck.randrange(len(visits))), by=CY, now=make.now)
                case "sweep":
                    actions.sweep(make.now)
                case "hold":
                    make.hold(f"{day} {hour:02}:30", weeks=1)
        except BookingError:
            pass
        if n % 3 == 0:
            assert levels(make) == as_read_anew(make)
    assert len(visits) > 5
    assert levels(make) == as_read_anew(make)


@pytest.mark.usefixtures("both_databases")
def test_what_many_visits_touched_at_once_is_read_again(make: Make) -> None:
    luck = random.Random(3)
    actors = db.session.scalars(sa.select(Actor.id).where(Actor.clinic_id == make.elm)).all()
    for n in range(6):
        before = levels(make)
        rows = []
        for k in range(8):
            start = make.at(f"{luck.choice(DAYS[:5])} {luck.randint(9, 16):02}:00", weeks=luck.randint(1, 3))
            what = luck.choice(["visit,bo", "needles,bo", "visit,dee"])
            rows.append(f"{start.isoformat()},{what},Patient {n} {k}")
        table = importing.read("\n".join(["start,service,practitioner,name", *rows]).encode(), make.elm, now=make.now)
        for batch in importing.batches(importing.examine(make.elm, table.rows, now=make.now)):
            importing.write(make.elm, batch, now=make.now)
        assert before != levels(make) == as_read_anew(make)
    raised = db.session.scalars(sa.select(Actor.revision).where(Actor.id.in_(actors))).all()
    assert 0 < max(raised) - 1 <= db.session.scalars(sa.select(sa.func.count()).select_from(Touched)).one()
    assert max(raised) < diary.MENDED, "else this test reads all anew"


def test_only_what_was_touched_is_read_again(make: Make) -> None:
    make.appointment("Mon 10:00", weeks=1)
    levels(make)
    asked: list[str] = []
    db.session.rollback()
    engine = db.session.get_bind()
    listen = lambda *event: asked.append(event[2])  # noqa: E731
    sa.event.listen(engine, "before_cursor_execute", listen)
    try:
        make.appointment("Tue 10:00", weeks=1, person=make.person(name="Bea Potter"))
        asked.clear()
        levels(make)
    finally:
        sa.event.remove(engine, "before_cursor_execute", listen)
    assert any("touched" in statement for statement in asked)
    assert not any("group_concat" in statement for statement in asked)


def test_a_revision_without_a_record_of_what_it_touched_makes_it_read_everything(make: Make) -> None:
    make.appointment("Mon 10:00", weeks=1)
    levels(make)
    db.session.execute(sa.delete(Touched))
    db.session.execute(sa.update(Actor).values(revision=Actor.revision + 3))
    db.session.commit()
    assert levels(make) == as_read_anew(make)


def test_what_a_transaction_saw_of_itself_is_forgotten_when_it_is_undone(make: Make) -> None:
    before = levels(make)

    @transaction
    def book_and_fail() -> None:
        make_at = make.at("Mon 10:00", weeks=1)
        actions.book(make.elm, wish, make_at, person, by=CY, now=make.now)
        book = diary.read(make.elm, make.now)
        book.levels(sorted(book.revisions), Window(tick_of(make.now), tick_of(make.now) + 30 * 288))
        raise RuntimeError

    wish, person = make.wish(), make.person()
    with pytest.raises(RuntimeError):
        book_and_fail()
    assert levels(make) == before
    # The next booking gives the actors the very revision that was undone.
    make.appointment("Tue 11:00", weeks=1)
    assert levels(make) == as_read_anew(make)


def test_the_record_of_what_was_touched_stays_short(make: Make) -> None:
    make.appointment("Mon 10:00", weeks=1)
    db.session.execute(sa.update(Actor).values(revision=Actor.revision + KEPT_TOUCHED))
    db.session.commit()
    actions.sweep(make.now)
    assert db.session.scalar(sa.select(sa.func.count()).select_from(Touched)) == 0
    assert levels(make) == as_read_anew(make)
