"""Calendars of other servers, by HTTPS: a file, or what a CalDAV calendar has between two instants.

The addresses are typed in by people, so what may be reached is narrow: https on port 443 of a public address, or an
origin that the operator has listed. A name is looked up once, every address it has must be public, and the connection
goes to one of those; a redirect is judged the same way. An address is often a secret in itself: neither it nor
anything of an answer is logged or stands in an error.
"""

from __future__ import annotations

import base64
import contextlib
import gzip
import http.client
import io
import re
import socket
import ssl
import time
import zlib
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.message import Message
from functools import partial
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any
from urllib.parse import quote, urljoin, urlsplit
from xml.etree.ElementTree import ParseError

import idna
from defusedxml.ElementTree import DefusedXMLParser

from booking.domain.outside import Fault, Unreadable

CONNECT = 5.0  # seconds, for the connection and again for its encryption
READ = 5.0  # seconds, for each piece of an answer
TOTAL = 30.0  # seconds, for all of it; a name that is being looked up then is waited for
MOST = 8 * 1024 * 1024  # bytes, unpacked: ten years of a busy calendar are more than two MiB
HEADERS = 64 * 1024  # bytes
REDIRECTS = 3

PORTS = {"http": 80, "https": 443}
MOVED = (301, 302, 303, 307, 308)
# How servers answer a REPORT that know files only: some by a method of theirs that they take it for (200), web
# frameworks by 404. Also of a CalDAV server that refuses, asking for the file is harmless and has the better answer.
NO_CALDAV = (200, 400, 403, 404, 405, 410, 415, 501)

HOST_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*", re.ASCII)
GLOBAL_UNICAST = IPv6Network("2000::/3")  # Python takes more for global: mapped, compatible and site-local addresses
NAT64 = IPv6Network("64:ff9b::/96")  # how a machine without IPv4 reaches the address in its last four bytes

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


@dataclass(frozen=True, slots=True)
class Source:
    """Where a calendar is."""

    url: str  # https://; webcal:// is taken as https://
    user: str = ""  # with one it is asked as CalDAV; a server that doesn't speak it is asked for the file
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a calendar has."""

    calendars: tuple[bytes, ...]  # iCalendar objects as they came, each beginning BEGIN:VCALENDAR
    etag: str = ""  # of the file, to ask by next time; empty for CalDAV
    modified: str = ""  # its Last-Modified, likewise


def origin(url: str, allowed: Collection[str] = ()) -> str:
    """The origin of an address that may be asked: "https://host", or "https://host:8443" if that is in `allowed`.

    No name is looked up, so the address may still turn out to be a private one.
    Raises Unreadable, for ADDRESS, or for PRIVATE if the host is a private address itself.
    """
    return _place(url, allowed).origin


def fetch(
    source: Source,
    *,
    since: datetime,
    until: datetime,
    allowed: Collection[str] = (),
    etag: str = "",
    modified: str = "",
) -> Fetched | None:
    """The calendar; None when the server says that the file of `etag` and `modified` has not changed.

    CalDAV gives the objects with an event between the two aware instants, a file gives all it has. `allowed` are
    origins that may be private, http:// or on another port. Raises Unreadable.
    """
    ask = partial(_ask, url=source.url, allowed=allowed, deadline=time.monotonic() + TOTAL)
    headers = {"User-Agent": "clinic-booking", "Accept-Encoding": "gzip", "Connection": "close"}
    if source.user:
        login = base64.b64encode(f"{source.user}:{source.password}".encode()).decode()
        headers["Authorization"] = f"Basic {login}"
        objects = _queried(ask, headers, since=since.astimezone(UTC), until=until.astimezone(UTC))
        if objects is not None:
            return Fetched(objects)
    headers["Accept"] = "text/calendar, */*;q=0.1"
    if etag:
        headers["If-None-Match"] = etag
    if modified:
        headers["If-Modified-Since"] = modified
    answer = ask("GET", headers=headers)
    if answer.status == 304 and (etag or modified):
        return None
    if answer.status != 200:
        raise Unreadable(_fault(answer.status))
    return Fetched((_calendar(answer.body),), answer.header("ETag"), answer.header("Last-Modified"))


def _queried(
    ask: Callable[..., _Answer], headers: dict[str, str], *, since: datetime, until: datetime
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
    return tuple(_calendar(one.encode()) for one in found.objects)


# Addresses


@dataclass(frozen=True, slots=True)
class _Place:
    """An address that may be asked, with the host in its one spelling: lower case, punycode, numbers in full."""

    scheme: str
    host: str  # without brackets
    port: int
    target: str  # path and query
    trusted: bool  # its origin is allowed, wherever it leads

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        return f"{self.scheme}://{self.authority}"


def _place(url: str, allowed: Collection[str], *, base: str = "") -> _Place:
    """The place of a URL, which may be relative to `base`. Raises Unreadable, for ADDRESS or PRIVATE."""
    try:
        place = _parsed(url, base)
    except ValueError:
        raise Unreadable(Fault.ADDRESS) from None
    if place.origin in allowed:
        return replace(place, trusted=True)
    if place.scheme != "https" or place.port != PORTS["https"]:
        raise Unreadable(Fault.ADDRESS)
    address = _literal(place.host)
    if address and not is_public(address):
        raise Unreadable(Fault.PRIVATE)
    return place


def _parsed(url: str, base: str) -> _Place:
    if not url.isprintable() or " " in url:  # urlsplit would drop line breaks in silence
        raise ValueError
    parts = urlsplit(urljoin(base, url))
    scheme = "https" if parts.scheme == "webcal" else parts.scheme
    if scheme not in PORTS or "@" in parts.netloc:
        raise ValueError
    host = (parts.hostname or "").removesuffix(".")
    if not host.isascii():
        host = idna.encode(host, uts46=True).decode()
    address = _literal(host)
    if address:
        host = str(address)
    elif not HOST_NAME.fullmatch(host):
        raise ValueError
    port = PORTS[scheme] if parts.port is None else parts.port
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return _Place(scheme, host, port, quote(target, safe="/?%:@!$&'()*+,;=[]"), trusted=False)


def _literal(host: str) -> IPv4Address | IPv6Address | None:
    """The address that a host is itself, None for a name. The resolver takes 127.1 and 0x7f000001 for one too."""
    try:
        return ip_address(host)
    except ValueError:
        pass
    try:
        return IPv4Address(socket.inet_aton(host))
    except OSError:
        return None


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address is one of the open internet, and no way around to one that isn't."""
    if isinstance(address, IPv6Address):
        if address in NAT64:
            return is_public(IPv4Address(address.packed[-4:]))
        if address not in GLOBAL_UNICAST or address.scope_id or address.sixtofour or address.teredo:
            return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


# Asking


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: Message
    body: bytes  # of 200 and 207 only

    def header(self, name: str) -> str:
        """A header's value, empty if it is none that could be kept and sent again."""
        value = self.headers.get(name, "")
        return value if len(value) <= 200 and value.isprintable() else ""


class _Wire(io.RawIOBase):
    """A connection, as far as http.client uses one, that ends at the deadline or after so many bytes.

    The limits have to be here: a single line of an answer may take many reads. Who opened the socket closes it.
    """

    def __init__(self, connection: socket.socket, deadline: float) -> None:
        self.connection = connection
        self.deadline = deadline
        self.may_read = HEADERS

    def sendall(self, data: bytes) -> None:
        self.connection.settimeout(_left(self.deadline, READ))
        self.connection.sendall(data)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self.connection.settimeout(_left(self.deadline, READ))
        size = self.connection.recv_into(buffer)
        self.may_read -= size
        if self.may_read < 0:
            raise Unreadable(Fault.TOO_LARGE)
        return size

    def close(self) -> None:
        """Nothing: http.client closes the connection before it has read an answer that ends with it."""


def _ask(
    method: str,
    *,
    url: str,
    headers: dict[str, str],
    body: bytes | None = None,
    allowed: Collection[str],
    deadline: float,
) -> _Answer:
    """The answer at the end of the redirects. The login is for the first origin only. Raises Unreadable."""
    place = _place(url, allowed)
    for _ in range(1 + REDIRECTS):
        answer = _exchange(method, place, headers, body, deadline=deadline)
        location = answer.headers.get("Location")
        if answer.status not in MOVED or not location:
            return answer
        there = _place(location, allowed, base=place.origin + place.target)
        if there.origin != place.origin:
            headers = {name: value for name, value in headers.items() if name != "Authorization"}
        place = there
    raise Unreadable(Fault.STATUS)


def _exchange(method: str, place: _Place, headers: dict[str, str], body: bytes | None, *, deadline: float) -> _Answer:
    """One request and its answer. Raises Unreadable."""
    try:
        with _connection(place, deadline) as connection:
            wire = _Wire(connection, deadline)
            asking = http.client.HTTPConnection(place.host, place.port)
            asking.sock = wire  # it has what is used of a socket
            asking.request(method, place.target, body, headers | {"Host": place.authority})
            answer = asking.getresponse()
            wire.may_read = 2 * MOST  # chunks have overhead
            return _Answer(answer.status, answer.headers, _body(answer) if answer.status in (200, 207) else b"")
    except (OSError, http.client.IncompleteRead):
        raise Unreadable(Fault.SILENT) from None
    except http.client.HTTPException:
        raise Unreadable(Fault.STATUS) from None


def _connection(place: _Place, deadline: float) -> socket.socket:
    """A connection to the place, encrypted if it is https. Raises OSError and Unreadable."""
    connection = _connected(_addresses(place), deadline)
    if place.scheme == "http":
        return connection
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    connection.settimeout(_left(deadline, CONNECT))
    try:
        return context.wrap_socket(connection, server_hostname=place.host)
    except ssl.SSLEOFError:
        raise
    except ssl.SSLError:
        raise Unreadable(Fault.CERTIFICATE) from None


def _addresses(place: _Place) -> list[tuple[socket.AddressFamily, Any]]:
    """The socket addresses of the place: looked up once, and used as they are. Raises Unreadable."""
    try:
        found = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
    except socket.gaierror:
        raise Unreadable(Fault.NAME) from None
    # Who answers for a name that has public and private addresses is up to something.
    if not place.trusted and not all(is_public(ip_address(address[0])) for *_, address in found):
        raise Unreadable(Fault.PRIVATE)
    return [(family, address) for family, *_, address in found]


def _connected(addresses: list[tuple[socket.AddressFamily, Any]], deadline: float) -> socket.socket:
    """A connection to the first of the addresses that takes one. Raises OSError."""
    for family, address in addresses:
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            connection = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
            connection.settimeout(_left(deadline, CONNECT))
            connection.connect(address)
            stack.pop_all()
            return connection
    raise ConnectionRefusedError


def _left(deadline: float, most: float) -> float:
    """The seconds until the deadline, at most so many. Raises TimeoutError once there are none."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return min(left, most)


def _body(answer: http.client.HTTPResponse) -> bytes:
    """The body, unpacked no further than one byte past the limit. Raises OSError and Unreadable."""
    if (answer.length or 0) > MOST:
        raise Unreadable(Fault.TOO_LARGE)
    packing = answer.headers.get("Content-Encoding", "").strip().lower()
    if packing not in ("", "identity", "gzip", "x-gzip"):
        raise Unreadable(Fault.NO_CALENDAR)
    try:
        reading = gzip.GzipFile(fileobj=answer, mode="rb") if packing.endswith("gzip") else answer
        body = reading.read(MOST + 1)
    except (gzip.BadGzipFile, zlib.error):
        raise Unreadable(Fault.NO_CALENDAR) from None
    except EOFError:
        raise Unreadable(Fault.SILENT) from None
    if len(body) > MOST:
        raise Unreadable(Fault.TOO_LARGE)
    if answer.length:  # http.client does not mind a body that ends too early
        raise Unreadable(Fault.SILENT)
    return body


# Answers


def _fault(status: int) -> Fault:
    if status in (401, 403):
        return Fault.DENIED
    if status in (404, 410):
        return Fault.GONE
    return Fault.STATUS


def _calendar(body: bytes) -> bytes:
    """The body without what may stand in front of a calendar. Raises Unreadable for anything else, as a login page."""
    body = body.removeprefix(b"\xef\xbb\xbf").lstrip()
    if body[:15].upper() != b"BEGIN:VCALENDAR":
        raise Unreadable(Fault.NO_CALENDAR)
    return body


def _multistatus(answer: _Answer) -> _Multistatus:
    """What an answer of CalDAV says. Raises Unreadable."""
    if answer.status != 207:
        raise Unreadable(_fault(answer.status))
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
