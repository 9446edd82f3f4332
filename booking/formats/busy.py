"""Other people's calendars as busy time: the events that take time, as stretches of ticks, and nothing else of them.

What strangers write is bounded before it is worked out: events that are long over are left out unparsed, rules that
repeat within an hour are refused, and the whole has a time limit. What can't be understood is counted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import chain
from math import prod
from time import monotonic
from typing import Any

from icalendar import Calendar, Component, Event

from booking.domain.bits import meeting
from booking.domain.outside import Fault, Unreadable
from booking.domain.time import Window, first_instant, last_instant, tick_after, tick_of
from booking.formats import zones

SECONDS = 20.0  # that working out all repetitions may take
MOST_EVENTS = 10_000  # that are not long over
PER_DAY = 24  # repetitions of one event
MARGIN = timedelta(days=2)  # more than any zone is away
FREE_FOR_OUTLOOK = {"FREE", "WORKINGELSEWHERE"}

EVENT = re.compile(r"^BEGIN:VEVENT[ \t]*\n(?:(?!BEGIN:VEVENT|END:VEVENT).*\n)*+END:VEVENT[ \t]*\n?", re.M | re.I)
REPEATS = re.compile(r"^(RRULE|RDATE|RECURRENCE-ID|DURATION)[;:]", re.MULTILINE | re.IGNORECASE)
DAYS = re.compile(r"^DT(?:START|END)(?:;[^:\n]*)?:(\d{8})", re.MULTILINE | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Busy:
    """Taken time as sorted, disjoint windows of ticks; and how many events could not be understood."""

    windows: tuple[Window, ...]
    unread: int


Stretch = tuple[date, date]  # two instants, two naive times of the wall clock, or two days (the second exclusive)


def read(
    calendars: Iterable[bytes],
    *,
    zone: str,
    since: datetime,
    until: datetime,
    owner: str = "",
    ours: Callable[[Collection[str]], Collection[str]] = lambda uids: (),
) -> Busy:
    """When the owner of these calendars (iCalendar objects) is busy between two instants.

    `zone` is that of days and of times without one, if the calendar does not say. Events that the owner, an e-mail
    address, has declined take no time, nor do those whose UIDs `ours` knows, being visits of ours. Raises Unreadable.
    """
    windows: list[Window] = []
    unread = 0
    deadline = monotonic() + SECONDS
    for calendar in chain.from_iterable(_parsed(content, since, until) for content in calendars):
        local = _zone(calendar, zone)
        for series in _series(calendar, ours):
            if monotonic() > deadline:
                raise Unreadable(Fault.TOO_MUCH)
            try:
                windows += [_ticks(stretch, local) for stretch in _taken(series, owner.casefold(), since, until)]
                unread += any(map(_is_in_unknown_zone, series))
            except Exception:  # whatever a stranger's event does to the libraries, it is one event
                unread += 1
        for component in calendar.walk("VFREEBUSY"):
            try:
                windows += [_ticks(stretch, local) for stretch in _periods(component)]
            except Exception:
                unread += 1
    return Busy(tuple(_merged(windows, Window(tick_of(since), tick_after(until)))), unread)


def _series(calendar: Calendar, ours: Callable[[Collection[str]], Collection[str]]) -> list[list[Event]]:
    """The events by UID, each with what is different at some of its repetitions; visits of ours left out."""
    events = [event for event in calendar.walk("VEVENT") if isinstance(event, Event)]
    if len(events) > MOST_EVENTS:
        raise Unreadable(Fault.TOO_LARGE)
    found: dict[str, list[Event]] = {}
    for number, event in enumerate(events):
        found.setdefault(str(event.get("UID", f"without {number}")), []).append(event)
    for uid in ours(found.keys()):
        found.pop(uid, None)
    return list(found.values())


def _parsed(content: bytes, since: datetime, until: datetime) -> list[Calendar]:
    """The calendars without the single events that lie outside the window: parsing is what takes long."""
    unfolded = re.sub(rb"\r?\n[ \t]", b"", content)
    text = re.sub(r"\r\n?", "\n", unfolded.decode("utf-8-sig", "replace"))
    first, last = (f"{at:%Y%m%d}" for at in (since - MARGIN, until + MARGIN))

    def kept(found: re.Match[str]) -> str:
        event = found.group()
        days = DAYS.findall(event)
        is_outside = days and not REPEATS.search(event) and (max(days) < first or min(days) > last)
        return "" if is_outside else event

    try:
        found = Calendar.from_ical(zones.told_apart(EVENT.sub(kept, text)), multiple=True)
    except zones.TooMany:
        raise Unreadable(Fault.TOO_LARGE) from None
    except (ValueError, IndexError, KeyError, TypeError) as error:
        raise Unreadable(Fault.NO_CALENDAR) from error
    calendars = [calendar for calendar in found if isinstance(calendar, Calendar)]
    if not calendars:
        raise Unreadable(Fault.NO_CALENDAR)
    return calendars


def _zone(calendar: Calendar, zone: str) -> str:
    """The zone of what names none: the calendar's own, if there is such a one."""
    said = str(calendar.get("X-WR-TIMEZONE", ""))
    return said if zones.is_known(said) else zone


def _taken(parts: list[Event], owner: str, since: datetime, until: datetime) -> Iterator[Stretch]:
    """When an event takes time, given by its parts: itself, and what is different at some of its repetitions."""
    occurrences = parts
    if any(name in part for part in parts for name in ("RRULE", "RDATE", "RECURRENCE-ID")):
        occurrences = _repeated(parts, since, until)
    for occurrence in occurrences:
        if _takes_time(occurrence, owner):
            yield occurrence.start, occurrence.end


def _repeated(parts: list[Event], since: datetime, until: datetime) -> list[Event]:
    import recurring_ical_events

    if any(_is_too_often(rule) for part in parts for rule in _all(part, "RRULE")):
        raise Unreadable(Fault.TOO_MUCH)
    series = Calendar()
    for part in parts:
        series.add_component(part)
    found: list[Event] = recurring_ical_events.of(series).between(since - MARGIN, until + MARGIN)
    return found


def _is_too_often(rule: Any) -> bool:
    times = (len(rule.get(part, [0])) for part in ("BYHOUR", "BYMINUTE", "BYSECOND"))
    return bool({"SECONDLY", "MINUTELY", "HOURLY"} & set(map(str, rule.get("FREQ", [])))) or prod(times) > PER_DAY


def _takes_time(event: Event, owner: str) -> bool:
    says = {name: str(event.get(name, "")).upper() for name in ("TRANSP", "STATUS", "X-MICROSOFT-CDO-BUSYSTATUS")}
    if says["TRANSP"] == "TRANSPARENT" or says["STATUS"] == "CANCELLED":
        return False
    if says["X-MICROSOFT-CDO-BUSYSTATUS"] in FREE_FOR_OUTLOOK:
        return False
    return not any(
        str(person).casefold() == f"mailto:{owner}" and str(person.params.get("PARTSTAT", "")).upper() == "DECLINED"
        for person in _all(event, "ATTENDEE")
    )


def _periods(component: Component) -> Iterator[Stretch]:
    """When somebody is busy who publishes no events, only that."""
    for period in _all(component, "FREEBUSY"):
        if str(period.params.get("FBTYPE", "BUSY")).upper() != "FREE":
            start, end = period.dt
            yield start, start + end if isinstance(end, timedelta) else end


def _is_in_unknown_zone(event: Event) -> bool:
    """Its times name a zone that neither the file nor the world knows: they are taken as local, and may be wrong."""
    start = event.get("DTSTART")
    return "TZID" in start.params and isinstance(start.dt, datetime) and start.dt.tzinfo is None


def _ticks(stretch: Stretch, zone: str) -> Window:
    """The ticks that a stretch touches."""
    starts, ends = (_at_midnight(edge) for edge in stretch)
    if starts.tzinfo is None:
        starts = first_instant(starts, zone)
    if ends.tzinfo is None:
        ends = last_instant(ends, zone)
    return Window(tick_of(starts), tick_after(ends)) if starts < ends else Window(0, 0)


def _at_midnight(edge: date) -> datetime:
    return edge if isinstance(edge, datetime) else datetime.combine(edge, time())


def _merged(windows: Iterable[Window], within: Window) -> list[Window]:
    """These windows, cut to one of them, sorted and disjoint."""
    found: list[Window] = []
    for window in sorted((meeting(window, within) for window in windows), key=lambda window: window.start):
        if window.start >= window.stop:
            continue
        if found and window.start <= found[-1].stop:
            last = found.pop()
            window = Window(last.start, max(last.stop, window.stop))
        found.append(window)
    return found


def _all(component: Component, name: str) -> list[Any]:
    """All values of a property that may stand once, often or not at all."""
    found = component.get(name, [])
    return found if isinstance(found, list) else [found]
