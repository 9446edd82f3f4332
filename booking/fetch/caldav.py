"""CalDAV (RFC 4791): what a calendar has between two instants, and which calendars an account has.

People know the address of their account only, so its calendars are found from there (RFC 6764, 6): whose account it is
(RFC 5397), where that one's calendars are, and which there are.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from urllib.parse import unquote, urljoin, urlsplit
from xml.etree.ElementTree import ParseError

from defusedxml.ElementTree import DefusedXMLParser

from booking.domain.outside import Fault, Found, Unreadable
from booking.fetch.asking import Answer, fault_of, named

WELL_KNOWN = "/.well-known/caldav"
HOMES = 3  # of one account: there is one, as a rule
CALENDARS = 100  # of one account
RESOURCES = 1000  # in one answer
FACTS = 100  # in one propstat
DEPTH = 50  # of elements: each end of one looks at all those around it
NAME = 100  # characters
HREF = 2000  # characters

# How servers answer a REPORT that know files only: some by a method of theirs that they take it for (200), web
# frameworks by 404. Also of a CalDAV server that refuses, asking for the file is harmless and has the better answer.
NO_CALDAV = (200, 400, 403, 404, 405, 410, 415, 501)

# RFC 4791, 7.8: whole objects with an event that meets the time range, recurrences counted.
QUERY = """\
<?xml version="1.0" encoding="utf-8"?>
<C:calendar-query xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><D:prop><C:calendar-data/></D:prop>
<C:filter><C:comp-filter name="VCALENDAR"><C:comp-filter name="VEVENT">
<C:time-range start="{since:%Y%m%dT%H%M%SZ}" end="{until:%Y%m%dT%H%M%SZ}"/>
</C:comp-filter></C:comp-filter></C:filter></C:calendar-query>
"""
PROPERTIES = b"""\
<?xml version="1.0" encoding="utf-8"?>
<D:propfind xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><D:prop>
<D:resourcetype/><D:displayname/><D:current-user-principal/><C:calendar-home-set/>
<C:supported-calendar-component-set/><C:schedule-calendar-transp/>
</D:prop></D:propfind>
"""
XML = {"Content-Type": "application/xml; charset=utf-8"}

Ask = Callable[..., Answer]


def queried(ask: Ask, headers: dict[str, str], *, since: datetime, until: datetime) -> tuple[bytes, ...] | None:
    """The objects of a CalDAV calendar; None from a server that doesn't speak CalDAV. Raises Unreadable."""
    headers = headers | XML
    query = QUERY.format(since=since, until=until).encode()
    answer = ask("REPORT", headers=headers | {"Depth": "1"}, body=query)
    if answer.status in NO_CALDAV:
        return None
    found = _Objects()
    _read(answer, found)
    if found.is_short:  # what the server failed to deliver is not free
        raise Unreadable(Fault.STATUS)
    if not found.objects:
        # What is no calendar, as the address of an account, may have no events either.
        answer = ask("PROPFIND", headers=headers | {"Depth": "0"}, body=PROPERTIES)
        if not any(one.is_calendar for one in _resources(answer)):
            raise Unreadable(Fault.NO_CALENDAR)
    return tuple(calendar(one.encode()) for one in found.objects)


def calendar(body: bytes) -> bytes:
    """The body without what may stand in front of a calendar. Raises Unreadable for anything else, as a login page."""
    body = body.removeprefix(b"\xef\xbb\xbf").lstrip()
    if body[:15].upper() != b"BEGIN:VCALENDAR":
        raise Unreadable(Fault.NO_CALENDAR)
    return body


def account(ask: Ask, headers: dict[str, str], *, url: str, allowed: Collection[str]) -> tuple[Found, ...] | None:
    """The calendars of the account to which a URL leads; None if it leads to none, or is a calendar's own.

    Raises Unreadable.
    """
    look = partial(_look, ask, headers | XML, allowed)
    here = _beginning(look, url)
    if any(one.is_calendar for one in here):
        return None
    homes = [home for one in here for home in one.homes]
    principals = [principal for one in here for principal in one.principals]
    if not homes and principals:
        homes = [home for one in look(principals[0]) for home in one.homes]
    if not homes:
        return None
    listed = [one for home in list(dict.fromkeys(homes))[:HOMES] for one in look(home, depth="1")]
    found = {one.url: Found(_name(one), one.url, one.counts) for one in listed if one.url and one.has_events}
    return tuple(found.values())[:CALENDARS]


def _beginning(look: Callable[[str], list[_Resource]], url: str) -> list[_Resource]:
    """What is told at the URL or, if that tells of no account, where its host has them begin. Raises Unreadable."""
    for there in (url, urljoin(url, WELL_KNOWN)):
        try:
            found = look(there)
        except Unreadable as unreadable:
            if unreadable.fault == Fault.DENIED:  # asking again may get the account locked
                raise
            continue
        if any(one.is_calendar or one.principals or one.homes for one in found):
            return found
    return []


def _look(
    ask: Ask, headers: dict[str, str], allowed: Collection[str], url: str, *, depth: str = "0"
) -> list[_Resource]:
    """What a server tells of a URL, and of what lies directly in it for a depth of 1. Raises Unreadable.

    Only those URLs are left of what it names that may be asked with the login.
    """
    answer = ask("PROPFIND", url=url, headers=headers | {"Depth": depth}, body=PROPERTIES)
    if not answer.is_to_login or answer.status == 403:  # neither says anything about the login
        raise Unreadable(Fault.STATUS)
    found = _resources(answer)
    for one in found:
        one.url = "".join(_named([one.url], answer, allowed))
        one.principals = _named(one.principals, answer, allowed)
        one.homes = _named(one.homes, answer, allowed)
    return found


def _named(hrefs: list[str], answer: Answer, allowed: Collection[str]) -> list[str]:
    few = list(dict.fromkeys(hrefs))[:HOMES]
    return [url for href in few if 0 < len(href) <= HREF and (url := named(href, answer, allowed))]


def _name(calendar: _Resource) -> str:
    """A calendar's name in one short line without control characters; without one the end of its URL."""
    for said in (calendar.name, unquote(urlsplit(calendar.url).path.rstrip("/").rpartition("/")[2])):
        shown = "".join(char if char.isprintable() else " " for char in said[:HREF])
        if name := " ".join(shown.split())[:NAME].rstrip():
            return name
    return "/"


def _resources(answer: Answer) -> list[_Resource]:
    """What an answer to PROPERTIES says. Raises Unreadable."""
    found = _Resources()
    _read(answer, found)
    return found.found


def _read(answer: Answer, into: _Objects | _Resources) -> None:
    """Read a multistatus (RFC 4918, 13): what counts is taken as it comes by, a tree would be far larger.

    Raises Unreadable.
    """
    if answer.status != 207:
        raise Unreadable(fault_of(answer.status))
    parser = DefusedXMLParser(target=into, forbid_dtd=True)
    try:
        parser.feed(answer.body)
        parser.close()
    except (ParseError, ValueError, LookupError):  # what is forbidden is a ValueError, as is an unknown encoding
        raise Unreadable(Fault.NO_CALENDAR) from None


@dataclass(slots=True)
class _Resource:
    """What a server tells of something that it has: a principal, a home of calendars, a calendar, or anything else."""

    url: str = ""
    name: str = ""
    principals: list[str] = field(default_factory=list)  # who is asking
    homes: list[str] = field(default_factory=list)
    is_calendar: bool = False
    components: set[str] = field(default_factory=set)  # that it takes; all of them if it doesn't say
    counts: bool = True

    @property
    def has_events(self) -> bool:
        return self.is_calendar and (not self.components or "VEVENT" in self.components)

    def note(self, prop: str, tag: str, value: str) -> None:
        """Note the text of a property that it has, or an element of one with its text or name."""
        match prop, tag:
            case "D:displayname", "":
                self.name = value
            case "D:resourcetype", "C:calendar":
                self.is_calendar = True
            case "D:current-user-principal", "D:href":
                self.principals.append(value)
            case "C:calendar-home-set", "D:href":
                self.homes.append(value)
            case "C:supported-calendar-component-set", "C:comp":
                self.components.add(value.upper())
            case "C:schedule-calendar-transp", "C:transparent":
                self.counts = False


class _Resources:
    """Resources of a multistatus, with what the server has and lets see of what was asked."""

    def __init__(self) -> None:
        self.found: list[_Resource] = []
        self.row = _Resource()
        self.pending: list[tuple[str, str, str]] = []  # what the propstat says whose status is still to come
        self.status = ""  # of the propstat, and behind the last one of the row itself
        self.path: list[str] = []
        self.text: list[str] = []
        self.named = ""  # by the element that has just begun

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if (not self.path and tag != "{DAV:}multistatus") or len(self.path) >= DEPTH:
            raise Unreadable(Fault.NO_CALENDAR)
        self.path.append(tag.replace("{DAV:}", "D:").replace("{urn:ietf:params:xml:ns:caldav}", "C:"))
        self.text = []
        self.named = attributes.get("name", "")

    def data(self, text: str) -> None:
        self.text.append(text)

    def end(self, _tag: str) -> None:
        text, self.text = "".join(self.text).strip(), []
        match self.path[1:]:
            case ["D:response", "D:propstat", "D:prop", prop, *rest] if len(rest) < 2 and len(self.pending) < FACTS:
                self.pending.append((prop, "".join(rest), text or self.named))
            case ["D:response", "D:status"] | ["D:response", "D:propstat", "D:status"]:
                self.status = "".join(text.split()[1:2])  # of "HTTP/1.1 200 OK"
            case ["D:response", "D:propstat"]:
                for prop, tag, value in self.pending if self.status == "200" else ():
                    self.row.note(prop, tag, value)
                self.pending, self.status = [], ""
            case ["D:response", "D:href"]:
                self.row.url = text
            case ["D:response"]:
                if self.status in ("", "200") and len(self.found) < RESOURCES:
                    self.found.append(self.row)
                self.row, self.status = _Resource(), ""
        self.path.pop()


class _Objects:
    """The calendar objects of a multistatus."""

    def __init__(self) -> None:
        self.objects: list[str] = []  # each calendar-data that there is
        self.is_short = False  # a row has no calendar-data, and not because its object is gone
        self.pending: list[str] = []  # the calendar-data of the propstat whose status is still to come
        self.is_answered = False  # of this row: what became of its calendar-data is known
        self.statuses: list[str] = []  # of this row, and behind it of the propstat that is open
        self.text: list[str] = []

    def start(self, tag: str, _attributes: dict[str, str]) -> None:
        if not self.statuses and tag != "{DAV:}multistatus":
            raise Unreadable(Fault.NO_CALENDAR)
        if not self.statuses or tag in ("{DAV:}response", "{DAV:}propstat"):
            self.statuses.append("")
        self.text = []

    def data(self, text: str) -> None:
        self.text.append(text)

    def end(self, tag: str) -> None:
        text, self.text = "".join(self.text), []
        if tag == "{urn:ietf:params:xml:ns:caldav}calendar-data":
            self.pending.append(text)
        elif tag == "{DAV:}status":
            self.statuses[-1] = "".join(text.split()[1:2])  # of "HTTP/1.1 200 OK"
            if self.statuses[-1] == "507":  # the server has left objects out (RFC 4791, 7.8)
                raise Unreadable(Fault.TOO_LARGE)
        elif tag == "{DAV:}propstat":
            self._end_propstat(self.statuses.pop())
        elif tag == "{DAV:}response":
            self._end_response(self.statuses.pop())

    def _end_propstat(self, status: str) -> None:
        """Judge the calendar-data of a propstat: 404 is that of the collection itself, or of what was just deleted."""
        there, self.pending = self.pending, []
        if not there:
            return
        self.is_answered = True
        if status == "200" and all(text.strip() for text in there):
            self.objects += there
        elif status != "404":
            self.is_short = True

    def _end_response(self, status: str) -> None:
        if status not in ("", "200", "404") or not (self.is_answered or status == "404"):
            self.is_short = True
        self.is_answered = False
