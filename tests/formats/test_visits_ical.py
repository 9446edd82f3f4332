"""Calendar exports as other programs write them: who comes, for what, to whom and when."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from booking.domain.moving import Row, Unreadable
from booking.formats import visits_ical

SERVICES = ("visit", "Visit", "needles", "Community acupuncture")
PRACTITIONERS = ("bo", "Bo Andersen", "dee", "Dee Marsh", "dee@elm.example")
NINE = ("DTSTART:20270112T090000Z", "DTEND:20270112T093000Z")

# As Google Calendar exports what its appointment pages made: HTML in the description, a calendar for each person.
GOOGLE = (
    "DTSTART:20270112T090000Z",
    "DTEND:20270112T093000Z",
    "UID:7kq@google.com",
    "ATTENDEE;CUTYPE=INDIVIDUAL;ROLE=REQ-PARTICIPANT;PARTSTAT=ACCEPTED;CN=Bo Andersen:mailto:bo@elm.example",
    "ATTENDEE;CUTYPE=INDIVIDUAL;ROLE=REQ-PARTICIPANT;PARTSTAT=ACCEPTED;CN=ada@example.com;X-NUM-GUESTS=0:mailto:ada@exam",
    " ple.com",
    "ORGANIZER;CN=Elm Clinic:mailto:elm@group.calendar.example",
    "DESCRIPTION:<b>Booked by</b><br>Ada Lovelace<br>ada@example.com<br>020 7946 0142",
    "STATUS:CONFIRMED",
    "SUMMARY:Visit (Ada Lovelace)",
)
# As Jane's calendar subscriptions say it, with the zone by name.
JANE = (
    "DTSTART;TZID=Europe/London:20270112T090000",
    "DTEND;TZID=Europe/London:20270112T093000",
    "SUMMARY:Ada Lovelace - Visit",
    "DESCRIPTION:Staff Member: Bo Andersen\\nPhone: 020 7946 0142\\nEmail: ada@example.com",
    "LOCATION:1 Elm Road",
)
# As Easy!Appointments attaches it: sections for both people, one label for both.
EASY = (
    *NINE,
    "SUMMARY:Visit",
    "DESCRIPTION:\\nProvider\\n\\nName: Bo Andersen\\nEmail: bo@elm.example\\nPhone: 020 7946 0100\\n\\nCustomer\\n\\n"
    "Name: Ada Lovelace\\nEmail: ada@example.com\\nPhone: 020 7946 0142\\n\\nNotes\\n\\nBy the window",
    "ATTENDEE;PARTSTAT=NEEDS-ACTION;CUTYPE=INDIVIDUAL;ROLE=REQ-PARTICIPANT;CN=Bo Andersen:mailto:bo@elm.example",
    "ATTENDEE;PARTSTAT=NEEDS-ACTION;CUTYPE=INDIVIDUAL;ROLE=REQ-PARTICIPANT;CN=Ada Lovelace:mailto:ada@example.com",
)


def calendar(*events: Sequence[str], head: Sequence[str] = ()) -> bytes:
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Example//EN", *head]
    for event in events:
        lines += ["BEGIN:VEVENT", "DTSTAMP:20270101T000000Z", *event, "END:VEVENT"]
    return "\r\n".join([*lines, "END:VCALENDAR", ""]).encode()


def read(*events: Sequence[str], head: Sequence[str] = ()) -> tuple[Row, ...]:
    content = calendar(*events, head=head)
    assert visits_ical.is_calendar(content)
    return visits_ical.read(content, services=SERVICES, practitioners=PRACTITIONERS)


@pytest.mark.parametrize("event", [GOOGLE, JANE, EASY], ids=["google", "jane", "easy"])
def test_what_the_programs_say_of_one_visit(event: Sequence[str]) -> None:
    [row] = read(event)
    assert (row.service, row.practitioner) == ("Visit", "Bo Andersen")
    assert (row.name, row.email, row.phone) == ("Ada Lovelace", "ada@example.com", "020 7946 0142")
    assert (row.start, row.minutes) == ("2027-01-12T09:00:00+00:00", "30")


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (("SUMMARY:Visit with Bo Andersen",), {"service": "Visit", "practitioner": "Bo Andersen", "name": ""}),
        (("SUMMARY:Ada with bo",), {"name": "Ada", "practitioner": "bo", "service": ""}),
        (("SUMMARY:Ada",), {"name": "Ada", "service": ""}),
        (("SUMMARY:dentist: Ada",), {"name": "dentist", "service": "Ada"}),
        (("SUMMARY:Visit: Ada", "STATUS:CANCELLED"), {"service": "Visit", "name": "Ada", "status": "cancelled"}),
        (("SUMMARY:Ada", "DESCRIPTION:Notes: back\\, again"), {"note": "back, again"}),
        (("SUMMARY:Ada", "DESCRIPTION:https://meet.example/x"), {"note": "", "phone": "", "email": ""}),
    ],
)
def test_titles_and_descriptions(lines: Sequence[str], says: dict[str, str]) -> None:
    [row] = read((*NINE, *lines))
    found: dict[str, Any] = {name: getattr(row, name) for name in says}
    assert found == says


def test_what_stands_below_a_heading_of_notes_is_the_note() -> None:
    assert read(EASY)[0].note == "By the window"


def test_what_a_patient_answered_to_a_booking_pages_question_is_the_note() -> None:
    asked = "DESCRIPTION:<b>Booked by</b><br>Ada Lovelace<br>ada@example.com<br><b>Anything we should know?</b><br>"
    [row] = read((*NINE, "SUMMARY:Visit", f"{asked}I use a cane<br>Change it: https://calendar.example/x"))
    assert (row.name, row.email, row.note) == ("Ada Lovelace", "ada@example.com", "I use a cane")


def test_a_practitioner_is_known_by_address_and_is_not_the_patient() -> None:
    [row] = read(
        (*NINE, "SUMMARY:Ada", "ATTENDEE:mailto:Dee@elm.example", "DESCRIPTION:Location: a link\\nStatus: new")
    )
    assert (row.name, row.email, row.practitioner) == ("Ada", "", "dee@elm.example")
    assert (row.location, row.status) == ("", "")


@pytest.mark.parametrize("name", ["Dee Marsh", "Elm Clinic - dee marsh", "Appointments (Dee Marsh)"])
def test_a_calendar_called_after_a_practitioner_is_theirs(name: str) -> None:
    assert read((*NINE, "SUMMARY:Ada"), head=[f"X-WR-CALNAME:{name}"])[0].practitioner == "Dee Marsh"


@pytest.mark.parametrize(
    ("times", "start", "minutes"),
    [
        (("DTSTART:20270112T090000", "DURATION:PT45M"), "2027-01-12T09:00:00", "45"),
        (("DTSTART;TZID=America/New_York:20270712T090000",), "2027-07-12T09:00:00-04:00", ""),
        (("DTSTART;VALUE=DATE:20270112",), "an all-day event", ""),
        ((*NINE, "RRULE:FREQ=WEEKLY"), "a repeated event", ""),
        ((), "a start that can't be read", ""),
        (("DTSTART:nonsense",), "a start that can't be read", ""),
    ],
)
def test_starts_and_lengths(times: Sequence[str], start: str, minutes: str) -> None:
    [row] = read((*times, "SUMMARY:Ada"))
    assert (row.start, row.minutes) == (start, minutes)


def test_each_row_knows_the_line_of_its_event() -> None:
    assert [row.line for row in read((*NINE, "SUMMARY:Ada"), (*NINE, "SUMMARY:Eve"))] == [4, 10]


@pytest.mark.parametrize(
    "content",
    [b"BEGIN:VCALENDAR\nBEGIN:VEVENT\n", b"BEGIN:VCALENDAR\nnonsense\nEND:VCALENDAR\n", b"BEGIN:VCALENDAR\n\xff"],
)
def test_what_is_no_calendar_is_refused(content: bytes) -> None:
    with pytest.raises(Unreadable):
        visits_ical.read(content, services=SERVICES, practitioners=PRACTITIONERS)
