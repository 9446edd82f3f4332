from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import pytest
import vobject
from icalendar import Calendar

from booking.formats import ical
from tests.formats.cast import MADE, VISIT, visit

NASTY = "Elm\x00 Clinic\r\nATTENDEE:mailto:eve@example.com\u2028X:1;Y,\\z\x0b\x85𝄞𠮷\u202e\ud800"


def lines(data: bytes) -> list[str]:
    """The content lines, unfolded."""
    return data.decode().replace("\r\n ", "").split("\r\n")


def test_a_file_says_when_where_and_whom_to_call() -> None:
    event = Calendar.from_ical(ical.single_file(VISIT)).events[0]
    assert event["UID"] == VISIT.uid
    assert event["SUMMARY"] == "Appointment at Elm Clinic"
    assert (event["DTSTART"].dt, event["DTEND"].dt) == (VISIT.starts_at, VISIT.ends_at)
    assert event["DTSTART"].params["TZID"] == "Europe/London"
    assert event["LOCATION"] == "Elm Clinic, 12 Elm Road, London N1 9XX"
    assert event["GEO"].to_ical() == "51.5403;-0.0935"
    assert event["CONTACT"] == "Front desk, 020 7946 0123"
    assert event["URL"] == VISIT.manage_url
    assert (event["CLASS"], event["STATUS"], event["TRANSP"]) == ("PRIVATE", "CONFIRMED", "OPAQUE")
    for said in ("020 7946 0123", VISIT.manage_url, "blue door", "Bus 19", "No steps", "google.com/maps"):
        assert said in event["DESCRIPTION"]


def test_the_service_is_named_only_by_its_public_name() -> None:
    event = Calendar.from_ical(ical.single_file(visit(public_name="Your visit"))).events[0]
    assert event["SUMMARY"] == "Your visit at Elm Clinic"


def test_opening_a_file_sends_no_replies() -> None:
    said = lines(ical.single_file(VISIT))
    assert not [line for line in said if line.startswith(("METHOD", "ATTENDEE", "ORGANIZER"))]


def test_the_same_visit_is_the_same_bytes_stamped_with_its_last_revision() -> None:
    revised = visit(updated_at=MADE + timedelta(days=1), stamped_at=MADE + timedelta(days=3))
    assert ical.single_file(revised) == ical.single_file(revised)
    assert "DTSTAMP:20270105T093000Z" in lines(ical.single_file(revised))


def test_a_second_parser_reads_the_same_event() -> None:
    ours = Calendar.from_ical(ical.single_file(VISIT)).events[0]
    theirs = vobject.readOne(ical.single_file(VISIT).decode()).vevent
    assert (theirs.dtstart.value, theirs.dtend.value) == (VISIT.starts_at, VISIT.ends_at)
    assert theirs.uid.value == ours["UID"]
    assert theirs.summary.value == ours["SUMMARY"]
    assert theirs.location.value == ours["LOCATION"]
    assert theirs.description.value == ours["DESCRIPTION"]


def test_hostile_text_stays_inside_its_property() -> None:
    data = ical.single_file(visit(clinic=NASTY, directions=NASTY, address=(NASTY,), location=NASTY))
    text = data.decode()
    # Split at every character that any parser takes for a line break, not at CRLF alone.
    loose = [part for part in re.split("\r\n|[\r\n\v\f\x1c-\x1e\x85\u2028\u2029]", text) if part]
    assert not [part for part in loose if part.startswith(("ATTENDEE", "X:1"))]
    assert loose == [part for part in text.split("\r\n") if part]
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\u202e]", text)
    event = Calendar.from_ical(data).events[0]
    assert event["SUMMARY"] == "Appointment at Elm Clinic ATTENDEE:mailto:eve@example.com X:1;Y,\\z 𝄞𠮷"
    assert "X:1;Y,\\z" in event["DESCRIPTION"]
    assert vobject.readOne(text).vevent.summary.value == event["SUMMARY"]


def test_lines_are_folded_at_75_octets_without_cutting_a_character() -> None:
    data = ical.single_file(visit(clinic="𝄞" * 60, directions="é" * 300))
    assert max(len(line) for line in data.split(b"\r\n")) <= 75
    for line in data.split(b"\r\n"):
        line.decode()
    assert "é" * 300 in "".join(lines(data))


def test_a_double_quote_does_not_end_a_parameter() -> None:
    data = ical.single_file(visit(clinic='Elm "North" Clinic'))
    structured = next(line for line in lines(data) if line.startswith("X-APPLE-STRUCTURED"))
    assert "X-TITLE=Elm 'North' Clinic" in structured.replace('"', "")
    assert Calendar.from_ical(data).events[0]["SUMMARY"] == 'Appointment at Elm "North" Clinic'


def test_without_coordinates_there_is_no_geo() -> None:
    said = lines(ical.single_file(visit(latitude=None, longitude=None)))
    assert not [line for line in said if line.startswith(("GEO", "X-APPLE"))]
    assert "query=12%20Elm%20Road%2C%20London%20N1%209XX" in "".join(said)


# Time zones


@pytest.mark.parametrize(
    "zone",
    [
        "Europe/London",
        "America/Chicago",
        "Australia/Adelaide",
        "Australia/Lord_Howe",
        "Europe/Dublin",
        "America/St_Johns",
    ],
)
def test_every_hour_around_the_changes_reads_as_written(zone: str) -> None:
    """Read back by vobject, which knows nothing of the zone but our VTIMEZONE, and by icalendar with zoneinfo."""
    ours = ZoneInfo(zone)
    changes = [
        at
        for hours in range(24 * 365)
        if (at := datetime(2027, 1, 1, tzinfo=UTC) + timedelta(hours=hours)).astimezone(ours).utcoffset()
        != (at + timedelta(hours=1)).astimezone(ours).utcoffset()
    ]
    assert len(changes) == 2
    for change in changes:
        for minutes in range(-180, 240, 30):
            starts = change + timedelta(minutes=minutes)
            data = ical.single_file(visit(zone=zone, starts_at=starts, ends_at=starts + timedelta(minutes=45)))
            # Under its own name vobject would find the zone elsewhere.
            read = vobject.readOne(re.sub("TZID([:=])", r"TZID\1Unknown-", data.decode())).vevent
            assert None not in (read.dtstart.value.tzinfo, read.dtend.value.tzinfo)
            assert read.dtstart.value.astimezone(UTC) == starts
            assert read.dtend.value.astimezone(UTC) == starts + timedelta(minutes=45)
            assert Calendar.from_ical(data).events[0]["DTSTART"].dt == starts


def test_onsets_stand_on_the_clock_that_they_end() -> None:
    said = ical.timezone("America/New_York", 2027)
    assert said is not None
    assert "DTSTART:19700308T020000\r\nRRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=2SU\r\nTZOFFSETFROM:-0500\r\n" in said
    assert "DTSTART:19701101T020000\r\nRRULE:FREQ=YEARLY;BYMONTH=11;BYDAY=1SU\r\nTZOFFSETFROM:-0400\r\n" in said


def test_a_zone_without_changes_is_one_observance() -> None:
    said = ical.timezone("America/Phoenix", 2027)
    assert said is not None
    assert said.count("BEGIN:STANDARD") == 1
    assert "DAYLIGHT" not in said
    assert "RRULE" not in said


def test_daylight_is_the_later_clock_in_ireland_too() -> None:
    said = ical.timezone("Europe/Dublin", 2027)
    assert said is not None
    assert "TZOFFSETFROM:+0000\r\nTZOFFSETTO:+0100\r\nTZNAME:IST\r\nEND:DAYLIGHT" in said


@pytest.mark.parametrize(
    "zone", ["Africa/Cairo", "America/Santiago", "Asia/Jerusalem", "America/Nuuk", "Atlantic/Reykjavik", "UTC"]
)
def test_zones_that_no_yearly_rule_says_and_those_on_utc_are_written_in_utc(zone: str) -> None:
    said = lines(ical.single_file(visit(zone=zone)))
    assert "BEGIN:VTIMEZONE" not in said
    assert {"DTSTART:20270111T090000Z", "DTEND:20270111T094500Z"} <= set(said)


def test_a_year_in_which_a_zone_leaves_its_rule_is_written_in_utc() -> None:
    # British Columbia stays on summer time from 2026 on.
    assert ical.timezone("America/Vancouver", 2026) is None
    assert ical.timezone("America/Vancouver", 2027) is not None


def test_the_repeated_hour_is_written_in_utc_since_readers_take_either_run() -> None:
    first = datetime(2027, 10, 31, 0, 30, tzinfo=UTC)  # 01:30 BST
    for starts in (first, first + timedelta(hours=1)):
        said = lines(ical.single_file(visit(starts_at=starts, ends_at=starts + timedelta(minutes=15))))
        assert f"DTSTART:{starts:%Y%m%dT%H%M%SZ}" in said


def _offsets(zone: str, year: int) -> list[timedelta | None]:
    return [datetime(year, month, 15, tzinfo=ZoneInfo(zone)).utcoffset() for month in range(1, 13)]


def test_most_zones_have_an_exact_rule() -> None:
    on_utc = {zone for zone in available_timezones() if not any(_offsets(zone, 2028))}
    inexact = {zone for zone in available_timezones() if ical.timezone(zone, 2028) is None} - on_utc
    assert len(inexact) < 30
    assert "Asia/Jerusalem" in inexact
    assert not inexact & {"Europe/London", "America/Chicago", "America/Los_Angeles", "Australia/Lord_Howe"}


@pytest.mark.parametrize("zone", ["../../etc/passwd", "Mars/Olympus", "/etc/passwd"])
def test_what_is_no_zone_is_not_looked_for_in_the_file_system(zone: str) -> None:
    with pytest.raises((ZoneInfoNotFoundError, ValueError)):
        ical.timezone(zone, 2027)
