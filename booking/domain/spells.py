"""When somebody is there: the open stretches of a local date, for people to read. What is free is `availability`."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime
from functools import partial

from booking.domain import opening
from booking.domain.plan import Plan
from booking.domain.time import day_window, instant_of


def of_day(plan: Plan, location: int, day: date, practitioners: Collection[int]) -> list[tuple[datetime, datetime]]:
    """The stretches of a local date in which at least one of these practitioners works in the location.

    In UTC, sorted, disjoint; without time off and closures, whatever is booked.
    """
    window = day_window(day, plan.locations[location].zone)
    there = 0
    for practitioner in practitioners:
        works = opening.over(window, partial(opening.hours, plan, practitioner, location))
        there |= works & ~opening.over(window, partial(opening.time_off, plan, practitioner, location))
    there &= ~opening.over(window, partial(opening.closed, plan, location))
    found = []
    tick = window.start
    while there:
        gap = (there & -there).bit_length() - 1
        there >>= gap
        length = (~there & there + 1).bit_length() - 1
        found.append((instant_of(tick + gap), instant_of(tick + gap + length)))
        there >>= length
        tick += gap + length
    return found
