"""When practitioners' own calendars are read, and when the desk is warned of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from booking.domain.outside import is_to_warn_of, next_try, span

NOON = datetime(2027, 1, 11, 12, tzinfo=UTC)


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


@pytest.mark.parametrize(("failing_for", "wait"), [(None, 15), (0, 2), (2, 2), (5, 5), (30, 30), (600, 60)])
def test_what_fails_is_tried_soon_and_then_more_and_more_seldom(failing_for: int | None, wait: int) -> None:
    since = None if failing_for is None else NOON - minutes(failing_for)
    assert next_try(NOON, since) == NOON + minutes(wait)


@pytest.mark.parametrize(
    ("created", "read", "failing", "expected"),
    [
        (0, None, None, False),  # just entered
        (61, None, None, True),  # and nobody looks at it
        (999, 15, None, False),
        (999, 61, None, True),
        (999, 9, 9, False),  # stumbled once
        (999, 25, 10, True),
        (10, None, 10, True),
    ],
)
def test_the_desk_is_warned_of_old_times_and_of_lasting_failures(
    created: int, read: int | None, failing: int | None, expected: bool
) -> None:
    def ago(count: int | None) -> datetime | None:
        return None if count is None else NOON - minutes(count)

    warned = is_to_warn_of(NOON, created_at=NOON - minutes(created), read_at=ago(read), failing_since=ago(failing))
    assert warned is expected


def test_the_span_that_is_read_stays_the_same_all_day() -> None:
    assert span(NOON) == span(NOON + timedelta(hours=11, minutes=59))
    since, until = span(NOON)
    assert since <= NOON - timedelta(days=1)
    assert until >= NOON + timedelta(days=731)  # the furthest horizon
