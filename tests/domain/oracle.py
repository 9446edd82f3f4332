"""What is on offer, found the slow way: every tick of every visit is looked at, one after the other.

Written from the rules and not from `availability`: it shares the value types with it and nothing else.
There is no arithmetic on wall clocks here; a day is the ticks at which the local clock shows its date,
and hours begin at the first of them at which the clock has come to the opening time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from booking.domain.availability import ExtraHours, Hours, NewPatients, NotAvailable, Plan, Service, Stage, Window, Wish

FIVE = timedelta(minutes=5)


def instant(tick: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + tick * FIVE


@cache
def wall(tick: int, zone: str) -> datetime:
    return instant(tick).astimezone(ZoneInfo(zone)).replace(tzinfo=None)


@cache
def ticks_of_day(day: date, zone: str) -> tuple[int, ...]:
    noon = int(datetime(day.year, day.month, day.day, 12, tzinfo=UTC).timestamp()) // 300
    return tuple(tick for tick in range(noon - 400, noon + 400) if wall(tick, zone).date() == day)


@dataclass
class Book:
    """Taken time as a plain count of visits per actor and tick; answers `levels` like a store would."""

    capacity: Mapping[int, int]
    visits: dict[int, Counter[int]] = field(default_factory=dict)
    elsewhere: dict[int, set[int]] = field(default_factory=dict)
    calls: int = 0

    def take(self, actor: int, ticks: Iterator[int] | range) -> None:
        self.visits.setdefault(actor, Counter()).update(ticks)

    def leave(self, practitioner: int, ticks: range) -> None:
        """Somebody's own calendar says that they are elsewhere."""
        self.elsewhere.setdefault(practitioner, set()).update(ticks)

    def count(self, actor: int, tick: int) -> int:
        return self.visits[actor][tick] if actor in self.visits else 0

    def levels(self, actors: Collection[int], window: Window) -> dict[int, tuple[int, ...]]:
        self.calls += 1
        return {
            actor: tuple(
                sum(
                    1 << tick - window.start
                    for tick, count in self.visits.get(actor, {}).items()
                    if count >= k and window.start <= tick < window.stop
                )
                for k in range(1, self.capacity[actor] + 1)
            )
            for actor in actors
        }

    def outside(self, practitioners: Collection[int], window: Window) -> dict[int, int]:
        return {
            who: sum(
                1 << tick - window.start for tick in self.elsewhere.get(who, ()) if window.start <= tick < window.stop
            )
            for who in practitioners
        }


def offered(
    plan: Plan, book: Book, wish: Wish, window: Window, now: datetime
) -> Iterator[tuple[int, int, tuple[int, ...]]]:
    """Start tick, practitioner and location of each time on offer, in the order of the plan for each start."""
    service = plan.services[wish.service]
    for tick in range(window.start, window.stop):
        for practitioner in plan.practitioners:
            if wish.practitioner is not None and wish.practitioner != practitioner:
                continue
            for location in plan.locations:
                if wish.location is not None and wish.location != location:
                    continue
                if fits(plan, book, wish, service, practitioner, location, tick, now):
                    yield tick, practitioner, location
                    break


def fits(
    plan: Plan, book: Book, wish: Wish, service: Service, practitioner: int, location: int, tick: int, now: datetime
) -> bool:
    zone = plan.locations[location].zone
    person = plan.practitioners[practitioner]
    if service.id not in person.services or not (service.online or wish.staff):
        return False
    if service.new_patients is NewPatients.ONLY and not wish.new:
        return False
    if service.new_patients is NewPatients.NO and wish.new:
        return False
    if not may_start(plan, wish, service, zone, tick, now):
        return False
    minutes = minute_by_minute(service, wish)
    for at, stage in minutes:
        if stage.patient:
            if not any(works(entry, tick + at, location, zone) for entry in (*person.hours, *person.extra_hours)):
                return False
            if any(away(entry, tick + at, zone) and entry.location in (None, location) for entry in person.time_off):
                return False
            if tick + at in book.elsewhere.get(practitioner, ()):
                return False
            if any(
                away(entry, tick + at, zone) and entry.room is None and entry.location in (None, location)
                for entry in plan.closures
            ):
                return False
        if stage.practitioner and book.count(practitioner, tick + at) > 0:
            return False
    return not service.rooms or any(
        plan.rooms[room].location == location and room_fits(plan, book, room, minutes, tick, zone)
        for room in service.rooms
    )


def room_fits(plan: Plan, book: Book, room: int, minutes: list[tuple[int, Stage]], tick: int, zone: str) -> bool:
    for at, stage in minutes:
        if stage.room and book.count(room, tick + at) >= plan.rooms[room].places:
            return False
        if stage.room and stage.patient and any(e.room == room and away(e, tick + at, zone) for e in plan.closures):
            return False
    return True


def minute_by_minute(service: Service, wish: Wish) -> list[tuple[int, Stage]]:
    longer = wish.new and service.new_patients is NewPatients.LONGER and service.new_patient_stages is not None
    stages = service.new_patient_stages if longer else service.stages
    spread = [stage for stage in stages or () for _ in range(stage.minutes // 5)]
    return list(enumerate(spread))


def may_start(plan: Plan, wish: Wish, service: Service, zone: str, tick: int, now: datetime) -> bool:
    clock = wall(tick, zone)
    if not wish.any_tick and (clock.hour * 60 + clock.minute) % service.every:
        return False
    if (instant(tick + 1) <= now) if wish.any_tick else (instant(tick) < now):
        return False
    if wish.staff:
        return True
    if instant(tick) - now < timedelta(minutes=plan.minimum_notice):
        return False
    return (clock.date() - now.astimezone(ZoneInfo(zone)).date()).days <= plan.horizon


def works(entry: Hours | ExtraHours, tick: int, location: int, zone: str) -> bool:
    day = wall(tick, zone).date()
    return entry.location == location and is_on(entry, day) and tick in open_ticks(entry.opens, entry.closes, day, zone)


def is_on(entry: Hours | ExtraHours, day: date) -> bool:
    if isinstance(entry, ExtraHours):
        return day == entry.on
    if day.weekday() not in entry.days:
        return False
    if entry.until and entry.until < day:
        return False
    if entry.since is None:
        return True
    monday = entry.since - timedelta(days=entry.since.weekday())
    weeks = (day - monday).days // 7
    return day >= entry.since and weeks % entry.weeks == 0


@cache
def open_ticks(opens: int, closes: int, day: date, zone: str) -> range:
    minutes = {tick: wall(tick, zone).hour * 60 + wall(tick, zone).minute for tick in ticks_of_day(day, zone)}
    first = next((tick for tick, minute in minutes.items() if minute >= opens), None)
    showing = [tick for tick, minute in minutes.items() if minute <= closes < minute + 5]
    later = [tick for tick, minute in minutes.items() if minute > closes]
    last = showing[-1] if showing else later[0] if later else max(minutes) + 1
    return range(0) if first is None else range(first, last)


def away(entry: NotAvailable, tick: int, zone: str) -> bool:
    return tick in away_ticks(entry.starts, entry.ends, zone)


@cache
def away_ticks(starts: datetime, ends: datetime, zone: str) -> range:
    around = [
        tick
        for day in range(-1, (ends - starts).days + 3)
        for tick in ticks_of_day(starts.date() + timedelta(days=day), zone)
    ]
    first = next(tick for tick in around if wall(tick, zone) + FIVE > starts)
    showing = [tick for tick in around if wall(tick, zone) <= ends < wall(tick, zone) + FIVE]
    later = next(tick for tick in around if wall(tick, zone) >= ends)
    if not showing or ends.hour == ends.minute == 0:
        return range(first, later)
    return range(first, showing[-1] + (wall(showing[-1], zone) < ends))
