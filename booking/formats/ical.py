"""Visits as iCalendar (RFC 5545): one VEVENT each, with the zone's own VTIMEZONE.

`itip` adds what scheduling needs. The icalendar library writes the lines; its time zones are not used, since they
are an hour wrong on the days of change.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from importlib.resources import files
from zoneinfo import ZoneInfo

from icalendar import Calendar, Event, Timezone, vUri

from booking.domain.message import Visit
from booking.formats import words

PRODID = "-//Clinic//Booking 1.0//EN"
WEEKDAYS = ("SU", "MO", "TU", "WE", "TH", "FR", "SA")
# Line breaks of Unicode, which split lines in some parsers.
_BREAKS = re.compile("\r\n|[\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_DROPPED = {"Cc", "Cf", "Cs", "Co", "Cn"}  # controls, bidi and other format marks, lone surrogates
_JOINERS = "\u200c\u200d"  # spelling in Persian and Hindi, and emoji


def clean(text: str) -> str:
    """The text without control characters, bidi marks and lone surrogates; every kind of line break is a newline.

    The icalendar library passes them on, and so would JSON and HTML.
    """
    text = _BREAKS.sub("\n", text).replace("\t", " ")
    return "".join(c for c in text if c == "\n" or c in _JOINERS or unicodedata.category(c) not in _DROPPED)


def line(text: str) -> str:
    """The text cleaned and on one line."""
    return " ".join(clean(text).split())


def single_file(visit: Visit) -> bytes:
    """The visit as a file to open: no METHOD and no ATTENDEE, so that opening it sends no reply.

    DTSTAMP is when the visit was last revised, so the same visit is always the same bytes.
    """
    calendar = empty()
    add_zone(calendar, visit)
    calendar.add_component(event(visit, summary=title(visit), said=description(visit), stamp=visit.updated_at))
    return bytes(calendar.to_ical(sorted=False))


def empty(method: str | None = None) -> Calendar:
    """A VCALENDAR without components. (`Calendar.new` would put a random UID into it.)"""
    calendar = Calendar()
    calendar.add("version", "2.0")
    calendar.add("prodid", PRODID)
    calendar.add("calscale", "GREGORIAN")
    if method:
        calendar.add("method", method)
    return calendar


def add_zone(calendar: Calendar, visit: Visit) -> None:
    """Add the VTIMEZONE that the visit's event refers to, if it refers to one."""
    text = _zone_used(visit)
    if text:
        calendar.add_component(Timezone.from_ical(text))


def event(visit: Visit, *, summary: str, said: str, stamp: datetime, status: str = "CONFIRMED") -> Event:
    """The VEVENT of a visit, without organizer, attendee and alarm; `said` is its DESCRIPTION, `stamp` its DTSTAMP."""
    found = plain_event(visit, summary=summary, stamp=stamp, status=status)
    place = where(visit)
    found.add("location", place)
    if visit.latitude is not None and visit.longitude is not None:
        found.add("geo", (visit.latitude, visit.longitude))
        # Apple ignores GEO, and shows a map only where title and address together are LOCATION.
        structured = vUri(f"geo:{visit.latitude},{visit.longitude}")
        structured.params["VALUE"] = "URI"
        structured.params["X-ADDRESS"] = parameter(", ".join(visit.address))
        structured.params["X-APPLE-RADIUS"] = "70"
        structured.params["X-TITLE"] = parameter(visit.head.clinic)
        found.add("x-apple-structured-location", structured)
    found.add("contact", contact(visit))
    if visit.manage_url:
        found.add("url", vUri(visit.manage_url))
    found.add("description", clean(said))
    return found


def plain_event(visit: Visit, *, summary: str, stamp: datetime, status: str) -> Event:
    """The VEVENT of a visit without its place and texts: who wants more adds it.

    Times are in the location's zone, or in UTC where no VTIMEZONE says the zone exactly and in an hour that comes
    twice, which readers take for different runs.
    """
    found = Event()
    found.add("uid", line(visit.uid))
    found.add("dtstamp", stamp.astimezone(UTC))
    found.add("created", visit.created_at.astimezone(UTC))
    found.add("last-modified", visit.updated_at.astimezone(UTC))
    found.add("sequence", visit.sequence)
    zone = ZoneInfo(visit.zone) if _zone_used(visit) else UTC
    found.add("dtstart", visit.starts_at.astimezone(zone))
    found.add("dtend", visit.ends_at.astimezone(zone))
    found.add("summary", line(summary))
    found.add("status", status)
    found.add("transp", "OPAQUE")
    found.add("class", "PRIVATE")
    return found


def title(visit: Visit) -> str:
    """What the event is called in other people's calendars: the service only by its public name."""
    _ = words.translations(visit.head.lang).gettext
    if visit.public_name:
        return _("%(service)s at %(clinic)s") % {"service": visit.public_name, "clinic": visit.head.clinic}
    return _("Appointment at %(clinic)s") % {"clinic": visit.head.clinic}


def where(visit: Visit) -> str:
    """Clinic and address on one line, short enough for every calendar."""
    return line(", ".join((visit.head.clinic, *visit.address)))[:250]


def contact(visit: Visit) -> str:
    """The front desk's phone number, or its e-mail address if it has none."""
    _ = words.translations(visit.head.lang).gettext
    return line(_("Front desk, %(contact)s") % {"contact": _phone(visit) or visit.head.email})


def description(visit: Visit) -> str:
    """What the event says to the patient: with whom, and what `described` adds."""
    _ = words.translations(visit.head.lang).gettext
    who = _("With %(practitioner)s.") % {"practitioner": line(visit.practitioner)} if visit.practitioner else ""
    link = _("Change or cancel: %(link)s") % {"link": visit.manage_url} if visit.manage_url else ""
    return described(visit, who=who, link=link)


def described(visit: Visit, *, link: str, who: str = "") -> str:
    """These two sentences with the phone and how to get there, for readers that show no CONTACT."""
    _ = words.translations(visit.head.lang).gettext
    said = [
        who,
        _("Phone: %(phone)s") % {"phone": _phone(visit)} if _phone(visit) else "",
        link,
        "\n".join(line(part) for part in (visit.location, *visit.address)),
        clean(visit.directions),
        _("Transit: %(text)s") % {"text": clean(visit.transit)} if visit.transit else "",
        _("Parking: %(text)s") % {"text": clean(visit.parking)} if visit.parking else "",
        _("Access: %(text)s") % {"text": clean(visit.access)} if visit.access else "",
        _("Map: %(link)s") % {"link": words.map_link(visit.map_url, visit.latitude, visit.longitude, visit.address)},
    ]
    return "\n\n".join(part.strip() for part in said if part.strip())


def parameter(text: str) -> str:
    """The text for a parameter value, which can't hold a double quote (few readers know RFC 6868's `^'`)."""
    return line(text).replace('"', "'")


def _phone(visit: Visit) -> str:
    return words.phone_shown(visit.head.phone, visit.head.region)


# A zone's standing rule is the POSIX string at the end of its TZif data: just what a VTIMEZONE can say.


@dataclass(frozen=True, slots=True)
class _Turn:
    """A yearly change of the clocks: the n-th weekday of a month, at so many seconds of wall time before it."""

    month: int
    week: int  # 5: the last
    weekday: int  # 0 is Sunday
    at: int

    def on(self, year: int) -> datetime:
        """The change in a year, on the clock that it ends (naive)."""
        if self.week == 5:
            first_after = date(year + self.month // 12, self.month % 12 + 1, 1)
            found = first_after - timedelta(days=(first_after.isoweekday() - self.weekday - 1) % 7 + 1)
        else:
            first = date(year, self.month, 1)
            found = first + timedelta(days=(self.weekday - first.isoweekday()) % 7 + 7 * (self.week - 1))
        return datetime.combine(found, time(0)) + timedelta(seconds=self.at)


@dataclass(frozen=True, slots=True)
class _Rule:
    """A zone's standing rule: one offset from UTC, or two with the changes between them."""

    name: str
    offset: timedelta
    other_name: str = ""
    other_offset: timedelta = timedelta(0)
    to_other: _Turn | None = None
    back: _Turn | None = None

    def changes(self, year: int) -> list[tuple[datetime, timedelta]]:
        """The changes in a year as instants (naive UTC), each with the offset after it, in order."""
        if self.to_other is None or self.back is None:
            return []
        return sorted(
            [
                (self.to_other.on(year) - self.offset, self.other_offset),
                (self.back.on(year) - self.other_offset, self.offset),
            ]
        )


_RULE = re.compile(
    r"(?P<name><[^>]+>|[A-Za-z]+)(?P<offset>[-+]?[\d:]+)"
    r"(?:(?P<other><[^>]+>|[A-Za-z]+)(?P<other_offset>[-+]?[\d:]+)?"
    r",M(?P<m1>\d+)\.(?P<w1>\d)\.(?P<d1>\d)(?:/(?P<t1>[-+]?[\d:]+))?"
    r",M(?P<m2>\d+)\.(?P<w2>\d)\.(?P<d2>\d)(?:/(?P<t2>[-+]?[\d:]+))?)?"
)


@lru_cache(maxsize=512)
def timezone(zone: str, year: int) -> str | None:
    """The VTIMEZONE of a zone as text, None if its standing rule does not say that year exactly (then write UTC).

    One STANDARD and one DAYLIGHT with a yearly RRULE at most: Outlook reads no more than that. `year` is checked
    day by day and at the changes against zoneinfo. Raises ZoneInfoNotFoundError for an unknown zone.
    """
    ours = ZoneInfo(zone)  # refuses what is no zone's name, before it becomes a path
    rule = _rule(files("tzdata").joinpath("zoneinfo", *zone.split("/")).read_bytes().rsplit(b"\n", 2)[-2].decode())
    if rule is None or not all(_offset(ours, at) == offset for at, offset in _samples(rule, year)):
        return None
    return "\r\n".join(["BEGIN:VTIMEZONE", f"TZID:{zone}", *_observances(rule), "END:VTIMEZONE", ""])


def _zone_used(visit: Visit) -> str | None:
    zone = ZoneInfo(visit.zone)
    local = [instant.astimezone(zone) for instant in (visit.starts_at, visit.ends_at)]
    if any(t.utcoffset() != t.replace(fold=1 - t.fold).utcoffset() for t in local):
        return None
    return timezone(visit.zone, local[0].year)


def _rule(footer: str) -> _Rule | None:
    match = _RULE.fullmatch(footer)
    if match is None:
        return None
    name, offset = match["name"].strip("<>"), -_seconds(match["offset"])
    if match["other"] is None:
        return _Rule(name, timedelta(seconds=offset)) if offset else None  # Reykjavik's times are UTC
    other = -_seconds(match["other_offset"]) if match["other_offset"] else offset + 3600
    turns = [
        _Turn(int(match[f"m{n}"]), int(match[f"w{n}"]), int(match[f"d{n}"]), _seconds(match[f"t{n}"] or "2"))
        for n in (1, 2)
    ]
    if not all(0 <= turn.at < 86400 for turn in turns):
        return None  # RRULE can't say "the Friday before the last Sunday"
    return _Rule(name, timedelta(seconds=offset), match["other"].strip("<>"), timedelta(seconds=other), *turns)


def _seconds(text: str) -> int:
    sign = -1 if text.startswith("-") else 1
    parts = [int(part) for part in text.lstrip("+-").split(":")]
    return sign * sum(part * unit for part, unit in zip(parts, (3600, 60, 1), strict=False))


def _offset(zone: ZoneInfo, at: datetime) -> timedelta | None:
    return at.replace(tzinfo=UTC).astimezone(zone).utcoffset()


def _samples(rule: _Rule, year: int) -> Iterator[tuple[datetime, timedelta]]:
    """Instants of a year (and a day) with the offset that the rule gives them: each day, and around each change."""
    changes = rule.changes(year)
    offset = changes[-1][1] if changes else rule.offset
    at, end = (datetime.combine(date(*day), time(0)) for day in ((year, 1, 1), (year + 1, 1, 2)))
    for change, after in [*changes, (end, rule.offset)]:
        while at < change:
            yield at, offset
            at += timedelta(days=1)
        if changes and change.year == year:
            yield change - timedelta(seconds=1), offset
            yield change, after
        offset = after


def _observances(rule: _Rule) -> Iterator[str]:
    if rule.to_other is None or rule.back is None:
        yield from _observance("STANDARD", rule.name, rule.offset, rule.offset, None)
        return
    # Ireland's law calls its winter the exception; calendars expect STANDARD to be the earlier clock.
    summer_first = rule.other_offset > rule.offset
    first, second = ("DAYLIGHT", "STANDARD") if summer_first else ("STANDARD", "DAYLIGHT")
    yield from _observance(first, rule.other_name, rule.offset, rule.other_offset, rule.to_other)
    yield from _observance(second, rule.name, rule.other_offset, rule.offset, rule.back)


def _observance(component: str, name: str, before: timedelta, after: timedelta, turn: _Turn | None) -> Iterator[str]:
    yield f"BEGIN:{component}"
    if turn is None:
        yield "DTSTART:19700101T000000"
    else:
        # As long ago as in other people's files: vobject compares a zone with UTC in 2000-2019, and took London for UTC
        # (and its times for floating ones) while our rule began in 2020.
        yield f"DTSTART:{turn.on(1970):%Y%m%dT%H%M%S}"
        week = -1 if turn.week == 5 else turn.week
        yield f"RRULE:FREQ=YEARLY;BYMONTH={turn.month};BYDAY={week}{WEEKDAYS[turn.weekday]}"
    yield f"TZOFFSETFROM:{_signed(before)}"
    yield f"TZOFFSETTO:{_signed(after)}"
    yield f"TZNAME:{name}"
    yield f"END:{component}"


def _signed(offset: timedelta) -> str:
    minutes = int(offset.total_seconds()) // 60
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}{abs(minutes) % 60:02}"
