"""Work in a process of its own: what comes back of it, and that it ends."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from datetime import UTC, datetime, timedelta

import pytest

from booking import apart
from booking.domain.outside import Fault, Unreadable
from booking.formats import busy
from tests.formats.test_busy import calendar


def double(number: int, *, more: int = 0) -> int:
    return 2 * number + more


def refuse() -> None:
    raise Unreadable(Fault.GONE)


def sleep() -> None:
    time.sleep(60)


def hog() -> int:
    return len(bytearray(2 * apart.MEMORY))


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_what_it_returns_or_raises_comes_back() -> None:
    assert apart.run(20, double, 21, more=1) == 43
    with pytest.raises(Unreadable) as refused:
        apart.run(20, refuse)
    assert refused.value.fault is Fault.GONE


def test_what_takes_too_long_too_much_or_dies_is_given_up() -> None:
    began = time.monotonic()
    with pytest.raises(apart.GaveUp):
        apart.run(0.5, sleep)
    assert time.monotonic() - began < 20
    for work in (hog, die):
        with pytest.raises(apart.GaveUp):
            apart.run(20, work)
    assert apart.run(20, double, 1) == 2


def test_a_few_hundred_bytes_keep_nobody_busy_for_long() -> None:
    """Each of these took minutes or gigabytes."""
    never = "\n".join(f"RRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30;INTERVAL={n}" for n in range(1, 300))
    hours = ",".join(map(str, range(24)))
    often = f"DTSTART:00010101T000000Z\nDTEND:00010101T000100Z\nRRULE:FREQ=DAILY;BYHOUR={hours}"
    since = datetime(2027, 1, 11, tzinfo=UTC)
    for text in (f"DTSTART:20270111T090000Z\nDTEND:20270111T100000Z\n{never}", often):
        began = time.monotonic()
        with contextlib.suppress(apart.GaveUp, Unreadable):
            apart.run(3, busy.read, [calendar(text)], zone="UTC", since=since, until=since + timedelta(days=732))
        assert time.monotonic() - began < 20
