"""No time is ever given twice: many clients in several processes want the same time at the same moment.

Each round has a day of its own. Both databases run the same races.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from flask import Flask

from booking.actions import clinic as clinics
from booking.actions import key as keys
from booking.settings import Settings
from booking.store.base import db
from booking.store.hold import Hold, HoldTick
from booking.store.practitioner import Actor, Service
from tests.racers import Job, Outcome, Racers, racers

ROUNDS = 20
MANY = 100
SOME = int(os.environ.get("BOOKING_TEST_RACERS", "24"))

ELM = """
[clinic]
slug = "elm"
name = "Elm Clinic"
phone = "+44 20 7946 0142"
email = "desk@elm.example"
region = "GB"
languages = ["en"]
confirmation = "instant"
minimum_notice = 0
cancellation_notice = 0
horizon = 90
open_visits_per_patient = 4

[[locations]]
slug = "main"
name = "Elm Street"
address = ["1 Elm Street", "London"]
zone = "Europe/London"

[[rooms]]
slug = "ward"
location = "main"
places = 6

[[services]]
slug = "visit"
name = "Visit"
every = 5
stages = [{minutes = 30}]

[[services]]
slug = "rest"
name = "Rest"
every = 30
rooms = ["ward"]
stages = [{minutes = 30, practitioner = false}]

[[practitioners]]
slug = "bo"
name = "Bo"
email = "bo@elm.example"
services = ["visit", "rest"]
hours = [{days = "Mon-Sun", from = "08:00", to = "18:00", location = "main"}]
"""


class Elm:
    """The clinic that everybody wants a time of, and the race on it."""

    def __init__(self, runners: Racers, settings: Settings, now: datetime) -> None:
        self.runners, self.settings, self.now = runners, settings, now
        self.id = clinics.load(ELM, now=now).clinic_id
        rows = db.session.execute(sa.select(Service.slug, Service.id).where(Service.clinic_id == self.id))
        self.services = dict(rows.all())
        self.key = keys.create(self.id, "racers", ["book"], days=1, now=now)
        db.session.rollback()

    def noon(self, number: int) -> datetime:
        """Noon of the round's own day, UTC."""
        return datetime(2027, 1, 12, 12, tzinfo=UTC) + timedelta(days=number)

    def job(self, verb: str, start: datetime | None = None, appointment: str = "", service: str = "visit") -> Job:
        return Job(verb, self.id, self.services[service], start, appointment)

    def post(self, start: datetime) -> Job:
        body = {
            "service": "visit",
            "start": start.isoformat(),
            "patient": {"name": "Ada", "email": f"ada{start:%d%m}@example.com"},
            "new_patient": False,
        }
        return Job("post", self.id, key=self.key, body=body)

    def race(self, jobs: Sequence[Job], *, later: timedelta = timedelta()) -> list[Outcome]:
        outcomes = self.runners.run(self.settings, jobs, self.now + later)
        faults = [outcome for outcome in outcomes if outcome.how not in ("done", "taken")]
        assert not faults, faults[:3]
        assert len(outcomes) == len(jobs)
        return outcomes

    def alone(self, job: Job) -> Outcome:
        [outcome] = self.race([job])
        return outcome

    def check(self, *, squeezed: int = 0) -> None:
        """Nobody's time is given twice, by counting; `squeezed` ticks are over capacity by the desk's will."""
        full = (
            sa.select(sa.func.count())
            .group_by(HoldTick.actor_id, HoldTick.tick, Actor.capacity)
            .join(Actor, Actor.id == HoldTick.actor_id)
            .select_from(HoldTick)
            .having(sa.func.count() > Actor.capacity)
        )
        over = db.session.scalars(full).all()
        db.session.rollback()
        assert len(over) == squeezed


@pytest.fixture(scope="module")
def runners() -> Iterator[Racers]:
    with racers() as running:
        yield running


@pytest.fixture
def elm(both_databases: str, runners: Racers, app: Flask, context: None, settings: Settings, now: datetime) -> Elm:
    return Elm(runners, settings, now)


def done(outcomes: Sequence[Outcome], verb: str = "") -> list[Outcome]:
    return [outcome for outcome in outcomes if outcome.how == "done" and verb in ("", outcome.verb)]


@pytest.mark.settings(rate_limits="off")
def test_of_a_hundred_clients_one_gets_the_place(elm: Elm) -> None:
    for number in range(ROUNDS):
        outcomes = elm.race([elm.post(elm.noon(number)) for _ in range(MANY)])
        assert Counter(outcome.how for outcome in outcomes) == {"done": 1, "taken": MANY - 1}
        assert all(outcome.alternatives == 3 for outcome in outcomes if outcome.how == "taken")
    elm.check()


def test_of_overlapping_starts_one_gets_the_time(elm: Elm) -> None:
    for number in range(ROUNDS):
        starts = [elm.noon(number) + timedelta(minutes=5 * (n % 6)) for n in range(SOME)]
        outcomes = elm.race([elm.job("book" if n % 2 else "hold", start) for n, start in enumerate(starts)])
        assert len(done(outcomes)) == 1
        assert all(outcome.alternatives == 3 for outcome in outcomes if outcome.how == "taken")
    elm.check()


def test_six_places_go_to_six(elm: Elm) -> None:
    for number in range(ROUNDS):
        outcomes = elm.race([elm.job("book", elm.noon(number), service="rest") for _ in range(SOME)])
        assert Counter(outcome.how for outcome in outcomes) == {"done": 6, "taken": SOME - 6}
    elm.check()


def test_a_provisional_hold_guards_until_it_expires_and_then_one_gets_the_time(elm: Elm) -> None:
    for number in range(ROUNDS):
        elm.alone(elm.job("hold", elm.noon(number)))
        wanted = [elm.job("book", elm.noon(number)) for _ in range(SOME // 2)]
        assert not done(elm.race(wanted, later=timedelta(minutes=10)))
        assert len(done(elm.race(wanted, later=timedelta(minutes=11, seconds=1)))) == 1
    elm.check()


def test_a_cancelled_time_goes_to_one_at_most(elm: Elm) -> None:
    for number in range(ROUNDS):
        visit = elm.alone(elm.job("book", elm.noon(number)))
        jobs = [elm.job("book", elm.noon(number)) for _ in range(SOME)]
        jobs.insert(number % SOME, elm.job("cancel", appointment=visit.appointment))
        outcomes = elm.race(jobs)
        assert len(done(outcomes, "cancel")) == 1
        won = len(done(outcomes, "book"))
        assert won <= 1
        assert elm.alone(elm.job("book", elm.noon(number))).how == ("taken" if won else "done")
    elm.check()


def test_a_move_by_one_step_keeps_its_time_or_gets_the_next(elm: Elm) -> None:
    for number in range(ROUNDS):
        start = elm.noon(number)
        visit = elm.alone(elm.job("book", start))
        jobs = [elm.job("book", start + timedelta(minutes=30)) for _ in range(SOME)]
        jobs.insert(number % SOME, elm.job("move", start + timedelta(minutes=5), visit.appointment))
        outcomes = elm.race(jobs)
        # The step needs five minutes of the time that the others want: one of the two sides gets it.
        assert len(done(outcomes)) == 1
        holds = db.session.scalars(
            sa.select(Hold.starts_at).where(Hold.starts_at >= start, Hold.starts_at < start + timedelta(hours=1))
        ).all()
        db.session.rollback()
        moved = bool(done(outcomes, "move"))
        assert sorted(holds) == ([start + timedelta(minutes=5)] if moved else [start, start + timedelta(minutes=30)])
    elm.check()


def test_a_squeeze_in_keeps_the_time_closed_when_its_neighbour_cancels(elm: Elm) -> None:
    for number in range(ROUNDS):
        start = elm.noon(number)
        first = elm.alone(elm.job("book", start))
        squeezed = elm.alone(elm.job("squeeze", start))
        if number == 0:
            elm.check(squeezed=6)
        jobs = [elm.job("book", start) for _ in range(SOME)]
        jobs.insert(number % SOME, elm.job("cancel", appointment=first.appointment))
        outcomes = elm.race(jobs)
        assert [outcome.verb for outcome in done(outcomes)] == ["cancel"]
        elm.alone(elm.job("cancel", appointment=squeezed.appointment))
        assert elm.alone(elm.job("book", start)).how == "done"
    elm.check()


def test_the_table_itself_refuses_a_second_hold_of_one_seat(elm: Elm) -> None:
    elm.alone(elm.job("book", elm.noon(0)))
    tick = db.session.execute(sa.select(HoldTick.__table__)).mappings().first()
    assert tick is not None
    with pytest.raises(sa.exc.IntegrityError):
        db.session.connection().execute(sa.insert(HoldTick.__table__), dict(tick))
    db.session.rollback()
