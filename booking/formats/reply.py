"""Mail from strangers: who sent it, what their calendar answers, and which mail of ours bounced.

Read with the limits of an inbox. Nothing is followed, fetched or expanded: no links, no recurrences, no time zones of
the sender's own making. The lines of the calendar are read here and not by the icalendar library, which would turn
each VTIMEZONE into a zone, rule by rule.
"""

from __future__ import annotations

import email
import email.policy
import html
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import Message
from email.utils import getaddresses
from zoneinfo import ZoneInfo

from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON

from booking.domain.reply import Reply
from booking.formats import itip
from booking.formats.contact import NOTE_LENGTH, tidy_lines
from booking.formats.ical import clean

LARGEST = 1024 * 1024  # bytes of a mail
LARGEST_CALENDAR = 256 * 1024
LINES = 50_000  # of a mail
CALENDAR_LINES = 2_000
PARTS = 50
DEPTH = 8
BOUNDARIES = 30  # and parts that are mails: each is one level deeper for the parser, which calls itself


class Unreadable(ValueError):
    """The mail is larger, deeper or stranger than any answer is; in a word, how."""


@dataclass(frozen=True, slots=True)
class Bounce:
    """A mail of ours that did not arrive for good: its Message-ID in angle brackets, and the RFC 3463 status."""

    message_id: str
    status: str


@dataclass(frozen=True, slots=True)
class Inbound:
    """What there is to know of a mail. `sender` is From's only address, bare and in lower case; empty if unclear."""

    sender: str
    is_automatic: bool
    results: tuple[str, ...] = ()  # Authentication-Results, the topmost first
    bounce: Bounce | None = None
    reply: Reply | None = None


def read(content: bytes) -> Inbound:
    """Take a stranger's mail apart. Raises Unreadable for what is past the limits."""
    _check_size(content)
    mail = email.message_from_bytes(content, policy=email.policy.compat32)
    parts = list(_parts(mail))
    automatic = str(mail.get("Auto-Submitted", "no")).partition(";")[0].strip().lower()
    return Inbound(
        sender=_sender(mail),
        is_automatic=automatic not in ("", "no"),
        results=tuple(str(result) for result in mail.get_all("Authentication-Results", [])),
        bounce=_bounce(mail, parts),
        reply=_reply(parts),
    )


def is_proven(results: tuple[str, ...], sender: str, authserv: str) -> bool:
    """Whether our own mail server, which calls itself `authserv`, found that DMARC passes for the sender's domain.

    Only its topmost word counts; what other servers wrote, or a sender in their name below it, is nothing to us
    (RFC 8601, 5).
    """
    for result in results:
        server, *found = _methods(result)
        if server.split()[:1] != [authserv.lower()]:
            continue
        for method in found:
            words = method.split()
            about = [word.removeprefix("header.from=") for word in words if word.startswith("header.from=")]
            if words[:1] == ["dmarc=pass"]:
                return about in ([], [sender.rpartition("@")[2]])
        return False
    return False


def _check_size(content: bytes) -> None:
    if len(content) > LARGEST or content.count(b"\n") + content.count(b"\r") > 2 * LINES:
        raise Unreadable("large")
    lower = content.lower()
    if lower.count(b"boundary") > BOUNDARIES or lower.count(b"message/") > BOUNDARIES:
        raise Unreadable("deep")


def _parts(mail: Message) -> Iterator[Message]:
    """The mail's leaves; a mail within it counts as one. Raises Unreadable for too many, or too deep ones."""
    waiting, seen = [(mail, 0)], 0
    while waiting:
        part, depth = waiting.pop()
        seen += 1
        if seen > PARTS or depth > DEPTH:
            raise Unreadable("parts")
        inside = _within(part) if part.get_content_maintype() == "multipart" else []
        waiting += [(inner, depth + 1) for inner in reversed(inside)]
        if not inside:
            yield part


def _within(part: Message) -> list[Message]:
    """The parts or mails that a part holds."""
    payload = part.get_payload()
    return [inner for inner in payload if isinstance(inner, Message)] if isinstance(payload, list) else []


def _sender(mail: Message) -> str:
    headers = [str(header) for header in mail.get_all("From", [])]
    if len(headers) != 1 or len(headers[0]) > 1000:
        return ""
    found = [address for _name, address in getaddresses(headers)]
    return _address(found[0]) if len(found) == 1 else ""


def _address(text: str) -> str:
    """The bare address in lower case, empty if it is none."""
    try:
        return itip.address(re.sub("^mailto:", "", text.strip(), flags=re.IGNORECASE)).lower()
    except itip.BadAddress:
        return ""


def _methods(result: str) -> list[str]:
    """An Authentication-Results header in lower case, split at its semicolons, without comments and quoted strings:
    both may repeat what a sender wrote."""
    kept, depth, is_quoted, skips = [], 0, False, False
    for char in result.lower():
        if skips:
            skips = False
        elif char == "\\":
            skips = True
        elif char == '"' and not depth:
            is_quoted = not is_quoted
        elif is_quoted:
            continue
        elif char in "()":
            depth = max(depth + (1 if char == "(" else -1), 0)
        elif not depth:
            kept.append(char)
    return "".join(kept).split(";")


def _bounce(mail: Message, parts: list[Message]) -> Bounce | None:
    """What a delivery status notification (RFC 3464) says of a mail that failed for good."""
    if mail.get_content_type() != "multipart/report":
        return None
    status = next((part for part in parts if part.get_content_type() == "message/delivery-status"), None)
    blocks = _within(status) if status else []
    failed = [block for block in blocks if str(block.get("Action", "")).strip().lower() == "failed"]
    if not failed:
        return None
    code = re.match(r"\s*([245]\.\d{1,3}\.\d{1,3})", str(failed[0].get("Status", "")))
    return Bounce(_original(mail, parts), code[1] if code else "")


def _original(mail: Message, parts: list[Message]) -> str:
    for part in parts:
        if part.get_content_type() == "message/rfc822" and (mails := _within(part)):
            return _message_id(mails[0])
        if part.get_content_type() == "text/rfc822-headers":
            return _message_id(email.message_from_bytes(_decoded(part), policy=email.policy.compat32))
    return str(mail.get("In-Reply-To", "")).strip()[:120]


def _message_id(mail: Message) -> str:
    return str(mail.get("Message-ID", "")).strip()[:120]


def _decoded(part: Message) -> bytes:
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _reply(parts: list[Message]) -> Reply | None:
    """What the mail's only calendar says; the copy as a file counts where there is no other."""
    for kind in ("text/calendar", "application/ics"):
        found = [part for part in parts if part.get_content_type() == kind]
        if found:
            return _calendar(found[0]) if len(found) == 1 else None
    return None


def _calendar(part: Message) -> Reply | None:
    content = _decoded(part)
    if len(content) > LARGEST_CALENDAR:
        raise Unreadable("calendar")
    charset = part.get_content_charset("utf-8")
    try:
        text = content.decode(charset, "replace")
    except (LookupError, ValueError):
        text = content.decode("utf-8", "replace")
    found = _event(text.lstrip("\ufeff"))
    declared = part.get_param("method", "")
    said = declared[2] if isinstance(declared, tuple) else declared
    if found is None or (said and str(said).strip().upper() != found.method):
        return None
    return found


Value = tuple[str, dict[str, str]]  # with its parameters
Event = dict[str, list[Value]]


@dataclass(slots=True)
class _Lines:
    """The lines of a calendar that an answer consists of, by name."""

    method: list[str] = field(default_factory=list)
    event: Event = field(default_factory=dict)
    seen: Counter[str] = field(default_factory=Counter)  # of each kind of component


ASKED = frozenset("UID SEQUENCE DTSTAMP ORGANIZER ATTENDEE COMMENT DTSTART DTEND RECURRENCE-ID".split())  # noqa: SIM905
ONCE = ("UID", "SEQUENCE", "DTSTAMP", "ORGANIZER", "DTSTART", "DTEND")


def _event(text: str) -> Reply | None:
    """The answer in a calendar of exactly one VEVENT, about one visit; None for any other."""
    lines = _lines(text)
    event = lines.event
    if lines.seen["VEVENT"] != 1 or len(lines.method) != 1 or any(len(event.get(name, [])) > 1 for name in ONCE):
        return None
    uid = _first(event, "UID")
    sequence = _first(event, "SEQUENCE") or "0"
    if not uid or not re.fullmatch(r"[0-9]{1,9}", sequence) or "RECURRENCE-ID" in event:
        return None
    attendees = event.get("ATTENDEE", [])
    return Reply(
        method=lines.method[0].strip().upper(),
        uid=uid,
        organizer=_organizer(_first(event, "ORGANIZER")),
        attendees=tuple(_address(value) for value, _parameters in attendees),
        partstat=attendees[0][1].get("PARTSTAT", "") if attendees else "",
        sequence=int(sequence),
        stamped_at=_instant(event, "DTSTAMP"),
        comment=tidy_lines(clean(_comment(event)))[:NOTE_LENGTH],
        starts_at=_instant(event, "DTSTART"),
        ends_at=_instant(event, "DTEND"),
    )


def _lines(text: str) -> _Lines:
    """The calendar's own lines and its event's. Raises Unreadable for too many of them."""
    text = re.sub(r"\r\n?", "\n", text).replace("\x00", "")
    unfolded = re.sub(r"\n[ \t]", "", text).split("\n")
    if len(unfolded) > CALENDAR_LINES:
        raise Unreadable("calendar")
    found, inside = _Lines(), [""]
    for line in unfolded:
        name = re.split("[;:]", line, maxsplit=1)[0].strip().upper()
        if name == "BEGIN":
            inside.append(line.partition(":")[2].strip().upper())
            found.seen[inside[-1]] += 1
        elif name == "END" and len(inside) > 1:
            inside.pop()
        elif name == "METHOD" and inside[1:] == ["VCALENDAR"]:
            found.method.append(line.partition(":")[2])
        elif name in ASKED and inside[1:] == ["VCALENDAR", "VEVENT"]:
            found.event.setdefault(name, []).append(_value(line))
    return found


def _value(line: str) -> Value:
    """What stands behind a line's first colon that is not in quotes, and the parameters before it."""
    match = re.fullmatch(r'((?:[^":]|"[^"]*")*):(.*)', line, flags=re.DOTALL)
    if match is None:
        return "", {}
    parameters = [part.partition("=") for part in re.findall(r'(?:[^";]|"[^"]*")+', match[1])[1:]]
    return match[2].strip(), {name.strip().upper(): said.strip(' "') for name, _equals, said in parameters}


def _first(event: Event, name: str) -> str:
    return event[name][0][0] if name in event else ""


def _comment(event: Event) -> str:
    """What its sender wrote beside the answer. Google's calendar has it, as HTML, in a parameter of the attendee."""
    _attendee, parameters = event["ATTENDEE"][0] if "ATTENDEE" in event else ("", {})
    beside = html.unescape(_unescaped(parameters.get("X-RESPONSE-COMMENT", "")))
    return _unescaped(_first(event, "COMMENT")) or beside


def _organizer(value: str) -> str:
    """The organizer's address; empty where none is said, and what was said where that is no address."""
    return _address(value) or value.lower()


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", lambda match: "\n" if match[1] in "nN" else match[1], text)


def _instant(event: Event, name: str) -> datetime | None:
    """The instant in UTC, None if it is missing, no time of day, or in a zone that only its sender knows."""
    if name not in event:
        return None
    value, parameters = event[name][0]
    match = re.fullmatch(r"([0-9]{8}T[0-9]{6})(Z?)", value)
    zone = UTC if match and match[2] else _zone(parameters.get("TZID", ""))
    if match is None or zone is None:
        return None
    try:
        return datetime.strptime(match[1], "%Y%m%dT%H%M%S").replace(tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _zone(name: str) -> ZoneInfo | None:
    """The zone of an IANA name, also behind another program's prefix (/example.org/Europe/London), or of Windows'."""
    known = WINDOWS_TO_OLSON.get(name, name).strip("/").split("/")
    for start in range(len(known)) if len(name) <= 100 else ():
        try:
            return ZoneInfo("/".join(known[start:]))
        except (ValueError, OSError, KeyError):
            continue
    return None
