"""Events that repeat: when they take place. What that means to somebody is `busy` and `visits_ical`.

What repeats within an hour is not worked out, but a few hundred bytes can still keep the library busy for hours:
whoever reads strangers' calendars should do so in a process of its own (`apart`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from math import prod
from typing import Any

from icalendar import Calendar, Component, Event, vRecur

MOST_RULES = 2  # of one event
PER_DAY = 24  # repetitions of one event
MARGIN = timedelta(days=2)  # more than any zone is away
DAY = timedelta(days=1)

Edge = date  # an instant, a naive time of the wall clock, or a day
Stretch = tuple[Edge, Edge]  # of two days the second is exclusive


def by_uid(events: Iterable[Event]) -> dict[str, list[Event]]:
    """The events by UID, each with what is different at some of its repetitions."""
    found: dict[str, list[Event]] = {}
    for number, event in enumerate(events):
        found.setdefault(str(event.get("UID", "")).strip() or f"without {number}", []).append(event)
    return found


def is_repeated(event: Event) -> bool:
    """Whether it says that it takes place more than once."""
    return "RRULE" in event or "RDATE" in event


def is_endless(event: Event) -> bool:
    """Whether one of its rules has no end."""
    return any("UNTIL" not in rule and "COUNT" not in rule for rule in values(event, "RRULE"))


def is_for_all_later(event: Event) -> bool:
    """Whether it says what is different from some repetition on (RANGE=THISANDFUTURE), not only at that one."""
    ids = values(event, "RECURRENCE-ID")
    return any(str(one.params.get("RANGE", "")).upper() == "THISANDFUTURE" for one in ids)


def times(event: Event) -> Stretch:
    """When an event begins and ends, the first time. Raises for what can't be."""
    start, end, length = (dt(event, name) for name in ("DTSTART", "DTEND", "DURATION"))
    if end is None:
        end = start if length is None else start + length
    if not isinstance(start, date) or not isinstance(end, date):
        raise TypeError  # a length, where a time should be
    if not isinstance(start, datetime):
        return start, max(day(end), start + DAY)
    if not isinstance(end, datetime):
        end = datetime.combine(end, time(), start.tzinfo)
    if (start.tzinfo is None) != (end.tzinfo is None):
        end = end.replace(tzinfo=start.tzinfo)  # a zone that nobody knows
    if end < start:
        raise ValueError
    return start, end


def stretches(event: Event, instead: Collection[Edge], since: datetime, until: datetime) -> Iterator[Stretch]:
    """When a whole event takes place between two instants, or a little before or after; at the times `instead`, which
    are `keys`, it is elsewhere or not at all. What does not repeat is there at any time.

    Raises ValueError for what repeats too often, and whatever the library raises.
    """
    start, end = times(event)
    rules = values(event, "RRULE")
    if not is_repeated(event):
        yield start, end
        return
    if len(rules) > MOST_RULES or any(map(_is_too_often, rules)):
        raise ValueError
    plain = Event()
    plain.add("uid", "1")
    plain.add("dtstart", start)
    plain.add("dtend", end)
    for rule in rules:
        plain.add("rrule", _until_its_end(rule, start))
    for dates in values(event, "RDATE") if not is_broken(event, "RDATE") else []:
        plain.add("rdate", dates)
    left_out = {*instead, *(set() if is_broken(event, "EXDATE") else keys(event, "EXDATE"))}
    # The library takes an exception for the local as well as for the UTC clock; so it is not told of any.
    for occurrence in _expanded([plain], since, until):
        if not {_key(occurrence.start, start), day(occurrence.start)} & left_out:
            yield occurrence.start, occurrence.end


def occurrences(parts: Iterable[Event], since: datetime, until: datetime) -> Iterator[Event]:
    """The same for an event that is different from some time on: each repetition as an event, which begins and ends.

    `parts` are the whole event and what is different.
    """
    parts = list(parts)
    if any(_is_too_often(rule) for part in parts for rule in values(part, "RRULE")):
        raise ValueError
    yield from _expanded(parts, since, until)


def _expanded(parts: list[Event], since: datetime, until: datetime) -> list[Event]:
    import recurring_ical_events

    series = Calendar()
    for part in parts:
        series.add_component(part)
    found: list[Event] = recurring_ical_events.of(series).between(since - MARGIN, until + MARGIN)
    return found


def _is_too_often(rule: Any) -> bool:
    numbers = (len(rule.get(part, [0])) for part in ("BYHOUR", "BYMINUTE", "BYSECOND"))
    return bool({"SECONDLY", "MINUTELY", "HOURLY"} & set(map(str, rule.get("FREQ", [])))) or prod(numbers) > PER_DAY


def _until_its_end(rule: Any, start: Edge) -> vRecur:
    """The rule with an UNTIL of the kind that it has to be: many write a day, or a local time, and mean it included."""
    found = vRecur(rule)
    last = next(iter(_listed(rule.get("UNTIL", []))), None)
    if last is None or not isinstance(start, datetime):
        return found
    if not isinstance(last, datetime):
        last = datetime.combine(last, time.max.replace(microsecond=0))
    if start.tzinfo is None:
        last = last.replace(tzinfo=None)
    elif last.tzinfo is None:
        last = last.replace(tzinfo=start.tzinfo).astimezone(UTC)
    found["UNTIL"] = [last]
    return found


def keys(event: Event, name: str) -> set[Edge]:
    """The times of a property, to be found again: instants in UTC, others as they are. Raises if one can't be read."""
    start = dt(event, "DTSTART")
    edges = (one.dt for value in values(event, name) for one in getattr(value, "dts", [value]))
    return {_key(edge, start) for edge in edges}


def _key(edge: Edge, start: Edge | None) -> Edge:
    if not isinstance(edge, datetime):
        return edge
    if edge.tzinfo is None and isinstance(start, datetime) and start.tzinfo is not None:
        edge = edge.replace(tzinfo=start.tzinfo)
    return edge.astimezone(UTC) if edge.tzinfo else edge


def is_broken(event: Event, name: str) -> bool:
    """Whether the property (EXDATE, RDATE) stands there and can't be read."""
    try:
        for value in values(event, name):
            value.dts  # noqa: B018
    except MemoryError:
        raise
    except Exception:
        return True
    return False


def day(edge: Edge) -> date:
    """The date on which it is, where it is: some leave out whole days of what has times."""
    return edge.date() if isinstance(edge, datetime) else edge


def values(component: Component, name: str) -> list[Any]:
    """All values of a property that may stand once, often or not at all."""
    return _listed(component.get(name, []))


def dt(component: Component, name: str) -> Any:
    """The time or length that a property says; None if it is not there. Raises if it can't be read."""
    found: Any = component.get(name)
    return None if found is None else found.dt


def _listed(found: Any) -> list[Any]:
    return found if isinstance(found, list) else [found]
