"""The guard itself, asked without the heart in front of it: the count decides, and the key keeps watch."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from booking.domain.availability import Stage, shape
from booking.domain.errors import SlotTaken
from booking.domain.time import tick_of
from booking.store import hold as holds
from booking.store.base import db, transaction
from booking.store.hold import Candidate, Hold, HoldTick, Wanted
from booking.store.practitioner import Actor
from tests.cast import Make

pytestmark = pytest.mark.usefixtures("both_databases", "context")

LYING_DOWN = shape((Stage(30, practitioner=False),))
TREATED = shape((Stage(30),))


@transaction
def place(make: Make, wanted: Wanted, *, squeeze: bool = False) -> Hold:
    locked = holds.lock(
        wanted.clinic, {c.practitioner for c in wanted.candidates}.union(*(c.rooms for c in wanted.candidates))
    )
    return holds.place(wanted, locked, now=make.now, expires_at=make.now + timedelta(minutes=10), squeeze=squeeze)


def wanted(make: Make, *, in_ward: bool = False) -> Wanted:
    wish = make.wish("needles" if in_ward else "visit")
    ward = db.session.scalars(sa.select(Actor.id).where(Actor.slug == "ward")).one()
    where = db.session.scalars(sa.select(Actor.location_id).where(Actor.id == ward)).one()
    assert wish.practitioner is not None
    assert where is not None
    candidate = Candidate(wish.practitioner, where, (ward,) if in_ward else ())
    form = LYING_DOWN if in_ward else TREATED
    return Wanted(make.elm, wish.service, False, tick_of(make.at("Tue 10:00")), form, (candidate,))


def test_a_second_visit_at_the_same_time_is_refused_by_the_count(make: Make) -> None:
    asked = wanted(make)
    place(make, asked)
    with pytest.raises(SlotTaken):
        place(make, asked)


def test_a_room_takes_as_many_as_it_has_places(make: Make) -> None:
    asked = wanted(make, in_ward=True)
    for _ in range(6):
        place(make, asked)
    with pytest.raises(SlotTaken):
        place(make, asked)
    assert set(db.session.scalars(sa.select(HoldTick.seat))) == set(range(6))


def test_only_a_squeeze_in_goes_over_and_then_nothing_fits(make: Make) -> None:
    asked = wanted(make)
    first = place(make, asked)
    place(make, asked, squeeze=True)
    transaction(holds.release)(db.session.get_one(Hold, first.id))
    with pytest.raises(SlotTaken):
        place(make, asked)


def test_the_key_refuses_what_a_wrong_count_would_let_in(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = wanted(make)
    place(make, asked)
    monkeypatch.setattr(holds, "_seats", lambda *_, **__: {})
    with pytest.raises(SlotTaken):
        place(make, asked)
    assert len(db.session.scalars(sa.select(Hold)).all()) == 1
