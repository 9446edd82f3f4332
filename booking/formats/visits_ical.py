"""Visits as iCalendar files: the export of our own, and those of other programs (Google Calendar, Jane,
Easy!Appointments and their like).

They say who comes, for what and to whom in their own ways, so everything is looked at: the description's labelled
lines, under headings or not; the attendees; and the parts of the title, told apart by the clinic's own words. What
can't be found out is left empty, and whoever checks the row says so.

Each repetition of an event is a visit. People's own events are among them, so that whoever calls `read` should do so
in a process of its own (`apart`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from icalendar import Calendar, Event

from booking.domain.moving import Row, Unreadable, status_of
from booking.formats import repeats
from booking.formats.ical import PRODID
from booking.formats.ical import line as one_line
from booking.formats.visits_table import decoded

LABELS = {
    "service": "service",
    "treatment": "service",
    "appointment": "service",
    "appointment type": "service",
    "type": "service",
    "practitioner": "practitioner",
    "provider": "practitioner",
    "therapist": "practitioner",
    "staff": "practitioner",
    "staff member": "practitioner",
    "with": "practitioner",
    "patient": "name",
    "client": "name",
    "customer": "name",
    "name": "name",
    "booked by": "name",
    "email": "email",
    "e-mail": "email",
    "phone": "phone",
    "phone number": "phone",
    "mobile": "phone",
    "telephone": "phone",
    "tel": "phone",
    "status": "status",
    "note": "note",
    "notes": "note",
    "comments": "note",
    "location": "location",
    "first visit": "new",
}
# A line with nothing after it says whose the lines below are.
OF_PATIENT = frozenset({"patient", "client", "customer", "booked by"})
OF_PRACTITIONER = frozenset({"practitioner", "provider", "therapist", "staff", "staff member"})
# How a title parts the service, the patient and the practitioner: "Visit with Bo", "Ada (Visit)", "Visit - Ada".
PARTS = re.compile(r"\s+(?:with|for|w/)\s+|\s+[-–—|/·]\s+|[:,]\s+|\s*[()\[\]]\s*", re.IGNORECASE)
EMAIL = re.compile(r"[^\s<>:@]+@[^\s<>@]+\.[^\s<>@]+")
PHONE = re.compile(r"\+?[\d ().-]{7,20}")
MARKUP = re.compile(r"<br\s*/?>|</p>|</li>", re.IGNORECASE)
TAGS = re.compile(r"<[^>]*>")
HEAD = f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:{PRODID}\r\nCALSCALE:GREGORIAN\r\n"
TAIL = "END:VCALENDAR\r\n"
WORDS = {"CANCELLED": "cancelled", "TENTATIVE": "pending"}
MOST = 2_000  # times of one event: twice a week for twenty years
SINCE = datetime(1971, 1, 1, tzinfo=UTC)  # no visit is older
BEYOND = timedelta(days=3_660)  # that what has an end is looked for after the last day that is taken
LINE = "X-BOOKING-LINE"  # where an event stands, which its repetitions keep
OF_ALL = ("SUMMARY", "DESCRIPTION", "ATTENDEE", "ORGANIZER")


def event(uid: str, sequence: int, updated_at: str, row: Row) -> str:
    """A visit as a VEVENT with all that a row says, so that `read` finds it again. `updated_at` and the row's start
    are ISO 8601 with an offset."""
    starts_at = datetime.fromisoformat(row.start).astimezone(UTC)
    found = Event()
    found.add("uid", uid)
    found.add("dtstamp", datetime.fromisoformat(updated_at).astimezone(UTC))
    found.add("sequence", sequence)
    found.add("dtstart", starts_at)
    found.add("dtend", starts_at + timedelta(minutes=int(row.minutes)))
    found.add("summary", one_line(f"{row.service} with {row.practitioner}"))
    values = {
        "Patient": row.name,
        "Email": row.email,
        "Phone": row.phone,
        "Service": row.service,
        "Practitioner": row.practitioner,
        "Location": row.location,
        "First visit": row.new,
        "Status": row.status,
        "Note": row.note,
    }
    found.add("description", "\n".join(f"{label}: {one_line(value)}" for label, value in values.items() if value))
    found.add("status", "CANCELLED" if row.status in ("cancelled", "entered-in-error") else "CONFIRMED")
    found.add("class", "PRIVATE")
    content: bytes = found.to_ical(sorted=False)
    return content.decode()


def is_calendar(content: bytes) -> bool:
    """Whether the bytes begin like an iCalendar file."""
    return content[:200].lstrip(b"\xef\xbb\xbf \r\n\t").upper().startswith(b"BEGIN:VCALENDAR")


def read(
    content: bytes,
    *,
    services: Collection[str],
    practitioners: Collection[str],
    until: date,
    locations: Collection[str] = (),
) -> tuple[Row, ...]:
    """The events of an iCalendar file as rows, in its order; the line is that of the event's beginning.

    The others are the words by which the clinic knows its services, people (e-mail addresses too) and places. Starts
    are ISO 8601, with an offset unless the event has none. All-day events have a start that says so, for nobody can
    come to them. What repeats has a row for each time, up to a last day; the row where it was cut off says so.
    Raises Unreadable.
    """
    text = decoded(content)
    lines = [number for number, line in enumerate(text.splitlines(), 1) if line.strip().upper() == "BEGIN:VEVENT"]
    try:
        calendar = Calendar.from_ical(text)
    except (ValueError, IndexError, KeyError) as error:
        raise Unreadable(f"not an iCalendar file: {error}") from None
    known = _Known(services, practitioners, locations)
    named = PARTS.split(str(calendar.get("X-WR-CALNAME", "")))  # "Bo Andersen", or "Elm Clinic - Bo Andersen"
    whose = next(filter(None, map(known.practitioner, filter(None, named))), "")
    events = [event for event in calendar.walk("VEVENT") if isinstance(event, Event)]
    for line, event in zip(lines, events, strict=False):
        event[LINE] = str(line)
    reader = _Reader(known, whose, until)
    rows = (row for parts in repeats.by_uid(events).values() for row in reader.rows(parts))
    return tuple(sorted(rows, key=lambda row: row.line))


class _Known:
    """The clinic's words, folded."""

    def __init__(self, services: Collection[str], practitioners: Collection[str], locations: Collection[str]) -> None:
        self._services = {_fold(name): name for name in services}
        self._practitioners = {_fold(name): name for name in practitioners}
        self._locations = {_fold(name): name for name in locations}

    def service(self, text: str) -> str:
        return self._services.get(_fold(text), "")

    def practitioner(self, text: str) -> str:
        return self._practitioners.get(_fold(text), "")

    def location(self, text: str) -> str:
        return self._locations.get(_fold(text), "")


@dataclass(frozen=True, slots=True)
class _Reader:
    """What the events of one calendar say."""

    known: _Known
    whose: str  # a practitioner's, if the calendar says so
    until: date

    def rows(self, parts: list[Event]) -> list[Row]:
        """The visits of an event, given by its parts: itself, and what is different at some of its repetitions."""
        if not any(map(repeats.is_repeated, parts)):
            return [self._row(part) for part in parts]
        if any(map(repeats.is_for_all_later, parts)):
            return self._tried(self._different_later, parts[0], parts)
        whole = [part for part in parts if "RECURRENCE-ID" not in part]
        rows: list[Row] = []
        instead: set[repeats.Edge] = set()
        for part in parts:
            if "RECURRENCE-ID" in part:
                rows += self._tried(self._once, part, whole, instead)
        for part in whole:
            rows += self._tried(self._repeated, part, instead)
        return rows

    def _tried(self, work: Callable[..., list[Row]], event: Event, *more: Any) -> list[Row]:
        try:
            return work(event, *more)
        except MemoryError:
            raise
        except Exception:  # whatever a stranger's event does to the library, it is one event
            return [replace(self._row(event), start="a repeated event that can't be worked out")]

    def _once(self, other: Event, whole: list[Event], instead: set[repeats.Edge]) -> list[Row]:
        """What is different at one time; what is then not there is noted in `instead`."""
        if repeats.is_repeated(other):
            raise ValueError
        instead |= repeats.keys(other, "RECURRENCE-ID")
        # Who calls one off often says no more than which.
        other.setdefault("DTSTART", other["RECURRENCE-ID"])
        for name in OF_ALL:
            if whole and name in whole[0]:
                other.setdefault(name, whole[0][name])
        return [self._row(other)]

    def _repeated(self, event: Event, instead: set[repeats.Edge]) -> list[Row]:
        if any(repeats.is_broken(event, name) for name in ("EXDATE", "RDATE")):
            raise ValueError
        row = self._row(event)
        if not isinstance(repeats.times(event)[0], datetime):
            return [row]  # which says that it is all day
        has_length = bool(row.minutes)
        found = [
            (start, replace(row, start=start.isoformat(), minutes=_minutes(end - start) if has_length else ""))
            for start, end in repeats.stretches(event, instead, SINCE, self._last([event]))
        ]
        return self._cut([event], found)

    def _different_later(self, event: Event, parts: list[Event]) -> list[Row]:
        found = [(one.start, self._row(one)) for one in repeats.occurrences(parts, SINCE, self._last(parts))]
        return self._cut(parts, found)

    def _last(self, parts: list[Event]) -> datetime:
        """Until when it is to be worked out: far enough to know whether something is cut off."""
        beyond = repeats.DAY if any(map(repeats.is_endless, parts)) else BEYOND
        return datetime.combine(self.until, time(), UTC) + beyond

    def _cut(self, parts: list[Event], found: list[tuple[Any, Row]]) -> list[Row]:
        """The rows of an event, given with their starts, without those beyond the bounds; the outermost say so."""
        found = sorted(found, key=lambda one: one[0])
        rows = [row for start, row in found if repeats.day(start) <= self.until]
        if len(rows) < len(found) or any(map(repeats.is_endless, parts)):
            if not rows:
                return [replace(self._row(parts[0]), start=f"a repeated event that begins after {self.until}")]
            rows[-1] = replace(rows[-1], remark=f"goes on repeating: taken until {self.until}")
        if len(rows) > MOST:
            rows = rows[-MOST:]
            rows[0] = replace(rows[0], remark=f"repeats more than {MOST:,} times: taken from this one on")
        return rows

    def _row(self, event: Event) -> Row:
        known, said = self.known, _described(str(event.get("DESCRIPTION", "")))
        if not known.location(said.get("location", "")):
            said.pop("location", None)  # an address, or a link
        if status_of(said.get("status", "")) is None:
            said.pop("status")
        for address, name in _people(event):
            if who := known.practitioner(name) or known.practitioner(address):
                said.setdefault("practitioner", who)
            else:
                said.setdefault("name", name)
                said.setdefault("email", address)
        _titled(str(event.get("SUMMARY", "")), known, said)
        said["practitioner"] = said.get("practitioner") or self.whose
        start, minutes = _times(event)
        status = said.get("status") or WORDS.get(str(event.get("STATUS", "")).upper(), "")
        return Row(int(str(event.get(LINE, 0))), start, **{**said, "status": status, "minutes": minutes})


def _titled(title: str, known: _Known, said: dict[str, str]) -> None:
    """What the title says beyond that: the parts that the clinic knows, and what is left over is the patient."""
    rest = []
    for part in filter(None, (part.strip() for part in PARTS.split(title))):
        if service := known.service(part):
            said.setdefault("service", service)
        elif who := known.practitioner(part):
            said.setdefault("practitioner", who)
        else:
            rest.append(part)
    # "Name with Practitioner" and "Service with Practitioner" look alike: what else is missing decides.
    for part in rest:
        missing = next((column for column in ("name", "service") if not said.get(column)), None)
        if missing and part != said.get("name"):
            said[missing] = part


def _described(text: str) -> dict[str, str]:
    """The labelled lines of a description, the first of each; bare addresses and numbers too."""
    found: dict[str, str] = {}
    about = ""  # whose the lines are
    for line in _lines(text):
        label, colon, value = (part.strip() for part in line.partition(":"))
        heading = label.casefold()
        if not value and heading in OF_PATIENT | OF_PRACTITIONER:
            about = heading
            continue
        if not value and (LABELS.get(heading) == "note" or heading.endswith("?")):
            about = "note"  # what a booking page asked, and what was answered
            continue
        if about == "note":
            if "://" in line:
                continue  # the program's own links
            found["note"] = f"{found.get('note', '')}\n{line}".strip()
            continue
        column = LABELS.get(heading, "") if colon else ""
        if not column and about in OF_PATIENT:
            column = _kind(line) or ("" if "name" in found else "name")
            value = line
        elif not column and not colon:
            column, value = _kind(line), line
        if about in OF_PRACTITIONER:
            column = {"name": "practitioner"}.get(column, "" if column in ("email", "phone") else column)
        if column and value:
            found.setdefault(column, value)
    return found


def _kind(line: str) -> str:
    if EMAIL.fullmatch(line):
        return "email"
    return "phone" if PHONE.fullmatch(line) else ""


def _lines(text: str) -> Iterator[str]:
    plain = TAGS.sub("", MARKUP.sub("\n", text))
    return filter(None, (line.strip(" \t-*•") for line in plain.splitlines()))


def _people(event: Event) -> Iterator[tuple[str, str]]:
    """Address and name of the people who are invited, without the organizer: that is the clinic or its calendar."""
    attendees = event.get("ATTENDEE", [])
    for person in attendees if isinstance(attendees, list) else [attendees]:
        address = str(person).partition(":")[2] if str(person).lower().startswith("mailto:") else ""
        kind = str(person.params.get("CUTYPE", "INDIVIDUAL")).upper()
        organizer = str(event.get("ORGANIZER", "")).casefold()
        if kind == "INDIVIDUAL" and str(person).casefold() != organizer:
            name = str(person.params.get("CN", ""))
            yield address, "" if "@" in name else name


def _times(event: Event) -> tuple[str, str]:
    """The start as ISO 8601, and the minutes to the end if the event has one."""
    start, end, length = (_value(event, name) for name in ("DTSTART", "DTEND", "DURATION"))
    if not isinstance(start, datetime):
        return "a start that can't be read" if start is None else "an all-day event", ""
    if isinstance(end, datetime) and (start.tzinfo is None) == (end.tzinfo is None):
        length = end - start
    return start.isoformat(), _minutes(length) if isinstance(length, timedelta) else ""


def _minutes(length: timedelta) -> str:
    return str(round(length.total_seconds() / 60))


def _value(event: Event, name: str) -> object:
    """A time or a length; None where there is none, or none that can be read."""
    try:
        return getattr(event.get(name), "dt", None)
    except ValueError:
        return None


def _fold(text: str) -> str:
    return " ".join(text.casefold().split())
