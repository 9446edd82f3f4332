"""Calendars of other servers, by HTTPS: a file, what a CalDAV calendar has between two instants, those of an account.

How servers are asked, and which may be asked at all, is in `asking`; how calendars are asked for is in `caldav`.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

from booking.domain.outside import Found, Unreadable
from booking.fetch import asking, caldav


@dataclass(frozen=True, slots=True)
class Source:
    """Where a calendar is, or an account."""

    url: str  # https://; webcal:// is taken as https://
    user: str = ""  # with one it is asked as CalDAV; a server that doesn't speak it is asked for the file
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a calendar has."""

    calendars: tuple[bytes, ...]  # iCalendar objects as they came, each beginning BEGIN:VCALENDAR
    etag: str = ""  # of the file, to ask by next time; empty for CalDAV
    modified: str = ""  # its Last-Modified, likewise


def origin(url: str, allowed: Collection[str] = ()) -> str:
    """The origin of an address that may be asked: "https://host", or "https://host:8443" if that is in `allowed`.

    No name is looked up, so the address may still turn out to be a private one.
    Raises Unreadable, for ADDRESS, or for PRIVATE if the host is a private address itself.
    """
    return asking.placed(url, allowed).origin


def fetch(
    source: Source,
    *,
    since: datetime,
    until: datetime,
    allowed: Collection[str] = (),
    etag: str = "",
    modified: str = "",
) -> Fetched | None:
    """The calendar; None when the server says that the file of `etag` and `modified` has not changed.

    CalDAV gives the objects with an event between the two aware instants, a file gives all it has. `allowed` are
    origins that may be private, http:// or on another port. Raises Unreadable.
    """
    ask, headers = _asking(source, allowed)
    if source.user:
        objects = caldav.queried(ask, headers, since=since.astimezone(UTC), until=until.astimezone(UTC))
        if objects is not None:
            return Fetched(objects)
    headers["Accept"] = "text/calendar, */*;q=0.1"
    if etag:
        headers["If-None-Match"] = etag
    if modified:
        headers["If-Modified-Since"] = modified
    answer = ask("GET", headers=headers)
    if answer.status == 304 and (etag or modified):
        return None
    if answer.status != 200:
        raise Unreadable(asking.fault_of(answer.status))
    return Fetched((caldav.calendar(answer.body),), answer.header("ETag"), answer.header("Last-Modified"))


def account(source: Source, *, allowed: Collection[str] = ()) -> tuple[Found, ...] | None:
    """The calendars for events of the CalDAV account to which a source with a user leads, in the server's order.

    None if it leads to none, or is a calendar itself. Raises Unreadable.
    """
    ask, headers = _asking(source, allowed)
    return caldav.account(ask, headers, url=asking.placed(source.url, allowed).url, allowed=allowed)


def _asking(source: Source, allowed: Collection[str]) -> tuple[caldav.Ask, dict[str, str]]:
    """How this source is asked from now on until the time is up, and with which headers."""
    headers = {"User-Agent": "clinic-booking", "Accept-Encoding": "gzip", "Connection": "close"}
    if source.user:
        login = base64.b64encode(f"{source.user}:{source.password}".encode()).decode()
        headers["Authorization"] = f"Basic {login}"
    ask = partial(asking.ask, url=source.url, allowed=allowed, deadline=time.monotonic() + asking.TOTAL)
    return ask, headers
