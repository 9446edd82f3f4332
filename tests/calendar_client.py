"""A strict calendar program for the tests: all that one mailbox's owner knows of their visits, from our mails alone.

It is fed what was handed to the wire, parses it with vobject (the product writes with icalendar), applies it as
RFC 5546 says (2.1.4, 2.1.5, 3.2) and writes down whatever a strict program would stumble over. It answers like the
programs in `formats/replies`.
"""

from __future__ import annotations

import email
import email.policy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Any
from zoneinfo import ZoneInfo

import vobject

from tests.formats.replies import written

LONDON = ZoneInfo("Europe/London")
METHODS = {"REQUEST", "CANCEL", "DECLINECOUNTER"}


@dataclass(frozen=True)
class Entry:
    """An event as it stands in the calendar."""

    uid: str
    sequence: int
    stamp: datetime
    starts_at: datetime
    ends_at: datetime
    organizer: str
    alarms: int
    description: str

    @property
    def times(self) -> tuple[datetime, datetime]:
        return self.starts_at, self.ends_at

    @property
    def revision(self) -> tuple[int, datetime]:
        """What is compared to tell the newer of two messages about an event (RFC 5546, 2.1.5)."""
        return self.sequence, self.stamp


@dataclass
class CalendarClient:
    """The calendar of the one who reads the mails to `owner`.

    `in_order` is for mail that comes in as it was sent: then what falls, repeats or speaks of what was never said is
    a fault. Without, only what a message says by itself is judged, and the newest word stands, whenever it comes.
    """

    owner: str
    in_order: bool = True
    private: tuple[str, ...] = ()  # what no mail may say
    unnamed: tuple[str, ...] = ()  # what no event may say besides
    events: dict[str, Entry] = field(default_factory=dict)
    newest: dict[str, Entry] = field(default_factory=dict)  # of each UID, the last word, be it an end
    faults: list[str] = field(default_factory=list)
    perhaps: set[str] = field(default_factory=set)  # UIDs in mails that were handed over and perhaps not taken
    unsure: set[str] = field(default_factory=set)  # UIDs of visits that were moved without a word
    _seen: dict[str, bytes] = field(default_factory=dict)

    def receive(self, content: bytes) -> Entry | None:
        """Take one mail in; the event that it spoke of, None if there was none or it came before."""
        mail = email.message_from_bytes(content, policy=email.policy.default)
        assert isinstance(mail, EmailMessage)
        before = self._seen.setdefault(str(mail["Message-ID"]), content)
        if before is not content and before != content:
            self._fault("the same Message-ID with other bytes")
        if before is not content:
            return None
        self._check_mail(mail)
        return self._apply(mail)

    def answer(
        self, uid: str, status: str, *, at: datetime, program: str = "gmail", method: str = "REPLY", **changes: Any
    ) -> bytes:
        """What the owner's program writes when they press a button at an event that it shows, or ask for it again."""
        entry = self.events[uid]
        facts: dict[str, Any] = {
            "uid": uid,
            "organizer": entry.organizer,
            "sender": self.owner,
            "sequence": entry.sequence,
            "stamp": f"{at.astimezone(UTC):%Y%m%dT%H%M%SZ}",
            "starts": _wall(entry.starts_at),
            "ends": _wall(entry.ends_at),
        }
        return written(program, method=method, status=status, **(facts | changes))

    def counter(self, uid: str, starts_at: datetime, *, at: datetime, program: str = "outlook") -> bytes:
        """The owner proposes another start."""
        entry = self.events[uid]
        ends_at = starts_at + (entry.ends_at - entry.starts_at)
        times = {"starts": _wall(starts_at), "ends": _wall(ends_at)}
        return self.answer(uid, "TENTATIVE", at=at, program=program, method="COUNTER", **times)

    def _check_mail(self, mail: EmailMessage) -> None:
        if mail.defects or any(part.defects for part in mail.walk()):
            self._fault("the mail is malformed")
        if [box.addr_spec.casefold() for box in mail["To"].addresses] != [self.owner.casefold()] or mail["Cc"]:
            self._fault(f"the mail is to {mail['To']}")
        for part in mail.walk():
            if part.get_content_maintype() == "multipart":
                continue
            text = (part.get_payload(decode=True) or b"").decode().replace("\r\n ", "")
            for word in self.private + (self.unnamed if part.get_content_subtype() in ("calendar", "ics") else ()):
                if word.casefold() in text.casefold():
                    self._fault(f"{part.get_content_type()} says {word!r}")

    def _apply(self, mail: EmailMessage) -> Entry | None:
        parts = [part for part in mail.walk() if part.get_content_type() == "text/calendar"]
        files = [part.get_payload(decode=True) for part in mail.walk() if part.get_content_type() == "application/ics"]
        if not parts:
            if files:
                self._fault("a file without the invite")
            return None
        if len(parts) > 1 or files != [parts[0].get_payload(decode=True)]:
            self._fault("not one calendar and its copy")
        [part, *_] = parts
        data = part.get_payload(decode=True)
        assert isinstance(data, bytes)
        calendar = vobject.readOne(data.decode())
        method = calendar.method.value
        if part.get_param("method") != method or method not in METHODS:
            self._fault(f"METHOD:{method} in a part with method={part.get_param('method')}")
        if part.get_content_charset() != "utf-8":
            self._fault("the calendar's charset is not said")
        [event, *others] = calendar.vevent_list
        if others:
            self._fault("more than one event")
        said = self._read(event, mail, method)
        if method != "DECLINECOUNTER":
            self._judge(said, method)
            self._take(said, method)
        return said

    def _read(self, event: Any, mail: EmailMessage, method: str) -> Entry:
        for name in ("uid", "dtstamp", "sequence", "dtstart", "dtend", "summary", "organizer", "status"):
            if len(event.contents.get(name, [])) != 1:
                self._fault(f"{method} with {len(event.contents.get(name, []))} {name}")
        sender = [box.addr_spec for box in mail["From"].addresses]
        organizer = _address(event.organizer.value)
        if sender != [organizer]:
            self._fault(f"ORGANIZER {organizer} in a mail from {sender}")
        if [_address(one.value).casefold() for one in event.contents.get("attendee", [])] != [self.owner.casefold()]:
            self._fault(f"{method} is not for its reader alone")
        if event.status.value != ("CANCELLED" if method == "CANCEL" else "CONFIRMED"):
            self._fault(f"{method} with STATUS:{event.status.value}")
        alarms = len(event.contents.get("valarm", []))
        if alarms != (method == "REQUEST"):
            self._fault(f"{method} with {alarms} alarms")
        times = event.dtstart.value, event.dtend.value
        if any(one.tzinfo is None for one in times):
            self._fault(f"{method} at no zone's time")
        return Entry(
            uid=event.uid.value,
            sequence=int(event.sequence.value),
            stamp=event.dtstamp.value.astimezone(UTC),
            starts_at=times[0].astimezone(UTC),
            ends_at=times[1].astimezone(UTC),
            organizer=organizer,
            alarms=alarms,
            description=event.description.value,
        )

    def _judge(self, said: Entry, method: str) -> None:
        """Whether the message may follow what was said of the event before."""
        last, stands = self.newest.get(said.uid), self.events.get(said.uid)
        if last is not None and last.organizer != said.organizer:
            self._fault(f"the ORGANIZER changed from {last.organizer} to {said.organizer}")
        if not self.in_order:
            return
        if method == "CANCEL" and stands is None and said.uid not in self.perhaps:
            self._fault("CANCEL of what this calendar does not show")
        is_sure = said.uid not in self.perhaps | self.unsure
        if method == "CANCEL" and stands is not None and stands.times != said.times and is_sure:
            self._fault(f"CANCEL names {said.starts_at}, the calendar shows {stands.starts_at}")
        if last is None:
            return
        if said.sequence < last.sequence:
            self._fault(f"SEQUENCE fell from {last.sequence} to {said.sequence}")
        if said.stamp <= last.stamp:
            self._fault(f"DTSTAMP did not grow: {last.stamp}, then {said.stamp}")
        if said.sequence == last.sequence and (said.times != last.times or method == "CANCEL"):
            self._fault(f"{method} changes the event without another SEQUENCE")

    def _take(self, said: Entry, method: str) -> None:
        last = self.newest.get(said.uid)
        if last is not None and said.revision <= last.revision:
            return  # it comes late: what we know is newer
        self.newest[said.uid] = said
        if method == "CANCEL":
            self.events.pop(said.uid, None)
        else:
            self.events[said.uid] = said

    def _fault(self, what: str) -> None:
        self.faults.append(f"{self.owner}: {what}")


def uid_in(content: bytes) -> str | None:
    """The UID of the invite in a mail, None without one."""
    mail = email.message_from_bytes(content, policy=email.policy.default)
    for part in mail.walk():
        if part.get_content_type() == "text/calendar":
            data = part.get_payload(decode=True)
            assert isinstance(data, bytes)
            return str(vobject.readOne(data.decode()).vevent.uid.value)
    return None


def _address(uri: str) -> str:
    assert uri.startswith("mailto:"), uri
    return uri.removeprefix("mailto:")


def _wall(instant: datetime) -> str:
    return f"{instant.astimezone(LONDON):%Y%m%dT%H%M%S}"
