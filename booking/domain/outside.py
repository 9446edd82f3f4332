"""Practitioners' calendars elsewhere, whose busy times block theirs: when they are read, and when the desk is warned.

A calendar that can't be read frees nothing: what was read last goes on counting, and its age is told.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, time, timedelta
from enum import StrEnum
from operator import attrgetter
from typing import NamedTuple

from booking.domain.time import Window

EVERY = timedelta(minutes=15)
SOONEST, LATEST = timedelta(minutes=2), timedelta(hours=1)  # between two tries while it can't be read
WARNED_AFTER = timedelta(minutes=10)  # a server that stumbles once is no news
OLD = timedelta(hours=1)  # nobody has tried for so long: the worker may not run
BACK, AHEAD = timedelta(days=1), timedelta(days=732)  # further than any horizon


class Fault(StrEnum):
    """Why a calendar can't be read."""

    ADDRESS = "address"  # not a URL, not https on port 443, or with user info
    PRIVATE = "private"  # leads into a private network
    NAME = "name"  # the host's name is not known
    SILENT = "silent"  # refused, reset, cut off or timed out
    CERTIFICATE = "certificate"  # not trusted, not of this host, or no safe encryption at all
    DENIED = "denied"  # 401, 403
    GONE = "gone"  # 404, 410
    STATUS = "status"  # another answer, or too many redirects
    TOO_LARGE = "too-large"
    NO_CALENDAR = "no-calendar"  # neither iCalendar nor an answer of CalDAV
    TOO_MUCH = "too-much"  # it repeats more than can be worked out


class Unreadable(Exception):
    """A calendar can't be read now. It tells neither the address, which is a secret, nor what was found there."""

    def __init__(self, fault: Fault | str) -> None:
        super().__init__(str(fault))
        self.fault = Fault(fault)


class Found(NamedTuple):
    """A calendar among those of an account."""

    name: str
    url: str
    counts: bool  # towards when somebody is busy, as its server says (RFC 6638, 9.1)


def merged(windows: Iterable[Window]) -> list[Window]:
    """These windows sorted and disjoint, without empty ones."""
    found: list[Window] = []
    for window in sorted(windows, key=attrgetter("start")):
        if window.start >= window.stop:
            continue
        if found and window.start <= found[-1].stop:
            last = found.pop()
            window = Window(last.start, max(last.stop, window.stop))
        found.append(window)
    return found


def span(now: datetime) -> tuple[datetime, datetime]:
    """From when until when a calendar is read. It moves at midnight UTC only."""
    midnight = datetime.combine(now.date(), time(), now.tzinfo)
    return midnight - BACK, midnight + AHEAD


def next_try(now: datetime, failing_since: datetime | None) -> datetime:
    """When a calendar is read again that was tried now: soon after a first failure, then more and more seldom."""
    if failing_since is None:
        return now + EVERY
    return now + min(max(now - failing_since, SOONEST), LATEST)


def is_to_warn_of(
    now: datetime, *, created_at: datetime, read_at: datetime | None, failing_since: datetime | None
) -> bool:
    """Whether the desk has to know that a calendar's busy times may be old or missing."""
    if failing_since is not None and now - failing_since >= WARNED_AFTER:
        return True
    return now - (read_at or created_at) >= OLD
