"""Ticks and wall clocks. Elm Clinic is in Europe/London; the odd zones are where schedulers go wrong."""

from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfoNotFoundError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from booking.domain.time import (
    Window,
    closing_instant,
    day_bounds,
    day_window,
    days,
    instant_of,
    local,
    opening_instant,
    tick_after,
    tick_of,
    wall_instants,
)

LONDON, CHICAGO, ADELAIDE = "Europe/London", "America/Chicago", "Australia/Adelaide"
LORD_HOWE, AZORES, CAIRO = "Australia/Lord_Howe", "Atlantic/Azores", "Africa/Cairo"


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def wall(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("at", "floor", "ceiling"),
    [
        ("1970-01-01T00:00:00", 0, 0),
        ("1970-01-01T00:04:59.999999", 0, 1),
        ("1970-01-01T00:05:00", 1, 1),
        ("1970-01-01T00:05:00.000001", 1, 2),
        ("1969-12-31T23:59:59", -1, 0),
        ("2026-03-29T01:00:00", 5915820, 5915820),
    ],
)
def test_an_instant_lies_in_a_tick_and_before_the_next(at: str, floor: int, ceiling: int) -> None:
    assert (tick_of(utc(at)), tick_after(utc(at))) == (floor, ceiling)


@given(st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)), st.integers(-14 * 12, 14 * 12))
def test_a_tick_is_the_same_in_whatever_zone_its_instant_comes(naive: datetime, offset: int) -> None:
    at = naive.replace(tzinfo=timezone(timedelta(minutes=5 * offset)))
    assert instant_of(tick_of(at)) <= at < instant_of(tick_of(at) + 1)
    assert instant_of(tick_after(at) - 1) < at <= instant_of(tick_after(at))
    assert instant_of(tick_of(at)).tzinfo is UTC


@pytest.mark.parametrize(
    ("zone", "shown", "instants"),
    [
        (LONDON, "2026-07-01T09:00", ["2026-07-01T08:00"]),
        (LONDON, "2026-03-29T00:59", ["2026-03-29T00:59"]),
        (LONDON, "2026-03-29T01:00", []),
        (LONDON, "2026-03-29T01:59", []),
        (LONDON, "2026-03-29T02:00", ["2026-03-29T01:00"]),
        (LONDON, "2026-10-25T01:30", ["2026-10-25T00:30", "2026-10-25T01:30"]),
        (LONDON, "2026-10-25T02:00", ["2026-10-25T02:00"]),
        (LORD_HOWE, "2026-04-05T01:30", ["2026-04-04T14:30", "2026-04-04T15:00"]),
        (LORD_HOWE, "2026-04-05T01:29", ["2026-04-04T14:29"]),
        (LORD_HOWE, "2026-10-04T02:15", []),
        (LORD_HOWE, "2026-10-04T02:30", ["2026-10-03T15:30"]),
        (ADELAIDE, "2026-01-05T09:00", ["2026-01-04T22:30"]),
        (CHICAGO, "9999-12-31T23:59", []),
        (ADELAIDE, "0001-01-01T00:00", []),
    ],
)
def test_a_wall_clock_time_happens_never_once_or_twice(zone: str, shown: str, instants: list[str]) -> None:
    assert wall_instants(wall(shown), zone) == tuple(map(utc, instants))


@pytest.mark.parametrize(
    ("zone", "on", "opens", "closes", "hours"),
    [
        # An ordinary day, and one that "24:00" ends.
        (LONDON, "2026-03-28", 9 * 60, 17 * 60, ("2026-03-28T09:00", "2026-03-28T17:00")),
        (LONDON, "2026-07-01", 0, 1440, ("2026-06-30T23:00", "2026-07-01T23:00")),
        # London's spring gap is 01:00 to 02:00: what lies in it moves forward, to 01:00 UTC.
        (LONDON, "2026-03-29", 30, 90, ("2026-03-29T00:30", "2026-03-29T01:00")),
        (LONDON, "2026-03-29", 90, 180, ("2026-03-29T01:00", "2026-03-29T02:00")),
        (LONDON, "2026-03-29", 60, 119, ("2026-03-29T01:00", "2026-03-29T01:00")),
        # The repeated hour: as long as the hours could be meant to be.
        (LONDON, "2026-10-25", 60, 105, ("2026-10-25T00:00", "2026-10-25T01:45")),
        (LONDON, "2026-10-25", 90, 105, ("2026-10-25T00:30", "2026-10-25T01:45")),
        (LONDON, "2026-10-25", 120, 180, ("2026-10-25T02:00", "2026-10-25T03:00")),
        # Half an hour of it.
        (LORD_HOWE, "2026-04-05", 105, 120, ("2026-04-04T14:45", "2026-04-04T15:30")),
        (LORD_HOWE, "2026-10-04", 120, 149, ("2026-10-03T15:30", "2026-10-03T15:30")),
        # A midnight that happens twice, and one that does not happen, end the day before once.
        (AZORES, "2026-10-24", 22 * 60, 1440, ("2026-10-24T22:00", "2026-10-25T00:00")),
        (CAIRO, "2026-04-23", 22 * 60, 1440, ("2026-04-23T20:00", "2026-04-23T22:00")),
    ],
)
def test_hours_become_utc(zone: str, on: str, opens: int, closes: int, hours: tuple[str, str]) -> None:
    day = date.fromisoformat(on)
    assert (opening_instant(day, opens, zone), closing_instant(day, closes, zone)) == tuple(map(utc, hours))


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        (LONDON, date(2026, 3, 28), 24),
        (LONDON, date(2026, 3, 29), 23),
        (LONDON, date(2026, 10, 25), 25),
        (LORD_HOWE, date(2026, 10, 4), 23.5),
        (LORD_HOWE, date(2026, 4, 5), 24.5),
        (AZORES, date(2026, 10, 25), 25),
        (CAIRO, date(2026, 4, 24), 23),
    ],
)
def test_a_day_is_as_long_as_its_clocks_make_it_and_days_touch(zone: str, day: date, hours: float) -> None:
    starts, ends = day_bounds(day, zone)
    assert ends - starts == timedelta(hours=hours)
    assert day_bounds(day + timedelta(days=1), zone)[0] == ends
    assert day_window(day, zone) == Window(tick_of(starts), tick_of(ends))


def test_a_window_names_the_days_it_touches() -> None:
    noon, next_noon = tick_of(utc("2026-03-28T12:00")), tick_of(utc("2026-03-29T12:00"))
    assert [day for day, _ in days(Window(noon, next_noon), LONDON)] == [date(2026, 3, 28), date(2026, 3, 29)]
    midnight = day_window(date(2026, 3, 29), LONDON).start
    assert [day for day, _ in days(Window(noon, midnight), LONDON)] == [date(2026, 3, 28)]


def test_both_runs_of_a_repeated_hour_are_shown_with_their_own_fold() -> None:
    first, second = (local(at, LONDON) for at in wall_instants(wall("2026-10-25T01:30"), LONDON))
    assert (first.fold, first.tzname(), second.fold, second.tzname()) == (0, "BST", 1, "GMT")


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../etc/passwd", "Europe/"])
def test_an_unknown_zone_is_an_error(zone: str) -> None:
    with pytest.raises((ZoneInfoNotFoundError, ValueError, IsADirectoryError)):
        wall_instants(wall("2026-07-01T09:00"), zone)


def test_zone_data_comes_from_the_pinned_wheel_alone() -> None:
    """The operating system's copy has Vancouver go back to standard time in the winter of 2026."""
    assert local(utc("2026-12-15T20:00"), "America/Vancouver").utcoffset() == timedelta(hours=-7)
