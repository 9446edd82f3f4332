"""The invites as whole mails, compared with golden ones by two parsers that did not write them: nothing may be added,
lost or cut, whatever people type.

A golden file is the calendar as it should be. When it is to change: `GOLDEN=write pytest tests/formats/test_golden.py`,
then read the difference.
"""

from __future__ import annotations

import email
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
import vobject
from icalendar import Calendar, Component

from booking.domain.message import Addressee, Method, Recipient, Visit
from booking.formats import itip, mime
from tests.formats.cast import MADE, STARTS, visit
from tests.formats.test_mime import ENVELOPE, LETTER

GOLDEN = Path(__file__).parent / "golden"
INJECTED = "\r\nATTENDEE:mailto:eve@example.com\r\nEND:VEVENT"
HOSTILE = visit(
    clinic='Élm 🌿 "North"; a,b\\n 針灸',
    location="House 🏥\u2028Second\u2029line",
    address=("1 𠮷 Road; \\, back" + INJECTED, "London\x00 N1\u202e 9XX\u2066"),
    directions="👩🏽\u200d⚕️ ring; twice, then\\wait\r\n" + "🌿針é" * 60 + "\rBEGIN:VALARM\x85TRIGGER:-P9D\x0bend",
    public_name="Your visit " + "é🌿" * 40,
    practitioner="Bo\ud800 “Ándersen”; RSVP=FALSE" + INJECTED,
    transit="Bus 19 \ufeff\u200eto; Elm\tRoad",
)
EVE = Addressee("eve.o'hara+x@example.com", 'Eve "x";RSVP=FALSE:\u202e🌿' + INJECTED, Recipient.PATIENT)
BO = Addressee("bo@elm.example", "Bo 針", Recipient.PRACTITIONER)
HOUR = timedelta(hours=1)
LATER = {"starts_at": STARTS + HOUR, "ends_at": HOSTILE.ends_at + HOUR}
MOVED = replace(HOSTILE, **LATER, sequence=1, stamped_at=MADE + HOUR, updated_at=MADE + HOUR)
ENDED = replace(MOVED, sequence=2, stamped_at=MADE + 2 * HOUR)
Write = Callable[[Visit, Addressee], bytes]
MESSAGES: dict[str, tuple[Method, Write, Visit, Addressee]] = {
    "request": (Method.REQUEST, itip.request, HOSTILE, EVE),
    "update": (Method.REQUEST, itip.request, MOVED, EVE),
    "cancel": (Method.CANCEL, itip.cancel, ENDED, EVE),
    "declinecounter": (Method.DECLINECOUNTER, itip.decline_counter, MOVED, EVE),
    "practitioner": (Method.REQUEST, itip.request, replace(HOSTILE, patient="🌿 Ömer\r\nX:1 Ziya"), BO),
}
each = pytest.mark.parametrize("name", MESSAGES)


def invite(name: str) -> bytes:
    """The calendar as it comes out of the mail that carries it."""
    method, write, said, to = MESSAGES[name]
    data = mime.build(LETTER, replace(ENVELOPE, to=to.address), invite=write(said, to), method=method)
    [part] = [part for part in email.message_from_bytes(data, policy=default).walk() if part.get_param("method")]
    assert part.get_param("method") == method
    body = part.get_payload(decode=True)
    assert isinstance(body, bytes)
    return body


def golden(name: str) -> bytes:
    path = GOLDEN / f"{name}.ics"
    if os.environ.get("GOLDEN") == "write":
        path.write_bytes(invite(name))
    return path.read_bytes()


def by_vobject(data: bytes) -> list[tuple[Any, ...]]:
    """Each line as component, name, parameters and value."""

    def lines(component: Any, inside: str) -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = []
        for child in component.getChildren():
            if hasattr(child, "getChildren"):
                found += lines(child, f"{inside}/{child.name}")
            else:
                found.append((inside, child.name, sorted(child.params.items()), child.value))
        return sorted(found, key=repr)

    return lines(vobject.readOne(data.decode()), "VCALENDAR")


def by_icalendar(data: bytes) -> list[tuple[Any, ...]]:
    def lines(component: Component, inside: str) -> list[tuple[Any, ...]]:
        found = [
            (inside, name, sorted(getattr(value, "params", {}).items()), value.to_ical())
            for name, value in component.property_items(recursive=False)
            if name not in ("BEGIN", "END")
        ]
        for child in component.subcomponents:
            found += lines(child, f"{inside}/{child.name}")
        return sorted(found, key=repr)

    return lines(Calendar.from_ical(data), "VCALENDAR")


@each
@pytest.mark.parametrize("read", [by_vobject, by_icalendar])
def test_an_invite_says_what_the_golden_one_says(name: str, read: Callable[[bytes], list[tuple[Any, ...]]]) -> None:
    assert read(invite(name)) == read(golden(name))


@each
def test_both_parsers_read_the_same_texts(name: str) -> None:
    data = invite(name)
    ours, theirs = Calendar.from_ical(data).events[0], vobject.readOne(data.decode()).vevent
    for text in ("uid", "summary", "location", "description", "contact", "status", "organizer", "attendee"):
        assert str(ours[text]) == theirs.contents[text][0].value, text
        assert len(theirs.contents[text]) == 1
    assert ours["DTSTART"].dt == theirs.dtstart.value
    assert ours["DTEND"].dt == theirs.dtend.value


@each
def test_lines_are_short_and_no_character_is_cut(name: str) -> None:
    for line in invite(name).split(b"\r\n"):
        assert len(line) <= 75
        assert line.decode().replace("\u200d", "").isprintable(), line  # the joiner belongs to an emoji


@each
def test_what_was_typed_adds_nothing(name: str) -> None:
    event = vobject.readOne(invite(name).decode()).vevent
    method, _, said, to = MESSAGES[name]
    assert [one.value for one in event.contents["attendee"]] == [f"mailto:{to.address}"]
    assert event.attendee.params["RSVP"] == ["TRUE"]
    assert [one.trigger.value for one in event.contents.get("valarm", [])] == (
        [timedelta(days=-1)] if method is Method.REQUEST else []
    )
    assert "🌿針é" * 60 in event.description.value
    if to is EVE:
        assert event.summary.value == "Your visit " + "é🌿" * 40 + ' at Élm 🌿 "North"; a,b\\n 針灸'
    assert (event.sequence.value, event.dtstart.value) == (str(said.sequence), said.starts_at)
