"""Calendars of other servers: what is asked, of whom, and where it ends. Real servers, on loopback."""

from __future__ import annotations

import gzip
import logging
import random
import socket
import threading
import time
import traceback
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from icalendar import Calendar

from booking import fetch
from booking.domain.outside import Fault, Unreadable
from booking.fetch import Fetched, Source, asking, origin
from tests.servers import caldav as caldav_server
from tests.servers import https
from tests.servers.https import Authority, Request, Server, answer
from tests.servers.internet import PUBLIC, Internet

SINCE = datetime(2027, 1, 11, tzinfo=UTC)
UNTIL = SINCE + timedelta(days=60)
CALENDAR = b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Elm//EN\r\nEND:VCALENDAR\r\n"
SECRET = "/private-0123456789/basic.ics"


def fetched(url: str, user: str = "", password: str = "", **more: Any) -> Fetched | None:
    return fetch.fetch(Source(url, user, password), since=SINCE, until=UNTIL, **more)


def fault(url: str, user: str = "", password: str = "", **more: Any) -> Fault:
    with pytest.raises(Unreadable) as caught:
        fetched(url, user, password, **more)
    return caught.value.fault


# A file


def test_a_file_is_read_and_asked_by_its_etag_next_time(server: Server) -> None:
    def changed(request: Request) -> bytes:
        if request.headers["If-None-Match"] == '"7"' and request.headers["If-Modified-Since"] == "yesterday":
            return answer(304)
        packed = gzip.compress(CALENDAR)
        return answer(200, packed, Content_Encoding="gzip", ETag='"7"', Last_Modified="yesterday")

    server.answers["/a.ics?key=1"] = changed
    url, allowed = f"{server.origin}/a.ics?key=1", [server.origin]
    assert fetched(url, allowed=allowed) == Fetched((CALENDAR,), '"7"', "yesterday")
    assert fetched(url, allowed=allowed, etag='"7"', modified="yesterday") is None
    [first, _] = server.requests
    assert {name: first.headers[name] for name in ("User-Agent", "Accept-Encoding", "Authorization", "Cookie")} == {
        "User-Agent": "clinic-booking",
        "Accept-Encoding": "gzip",
        "Authorization": None,
        "Cookie": None,
    }


def test_a_public_server_is_asked_by_the_name_on_its_certificate(internet: Internet, server: Server) -> None:
    server.answers[SECRET] = answer(200, CALENDAR)
    assert fetched(f"webcal://CAL.example.:443{SECRET}#top") == Fetched((CALENDAR,))
    assert server.requests[0].headers["Host"] == "cal.example"


def test_the_next_address_is_tried_when_one_does_not_answer(internet: Internet, server: Server) -> None:
    server.answers["/"] = answer(200, CALENDAR)
    internet.names["cal.example"] = [["93.184.215.16", PUBLIC]]
    assert fetched("https://cal.example") == Fetched((CALENDAR,))
    assert internet.connected == ["93.184.215.16", PUBLIC]


@pytest.mark.parametrize("body", [b"\xef\xbb\xbf" + CALENDAR, b"\r\n " + CALENDAR])
def test_what_stands_before_a_calendar_is_dropped(body: bytes, server: Server) -> None:
    server.answers["/"] = answer(200, body)
    assert fetched(server.origin, allowed=[server.origin]) == Fetched((CALENDAR,))


def test_small_letters_chunks_and_a_body_that_ends_with_the_connection_are_read(server: Server) -> None:
    small = CALENDAR.lower()
    chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (len(small), small)
    server.answers["/chunks"] = answer(200, chunks, Content_Length="", Transfer_Encoding="chunked")
    server.answers["/end"] = b"HTTP/1.0 200 OK\r\n\r\n" + small
    for path in server.answers:
        assert fetched(server.origin + path, allowed=[server.origin]) == Fetched((small,))


def test_an_etag_that_could_not_be_sent_back_is_not_kept(server: Server) -> None:
    server.answers["/"] = answer(200, CALENDAR, ETag="a\r\n b", Last_Modified="x" * 201)
    assert fetched(server.origin, allowed=[server.origin]) == Fetched((CALENDAR,))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (answer(401), Fault.DENIED),
        (answer(403), Fault.DENIED),
        (answer(404), Fault.GONE),
        (answer(410), Fault.GONE),
        (answer(204), Fault.STATUS),
        (answer(304), Fault.STATUS),  # was not asked whether
        (answer(500, CALENDAR), Fault.STATUS),
        (answer(302), Fault.STATUS),  # to nowhere
        (b"220 mx.example ESMTP\r\n", Fault.STATUS),
        (b"", Fault.SILENT),
        (b"HTTP/1.1 200 OK\r\nContent-", Fault.NO_CALENDAR),  # http.client takes that for the end of the headers
        (answer(200, CALENDAR, Content_Length=1000), Fault.SILENT),
        (answer(200, b"20\r\nBEGIN", Content_Length="", Transfer_Encoding="chunked"), Fault.SILENT),
        (answer(200, gzip.compress(CALENDAR, mtime=0)[:-9], Content_Encoding="gzip"), Fault.SILENT),
        (answer(200, CALENDAR, Content_Encoding="gzip"), Fault.NO_CALENDAR),
        (answer(200, gzip.compress(CALENDAR, mtime=0)[:10] + b"\xff" * 20, Content_Encoding="gzip"), Fault.NO_CALENDAR),
        (answer(200, CALENDAR, Content_Encoding="br"), Fault.NO_CALENDAR),
        (answer(200), Fault.NO_CALENDAR),
        (answer(200, b"<html>Sign in</html>"), Fault.NO_CALENDAR),
        (answer(200, b"<pre>" + CALENDAR), Fault.NO_CALENDAR),
    ],
)
def test_an_answer_that_is_no_calendar_says_why(content: bytes, expected: Fault, server: Server) -> None:
    server.answers["/"] = content
    assert fault(server.origin, allowed=[server.origin]) == expected


# Where it ends


@pytest.mark.parametrize("limit", ["READ", "TOTAL"])
def test_a_silent_server_is_left(limit: str, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, limit, 0.2)
    server.answers["/"] = lambda _: _dripping(b"H", pause=1.5)
    started = time.monotonic()
    assert fault(server.origin, allowed=[server.origin]) == Fault.SILENT
    assert time.monotonic() - started < 1.2


def test_nobody_is_asked_when_the_time_is_up(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "TOTAL", 0)
    assert fault(server.origin, allowed=[server.origin]) == Fault.SILENT
    assert server.requests == []


@pytest.mark.parametrize("body", [b"", CALENDAR])
def test_a_server_that_drips_is_left_when_the_time_is_up(
    body: bytes, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "TOTAL", 0.5)
    start = b"HTTP/1.1 200 OK\r\n" + (b"\r\n" if body else b"")  # in the middle of a header, or of the body
    server.answers["/"] = lambda _: _dripping(start + (body or b"X-Long: ") * 40, pause=0.05)
    started = time.monotonic()
    assert fault(server.origin, allowed=[server.origin]) == Fault.SILENT
    assert time.monotonic() - started < 2


def _dripping(content: bytes, *, pause: float) -> Iterator[bytes]:
    for at in range(len(content)):
        yield content[at : at + 1]
        time.sleep(pause)


def test_a_server_that_never_finishes_its_greeting_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "CONNECT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        there = f"https://127.0.0.1:{silent.getsockname()[1]}"
        assert fault(there, allowed=[there]) == Fault.SILENT


def test_a_server_that_hangs_up_instead_of_a_greeting_is_silent() -> None:
    def hang_up() -> None:
        connection, _ = listening.accept()
        with connection:
            connection.recv(4096)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=hang_up)
        thread.start()
        there = f"https://127.0.0.1:{listening.getsockname()[1]}"
        assert fault(there, allowed=[there]) == Fault.SILENT
        thread.join()


def test_nobody_there_is_silence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        there = f"https://127.0.0.1:{gone.getsockname()[1]}"
    assert fault(there, allowed=[there]) == Fault.SILENT


@pytest.mark.parametrize("packing", ["", "gzip"])
def test_a_calendar_may_be_as_large_as_the_limit_and_no_larger(
    packing: str, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "MOST", 4 * asking.HEADERS)
    largest = CALENDAR + random.Random(0).randbytes(asking.MOST - len(CALENDAR))
    for path, body in (("/fits", largest), ("/too-large", largest + b" ")):
        sent = gzip.compress(body) if packing else body
        chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (len(sent), sent)
        headers = {"Content_Length": "", "Transfer_Encoding": "chunked", "Content_Encoding": packing}
        server.answers[path] = answer(200, chunks, **headers)
    assert fetched(f"{server.origin}/fits", allowed=[server.origin]) == Fetched((largest,))
    assert fault(f"{server.origin}/too-large", allowed=[server.origin]) == Fault.TOO_LARGE


def test_a_bomb_is_not_unpacked_past_the_limit(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "MOST", 1024 * 1024)
    bomb = gzip.compress(bytes(200 * 1024 * 1024), compresslevel=1)
    assert len(bomb) < asking.MOST
    server.answers["/"] = answer(200, bomb, Content_Encoding="gzip")
    tracemalloc.start()
    try:
        assert fault(server.origin, allowed=[server.origin]) == Fault.TOO_LARGE
        assert tracemalloc.get_traced_memory()[1] < 8 * asking.MOST
    finally:
        tracemalloc.stop()


def test_a_body_said_to_be_huge_is_not_read(server: Server) -> None:
    server.answers["/"] = answer(200, CALENDAR, Content_Length=10**12)
    assert fault(server.origin, allowed=[server.origin]) == Fault.TOO_LARGE


@pytest.mark.parametrize(
    "start",
    [
        b"HTTP/1.1 200 OK\r\n" + b"X-Long: " + b"x" * 30_000 + b"\r\nX-Longer: " + b"x" * 60_000,
        b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + (b"1;" + b"x" * 60_000 + b"\r\n\n\r\n") * 400,
    ],
)
def test_what_stands_around_a_body_is_bounded_too(start: bytes, server: Server) -> None:
    server.answers["/"] = start
    assert fault(server.origin, allowed=[server.origin]) == Fault.TOO_LARGE


# Certificates


def test_a_certificate_must_be_trusted_and_of_the_host(
    authority: Authority, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_number = f"https://127.0.0.1:{server.port}"
    assert fault(by_number, allowed=[by_number]) == Fault.CERTIFICATE
    with https.running(authority.certificate("localhost", valid_for=timedelta(days=-1))) as expired:
        assert fault(expired.origin, allowed=[expired.origin]) == Fault.CERTIFICATE
    monkeypatch.setenv("SSL_CERT_FILE", str(Authority(tmp_path).path))
    assert fault(server.origin, allowed=[server.origin]) == Fault.CERTIFICATE
    assert server.requests == []


def test_a_server_without_encryption_is_not_asked() -> None:
    with https.running() as server:
        there = server.origin.replace("http:", "https:")
        assert fault(there, allowed=[there]) == Fault.CERTIFICATE


# Addresses


@pytest.mark.parametrize(
    "url",
    [
        "",
        "cal.example",
        "http://cal.example",
        "http://cal.example:443/",
        "ftp://cal.example",
        "file:///etc/passwd",
        "https://",
        "https:///a.ics",
        "https://cal.example:8443/",
        "https://cal.example:0/",
        "https://cal.example:x/",
        "https://bo@cal.example/",
        "https://@cal.example/",
        "https://bo:secret@cal.example/",
        "https://cal.example\\@other.example/",
        "https://cal.example/a b",
        "https://cal.example/\r\nX:y",
        "https://cal..example/",
        "https://-.\N{SNOWMAN}/",
        "https://[::1/",
        "https://[cal.example]/",
        f"https://{'a' * 64}.example/",
    ],
)
def test_an_address_that_may_not_be_asked_is_refused_by_its_shape(url: str) -> None:
    with pytest.raises(Unreadable) as caught:
        origin(url)
    assert caught.value.fault == Fault.ADDRESS
    assert fault(url) == Fault.ADDRESS


def test_an_origin_has_one_spelling() -> None:
    assert origin("webcal://CAL.example./a.ics") == "https://cal.example"
    assert origin("https://cal.example:443") == "https://cal.example"
    assert origin("https://m\N{LATIN SMALL LETTER U WITH DIAERESIS}ller.example/") == "https://xn--mller-kva.example"
    assert origin("https://[2606:2800:0::1]/") == "https://[2606:2800::1]"
    assert origin("http://127.1:5232/bo/", ["http://127.0.0.1:5232"]) == "http://127.0.0.1:5232"


NOT_PUBLIC = [
    "0.0.0.0",
    "10.1.2.3",
    "100.64.0.1",
    "127.0.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "192.0.2.1",
    "192.168.1.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::7f00:1",
    "100::1",
    "2001:0:53aa:64c:0:f:80ff:fffe",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:5db8:d70e::",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%1",
    "2606:2800::1%1",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
]


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_an_address_that_is_not_public_is_not_connected_to(address: str, internet: Internet) -> None:
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(Unreadable) as caught:
        origin(f"https://{host}/")
    assert caught.value.fault == Fault.PRIVATE
    internet.names["cal.example"] = [[address]]
    assert fault("https://cal.example/") == Fault.PRIVATE
    assert internet.connected == []


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f.1", "0177.0.0.1", "\uff11\uff12\uff17.0.0.1"])
def test_a_number_is_known_in_every_spelling_the_resolver_knows(host: str) -> None:
    with pytest.raises(Unreadable) as caught:
        origin(f"https://{host}/")
    assert caught.value.fault == Fault.PRIVATE


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "64:ff9b::808:808"])
def test_public_addresses_are_known(address: str) -> None:
    assert asking.is_public(ip_address(address))


def test_a_name_with_one_private_address_is_refused(internet: Internet) -> None:
    internet.names["cal.example"] = [[PUBLIC, "10.0.0.1"]]
    assert fault("https://cal.example/") == Fault.PRIVATE
    assert internet.connected == []


def test_a_name_is_looked_up_once(internet: Internet, server: Server) -> None:
    internet.names["cal.example"] = [[PUBLIC], ["127.0.0.1"]]
    server.answers["/"] = answer(200, CALENDAR)
    assert fetched("https://cal.example/") == Fetched((CALENDAR,))
    assert internet.asked == ["cal.example"]
    assert internet.connected == [PUBLIC]


def test_a_name_that_nobody_knows_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def getaddrinfo(*_: Any, **__: Any) -> Any:
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    assert fault("https://cal.invalid/") == Fault.NAME


def test_only_the_listed_origin_may_be_private(server: Server) -> None:
    server.answers["/"] = answer(200, CALENDAR)
    wrong = [f"http://localhost:{server.port}", "https://localhost", f"https://127.0.0.1:{server.port}"]
    assert fault(server.origin, allowed=wrong) == Fault.ADDRESS
    assert fetched(server.origin, allowed=[*wrong, server.origin])
    assert fault("https://localhost/") == Fault.PRIVATE
    with https.running() as plain:
        plain.answers["/"] = answer(200, CALENDAR)
        assert fetched(plain.origin, allowed=[plain.origin])


def test_proxies_of_the_environment_are_not_used(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    server.answers["/"] = answer(200, CALENDAR)
    assert fetched(server.origin, allowed=[server.origin])


# Redirects


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_followed(status: int, internet: Internet, server: Server, other: Server) -> None:
    server.answers["/a/b"] = answer(status, Location="../c?d")
    server.answers["/c?d"] = answer(status, Location="//other.example/e")
    other.answers["/e"] = answer(status, Location="webcal://cal.example/f", Set_Cookie="a=b")
    server.answers["/f"] = answer(200, CALENDAR)
    assert fetched("https://cal.example/a/b") == Fetched((CALENDAR,))
    assert server.requests[-1].headers["Cookie"] is None


def test_redirects_end(server: Server) -> None:
    server.answers["/"] = answer(302, Location="/")
    assert fault(server.origin, allowed=[server.origin]) == Fault.STATUS
    assert len(server.requests) == 1 + asking.REDIRECTS


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("https://127.0.0.1/", Fault.PRIVATE),
        ("https://[::ffff:169.254.169.254]/", Fault.PRIVATE),
        ("https://inside.example/", Fault.PRIVATE),
        ("http://other.example/", Fault.ADDRESS),
        ("https://other.example:8443/", Fault.ADDRESS),
        ("https://bo:secret@other.example/", Fault.ADDRESS),
        ("file:///etc/passwd", Fault.ADDRESS),
        ("https://[", Fault.ADDRESS),
    ],
)
def test_a_redirect_is_judged_like_an_address(
    location: str, expected: Fault, internet: Internet, server: Server
) -> None:
    internet.names["inside.example"] = [["10.0.0.1"]]
    server.answers["/"] = answer(302, Location=location)
    assert fault("https://cal.example/") == expected
    assert internet.connected == [PUBLIC]


def test_a_redirect_to_http_is_for_listed_origins(internet: Internet, server: Server) -> None:
    server.answers["/"] = answer(302, Location="http://cal.example/a")
    assert fault("https://cal.example/", "bo", "secret") == Fault.ADDRESS
    assert len(server.requests) == 1


def test_the_login_stays_with_its_origin(internet: Internet, server: Server, other: Server) -> None:
    server.answers["/"] = answer(302, Location="/near")
    server.answers["/near"] = answer(302, Location="https://other.example/")
    other.answers["/"] = answer(302, Location="https://cal.example/back")
    server.answers["/back"] = answer(401)
    assert fault("https://cal.example/", "bo", "secret") == Fault.DENIED
    assert [r.headers["Authorization"] for r in server.requests] == ["Basic Ym86c2VjcmV0"] * 2 + [None]
    assert [r.headers["Authorization"] for r in other.requests] == [None]


# CalDAV


def event(uid: str, start: str, rule: str = "") -> str:
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Elm//EN",
        "BEGIN:VEVENT",
        f"UID:{uid}",
        "DTSTAMP:20270101T000000Z",
        f"DTSTART:{start}",
        "DURATION:PT1H",
        "SUMMARY:Café & <b>]]>",
        *([f"RRULE:{rule}"] if rule else []),
        "END:VEVENT",
        "END:VCALENDAR",
        "",
    ]
    return "\r\n".join(lines)


def test_a_caldav_calendar_gives_what_lies_between_the_instants(caldav: caldav_server.Server) -> None:
    url = caldav.url + caldav.make_calendar(
        "work",
        before=event("before", "20270110T220000Z"),
        first=event("first", "20270110T233000Z"),
        last=event("last", "20270311T235900Z"),
        after=event("after", "20270312T000000Z"),
        yearly=event("yearly", "20200115T100000Z", "FREQ=YEARLY"),
        ended=event("ended", "20200115T100000Z", "FREQ=YEARLY;COUNT=2"),
    )
    zone = timezone(timedelta(hours=5))
    found = fetch.fetch(
        Source(url, caldav.user, caldav.password),
        since=SINCE.astimezone(zone),
        until=UNTIL.astimezone(zone),
        allowed=[caldav.url],
    )
    assert found is not None
    uids = [str(Calendar.from_ical(one).events[0]["UID"]) for one in found.calendars]
    assert sorted(uids) == ["first", "last", "yearly"]
    assert all(one.startswith(b"BEGIN:VCALENDAR") for one in found.calendars)
    assert "Café & <b>]]>" in found.calendars[0].decode()


def test_a_caldav_calendar_may_be_empty_but_must_be_one(caldav: caldav_server.Server) -> None:
    login, home = (caldav.user, caldav.password), f"{caldav.url}/{caldav.user}/"
    empty = caldav.url + caldav.make_calendar("empty")
    assert fetched(empty, *login, allowed=[caldav.url]) == Fetched(())
    assert fault(home, *login, allowed=[caldav.url]) == Fault.NO_CALENDAR
    assert fault(f"{home}nowhere/", *login, allowed=[caldav.url]) == Fault.GONE


def test_a_wrong_password_is_denied(caldav: caldav_server.Server) -> None:
    assert fault(f"{caldav.url}/{caldav.user}/", caldav.user, "a guess", allowed=[caldav.url]) == Fault.DENIED


def multistatus(*responses: str) -> bytes:
    inner = "".join(f"<response><href>/a</href>{response}</response>" for response in responses)
    start = '<?xml version="1.0"?><multistatus xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav">'
    return f"{start}{inner}</multistatus>".encode()


def propstat(prop: str, status: str = "HTTP/1.1 200 OK") -> str:
    return f"<propstat><prop>{prop}</prop><status>{status}</status></propstat>"


DATA = f"<C:calendar-data><![CDATA[{CALENDAR.decode()}]]></C:calendar-data>"


GONE = "HTTP/1.1 404 Not Found"
FAILED = "<status>HTTP/1.1 500 Internal Server Error</status>"


def test_what_a_caldav_server_has_no_more_is_left_out(server: Server) -> None:
    missing = propstat(DATA, GONE)
    body = multistatus(
        missing + propstat("<getetag>7</getetag>"),
        propstat("<C:calendar-data/>", GONE),
        f"<status>{GONE}</status>",
        propstat(DATA) + missing,
        propstat("<getetag/>", "HTTP/1.1 403 Forbidden") + propstat(DATA),
        f"<propstat><status>HTTP/1.1 200 OK</status><prop>{DATA}</prop></propstat>",
    )
    server.answers["/"] = answer(207, body)
    found = fetched(server.origin, "bo", "secret", allowed=[server.origin], etag='"7"')
    assert found == Fetched((CALENDAR.replace(b"\r\n", b"\n"),) * 3)
    [request] = server.requests
    assert (request.method, request.headers["Depth"], request.headers["If-None-Match"]) == ("REPORT", "1", None)
    assert b'start="20270111T000000Z" end="20270312T000000Z"' in request.body


@pytest.mark.parametrize(
    "row",
    [
        "",
        FAILED,
        "<status>HTTP/1.1 200 OK</status>",
        "<status/>",
        propstat(DATA, "HTTP/1.1 500 Internal Server Error"),
        propstat("<C:calendar-data/>", "HTTP/1.1 403 Forbidden"),
        propstat(DATA, "HTTP/1.1"),
        f"<propstat><prop>{DATA}</prop></propstat>",
        propstat("<C:calendar-data/>"),
        propstat("<C:calendar-data> \n</C:calendar-data>"),
        propstat(DATA + "<C:calendar-data/>"),
        propstat("<getetag>7</getetag>"),
        propstat("<getetag/>", GONE),
        propstat("<getetag/>", GONE) + propstat("<C:calendar-data/>"),
        FAILED + f"<propstat><prop>{DATA}</prop></propstat>",
        propstat(DATA) + FAILED,
        FAILED + propstat(DATA),
        propstat(DATA) + propstat(DATA, "HTTP/1.1 500 Internal Server Error"),
        DATA,
    ],
)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_an_object_that_a_caldav_server_does_not_deliver_fails_the_reading(
    row: str, place: int, server: Server
) -> None:
    rows = [propstat(DATA), propstat(DATA, GONE)]
    rows.insert(place, row)
    server.answers["/"] = answer(207, multistatus(*rows))
    assert fault(server.origin, "bo", "secret", allowed=[server.origin]) == Fault.STATUS


def test_a_calendar_whose_only_object_was_just_deleted_is_empty(server: Server) -> None:
    def answers(request: Request) -> bytes:
        kind = propstat("<resourcetype><collection/><C:calendar/></resourcetype>")
        return answer(207, multistatus(f"<status>{GONE}</status>" if request.method == "REPORT" else kind))

    server.answers["/"] = answers
    assert fetched(server.origin, "bo", "secret", allowed=[server.origin]) == Fetched(())
    assert [request.method for request in server.requests] == ["REPORT", "PROPFIND"]


@pytest.mark.parametrize("status", [200, 400, 403, 404, 405, 410, 415, 501])
def test_a_server_that_speaks_no_caldav_is_asked_for_the_file(status: int, server: Server) -> None:
    def file(request: Request) -> bytes:
        return answer(200, CALENDAR, ETag='"7"') if request.method == "GET" else answer(status, b"No such method.")

    server.answers["/"] = file
    assert fetched(server.origin, "bo", "secret", allowed=[server.origin]) == Fetched((CALENDAR,), '"7"')
    assert [request.headers["Authorization"] for request in server.requests] == ["Basic Ym86c2VjcmV0"] * 2


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (answer(401), Fault.DENIED),
        (answer(404), Fault.GONE),
        (answer(429), Fault.STATUS),
        (answer(503), Fault.STATUS),
        (answer(207), Fault.NO_CALENDAR),
        (answer(207, CALENDAR), Fault.NO_CALENDAR),
        (answer(207, b"<html/>"), Fault.NO_CALENDAR),
        (answer(207, multistatus(propstat(DATA)).replace(b"multistatus", b"other")), Fault.NO_CALENDAR),
        (answer(207, multistatus(propstat(DATA))[:-1]), Fault.NO_CALENDAR),
        (answer(207, b'<?xml version="1.0" encoding="none"?><multistatus xmlns="DAV:"/>'), Fault.NO_CALENDAR),
        (answer(207, multistatus()), Fault.NO_CALENDAR),
        (answer(207, multistatus(propstat("<C:calendar-data>Hello</C:calendar-data>"))), Fault.NO_CALENDAR),
        (answer(207, multistatus(propstat(DATA), "<status>HTTP/1.1 507 Full</status>")), Fault.TOO_LARGE),
        (answer(207, multistatus(FAILED, propstat(DATA, "HTTP/1.1 507 Full"))), Fault.TOO_LARGE),
        (answer(207, multistatus(propstat(DATA)), Content_Length=10**9), Fault.TOO_LARGE),
    ],
)
def test_an_answer_that_is_no_caldav_says_why(content: bytes, expected: Fault, server: Server) -> None:
    server.answers["/"] = content
    assert fault(server.origin, "bo", "secret", allowed=[server.origin]) == expected


@pytest.mark.parametrize(
    "declaration",
    [
        "<!DOCTYPE multistatus>",
        '<!DOCTYPE multistatus SYSTEM "http://127.0.0.1:1/x.dtd">',
        '<!DOCTYPE multistatus [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]>',
        '<!DOCTYPE multistatus [<!ENTITY a SYSTEM "file:///etc/passwd">]>',
    ],
)
def test_xml_with_declarations_is_refused(declaration: str, server: Server) -> None:
    body = multistatus(propstat(DATA)).replace(b"<multistatus", f"{declaration}<multistatus".encode(), 1)
    server.answers["/"] = answer(207, body)
    assert fault(server.origin, "bo", "secret", allowed=[server.origin]) == Fault.NO_CALENDAR


# Secrets


def test_no_address_and_no_password_stands_in_logs_or_errors(
    server: Server, internet: Internet, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    source = Source(f"https://cal.example{SECRET}", "bo", "hunter2")
    assert "hunter2" not in repr(source)
    answers = [
        answer(200, b"Hello Ada"),
        answer(500),
        b"Hello Ada",
        b"",
        answer(302, Location="http://x/"),
        answer(404),
    ]
    for content in answers:
        server.answers[SECRET] = content
        with pytest.raises(Unreadable) as caught:
            fetch.fetch(source, since=SINCE, until=UNTIL)
        said = "".join(traceback.format_exception(caught.value)[-1:])
        assert str(caught.value) == caught.value.fault.value
        assert not any(secret in said + repr(caught.value) for secret in ("private-", "hunter2", "Ada"))
    assert caplog.text == ""
