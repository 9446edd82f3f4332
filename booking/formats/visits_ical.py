"""Visits as iCalendar files: the export of our own, and those of other programs (Google Calendar, Jane,
Easy!Appointments and their like).

They say who comes, for what and to whom in their own ways, so everything is looked at: the description's labelled
lines, under headings or not; the attendees; and the parts of the title, told apart by the clinic's own words. What
can't be found out is left empty, and whoever checks the row says so.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta

from icalendar import Calendar, Event

from booking.domain.moving import Row, Unreadable, status_of
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
    content: bytes, *, services: Collection[str], practitioners: Collection[str], locations: Collection[str] = ()
) -> tuple[Row, ...]:
    """The events of an iCalendar file as rows, in its order; the line is that of the event's beginning.

    The others are the words by which the clinic knows its services, people (e-mail addresses too) and places. Starts
    are ISO 8601, with an offset unless the event has none. All-day and repeated events have a start that says so,
    for nobody can come to them.
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
    return tuple(_row(line, event, known, whose) for line, event in zip(lines, events, strict=False))


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


def _row(line: int, event: Event, known: _Known, whose: str) -> Row:
    said = _described(str(event.get("DESCRIPTION", "")))
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
    said["practitioner"] = said.get("practitioner") or whose
    start, minutes = _times(event)
    status = said.get("status") or WORDS.get(str(event.get("STATUS", "")).upper(), "")
    return Row(line, start, **{**said, "status": status, "minutes": minutes})


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
    if "RRULE" in event or "RDATE" in event:
        return "a repeated event", ""
    start, end, length = (_value(event, name) for name in ("DTSTART", "DTEND", "DURATION"))
    if not isinstance(start, datetime):
        return "a start that can't be read" if start is None else "an all-day event", ""
    if isinstance(end, datetime) and (start.tzinfo is None) == (end.tzinfo is None):
        length = end - start
    return start.isoformat(), str(round(length.total_seconds() / 60)) if isinstance(length, timedelta) else ""


def _value(event: Event, name: str) -> object:
    """A time or a length; None where there is none, or none that can be read."""
    try:
        return getattr(event.get(name), "dt", None)
    except ValueError:
        return None


def _fold(text: str) -> str:
    return " ".join(text.casefold().split())
