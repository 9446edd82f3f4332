from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
import vobject
from icalendar import Calendar, Event

from booking.domain.message import Addressee, Recipient
from booking.formats import itip
from tests.formats.cast import ADA, BO, MADE, VISIT, visit


def event(data: bytes) -> Event:
    events = Calendar.from_ical(data).events
    assert len(events) == 1
    return events[0]


def test_a_request_asks_the_patient_alone() -> None:
    data = itip.request(VISIT, ADA)
    calendar, found = Calendar.from_ical(data), event(data)
    assert (calendar["METHOD"], calendar["VERSION"]) == ("REQUEST", "2.0")
    assert (found["UID"], found["SEQUENCE"], found["STATUS"]) == (VISIT.uid, 0, "CONFIRMED")
    assert found["ORGANIZER"] == "mailto:booking@mail.example.com"
    assert found["ORGANIZER"].params["CN"] == "Elm Clinic"
    attendee = found["ATTENDEE"]  # one, else it were a list
    assert attendee == "mailto:ada@example.com"
    assert attendee.params["PARTSTAT"] == "NEEDS-ACTION"
    assert attendee.params["RSVP"] == "TRUE"
    assert "X-MICROSOFT-DISALLOW-COUNTER" not in found  # proposals are read


def test_the_alarm_is_one_and_a_day_before() -> None:
    alarms = event(itip.request(VISIT, ADA)).walk("VALARM")
    assert [(alarm["ACTION"], alarm["TRIGGER"].dt) for alarm in alarms] == [("DISPLAY", timedelta(days=-1))]


def test_a_cancel_takes_out_the_same_event_and_has_no_alarm() -> None:
    later = replace(VISIT, sequence=1, stamped_at=MADE + timedelta(seconds=1))
    data = itip.cancel(later, ADA)
    found, asked = event(data), event(itip.request(VISIT, ADA))
    assert Calendar.from_ical(data)["METHOD"] == "CANCEL"
    assert found["STATUS"] == "CANCELLED"
    assert not found.walk("VALARM")
    assert found["SEQUENCE"] > asked["SEQUENCE"]
    assert found["DTSTAMP"].dt > asked["DTSTAMP"].dt
    for same in ("UID", "ORGANIZER", "ATTENDEE", "DTSTART", "DTEND", "SUMMARY"):
        assert found[same] == asked[same]


def test_stamps_are_the_visits_and_never_the_clocks() -> None:
    assert itip.request(VISIT, ADA) == itip.request(VISIT, ADA)
    revised = replace(VISIT, stamped_at=MADE + timedelta(hours=2), updated_at=MADE + timedelta(hours=1), sequence=3)
    found = event(itip.request(revised, ADA))
    assert found["DTSTAMP"].dt == MADE + timedelta(hours=2)
    assert found["LAST-MODIFIED"].dt == MADE + timedelta(hours=1)
    assert found["CREATED"].dt == MADE
    assert found["SEQUENCE"] == 3


def test_the_practitioners_event_shows_initials_and_no_name() -> None:
    data = itip.request(visit(manage_url="https://booking.example.com/desk/elm/?on=2027-01-11"), BO)
    found = event(data)
    assert found["SUMMARY"] == "Visit: A. L., 7K4M2QXA"
    assert found["ATTENDEE"] == "mailto:bo@elm.example"
    assert b"Lovelace" not in data
    assert b"ada@example.com" not in data


def test_the_practitioners_event_has_the_phone_and_the_way_too() -> None:
    said = event(itip.request(visit(manage_url="https://booking.example.com/desk/elm/?on=2027-01-11"), BO))[
        "DESCRIPTION"
    ]
    for part in ("020 7946 0123", "Open at the desk: https://booking", "12 Elm Road", "blue door", "Bus 19", "Map: "):
        assert part in said, part


def test_a_second_parser_reads_the_same_request() -> None:
    read = vobject.readOne(itip.request(VISIT, ADA).decode())
    assert read.method.value == "REQUEST"
    assert read.vevent.dtstart.value == VISIT.starts_at
    assert read.vevent.attendee.value == "mailto:ada@example.com"
    assert read.vevent.valarm.trigger.value == timedelta(days=-1)


def test_names_can_not_add_parameters_or_lines() -> None:
    eve = Addressee("eve@example.com", 'Eve";RSVP=FALSE\r\nATTENDEE:mailto:x@example.com', Recipient.PATIENT)
    data = itip.request(VISIT, eve)
    attendee = event(data)["ATTENDEE"]
    assert attendee == "mailto:eve@example.com"
    assert attendee.params["RSVP"] == "TRUE"
    assert attendee.params["CN"] == "Eve';RSVP=FALSE ATTENDEE:mailto:x@example.com"


@pytest.mark.parametrize(
    "address",
    [
        "",
        "ada",
        "ada@",
        "@example.com",
        "a@example.com, b@example.com",
        "a@example.com b@example.com",
        "Ada <ada@example.com>",
        "ada@example.com\r\nBcc: eve@example.com",
        "ada@example.com\n",
        "ada\x00@example.com",
        "ada@exa..mple",
        '"a@x"@example.com',
        "ädä@example.com",
    ],
)
def test_what_is_not_one_plain_address_is_refused(address: str) -> None:
    with pytest.raises(itip.BadAddress):
        itip.address(address)
    with pytest.raises(itip.BadAddress):
        itip.request(VISIT, replace(ADA, address=address))


@pytest.mark.parametrize(
    ("address", "written"),
    [
        ("ada@bücher.example", "ada@xn--bcher-kva.example"),
        ("ada@faß.example", "ada@xn--fa-hia.example"),  # fass.example is another's
    ],
)
def test_a_domain_in_another_script_is_written_in_ascii(address: str, written: str) -> None:
    assert itip.address(address) == written
