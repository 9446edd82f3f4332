"""The guard itself, asked without the heart in front of it: the count decides, and the key keeps watch."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
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
STAGED = shape((Stage(10), Stage(20, practitioner=False), Stage(5), Stage(5, practitioner=False, patient=False)))


@transaction
def place(make: Make, wanted: Wanted, *, squeeze: bool = False) -> Hold:
    locked = holds.lock(
        wanted.clinic, {c.practitioner for c in wanted.candidates}.union(*(c.rooms for c in wanted.candidates))
    )
    return holds.place(
        replace(wanted, squeeze=squeeze), locked, now=make.now, expires_at=make.now + timedelta(minutes=10)
    )


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


def many(make: Make, luck: random.Random, number: int) -> list[Wanted]:
    """Visits of two practitioners and a room at random times, with one or several ways to take place."""
    one = wanted(make, in_ward=True)
    ids = dict(db.session.execute(sa.select(Actor.slug, Actor.id)).all())
    place = one.candidates[0].location
    found = []
    for _ in range(number):
        people = luck.choice([["bo"], ["dee"], ["bo", "dee"], ["dee", "bo"]])
        rooms = (ids["ward"],) if luck.random() < 0.7 else ()
        found.append(
            replace(
                one,
                start=one.start + luck.choice([0, 288, 2016]) + luck.randrange(30),
                shape=luck.choice([LYING_DOWN, TREATED, STAGED]) if rooms else TREATED,
                candidates=tuple(Candidate(ids[who], place, rooms) for who in people),
                squeeze=luck.random() < 0.1,
            )
        )
    return found


def as_taken(found: Hold | None) -> tuple[object, ...] | None:
    if found is None:
        return None
    query = sa.select(HoldTick.actor_id, HoldTick.tick, HoldTick.seat, HoldTick.expires_at)
    rows = db.session.execute(query.where(HoldTick.hold_id == found.id).order_by(HoldTick.actor_id, HoldTick.tick))
    where = (found.practitioner_id, found.room_id, found.starts_at, found.ends_at, found.last_tick)
    return (*where, *map(tuple, rows))


class Undone(Exception):
    pass


@pytest.mark.parametrize("seed", range(4))
def test_many_at_once_get_what_they_would_get_one_after_the_other(make: Make, seed: int) -> None:
    luck = random.Random(seed)
    before, asked = many(make, luck, 20), many(make, luck, 120)
    actors = db.session.scalars(sa.select(Actor.id)).all()
    until = make.now + timedelta(minutes=10)
    outcomes: dict[str, list[object]] = {}

    @transaction
    def run(way: str) -> None:
        locked = holds.lock(make.elm, actors)
        # Some stand there already, and some of them have expired by then.
        for n, one in enumerate(before):
            expires_at = make.now - timedelta(minutes=1 + n % 3) if n % 2 else until
            holds.place(replace(one, squeeze=True), locked, now=make.now - timedelta(hours=1), expires_at=expires_at)
        if way == "at once":
            found = holds.place_all(asked, locked, now=make.now, expires_at=until)
        else:
            found = []
            for one in asked:
                try:
                    found.append(holds.place(one, locked, now=make.now, expires_at=until))
                except SlotTaken:
                    found.append(None)
        outcomes[way] = [as_taken(one) for one in found]
        raise Undone

    for way in ("at once", "in turn"):
        with pytest.raises(Undone):
            run(way)
    assert outcomes["at once"] == outcomes["in turn"]
    lost = outcomes["at once"].count(None)
    assert 20 < lost < 110


@transaction
def place_all(make: Make, asked: Sequence[Wanted]) -> list[bool]:
    locked = holds.lock(make.elm, [asked[0].candidates[0].practitioner])
    found = holds.place_all(asked, locked, now=make.now, expires_at=make.now + timedelta(minutes=10))
    return [one is not None for one in found]


def test_whoever_loses_among_many_leaves_the_others_their_time(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = wanted(make)
    place(make, replace(asked, start=asked.start + 12))
    assert place_all(make, [replace(asked, start=asked.start + ticks) for ticks in (0, 3, 6, 12, 18)]) == [
        True,
        False,  # the first of them has it
        True,
        False,  # it was taken before
        True,
    ]
    # The same where somebody took time without asking: the key finds it, not the count.
    monkeypatch.setattr(holds, "_seats", lambda *_, **__: {})
    assert place_all(make, [replace(asked, start=asked.start + ticks) for ticks in (24, 14, 30)]) == [True, False, True]
    assert db.session.scalar(sa.select(sa.func.count(Hold.id))) == 6
    assert db.session.scalar(sa.select(sa.func.count()).select_from(HoldTick)) == 6 * 6
