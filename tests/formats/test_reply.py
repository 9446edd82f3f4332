"""Strangers' mail: answers as mail programs write them, bounces, and what is meant to hurt."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest

from booking.domain.message import Method
from booking.formats import itip, mime, reply
from booking.formats.reply import Unreadable, is_proven
from tests.formats.cast import ADA, ELM, MADE, visit
from tests.formats.replies import PROGRAMS, bounce, written

UID, CLINIC = "0b9f7a52@mail.example.com", "booking@mail.example.com"


def mail(calendar: str, *, kind: str = 'text/calendar; method="REPLY"') -> bytes:
    return f"From: ada@example.com\r\nContent-Type: {kind}\r\n\r\n{calendar}".encode()


def event(*lines: str, method: str = "REPLY") -> str:
    own = ["UID:x", "DTSTAMP:20270111T080000Z", "ATTENDEE;PARTSTAT=ACCEPTED:mailto:ada@example.com", *lines]
    return "\r\n".join(["BEGIN:VCALENDAR", f"METHOD:{method}", "BEGIN:VEVENT", *own, "END:VEVENT", "END:VCALENDAR", ""])


@pytest.mark.parametrize("program", PROGRAMS)
def test_an_answer_is_read_from_each_mail_program(program: str) -> None:
    content = written(program, uid=UID, organizer=CLINIC, method="COUNTER", status="TENTATIVE", sequence=3)
    found = reply.read(content)
    said = found.reply
    assert said is not None
    assert (found.sender, found.is_automatic) == ("ada@example.com", program == "gmail")
    assert (said.method, said.uid, said.partstat, said.sequence) == ("COUNTER", UID, "TENTATIVE", 3)
    assert said.attendees == ("ada@example.com",)
    assert said.organizer == ("" if program == "outlook" else CLINIC)
    assert said.stamped_at == datetime(2027, 1, 11, 7, 59, tzinfo=UTC)
    assert said.starts_at == datetime(2027, 1, 11, 9, 0, tzinfo=UTC)
    assert said.ends_at == datetime(2027, 1, 11, 9, 30, tzinfo=UTC)
    comments = {"outlook": "I can come, but later\nplease", "gmail": "I'm late: 5 min; ok?"}
    assert said.comment == comments.get(program, "")


def test_the_zones_of_windows_and_of_other_programs_are_known_in_summer_too() -> None:
    for program in ("outlook", "apple", "thunderbird"):
        content = written(program, uid=UID, organizer=CLINIC, starts="20270712T090000", ends="20270712T093000")
        said = reply.read(content).reply
        assert said is not None
        assert said.starts_at == datetime(2027, 7, 12, 8, 0, tzinfo=UTC), program


def test_addresses_are_compared_in_lower_case() -> None:
    content = written("apple", uid=UID, organizer=CLINIC.upper(), sender="Ada@Example.COM", attendee="ADA@example.com")
    found = reply.read(content)
    assert found.reply is not None
    assert found.sender == "ada@example.com" == found.reply.attendees[0]
    assert found.reply.organizer == CLINIC


def test_our_own_invite_sent_back_to_us_is_read_as_a_request() -> None:
    envelope = mime.Envelope(CLINIC, "Elm", "", ADA.address, "<a@b.example>", "", MADE)
    letter = mime.Letter("Booked", "text", "<p>text</p>")
    sent = mime.build(letter, envelope, invite=itip.request(visit(), ADA), method=Method.REQUEST)
    said = reply.read(sent).reply
    assert said is not None
    assert (said.method, said.uid, said.sequence) == ("REQUEST", visit().uid, 0)
    assert (said.organizer, said.attendees) == (ELM.sender, (ADA.address,))


def test_the_method_may_be_lost_from_the_header() -> None:
    said = reply.read(mail(event(), kind="text/calendar")).reply
    assert said is not None
    assert said.method == "REPLY"


@pytest.mark.parametrize(
    "content",
    [
        mail(event(method="REQUEST")),  # the header says otherwise
        mail(event().replace("METHOD:REPLY\r\n", "")),
        mail(event() + event()),
        mail(event("UID:y")),
        mail(event("DTSTAMP:20280111T080000Z")),
        mail(event("SEQUENCE:-1")),
        mail(event("SEQUENCE:99999999999999999999")),
        mail(event("SEQUENCE:²")),
        mail(event("RECURRENCE-ID:20270111T090000Z")),
        mail(event().replace("UID:x", "UID:")),
        mail("BEGIN:VCALENDAR\r\nMETHOD:REPLY\r\nEND:VCALENDAR\r\n"),
        mail("Thank you, I will come", kind="text/plain"),
        mail("", kind="text/calendar"),
        b"",
        b"\0" * 1000,
        b"From: a@b\r\nContent-Type: multipart/mixed\r\n\r\nno boundary",
    ],
)
def test_what_is_no_single_answer_is_none(content: bytes) -> None:
    assert reply.read(content).reply is None


def test_the_lines_of_alarms_and_zones_are_not_the_events() -> None:
    alarm = ("BEGIN:VALARM", "UID:y", "ATTENDEE:mailto:eve@example.com", "END:VALARM")
    said = reply.read(mail(event(*alarm))).reply
    assert said is not None
    assert (said.uid, said.attendees) == ("x", ("ada@example.com",))


def test_an_attendee_hidden_in_a_quoted_name_is_none() -> None:
    line = 'ATTENDEE;CN="x:mailto:ada@example.com";PARTSTAT=DECLINED:mailto:eve@example.com'
    said = reply.read(mail(event().replace("ATTENDEE;PARTSTAT=ACCEPTED:mailto:ada@example.com", line))).reply
    assert said is not None
    assert (said.attendees, said.partstat) == (("eve@example.com",), "DECLINED")


def test_a_comment_loses_what_can_not_be_read() -> None:
    said = reply.read(mail(event("COMMENT:a\x00b\u202ec\x1b\\n" + "x" * 9000))).reply
    assert said is not None
    assert said.comment.startswith("abc\nx")
    assert len(said.comment) == 500


@pytest.mark.parametrize(
    "when", ["20270111", "99991231T235959", "20271301T090000Z", "20270111T090000", "２０２７0111T090000Z"]
)
def test_a_proposed_time_that_is_none_is_left_out(when: str) -> None:
    zone = ";TZID=Asia/Tokyo" if when.startswith("9999") else ""
    said = reply.read(mail(event(f"DTSTART{zone}:{when}"))).reply
    assert said is not None
    assert said.starts_at == (datetime(9999, 12, 31, 14, 59, 59, tzinfo=UTC) if zone else None)


@pytest.mark.parametrize("zone", ["../../etc/passwd", "/etc/passwd", "x" * 70_000, "Nowhere/Town", "a/" * 40, "\\", ""])
def test_a_zone_that_is_none_makes_no_time(zone: str) -> None:
    said = reply.read(mail(event(f'DTSTART;TZID="{zone}":20270111T090000'))).reply
    assert said is not None
    assert said.starts_at is None


@pytest.mark.parametrize(
    "header",
    [
        "From: ada@example.com\r\nFrom: eve@example.com",
        "From: ada@example.com, eve@example.com",
        "From: ada@example.com <eve@example.com>, <ada@example.com>",
        "From: " + "(" * 100_000 + "ada@example.com",
        "From: Ada",
        "Sender: ada@example.com",
    ],
)
def test_a_sender_that_is_not_clear_is_none(header: str) -> None:
    assert reply.read(f"{header}\r\n\r\nx".encode()).sender == ""


NESTED = "".join(f'Content-Type: multipart/mixed; boundary="{n}"\n\n--{n}\n' for n in range(5000))
HOSTILE = {
    "large": b"From: a@b.example\n\n" + b"x" * 10_000_000,
    "lines": b"\n" * 900_000,
    "parts": b'Content-Type: multipart/mixed; boundary="b"\n\n' + b"--b\n\nx\n" * 1000 + b"--b--\n",
    "nested": NESTED.encode(),
    "mails": b"Content-Type: message/rfc822\n\n" * 5000,
    "events": mail("BEGIN:VCALENDAR\nMETHOD:REPLY\n" + "BEGIN:VEVENT\nUID:x\nEND:VEVENT\n" * 3000),
    "line": mail("BEGIN:VCALENDAR\nMETHOD:REPLY\nBEGIN:VEVENT\nCOMMENT:" + "x" * 900_000),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_past_the_limits_is_refused_at_once(name: str) -> None:
    began = time.process_time()
    with pytest.raises(Unreadable):
        reply.read(HOSTILE[name])
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize(
    "lines",
    [
        ("RRULE:FREQ=SECONDLY", "RDATE:20270101"),
        ("BEGIN:VTIMEZONE", "TZID:bomb", "BEGIN:STANDARD", "DTSTART:00010101T000000", "RRULE:FREQ=SECONDLY"),
        ('ATTENDEE;CN="' + '"' * 60_000,),
        ("ATTENDEE" + ";X=" * 60_000 + ":x",),
        ("ATTENDEE:" + "\r\n " * 1500,),
        ("BEGIN:X",) * 1500,
    ],
)
def test_bombs_do_not_go_off(lines: tuple[str, ...]) -> None:
    began = time.process_time()
    reply.read(mail(event(*lines)))
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize("returned", ["message/rfc822", "text/rfc822-headers"])
def test_a_bounce_names_the_mail_that_failed(returned: str) -> None:
    found = reply.read(bounce("<one@elm.example>", returned=returned))
    assert found.bounce == reply.Bounce("<one@elm.example>", "5.1.1")


@pytest.mark.parametrize("action", ["delayed", "delivered", "relayed"])
def test_a_mail_that_may_still_arrive_has_not_bounced(action: str) -> None:
    assert reply.read(bounce("<one@elm.example>", action=action)).bounce is None


MX = "mx.elm.example"


@pytest.mark.parametrize(
    ("results", "proven"),
    [
        ([f"{MX}; spf=pass; dmarc=pass (p=none dis=none) header.from=example.com"], True),
        ([f"{MX} 1; DMARC=Pass header.from=Example.COM"], True),
        (["mx.other.example; dmarc=fail", f"{MX}; dmarc=pass"], True),
        ([f"{MX}; dmarc=fail header.from=example.com", f"{MX}; dmarc=pass header.from=example.com"], False),
        ([f"{MX}; dmarc=pass header.from=evil.example"], False),
        (["mx.other.example; dmarc=pass header.from=example.com"], False),
        ([f"{MX}; spf=pass"], False),
        ([f'{MX}; spf=fail smtp.mailfrom="a; dmarc=pass"@evil.example'], False),
        ([f"{MX}; spf=fail (said (twice); dmarc=pass )"], False),
        ([f'{MX}; spf=fail (\\); dmarc=pass ) ")'], False),
        ([], False),
    ],
)
def test_only_our_own_servers_word_proves_a_sender(results: list[str], proven: bool) -> None:
    assert is_proven(tuple(results), "ada@example.com", MX) is proven
