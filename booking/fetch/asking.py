"""Asking other servers, by HTTPS: the only way out for addresses that people have typed in.

What may be reached is narrow: https on port 443 of a public address, or an origin that the operator has listed. A name
is looked up once, every address it has must be public, and the connection goes to one of those; a redirect is judged
the same way. An address is often a secret in itself: neither it nor anything of an answer is logged or stands in an
error.
"""

from __future__ import annotations

import contextlib
import gzip
import http.client
import io
import re
import socket
import ssl
import time
import zlib
from collections.abc import Collection
from dataclasses import dataclass, replace
from email.message import Message
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import idna

from booking.domain.outside import Fault, Unreadable

CONNECT = 5.0  # seconds, for the connection and again for its encryption
READ = 5.0  # seconds, for each piece of an answer
TOTAL = 30.0  # seconds, for all of it; a name that is being looked up then is waited for
MOST = 8 * 1024 * 1024  # bytes, unpacked: ten years of a busy calendar are more than two MiB
HEADERS = 64 * 1024  # bytes
REDIRECTS = 3

PORTS = {"http": 80, "https": 443}
MOVED = (301, 302, 303, 307, 308)
HOST_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*", re.ASCII)
GLOBAL_UNICAST = IPv6Network("2000::/3")  # Python takes more for global: mapped, compatible and site-local addresses
NAT64 = IPv6Network("64:ff9b::/96")  # how a machine without IPv4 reaches the address in its last four bytes

# Addresses


@dataclass(frozen=True, slots=True)
class Place:
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

    @property
    def url(self) -> str:
        return self.origin + self.target


def placed(url: str, allowed: Collection[str], *, base: str = "") -> Place:
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


def _parsed(url: str, base: str) -> Place:
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
    return Place(scheme, host, port, quote(target, safe="/?%:@!$&'()*+,;=[]"), trusted=False)


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
class Answer:
    status: int
    headers: Message
    body: bytes  # of 200 and 207 only
    place: Place  # where it came from, at the end of the redirects
    is_to_login: bool  # the login got there

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


def ask(
    method: str,
    *,
    url: str,
    headers: dict[str, str],
    body: bytes | None = None,
    allowed: Collection[str],
    deadline: float,
) -> Answer:
    """The answer at the end of the redirects. The login is for the first origin only. Raises Unreadable."""
    place = placed(url, allowed)
    for _ in range(1 + REDIRECTS):
        answer = _exchange(method, place, headers, body, deadline=deadline)
        location = answer.headers.get("Location")
        if answer.status not in MOVED or not location:
            return answer
        there = placed(location, allowed, base=place.url)
        if there.origin != place.origin:
            headers = {name: value for name, value in headers.items() if name != "Authorization"}
        place = there
    raise Unreadable(Fault.STATUS)


def named(href: str, answer: Answer, allowed: Collection[str]) -> str | None:
    """The URL that an answer to the login names, to go there with it; None if it must not, or if nobody may ask there.

    A redirect loses the login where it leads to another origin: a page that forwards to anywhere must not give it away.
    But accounts are spread over hosts (iCloud's begin at caldav.icloud.com and have their calendars at
    p42-caldav.icloud.com), and a server that was given the login and says in its own words where the account goes on
    could as well use the login itself. Then it is not sent in the clear.
    """
    assert answer.is_to_login
    try:
        there = placed(href, allowed, base=answer.place.url)
    except Unreadable:
        return None
    is_weaker = answer.place.scheme == "https" and there.scheme == "http"
    return None if is_weaker else there.url


def _exchange(method: str, place: Place, headers: dict[str, str], body: bytes | None, *, deadline: float) -> Answer:
    """One request and its answer. Raises Unreadable."""
    try:
        with _connection(place, deadline) as connection:
            wire = _Wire(connection, deadline)
            asking = http.client.HTTPConnection(place.host, place.port)
            asking.sock = wire  # it has what is used of a socket
            asking.request(method, place.target, body, headers | {"Host": place.authority})
            answer = asking.getresponse()
            wire.may_read = 2 * MOST  # chunks have overhead
            said = _body(answer) if answer.status in (200, 207) else b""
            return Answer(answer.status, answer.headers, said, place, "Authorization" in headers)
    except (OSError, http.client.IncompleteRead):
        raise Unreadable(Fault.SILENT) from None
    except http.client.HTTPException:
        raise Unreadable(Fault.STATUS) from None


def _connection(place: Place, deadline: float) -> socket.socket:
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


def _addresses(place: Place) -> list[tuple[socket.AddressFamily, Any]]:
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


def fault_of(status: int) -> Fault:
    """What an answer of that status means, which is none of those that were hoped for."""
    if status in (401, 403):
        return Fault.DENIED
    if status in (404, 410):
        return Fault.GONE
    return Fault.STATUS
