"""Instants, wall clocks and ticks: the only place, apart from display, where wall time becomes UTC and back.

A tick is five minutes of UTC, counted from the epoch. Zones are IANA names.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

TICK_MINUTES = 5
TICK = timedelta(minutes=TICK_MINUTES)
DAY_TICKS = 24 * 60 // TICK_MINUTES  # of a day on which no clock is changed
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Window:
    """Half-open stretch of ticks counted from the epoch; bit i of a bit set over it is tick start + i."""

    start: int
    stop: int


def tick_of(instant: datetime) -> int:
    """The tick that contains this aware instant."""
    return (instant - EPOCH) // TICK


def tick_after(instant: datetime) -> int:
    """The first tick that starts at or after this aware instant."""
    return -((EPOCH - instant) // TICK)


def instant_of(tick: int) -> datetime:
    """The aware UTC instant at which a tick starts."""
    return EPOCH + tick * TICK


@lru_cache(maxsize=1024)
def zone_info(zone: str) -> ZoneInfo:
    """The zone of this IANA name. Raises ZoneInfoNotFoundError (a KeyError) or ValueError for anything else."""
    return ZoneInfo(zone)


def local(instant: datetime, zone: str) -> datetime:
    """The same instant as the zone's clocks show it; `fold` is 1 in the second run of a repeated hour."""
    return instant.astimezone(zone_info(zone))


def wall_instants(wall: datetime, zone: str) -> tuple[datetime, ...]:
    """The UTC instants, in order, at which the zone's clocks show this naive time.

    None for a time that the spring gap skips (or that lies outside the calendar), two in a repeated hour.
    """
    info = zone_info(zone)
    try:
        instants = {wall.replace(tzinfo=info, fold=fold).astimezone(UTC) for fold in (0, 1)}
        return tuple(sorted(at for at in instants if at.astimezone(info).replace(tzinfo=None) == wall))
    except OverflowError:
        return ()


def first_instant(wall: datetime, zone: str) -> datetime:
    """The UTC instant at which a stretch begins that starts at this naive time.

    A repeated time means its first run; a time in the spring gap moves forward to the gap's end.
    """
    while not (instants := wall_instants(wall, zone)):
        wall += timedelta(minutes=1)
    return instants[0]


def last_instant(wall: datetime, zone: str) -> datetime:
    """The UTC instant at which a stretch is over that ends at this naive time.

    A repeated time means its last run; a time in the spring gap moves forward to the gap's end.
    Midnight is where the day before ends, so it is where the next one begins, even if it is repeated.
    """
    if wall.time() == time.min:
        return first_instant(wall, zone)
    instants = wall_instants(wall, zone)
    return instants[-1] if instants else first_instant(wall, zone)


def opening_instant(day: date, minutes: int, zone: str) -> datetime:
    """The UTC instant at which hours begin that open `minutes` of wall clock after the local midnight of `day`."""
    return first_instant(datetime.combine(day, time.min) + timedelta(minutes=minutes), zone)


def closing_instant(day: date, minutes: int, zone: str) -> datetime:
    """The UTC instant at which hours end that close `minutes` of wall clock after local midnight; 1440 ends the day."""
    return last_instant(datetime.combine(day, time.min) + timedelta(minutes=minutes), zone)


def day_bounds(day: date, zone: str) -> tuple[datetime, datetime]:
    """The UTC instants at which a local date begins and ends."""
    return opening_instant(day, 0, zone), closing_instant(day, 1440, zone)


@lru_cache(maxsize=8192)
def day_window(day: date, zone: str) -> Window:
    """The ticks of a local date."""
    starts, ends = day_bounds(day, zone)
    return Window(tick_of(starts), tick_of(ends))


def days(window: Window, zone: str) -> Iterator[tuple[date, Window]]:
    """The local dates that a window touches, in order, each with all its ticks."""
    day = local(instant_of(window.start), zone).date()
    while (ticks := day_window(day, zone)).start < window.stop:
        yield day, ticks
        day += timedelta(days=1)
