"""CalDAV (RFC 4791): what a calendar has between two instants."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from xml.etree.ElementTree import ParseError

from defusedxml.ElementTree import DefusedXMLParser

from booking.domain.outside import Fault, Unreadable
from booking.fetch.asking import Answer, fault_of

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
TYPE = b"""\
<?xml version="1.0" encoding="utf-8"?>
<D:propfind xmlns:D="DAV:"><D:prop><D:resourcetype/></D:prop></D:propfind>
"""


def queried(
    ask: Callable[..., Answer], headers: dict[str, str], *, since: datetime, until: datetime
) -> tuple[bytes, ...] | None:
    """The objects of a CalDAV calendar; None from a server that doesn't speak CalDAV. Raises Unreadable."""
    headers = headers | {"Content-Type": "application/xml; charset=utf-8"}
    query = QUERY.format(since=since, until=until).encode()
    answer = ask("REPORT", headers=headers | {"Depth": "1"}, body=query)
    if answer.status in NO_CALDAV:
        return None
    found = _multistatus(answer)
    if found.is_short:  # what the server failed to deliver is not free
        raise Unreadable(Fault.STATUS)
    if not found.objects:
        # What is no calendar, as the address of an account, may have no events either.
        answer = ask("PROPFIND", headers=headers | {"Depth": "0"}, body=TYPE)
        if not _multistatus(answer).is_calendar:
            raise Unreadable(Fault.NO_CALENDAR)
    return tuple(calendar(one.encode()) for one in found.objects)


def calendar(body: bytes) -> bytes:
    """The body without what may stand in front of a calendar. Raises Unreadable for anything else, as a login page."""
    body = body.removeprefix(b"\xef\xbb\xbf").lstrip()
    if body[:15].upper() != b"BEGIN:VCALENDAR":
        raise Unreadable(Fault.NO_CALENDAR)
    return body


def _multistatus(answer: Answer) -> _Multistatus:
    """What an answer of CalDAV says. Raises Unreadable."""
    if answer.status != 207:
        raise Unreadable(fault_of(answer.status))
    found = _Multistatus()
    parser = DefusedXMLParser(target=found, forbid_dtd=True)
    try:
        parser.feed(answer.body)
        parser.close()
    except (ParseError, ValueError, LookupError):  # what is forbidden is a ValueError, as is an unknown encoding
        raise Unreadable(Fault.NO_CALENDAR) from None
    return found


class _Multistatus:
    """A multistatus (RFC 4918, 13), of which what counts is taken as it comes by: a tree would be far larger."""

    def __init__(self) -> None:
        self.objects: list[str] = []  # each calendar-data that there is
        self.is_short = False  # a row has no calendar-data, and not because its object is gone
        self.is_calendar = False
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
        if tag == "{urn:ietf:params:xml:ns:caldav}calendar":  # in a resourcetype
            self.is_calendar = True
        elif tag == "{urn:ietf:params:xml:ns:caldav}calendar-data":
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
