"""Other people's calendars as busy time: the events that take time, as stretches of ticks, and nothing else of them.

What can't be understood of an event is named, and what is left of it takes time rather too much than too little.
Strangers can write what keeps a library busy for hours: events that are long over are left out unparsed and what
repeats within an hour is not worked out, but whoever calls this should do so in a process of its own (`apart`).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from time import monotonic
from typing import Any

from icalendar import Calendar, Component, Event

from booking.domain.bits import meeting
from booking.domain.outside import Fault, Unreadable, merged
from booking.domain.time import Window, first_instant, last_instant, tick_after, tick_of
from booking.formats import repeats, zones
from booking.formats.repeats import MARGIN, Edge, Stretch

SECONDS = 20.0  # that working out all repetitions may take
MOST_EVENTS = 10_000  # that are not long over
MOST_WINDOWS = 20_000
FREE_FOR_OUTLOOK = {"FREE", "WORKINGELSEWHERE"}

EVENT = re.compile(r"^BEGIN:VEVENT[ \t]*\n(?:(?!BEGIN:VEVENT|END:VEVENT).*\n)*+END:VEVENT[ \t]*\n?", re.M | re.I)
NOT_NEEDED = re.compile(
    r"^BEGIN:(VALARM|VTODO|VJOURNAL)[ \t]*\n(?:(?!BEGIN:\1|END:\1).*\n)*+END:\1[ \t]*\n?", re.M | re.I
)
NEXT = re.compile(r"^(?=BEGIN:VCALENDAR[ \t]*$)", re.M | re.I)
REPEATS = re.compile(r"^(RRULE|RDATE|RECURRENCE-ID|DURATION)[;:]", re.M | re.I)
DAYS = re.compile(r"^DT(?:START|END)(?:;[^:\n]*)?:(\d{8})", re.M | re.I)
UID = re.compile(r"^UID(?:;[^:\n]*)?:[ \t]*(.*?)[ \t]*$", re.M | re.I)


@dataclass(frozen=True, slots=True)
class Entry:
    """An event with all its repetitions: its windows of ticks, sorted and disjoint."""

    uid: str
    windows: tuple[Window, ...]
    is_understood: bool = True


def read(calendars: Iterable[bytes], *, zone: str, since: datetime, until: datetime, owner: str = "") -> list[Entry]:
    """When the owner of these calendars (iCalendar objects) is busy between two instants.

    `zone` is that of days and of times without one, if the calendar does not say. Events that the owner, an e-mail
    address, has declined take no time. Raises Unreadable.
    """
    reader = _Reader(Window(tick_of(since), tick_after(until)), since, until, owner.casefold())
    found = [entry for content in calendars for entry in reader.entries(content, zone)]
    if sum(len(entry.windows) for entry in found) > MOST_WINDOWS:
        raise Unreadable(Fault.TOO_MUCH)
    return found


class _Reader:
    def __init__(self, window: Window, since: datetime, until: datetime, owner: str) -> None:
        self.window, self.since, self.until, self.owner = window, since, until, owner
        self.deadline = monotonic() + SECONDS

    def entries(self, content: bytes, zone: str) -> Iterator[Entry]:
        unfolded = re.sub(rb"\r?\n[ \t]", b"", content)
        text = re.sub(r"\r\n?", "\n", unfolded.decode("utf-8-sig", "replace"))
        parts = [part for part in NEXT.split(text) if part.strip()]
        if not parts:
            raise Unreadable(Fault.NO_CALENDAR)
        for part in parts:
            yield from self._of_calendar(NOT_NEEDED.sub("", part), zone)

    def _of_calendar(self, text: str, zone: str) -> Iterator[Entry]:
        calendar, events, lost = _parsed(self._without_what_is_over(text))
        if len(events) > MOST_EVENTS:
            raise Unreadable(Fault.TOO_LARGE)
        said = str(calendar.get("X-WR-TIMEZONE", ""))
        zone = said if zones.is_known(said) else zone
        for uid in lost:
            yield Entry(uid, (), is_understood=False)
        for uid, series in repeats.by_uid(events).items():
            if monotonic() > self.deadline:
                raise Unreadable(Fault.TOO_MUCH)
            try:
                stretches, is_odd = _taken(series, self.owner, self.since, self.until)
            except MemoryError:
                raise
            except Exception:  # whatever a stranger's event does, it is one event
                stretches, is_odd = [], True
            yield from self._entry(uid, stretches, zone, is_odd=is_odd)
        for number, component in enumerate(calendar.walk("VFREEBUSY")):
            stretches, is_odd = _tried(_periods, component)
            yield from self._entry(f"free/busy {number}", stretches, zone, is_odd=is_odd)

    def _without_what_is_over(self, text: str) -> str:
        """The calendar without the single events that lie outside the window: parsing is what takes long."""
        first, last = f"{self.since - MARGIN:%Y%m%d}", f"{self.until + MARGIN:%Y%m%d}"

        def kept(found: re.Match[str]) -> str:
            event = found.group()
            days = DAYS.findall(event)
            is_outside = days and not REPEATS.search(event) and (max(days) < first or min(days) > last)
            return "" if is_outside else event

        return EVENT.sub(kept, text)

    def _entry(self, uid: str, stretches: Iterable[Stretch], zone: str, *, is_odd: bool) -> Iterator[Entry]:
        windows = []
        for stretch in stretches:
            try:
                windows.append(meeting(_ticks(stretch, zone), self.window))
            except (TypeError, ValueError, OverflowError):
                is_odd = True
        found = merged(windows)
        if found or is_odd:
            yield Entry(uid, tuple(found), not is_odd)


def _parsed(text: str) -> tuple[Calendar, list[Event], list[str]]:
    """A calendar, its events, and the UIDs of those that are broken beyond parsing."""
    try:
        text = zones.told_apart(text)
    except zones.TooMany:
        raise Unreadable(Fault.TOO_LARGE) from None
    try:
        calendar = _calendar(text)
    except Unreadable:
        return _parsed_singly(text)  # perhaps it is for one event alone
    return calendar, _events(calendar), []


def _parsed_singly(text: str) -> tuple[Calendar, list[Event], list[str]]:
    """The same, event by event; a calendar that makes no sense without any is none."""
    frame = EVENT.sub("", text)
    calendar, end = _calendar(frame), frame.upper().rindex("END:VCALENDAR")
    events: list[Event] = []
    lost: list[str] = []
    for event in EVENT.findall(text):
        try:
            events += _events(_calendar(frame[:end] + event + frame[end:]))
        except Unreadable:
            uid = UID.search(event)
            lost.append(uid[1] if uid else "")
    return calendar, events, lost


def _calendar(text: str) -> Calendar:
    try:
        found = Calendar.from_ical(text)
    except (ValueError, IndexError, KeyError, TypeError, AttributeError) as error:
        raise Unreadable(Fault.NO_CALENDAR) from error
    if not isinstance(found, Calendar):
        raise Unreadable(Fault.NO_CALENDAR)
    return found


def _events(calendar: Calendar) -> list[Event]:
    return [event for event in calendar.walk("VEVENT") if isinstance(event, Event)]


# What an event takes


def _taken(parts: list[Event], owner: str, since: datetime, until: datetime) -> tuple[list[Stretch], bool]:
    """When an event takes time, given by its parts; and whether something of it could not be understood."""
    masters = [part for part in parts if "RECURRENCE-ID" not in part]
    others = [part for part in parts if "RECURRENCE-ID" in part]
    found, is_odd = [], any(map(_is_in_unknown_zone, parts))
    instead: set[Edge] = set()
    for other in others:
        stretches, is_broken = _tried(_single, other, owner)
        found += stretches
        is_odd |= is_broken
        if not is_broken and len(masters) == 1:
            instead |= repeats.keys(other, "RECURRENCE-ID")
    for master in masters:
        if any(map(repeats.is_for_all_later, others)):
            stretches, is_broken = _tried(_different_later, parts, owner, since, until)
        else:
            stretches, is_broken = _tried(_repeated, master, instead, owner, since, until)
        if is_broken:
            stretches, _ = _tried(_single, master, owner)  # its first time, at least
        found += stretches
        is_odd |= is_broken or any(repeats.is_broken(master, name) for name in ("EXDATE", "RDATE"))
    return found, is_odd


def _tried(work: Any, *values: Any) -> tuple[list[Stretch], bool]:
    """What `work` finds, and whether it failed at it."""
    try:
        return list(work(*values)), False
    except MemoryError:
        raise
    except Exception:
        return [], True


def _single(event: Event, owner: str) -> Iterator[Stretch]:
    # What was called off need not say when it would have been.
    if _takes_time(event, owner):
        yield repeats.times(event)


def _repeated(
    event: Event, instead: Collection[Edge], owner: str, since: datetime, until: datetime
) -> Iterator[Stretch]:
    if _takes_time(event, owner):
        yield from repeats.stretches(event, instead, since, until)


def _different_later(parts: list[Event], owner: str, since: datetime, until: datetime) -> Iterator[Stretch]:
    for occurrence in repeats.occurrences(parts, since, until):
        if _takes_time(occurrence, owner):
            yield occurrence.start, occurrence.end


def _takes_time(event: Event, owner: str) -> bool:
    says = {name: str(event.get(name, "")).upper() for name in ("TRANSP", "STATUS", "X-MICROSOFT-CDO-BUSYSTATUS")}
    if says["TRANSP"] == "TRANSPARENT" or says["STATUS"] == "CANCELLED":
        return False
    if says["X-MICROSOFT-CDO-BUSYSTATUS"] in FREE_FOR_OUTLOOK:
        return False
    return not owner or not any(
        str(person).casefold() == f"mailto:{owner}" and str(person.params.get("PARTSTAT", "")).upper() == "DECLINED"
        for person in repeats.values(event, "ATTENDEE")
    )


def _periods(component: Component) -> Iterator[Stretch]:
    """When somebody is busy who publishes no events, only that."""
    for period in repeats.values(component, "FREEBUSY"):
        if str(period.params.get("FBTYPE", "BUSY")).upper() != "FREE":
            start, end = period.dt
            yield start, start + end if isinstance(end, timedelta) else end


def _is_in_unknown_zone(event: Event) -> bool:
    """Its times name a zone that neither the file nor the world knows: they are taken as local, and may be wrong."""
    edges = (edge for name in ("DTSTART", "DTEND") for edge in repeats.values(event, name) if "TZID" in edge.params)
    return any(getattr(getattr(edge, "dt", None), "tzinfo", edge) is None for edge in edges)


def _ticks(stretch: Stretch, zone: str) -> Window:
    """The ticks that a stretch touches."""
    starts, ends = (edge if isinstance(edge, datetime) else datetime.combine(edge, time()) for edge in stretch)
    if starts.tzinfo is None:
        starts = first_instant(starts, zone)
    if ends.tzinfo is None:
        ends = last_instant(ends, zone)
    return Window(tick_of(starts), tick_after(ends)) if starts < ends else Window(0, 0)
