"""Strangers' calendars as busy time: what takes time, when, and what is not to be understood."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from booking.domain.outside import Fault, Unreadable, merged
from booking.domain.time import Window, instant_of, local
from booking.formats import busy

LONDON = "Europe/London"
SINCE = datetime(2027, 1, 10, tzinfo=UTC)
UNTIL = datetime(2027, 7, 10, tzinfo=UTC)
ZONE = """\
BEGIN:VTIMEZONE
TZID:Office
BEGIN:STANDARD
DTSTART:19700101T000000
TZOFFSETFROM:-0330
TZOFFSETTO:-0330
TZNAME:Office
END:STANDARD
END:VTIMEZONE
"""
NINE = "DTSTART:20270111T090000Z\nDTEND:20270111T100000Z"
NINE_TO_TEN = ["01-11 09:00 10:00"]


def event(text: str, uid: str = "1@other.example") -> str:
    return f"BEGIN:VEVENT\nUID:{uid}\nSUMMARY:Dentist\n{text}\nEND:VEVENT\n"


def calendar(*events: str, head: str = "") -> bytes:
    """A calendar of these events; each without BEGIN is one of its own."""
    whole = "".join(one if one.startswith("BEGIN") else event(one, f"{n}@x.example") for n, one in enumerate(events))
    text = f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//Other//EN\n{head}{whole}END:VCALENDAR\n"
    return text.replace("\n", "\r\n").encode()


@dataclass(frozen=True, slots=True)
class Busy:
    windows: list[Window]
    unread: int


def read(*calendars: bytes, **more: Any) -> Busy:
    """All entries taken together, and how many could not be understood."""
    entries = busy.read(calendars, **{"zone": LONDON, "since": SINCE, "until": UNTIL} | more)
    windows = merged(window for entry in entries for window in entry.windows)
    return Busy(windows, sum(not entry.is_understood for entry in entries))


def clocks(*calendars: bytes, zone: str = LONDON, **more: Any) -> list[str]:
    """When somebody is busy, as the clocks of the zone show it."""
    found = read(*calendars, zone=zone, **more)
    assert found.unread == 0
    return clocks_of(found.windows, zone)


def clocks_of(windows: Iterable[Window], zone: str = LONDON) -> list[str]:
    spans = [(local(instant_of(one.start), zone), local(instant_of(one.stop), zone)) for one in windows]
    return [f"{start:%m-%d %H:%M} {stop:%H:%M}" for start, stop in spans]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (NINE, NINE_TO_TEN),
        ("DTSTART:20270111T090100Z\nDTEND:20270111T095900Z", NINE_TO_TEN),  # whole ticks, outwards
        ("DTSTART:20270111T090000Z\nDURATION:PT1H", NINE_TO_TEN),
        ("DTSTART;TZID=Europe/London:20270601T090000\nDTEND;TZID=Europe/London:20270601T100000", ["06-01 09:00 10:00"]),
        ("DTSTART;TZID=America/New_York:20270111T090000\nDURATION:PT1H", ["01-11 14:00 15:00"]),
        ("DTSTART;TZID=Eastern Standard Time:20270111T090000\nDURATION:PT1H", ["01-11 14:00 15:00"]),  # Outlook's names
        ("DTSTART:20270601T090000\nDTEND:20270601T100000", ["06-01 09:00 10:00"]),  # whatever the clock on the wall
        ("DTSTART;VALUE=DATE:20270601\nDTEND;VALUE=DATE:20270603", ["06-01 00:00 00:00"]),
        ("DTSTART;VALUE=DATE:20270601", ["06-01 00:00 00:00"]),
        ("DTSTART:20270111T090000Z", []),  # a reminder
        ("DTSTART;VALUE=DATE:20270601\nDTEND;VALUE=DATE:20270601", ["06-01 00:00 00:00"]),  # as some write one day
        ("DTSTART;VALUE=DATE:20270601\nDURATION:P0D", ["06-01 00:00 00:00"]),
        ("DTSTART;VALUE=DATE:20270601\nDURATION:PT8H", ["06-01 00:00 00:00"]),
        ("DTSTART:20270111T090000Z\nDTEND;VALUE=DATE:20270112", ["01-11 09:00 00:00"]),
        ("DTSTART:20270111T090000Z\nDTEND:20270111T100000Z\nDURATION:PT5M", NINE_TO_TEN),
        ("DTSTART:20261224T090000Z\nDTEND:20270110T010000Z", ["01-10 00:00 01:00"]),  # began before
        ("DTSTART:20260111T090000Z\nDTEND:20260111T100000Z", []),
        ("DTSTART:20280111T090000Z\nDTEND:20280111T100000Z", []),
    ],
)
def test_an_event_takes_its_time(text: str, expected: list[str]) -> None:
    assert clocks(calendar(text)) == expected


@pytest.mark.parametrize(
    "free",
    [
        "TRANSP:TRANSPARENT",
        "STATUS:CANCELLED",
        "X-MICROSOFT-CDO-BUSYSTATUS:FREE",
        "ATTENDEE;PARTSTAT=ACCEPTED:mailto:di@elm.example\nATTENDEE;CN=Bo;PARTSTAT=DECLINED:MAILTO:Bo@Elm.example",
    ],
)
def test_what_is_shown_as_free_cancelled_or_declined_takes_no_time(free: str) -> None:
    assert clocks(calendar(f"{NINE}\n{free}"), owner="bo@elm.example") == []


@pytest.mark.parametrize(
    "taken",
    [
        "TRANSP:OPAQUE",
        "STATUS:TENTATIVE",
        "X-MICROSOFT-CDO-BUSYSTATUS:OOF",
        "ATTENDEE;PARTSTAT=DECLINED:mailto:di@elm.example",
        "ATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:bo@elm.example",
        "SEQUENCE:x",
    ],
)
def test_what_is_not_surely_free_takes_its_time(taken: str) -> None:
    assert clocks(calendar(f"{NINE}\n{taken}"), owner="bo@elm.example") == NINE_TO_TEN


def test_repetitions_keep_the_wall_clock_and_their_exceptions() -> None:
    weekly = event(
        "DTSTART;TZID=Europe/London:20200106T090000\nDTEND;TZID=Europe/London:20200106T100000\n"
        "RRULE:FREQ=WEEKLY;UNTIL=20270412T235959Z\nEXDATE;TZID=Europe/London:20270118T090000"
    )
    moved = event(
        "RECURRENCE-ID;TZID=Europe/London:20270125T090000\n"
        "DTSTART;TZID=Europe/London:20270126T140000\nDTEND;TZID=Europe/London:20270126T143000"
    )
    called_off = event(
        "RECURRENCE-ID;TZID=Europe/London:20270201T090000\nSTATUS:CANCELLED\n"
        "DTSTART;TZID=Europe/London:20270201T090000\nDTEND;TZID=Europe/London:20270201T100000"
    )
    found = clocks(calendar(weekly, moved, called_off))
    assert found[:3] == ["01-11 09:00 10:00", "01-26 14:00 14:30", "02-08 09:00 10:00"]
    assert "03-29 09:00 10:00" in found  # summer time began the day before
    assert found[-1] == "04-12 09:00 10:00"


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("RRULE:FREQ=DAILY;COUNT=2", ["01-11 09:00 10:00", "01-12 09:00 10:00"]),
        ("RRULE:FREQ=MONTHLY;BYDAY=2MO;COUNT=2", ["01-11 09:00 10:00", "02-08 09:00 10:00"]),
        ("RDATE:20270113T090000Z", ["01-11 09:00 10:00", "01-13 09:00 10:00"]),
        ("RDATE;VALUE=PERIOD:20270113T120000Z/PT5M", ["01-11 09:00 10:00", "01-13 12:00 12:05"]),
        ("RRULE:FREQ=DAILY;BYHOUR=9,12;COUNT=2", ["01-11 09:00 10:00", "01-11 12:00 13:00"]),
    ],
)
def test_rules_of_repetition_are_worked_out(rule: str, expected: list[str]) -> None:
    assert clocks(calendar(f"{NINE}\n{rule}")) == expected


def test_a_zone_is_taken_from_the_file_where_the_world_knows_none() -> None:
    own = "DTSTART;TZID=Office:20270111T090000\nDTEND;TZID=Office:20270111T100000"
    assert clocks(calendar(own, head=ZONE)) == ["01-11 12:30 13:30"]
    other = ZONE.replace("-0330", "+0500")
    assert clocks(calendar(own, head=other)) == ["01-11 04:00 05:00"]  # another calendar's zone of the same name
    quoted = own.replace("=Office", '="Office"')
    assert clocks(calendar(quoted, head=ZONE)) == ["01-11 12:30 13:30"]
    lost = read(calendar(own))
    assert lost.unread == 1  # told, and taken as local
    assert [(instant_of(one.start).hour, instant_of(one.stop).hour) for one in lost.windows] == [(9, 10)]


def test_days_and_floating_times_are_of_the_calendars_own_zone_if_it_names_one() -> None:
    floating = calendar("DTSTART:20270111T090000\nDURATION:PT1H", head="X-WR-TIMEZONE:America/New_York\n")
    assert clocks(floating) == ["01-11 14:00 15:00"]
    assert clocks(floating.replace(b"America/New_York", b"Nowhere")) == NINE_TO_TEN


def test_the_hour_that_comes_twice_is_taken_from_its_first_to_its_last_run() -> None:
    night = "DTSTART:20271031T010000\nDTEND:20271031T014500"
    found = read(calendar(night), until=SINCE + timedelta(days=400))
    assert [one.stop - one.start for one in found.windows] == [21]


def test_published_free_busy_times_are_read_too() -> None:
    published = (
        "BEGIN:VFREEBUSY\nUID:1\nDTSTAMP:20270101T000000Z\n"
        "FREEBUSY;FBTYPE=BUSY:20270111T090000Z/PT1H,20270112T090000Z/20270112T100000Z\n"
        "FREEBUSY;FBTYPE=FREE:20270113T090000Z/PT1H\nFREEBUSY:20270114T090000Z/PT1H\nEND:VFREEBUSY\n"
    )
    assert clocks(calendar(published)) == ["01-11 09:00 10:00", "01-12 09:00 10:00", "01-14 09:00 10:00"]


def test_times_that_overlap_or_touch_are_one_also_of_several_calendars() -> None:
    one = calendar(NINE, "DTSTART:20270111T093000Z\nDURATION:PT1H")
    other = calendar("DTSTART:20270111T103000Z\nDURATION:PT1H", "DTSTART:20270111T091500Z\nDURATION:PT5M")
    assert clocks(one, other) == ["01-11 09:00 11:30"]


def test_each_event_is_told_by_its_uid() -> None:
    mixed = calendar(event(NINE, "one@x.example"), event(f"{NINE}\nRRULE:FREQ=DAILY;COUNT=3", "two@x.example"))
    found = busy.read([mixed], zone=LONDON, since=SINCE, until=UNTIL)
    assert [(entry.uid, len(entry.windows)) for entry in found] == [("one@x.example", 1), ("two@x.example", 3)]


@pytest.mark.parametrize(
    "odd",
    [
        "DTSTART:2027xx11T090000Z",
        "SUMMARY:without a time",
        f"{NINE}\nRRULE:FREQ=SECONDLY",
        f"{NINE}\nRRULE:FREQ=MINUTELY;INTERVAL=5",
        f"{NINE}\nRRULE:FREQ=HOURLY",
        f"{NINE}\nRRULE:FREQ=DAILY;BYHOUR=0,1,2,3,4,5,6,7,8,9,10,11;BYMINUTE=0,15,30",
        f"{NINE}\nRRULE:FREQ=SOMETIMES",
        "DTSTART:99991231T230000Z\nDTEND:20270111T100000Z\nRRULE:FREQ=YEARLY;INTERVAL=0",
        "DTSTART:20270111T100000Z\nDTEND:20270111T090000Z",
        f"RECURRENCE-ID:nonsense\n{NINE.replace('0111', '01xx')}",
        "RECURRENCE-ID:nonsense\nRECURRENCE-ID:20270118T090000Z\nDTSTART;TZID=../../etc/passwd:x\nRRULE:FREQ=DAILY",
        f"{NINE}\nEND:ODD",  # what the library gives a whole calendar up for
    ],
)
def test_an_event_that_can_not_be_understood_is_named_and_the_others_stand(odd: str) -> None:
    entries = busy.read([calendar(odd, NINE)], zone=LONDON, since=SINCE, until=UNTIL)
    assert [entry.uid for entry in entries if not entry.is_understood] == ["0@x.example"]
    assert [clocks_of(entry.windows) for entry in entries if entry.is_understood] == [NINE_TO_TEN]


@pytest.mark.parametrize(
    ("odd", "expected"),
    [
        (f"{NINE}\nRRULE:FREQ=HOURLY", NINE_TO_TEN),  # its first time, at least
        (f"{NINE}\nRRULE:FREQ=DAILY;COUNT=2\nEXDATE:nonsense", [*NINE_TO_TEN, "01-12 09:00 10:00"]),
        (f"{NINE}\nRRULE:FREQ=DAILY;COUNT=2\nEXDATE:", [*NINE_TO_TEN, "01-12 09:00 10:00"]),
        (f"{NINE}\nRDATE:nonsense", NINE_TO_TEN),
        (f"{NINE}\nRRULE:FREQ=DAILY;BYFOO=1", NINE_TO_TEN),
        ("DTSTART;TZID=America/New_York:20270111T040000\nDTEND;TZID=Nowhere/X:20270111T050000", NINE_TO_TEN),
    ],
)
def test_what_is_left_of_an_odd_event_takes_time_rather_too_much_than_too_little(odd: str, expected: list[str]) -> None:
    found = read(calendar(odd))
    assert found.unread == 1
    assert clocks_of(found.windows) == expected


def weekly(*lines: str) -> str:
    return event("\n".join([NINE, "RRULE:FREQ=WEEKLY;COUNT=3", *lines]))


def another(*lines: str) -> str:
    return event("\n".join(["RECURRENCE-ID:20270118T090000Z", *lines]))


THREE = ["01-11 09:00 10:00", "01-18 09:00 10:00", "01-25 09:00 10:00"]


@pytest.mark.parametrize(
    ("different", "unread", "expected"),
    [
        ("STATUS:CANCELLED", 0, [THREE[0], THREE[2]]),  # some don't say when it would have been
        ("DTSTART:nonsense", 1, THREE),
        ("DTSTART:20270119T140000Z\nDURATION:PT1H", 0, [THREE[0], "01-19 14:00 15:00", THREE[2]]),
        (f"{NINE}\nTRANSP:TRANSPARENT", 0, [THREE[0], THREE[2]]),
    ],
)
def test_one_repetition_that_is_different_changes_no_other(different: str, unread: int, expected: list[str]) -> None:
    found = read(calendar(weekly(), another(different)))
    assert (clocks_of(found.windows), found.unread) == (expected, unread)


def test_a_moved_repetition_stands_though_its_old_time_is_left_out_too() -> None:
    moved = another("DTSTART:20270119T140000Z\nDURATION:PT1H")
    assert clocks(calendar(weekly("EXDATE:20270118T090000Z"), moved))[1] == "01-19 14:00 15:00"


def test_a_repetition_without_its_series_takes_its_time() -> None:
    assert clocks(calendar(another("DTSTART:20270119T140000Z\nDURATION:PT1H"))) == ["01-19 14:00 15:00"]


def test_all_later_repetitions_may_be_different() -> None:
    later = event(
        "RECURRENCE-ID;RANGE=THISANDFUTURE:20270118T090000Z\nDTSTART:20270118T110000Z\nDTEND:20270118T120000Z"
    )
    assert clocks(calendar(weekly(), later)) == [THREE[0], "01-18 11:00 12:00", "01-25 11:00 12:00"]


def test_an_exception_is_for_one_instant_whatever_other_clocks_show_then() -> None:
    twice = (
        "DTSTART;TZID=America/New_York:20270111T090000\nDTEND;TZID=America/New_York:20270111T093000\n"
        "RRULE:FREQ=DAILY;BYHOUR=9,14;COUNT=4\nEXDATE;TZID=America/New_York:20270111T090000"
    )
    assert clocks(calendar(twice)) == ["01-11 19:00 19:30", "01-12 14:00 14:30", "01-12 19:00 19:30"]


def test_a_whole_day_may_be_left_out_of_what_has_times() -> None:
    assert clocks(calendar(weekly("EXDATE;VALUE=DATE:20270118"))) == [THREE[0], THREE[2]]


@pytest.mark.parametrize("last", ["20270113", "20270113T200000", "20270114T010000Z"])
@pytest.mark.parametrize("zone", [";TZID=America/New_York", ""])
def test_the_last_repetition_counts_whatever_kind_of_time_ends_them(last: str, zone: str) -> None:
    evening = f"DTSTART{zone}:20270111T200000\nDTEND{zone}:20270111T210000\nRRULE:FREQ=DAILY;UNTIL={last}"
    found = clocks(calendar(evening), zone="America/New_York")
    assert found == ["01-11 20:00 21:00", "01-12 20:00 21:00", "01-13 20:00 21:00"]


@pytest.mark.parametrize("uid", ["twice@x.example", ""])
def test_two_events_of_one_name_both_take_time(uid: str) -> None:
    tuesday = NINE.replace("20270111", "20270112")
    both = calendar(event(f"{NINE}\nRRULE:FREQ=WEEKLY;COUNT=2", uid), event(tuesday, uid))
    assert clocks(both) == ["01-11 09:00 10:00", "01-12 09:00 10:00", "01-18 09:00 10:00"]


def test_alarms_and_tasks_are_not_looked_at() -> None:
    alarm = "BEGIN:VALARM\nACTION:DISPLAY\nTRIGGER:never\nEND:VALARM"
    task = "BEGIN:VTODO\nUID:1\nDUE:never\nan odd line\nEND:VTODO\n"
    assert clocks(calendar(f"{NINE}\n{alarm}", task)) == NINE_TO_TEN


def test_someone_without_an_address_has_declined_nothing() -> None:
    assert clocks(calendar(f"{NINE}\nATTENDEE;PARTSTAT=DECLINED:mailto:"), owner="") == NINE_TO_TEN


def test_zones_are_told_apart_by_what_they_say_also_in_one_file() -> None:
    def of(offset: str) -> bytes:
        head = ZONE.replace("-0330", offset)
        return calendar("DTSTART;TZID=Office:20270111T090000\nDURATION:PT1H", head=head)

    assert clocks(of("-0330") + of("+0500")) == ["01-11 04:00 05:00", "01-11 12:30 13:30"]


@pytest.mark.parametrize(
    "name", [("Amsterdam\\, Berlin", '"Amsterdam, Berlin"'), ("(UTC+01:00) Rome", '"(UTC+01:00) Rome"')]
)
def test_a_zones_name_is_known_however_it_is_written(name: tuple[str, str]) -> None:
    head = ZONE.replace("TZID:Office", f"TZID:{name[0]}")
    named = calendar(f"DTSTART;TZID={name[1]}:20270111T090000\nDURATION:PT1H", head=head)
    assert clocks(named) == ["01-11 12:30 13:30"]


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "BEGIN:STANDARD\nDTSTART:nonsense\nEND:STANDARD\n",
        "BEGIN:STANDARD\nDTSTART:20200101T000000\nTZOFFSETFROM:+0100\nTZOFFSETTO:+0200\n"
        "RRULE:FREQ=SECONDLY\nEND:STANDARD\n",
    ],
)
def test_a_zone_that_makes_no_sense_is_what_the_world_means_by_its_name(wrong: str) -> None:
    head = f"BEGIN:VTIMEZONE\nTZID:Eastern Standard Time\n{wrong}END:VTIMEZONE\n"
    named = "DTSTART;TZID=Eastern Standard Time:20270111T090000\nDURATION:PT1H"
    assert clocks(calendar(named, head=head)) == ["01-11 14:00 15:00"]


LINES = st.builds(
    "{}{}:{}".format,
    st.sampled_from(
        [
            "DTSTART",
            "DTEND",
            "DURATION",
            "EXDATE",
            "RDATE",
            "RECURRENCE-ID",
            "STATUS",
            "TRANSP",
            "ATTENDEE",
            "UID",
            "SEQUENCE",
        ]
    ),
    st.sampled_from(
        [
            "",
            ";TZID=Europe/London",
            ";TZID=Nowhere/X",
            ";VALUE=DATE",
            ";VALUE=PERIOD",
            ";RANGE=THISANDFUTURE",
            ";TZID=/",
        ]
    ),
    st.sampled_from(
        [
            "20270111T090000Z",
            "20270111T090000",
            "20270111",
            "nonsense",
            "20270118T090000Z,20270125",
            "PT1H",
            "-PT5M",
            "99991231T235959Z",
            "00010101",
            "20270131T250000",
        ]
    ),
) | st.sampled_from(
    [
        "RRULE:FREQ=DAILY",
        "RRULE:FREQ=WEEKLY;COUNT=3",
        "RRULE:FREQ=X",
        "RRULE:INTERVAL=0;FREQ=DAILY;COUNT=2",
        "X:",
        "END:X",
    ]
)


@given(st.lists(LINES, max_size=8), st.lists(LINES, max_size=8))
@settings(max_examples=100)
def test_whatever_stands_beside_it_an_event_takes_its_time(one: list[str], other: list[str]) -> None:
    odd = [event("\n".join(lines), "odd@x.example") for lines in (one, other)]
    entries = busy.read([calendar(*odd, event(NINE, "mine"))], zone=LONDON, since=SINCE, until=UNTIL)
    assert [clocks_of(entry.windows) for entry in entries if entry.uid == "mine"] == [NINE_TO_TEN]


def test_a_definition_with_many_names_is_none() -> None:
    head = ZONE.replace("TZID:Office\n", "TZID:Office\nTZID:Other\n")
    assert read(calendar("DTSTART;TZID=Office:20270111T090000\nDURATION:PT1H", head=head)).unread == 1


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>Sign in</html>",
        b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\n",
        calendar(NINE)[:-20],  # cut off: what is missing must not count as free
        calendar(NINE)[: -len("END:VCALENDAR\r\n")],
        calendar(NINE, NINE)[: calendar(NINE).index(b"END:VCALENDAR")],
        b"BEGIN:VEVENT\r\nEND:VEVENT\r\n",
        b"\x00\xff\xfe",
    ],
)
def test_what_is_no_calendar_is_refused_whole(content: bytes) -> None:
    with pytest.raises(Unreadable) as refused:
        read(calendar(NINE), content)
    assert refused.value.fault is Fault.NO_CALENDAR


def test_a_calendar_without_events_is_free() -> None:
    assert clocks(calendar()) == []
    assert clocks() == []


def test_what_takes_too_long_to_work_out_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(busy, "SECONDS", -1.0)
    with pytest.raises(Unreadable) as refused:
        read(calendar(NINE))
    assert refused.value.fault is Fault.TOO_MUCH


def test_old_events_are_many_and_cost_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(busy, "MOST_EVENTS", 2)
    old = [f"DTSTART:{year}0101T090000Z\nDTEND:{year}0101T100000Z" for year in range(1990, 2026)]
    far = ["DTSTART;VALUE=DATE:20400101"]
    folded = "DTSTART;X-LONG=" + "x" * 30 + "\n :20270111T090000Z\nDTEND:20270111T\n 100000Z"
    assert clocks(calendar(*old, *far, folded)) == NINE_TO_TEN
    with pytest.raises(Unreadable) as refused:
        read(calendar(*[NINE] * 3))
    assert refused.value.fault is Fault.TOO_LARGE
