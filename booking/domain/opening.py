"""When the clinic's settings leave its people and rooms open: wall-clock hours as bit sets over ticks.

This is where daylight saving is handled, once per day. What a plan says is drawn in pages of ticks that are
remembered in the plan; a window is put together from them in microseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date
from functools import lru_cache, wraps
from typing import Concatenate, ParamSpec

from booking.domain.plan import ExtraHours, Hours, NotAvailable, Plan, Practitioner
from booking.domain.time import (
    DAY_TICKS,
    TICK_MINUTES,
    Window,
    closing_instant,
    days,
    first_instant,
    instant_of,
    last_instant,
    local,
    opening_instant,
    tick_after,
    tick_of,
)

PAGE = 1 << 14  # ticks, 57 days: long enough that a year is few pages, short enough that one is drawn at once
MEMO = 8192  # pages that a plan remembers, 2 KB each at most

Key = ParamSpec("Key")


def page_window(number: int) -> Window:
    """The ticks of a page."""
    return Window(number * PAGE, (number + 1) * PAGE)


def over(window: Window, page: Callable[[int], int]) -> int:
    """The bit set over a window of what `page(number)` draws page by page."""
    first, last = window.start // PAGE, (window.stop - 1) // PAGE
    bits = 0
    for number in range(last, first - 1, -1):
        bits = bits << PAGE | page(number)
    return bits >> window.start - first * PAGE & (1 << window.stop - window.start) - 1


def remembered(page: Callable[Concatenate[Plan, Key], int]) -> Callable[Concatenate[Plan, Key], int]:
    """The same function of a plan, computed once for each plan and its other arguments."""

    @wraps(page)
    def lookup(plan: Plan, /, *key: Key.args, **rest: Key.kwargs) -> int:
        wanted = (page, *key)
        bits = plan.memo.get(wanted)
        if bits is None:
            if len(plan.memo) >= MEMO:
                plan.memo.clear()
            bits = plan.memo[wanted] = page(plan, *key, **rest)
        return bits

    return lookup


@remembered
def hours(plan: Plan, practitioner: int, location: int, number: int) -> int:
    """A page of the ticks at which a practitioner works in a location, time off and closures apart."""
    person, zone = plan.practitioners[practitioner], plan.locations[location].zone
    entries = [entry for entry in openings(person) if entry.location == location]
    return _drawn(
        number,
        (
            _opening(entry, day, ticks, zone)
            for day, ticks in days(page_window(number), zone)
            for entry in entries
            if _is_on(entry, day)
        ),
    )


@remembered
def time_off(plan: Plan, practitioner: int, location: int, number: int) -> int:
    """A page of the ticks at which a practitioner is away from a location."""
    zone = plan.locations[location].zone
    return _drawn(number, (absence(entry, zone) for entry in times_off(plan, practitioner, location)))


@remembered
def closed(plan: Plan, location: int, number: int) -> int:
    """A page of the ticks at which a location is closed by a closure."""
    zone = plan.locations[location].zone
    return _drawn(number, (absence(entry, zone) for entry in closures(plan, location)))


@remembered
def shut(plan: Plan, room: int, number: int) -> int:
    """A page of the ticks at which a room is shut by a closure of its own."""
    zone = plan.locations[plan.rooms[room].location].zone
    return _drawn(number, (absence(entry, zone) for entry in room_closures(plan, room)))


def openings(person: Practitioner) -> tuple[Hours | ExtraHours, ...]:
    """All hours of a practitioner, weekly and dated."""
    return (*person.hours, *person.extra_hours)


def workplaces(plan: Plan, practitioner: int) -> list[int]:
    """The locations in which a practitioner has hours, in the plan's order."""
    places = {entry.location for entry in openings(plan.practitioners[practitioner])}
    return [location for location in plan.locations if location in places]


def times_off(plan: Plan, practitioner: int, location: int) -> list[NotAvailable]:
    """A practitioner's time off that counts in a location."""
    return [entry for entry in plan.practitioners[practitioner].time_off if entry.location in (None, location)]


def closures(plan: Plan, location: int) -> list[NotAvailable]:
    """The closures of a location, those of the whole clinic among them."""
    return [entry for entry in plan.closures if entry.room is None and entry.location in (None, location)]


def room_closures(plan: Plan, room: int) -> list[NotAvailable]:
    """The closures of one room alone."""
    return [entry for entry in plan.closures if entry.room == room]


def absence(entry: NotAvailable, zone: str) -> Window:
    """The ticks that time off or a closure takes, rounded outwards."""
    return Window(tick_of(first_instant(entry.starts, zone)), tick_after(last_instant(entry.ends, zone)))


@lru_cache(maxsize=1024)
def grid(zone: str, every: int, number: int) -> int:
    """A page of the ticks at which a local clock shows a multiple of `every` minutes from midnight."""
    page = page_window(number)
    found = list(days(page, zone))
    base = found[0][1].start
    bits = 0
    for _, ticks in found:
        bits |= _day_grid(ticks, zone, every) << ticks.start - base
    return bits >> page.start - base & (1 << PAGE) - 1


def _day_grid(ticks: Window, zone: str, every: int) -> int:
    if _is_plain(ticks):
        return _plain_grid(every)
    walls = (local(instant_of(tick), zone) for tick in range(ticks.start, ticks.stop))
    return sum(1 << n for n, wall in enumerate(walls) if (wall.hour * 60 + wall.minute) % every == 0)


@lru_cache(maxsize=64)
def _plain_grid(every: int) -> int:
    return sum(1 << tick for tick in range(DAY_TICKS) if tick * TICK_MINUTES % every == 0)


def _is_plain(ticks: Window) -> bool:
    """Whether no clock is changed on this day, so that its minutes of wall clock are minutes."""
    return ticks.stop - ticks.start == DAY_TICKS


def _is_on(entry: Hours | ExtraHours, day: date) -> bool:
    if isinstance(entry, ExtraHours):
        return entry.on == day
    if day.weekday() not in entry.days:
        return False
    if not (entry.since or date.min) <= day <= (entry.until or date.max):
        return False
    return (_week(day) - _week(entry.since or date.min)) % entry.weeks == 0


def _week(day: date) -> int:
    """ISO weeks since the calendar's first day, which is a Monday."""
    return (day.toordinal() - 1) // 7


def _opening(entry: Hours | ExtraHours, day: date, ticks: Window, zone: str) -> Window:
    """The ticks of one day's hours, rounded inwards."""
    if _is_plain(ticks):
        return Window(ticks.start - -entry.opens // TICK_MINUTES, ticks.start + entry.closes // TICK_MINUTES)
    return Window(
        tick_after(opening_instant(day, entry.opens, zone)), tick_of(closing_instant(day, entry.closes, zone))
    )


def _drawn(number: int, stretches: Iterable[Window]) -> int:
    """A page with these stretches set; they may overlap, be empty and reach beyond it."""
    base = number * PAGE
    marks = bytearray(b"0") * PAGE
    for stretch in stretches:
        start, stop = max(stretch.start - base, 0), min(stretch.stop - base, PAGE)
        if start < stop:
            marks[start:stop] = b"1" * (stop - start)
    return int(marks[::-1], 2)
