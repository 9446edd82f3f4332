"""Calendar exports as other programs write them: who comes, for what, to whom and when."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import pytest

from booking.domain.moving import Row, Unreadable
from booking.formats import visits_ical

SERVICES = ("visit", "Visit", "needles", "Community acupuncture")
PRACTITIONERS = ("bo", "Bo Andersen", "dee", "Dee Marsh", "dee@elm.example")
UNTIL = date(2029, 1, 11)
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
    return visits_ical.read(content, services=SERVICES, practitioners=PRACTITIONERS, until=UNTIL)


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
        visits_ical.read(content, services=SERVICES, practitioners=PRACTITIONERS, until=UNTIL)


# What repeats


LONDON = ("DTSTART;TZID=Europe/London:20270322T090000", "DTEND;TZID=Europe/London:20270322T093000")
ADA = ("SUMMARY:Ada - Visit", "DESCRIPTION:Phone: 020 7946 0142")


def weekly(*lines: str) -> tuple[str, ...]:
    return ("UID:1@other.example", *LONDON, *ADA, *lines)


def another(*lines: str, at: str = ";TZID=Europe/London:20270329T090000") -> tuple[str, ...]:
    return ("UID:1@other.example", f"RECURRENCE-ID{at}", *lines)


def starts(*events: Sequence[str]) -> list[str]:
    return [row.start for row in read(*events)]


THREE = ["2027-03-22T09:00:00+00:00", "2027-03-29T09:00:00+01:00", "2027-04-05T09:00:00+01:00"]


def test_each_repetition_is_a_visit_at_the_same_time_of_the_clock() -> None:
    rows = read(weekly("RRULE:FREQ=WEEKLY;COUNT=3"), (*NINE, "SUMMARY:Eve"))
    assert [row.start for row in rows] == [*THREE, "2027-01-12T09:00:00+00:00"]
    assert {(row.line, row.name, row.service, row.phone, row.minutes, row.remark) for row in rows[:3]} == {
        (4, "Ada", "Visit", "020 7946 0142", "30", "")
    }


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["RRULE:FREQ=WEEKLY;COUNT=3", "EXDATE;TZID=Europe/London:20270329T090000"], [THREE[0], THREE[2]]),
        (["RRULE:FREQ=WEEKLY;COUNT=3", "EXDATE:20270329T080000Z"], [THREE[0], THREE[2]]),
        (["RRULE:FREQ=WEEKLY;UNTIL=20270405"], THREE),
        (["RDATE;TZID=Europe/London:20270329T090000,20270405T090000"], THREE),
        (["RRULE:FREQ=WEEKLY;COUNT=1", "EXDATE;TZID=Europe/London:20270322T090000"], []),
    ],
)
def test_rules_dates_and_exceptions(lines: Sequence[str], expected: list[str]) -> None:
    assert starts(weekly(*lines)) == expected


def test_a_moved_repetition_is_one_visit_at_its_new_time_and_place_in_the_file() -> None:
    moved = another("DTSTART;TZID=Europe/London:20270330T140000", "DURATION:PT45M", "SUMMARY:Ada - needles")
    rows = read(moved, weekly("RRULE:FREQ=WEEKLY;COUNT=3"))
    assert [row.start for row in rows] == ["2027-03-30T14:00:00+01:00", THREE[0], THREE[2]]
    assert [row.line for row in rows] == [4, 12, 12]
    assert (rows[0].service, rows[0].minutes, rows[0].phone) == ("needles", "45", "020 7946 0142")


@pytest.mark.parametrize("when", [[], ["DTSTART;TZID=Europe/London:20270329T090000"]])
def test_a_repetition_that_is_called_off_is_a_cancelled_visit(when: list[str]) -> None:
    rows = read(weekly("RRULE:FREQ=WEEKLY;COUNT=3"), another("STATUS:CANCELLED", *when))
    assert [(row.start, row.status) for row in rows] == [(THREE[0], ""), (THREE[2], ""), (THREE[1], "cancelled")]
    assert {(row.name, row.service) for row in rows} == {("Ada", "Visit")}


def test_what_is_different_from_some_time_on() -> None:
    later = another(
        "DTSTART;TZID=Europe/London:20270330T140000",
        "DTEND;TZID=Europe/London:20270330T150000",
        "SUMMARY:Ada - needles",
        at=";RANGE=THISANDFUTURE;TZID=Europe/London:20270329T090000",
    )
    rows = read(weekly("RRULE:FREQ=WEEKLY;COUNT=3"), later)
    assert [row.start for row in rows] == [THREE[0], "2027-03-30T14:00:00+01:00", "2027-04-06T14:00:00+01:00"]
    assert [(row.line, row.service, row.minutes) for row in rows[1:]] == [(13, "needles", "60")] * 2


@pytest.mark.parametrize(
    ("rule", "first", "last", "count"),
    [
        ("FREQ=WEEKLY", "2027-03-22", "2029-01-08", 95),
        ("FREQ=WEEKLY;COUNT=200", "2027-03-22", "2029-01-08", 95),
        ("FREQ=YEARLY;UNTIL=20400101T000000Z", "2027-03-22", "2028-03-22", 2),
    ],
)
def test_the_row_where_repetitions_are_cut_off_says_so(rule: str, first: str, last: str, count: int) -> None:
    rows = read(weekly(f"RRULE:{rule}"))
    assert (rows[0].start[:10], rows[-1].start[:10], len(rows)) == (first, last, count)
    assert [row.remark for row in rows if row.remark] == ["goes on repeating: taken until 2029-01-11"]
    assert rows[-1].remark


def test_of_what_repeats_too_many_times_the_last_are_taken() -> None:
    daily = ("UID:1@other.example", "DTSTART:20200101T090000Z", "DTEND:20200101T093000Z", "RRULE:FREQ=DAILY", *ADA)
    rows = read(daily)
    assert (len(rows), rows[-1].start[:10]) == (2000, "2029-01-11")
    assert rows[0].remark == "repeats more than 2,000 times: taken from this one on"
    assert rows[-1].remark == "goes on repeating: taken until 2029-01-11"


@pytest.mark.parametrize(
    ("odd", "start"),
    [
        (weekly("RRULE:FREQ=SECONDLY"), "a repeated event that can't be worked out"),
        (weekly("RRULE:FREQ=MINUTELY;COUNT=2"), "a repeated event that can't be worked out"),
        (weekly("RRULE:FREQ=SOMETIMES"), "a repeated event that can't be worked out"),
        (weekly("RRULE:FREQ=DAILY;COUNT=2", "EXDATE:nonsense"), "a repeated event that can't be worked out"),
        (weekly("RDATE:nonsense"), "a repeated event that can't be worked out"),
        (("DTSTART:nonsense", "RRULE:FREQ=DAILY", *ADA), "a repeated event that can't be worked out"),
        (("DTSTART:20290301T090000Z", "RRULE:FREQ=DAILY", *ADA), "a repeated event that begins after 2029-01-11"),
        (("DTSTART;VALUE=DATE:20270112", "RRULE:FREQ=DAILY", *ADA), "an all-day event"),
    ],
)
def test_a_repeated_event_that_no_one_can_come_to_is_one_row_and_the_others_stand(
    odd: Sequence[str], start: str
) -> None:
    assert starts(odd, (*NINE, "SUMMARY:Eve")) == [start, "2027-01-12T09:00:00+00:00"]


def test_what_is_different_at_a_time_that_can_not_be_read_is_named() -> None:
    rows = starts(weekly("RRULE:FREQ=WEEKLY;COUNT=3"), another(*NINE, at=":nonsense"))
    assert rows == [*THREE, "a repeated event that can't be worked out"]
