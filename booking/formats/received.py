"""A mail as the one who gets it sees it: headers, text, HTML, and the invite read as a calendar reads it.

Only for showing mail that we sent ourselves. Reading strangers' mail needs the limits of an inbox, which are not here.
"""

from __future__ import annotations

import email
import email.policy
import email.utils
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from zoneinfo import ZoneInfo

from icalendar import Calendar, Component


@dataclass(frozen=True, slots=True)
class Invite:
    """The calendar part of a mail. `starts` and `ends` are aware; `zone` is the name they were written in, or UTC."""

    method: str
    starts: datetime
    ends: datetime
    zone: str
    summary: str
    where: str
    description: str
    url: str
    organizer: str
    attendees: tuple[str, ...]
    sequence: int
    uid: str
    status: str
    raw: bytes  # as sent


@dataclass(frozen=True, slots=True)
class Received:
    """One mail, taken apart. `sent_at` is aware, from its Date header; parts it lacks are empty or None."""

    sender: str
    to: str
    reply_to: str
    subject: str
    sent_at: datetime | None
    text: str
    html: str
    invite: Invite | None


def read(content: bytes) -> Received:
    """Take the bytes of a mail apart."""
    mail = email.message_from_bytes(content, policy=email.policy.default)
    assert isinstance(mail, EmailMessage)
    date = mail["Date"]
    calendar = next((part for part in mail.walk() if part.get_content_type() == "text/calendar"), None)
    return Received(
        sender=str(mail["From"] or ""),
        to=str(mail["To"] or ""),
        reply_to=str(mail["Reply-To"] or ""),
        subject=str(mail["Subject"] or ""),
        sent_at=email.utils.parsedate_to_datetime(str(date)) if date else None,
        text=_body(mail, "plain"),
        html=_body(mail, "html"),
        invite=_invite(calendar) if calendar is not None else None,
    )


def _body(mail: EmailMessage, kind: str) -> str:
    part = mail.get_body(preferencelist=(kind,))
    return str(part.get_content()) if part is not None else ""


def _invite(part: EmailMessage) -> Invite | None:
    raw = part.get_payload(decode=True)
    assert isinstance(raw, bytes)
    calendar = Calendar.from_ical(raw)
    event = next(iter(calendar.walk("VEVENT")), None)
    if event is None:
        return None
    starts, ends = event.decoded("DTSTART"), event.decoded("DTEND")
    return Invite(
        method=str(calendar.get("METHOD", "")),
        starts=starts,
        ends=ends,
        zone=starts.tzinfo.key if isinstance(starts.tzinfo, ZoneInfo) else "UTC",
        summary=_words(event, "SUMMARY"),
        where=_words(event, "LOCATION"),
        description=_words(event, "DESCRIPTION"),
        url=_words(event, "URL"),
        organizer=_words(event, "ORGANIZER").removeprefix("mailto:"),
        attendees=tuple(str(one).removeprefix("mailto:") for one in _several(event, "ATTENDEE")),
        sequence=int(event.get("SEQUENCE", 0)),
        uid=_words(event, "UID"),
        status=_words(event, "STATUS"),
        raw=raw,
    )


def _words(event: Component, name: str) -> str:
    return str(event.get(name, ""))


def _several(event: Component, name: str) -> list[object]:
    found = event.get(name, [])
    return found if isinstance(found, list) else [found]
