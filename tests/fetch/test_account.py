"""From the address of a CalDAV account to its calendars: who is asked, who gets the login, and what is taken."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable

import pytest

from booking import fetch
from booking.domain.outside import Fault, Found, Unreadable
from booking.fetch import Source, asking, caldav
from tests.servers import caldav as caldav_server
from tests.servers import https
from tests.servers.account import account as account_of
from tests.servers.account import calendar, home, principal, told
from tests.servers.https import Request, Server, answer
from tests.servers.internet import Internet

LOGIN = "Basic Ym86c2VjcmV0"


def account(url: str = "https://cal.example/", user: str = "bo", password: str = "secret") -> list[Found] | None:
    found = fetch.account(Source(url, user, password))
    return None if found is None else list(found)


def fault(url: str = "https://cal.example/") -> Fault:
    with pytest.raises(Unreadable) as caught:
        account(url)
    return caught.value.fault


@pytest.fixture
def usual(internet: Internet, server: Server) -> Server:
    """cal.example with Bo's account, whose home has one calendar."""
    server.answers |= account_of(("/cals/own/", calendar("Own")))
    return server


OWN = Found("Own", "https://cal.example/cals/own/", counts=True)


# The way


def test_a_calendar_servers_account_is_found_from_its_root_its_principal_and_a_wrong_path(
    caldav: caldav_server.Server,
) -> None:
    for name, shown, *kinds in (("a", "Café & <b>Co</b>"), ("b", "Tasks", "VTODO"), ("c", "Own", "VEVENT", "VTODO")):
        caldav.describe(caldav.make_calendar(name), shown, *kinds)
    expected = [Found(name, f"{caldav.url}/bo/{at}/", True) for at, name in (("a", "Café & <b>Co</b>"), ("c", "Own"))]
    for path in ("", "/", "/bo", "/bo/", "/bo/nowhere/", "/.well-known/caldav"):
        found = fetch.account(Source(caldav.url + path, caldav.user, caldav.password), allowed=[caldav.url])
        assert sorted(found or ()) == expected, path
    assert fetch.account(Source(f"{caldav.url}/bo/a/", caldav.user, caldav.password), allowed=[caldav.url]) is None
    with pytest.raises(Unreadable) as caught:
        fetch.account(Source(caldav.url, caldav.user, "a guess"), allowed=[caldav.url])
    assert caught.value.fault == Fault.DENIED


def test_each_step_asks_one_thing_with_the_login(usual: Server) -> None:
    assert account("webcal://CAL.example:443") == [OWN]
    asked = [(one.method, one.path, one.headers["Depth"], one.headers["Authorization"]) for one in usual.requests]
    assert asked == [
        ("PROPFIND", "/", "0", LOGIN),
        ("PROPFIND", "/bo/", "0", LOGIN),
        ("PROPFIND", "/cals/", "1", LOGIN),
    ]


@pytest.mark.parametrize(
    "nothing",
    [
        answer(200, b"<html>Sign in</html>"),
        answer(403),
        answer(404),
        answer(405),
        answer(500),
        answer(207, b"<html/>"),
        told(("/", "<D:displayname>Files</D:displayname>")),
        told(("/", "<D:current-user-principal><D:unauthenticated/></D:current-user-principal>")),
        principal(""),
        answer(302, Location="http://cal.example/"),
        answer(302, Location="https://10.0.0.1/"),
        answer(302, Location="https://other.example/"),
        answer(302, Location="/"),
    ],
)
def test_what_tells_of_no_account_is_helped_by_the_well_known_address(
    nothing: bytes, usual: Server, other: Server
) -> None:
    other.answers["/"] = answer(401)
    usual.answers |= {
        "/app/": nothing,
        "/.well-known/caldav": answer(301, Location="/dav/"),
        "/dav/": usual.answers["/"],
        "/": nothing,
    }
    assert account("https://cal.example/app/") == [OWN]
    del usual.answers["/.well-known/caldav"]
    assert account("https://cal.example/app/") is None


def test_a_refused_login_is_not_tried_again(usual: Server) -> None:
    usual.answers["/"] = answer(401)
    assert fault() == Fault.DENIED
    assert len(usual.requests) == 1
    usual.answers |= {"/": answer(404), "/.well-known/caldav": answer(401)}
    assert fault() == Fault.DENIED


def test_an_account_without_a_calendar_for_events_has_none(usual: Server) -> None:
    usual.answers["/cals/"] = told(("/cals/", "<D:resourcetype><D:collection/></D:resourcetype>"))
    assert account() == []
    usual.answers["/bo/"] = told(("/bo/", ""))
    assert account() is None


@pytest.mark.parametrize(
    ("content", "expected"),
    [(answer(403), Fault.STATUS), (answer(404), Fault.GONE), (b"", Fault.SILENT), (answer(401), Fault.DENIED)],
)
@pytest.mark.parametrize("path", ["/bo/", "/cals/"])
def test_an_account_that_breaks_off_on_the_way_is_a_fault(
    path: str, content: bytes, expected: Fault, usual: Server
) -> None:
    usual.answers[path] = content
    assert fault() == expected


# Calendars


def test_what_is_a_calendar_for_events_is_taken_with_what_it_says_of_itself(usual: Server) -> None:
    usual.answers["/cals/"] = told(
        ("/cals/", "<D:resourcetype><D:collection/></D:resourcetype>"),
        ("/cals/own/", calendar("Own")),
        ("own2", calendar("Own too", takes="VTODO VEVENT")),
        ("/cals/tasks/", calendar("Tasks", takes="VTODO")),
        ("/cals/inbox/", "<D:resourcetype><D:collection/><C:schedule-inbox/></D:resourcetype>"),
        ("/cals/birthdays/", calendar("Birthdays", takes="vevent", is_transparent=True)),
        ("/cals/own/", calendar("Own")),
        ("https://cal.example:443/cals/Caf%C3%A9%20b/", calendar()),
    )
    assert account() == [
        OWN,
        Found("Own too", "https://cal.example/cals/own2", counts=True),
        Found("Birthdays", "https://cal.example/cals/birthdays/", counts=False),
        Found("Café b", "https://cal.example/cals/Caf%C3%A9%20b/", counts=True),
    ]


def test_a_property_that_the_server_does_not_show_counts_for_nothing(usual: Server) -> None:
    usual.answers["/cals/"] = usual.answers["/cals/"].replace(b"200 OK</D:status>", b"403 No</D:status>")  # type: ignore[union-attr]
    assert account() == []


def test_several_homes_are_looked_through_and_not_too_many(usual: Server) -> None:
    usual.answers["/bo/"] = home("/cals/", "/cals/", *(f"/home{number}/" for number in range(10)))
    for number in range(10):
        usual.answers[f"/home{number}/"] = told((f"/home{number}/a/", calendar(f"A{number}")))
    assert [one.name for one in account() or ()] == ["Own", "A0", "A1"]
    assert len(usual.requests) == 2 + caldav.HOMES


def test_of_very_many_calendars_the_first_are_taken(usual: Server) -> None:
    usual.answers["/cals/"] = told(*((f"/cals/{number}/", calendar(str(number))) for number in range(3000)))
    assert [one.name for one in account() or ()] == [str(number) for number in range(caldav.CALENDARS)]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        (" two\r\n\tlines\N{RIGHT-TO-LEFT OVERRIDE}\x85 ", "two lines"),
        ("\N{RIGHT-TO-LEFT OVERRIDE}\n", "own"),
        ("", "own"),
        ("x" * 100_000, "x" * caldav.NAME),
    ],
)
def test_a_name_is_one_short_line(name: str, shown: str, usual: Server) -> None:
    usual.answers["/cals/"] = told(("/cals/own/", calendar(name)))
    assert account() == [OWN._replace(name=shown)]


# Who gets the login


def test_an_account_may_go_on_at_another_host_and_so_does_the_login(usual: Server, other: Server) -> None:
    usual.answers["/bo/"] = home("https://other.example:443/5/calendars/")
    other.answers["/5/calendars/"] = told(("/5/calendars/own/", calendar("Own")))
    assert account() == [OWN._replace(url="https://other.example/5/calendars/own/")]
    assert [one.headers["Authorization"] for one in other.requests] == [LOGIN]


def test_who_is_only_redirected_to_gets_no_login_and_names_nobody_who_would(usual: Server, other: Server) -> None:
    usual.answers |= {"/": answer(302, Location="https://other.example/"), "/.well-known/caldav": answer(404)}
    other.answers |= {"/": principal("https://other.example/bo/"), "/bo/": home("https://other.example/cals/")}
    assert account() is None
    usual.answers |= {"/": principal("/bo/"), "/bo/": answer(302, Location="https://other.example/bo/")}
    assert fault() == Fault.STATUS
    assert [one.headers["Authorization"] for one in other.requests] == [None, None]


HOSTILE = [
    "http://cal.example/x/",
    "http://127.0.0.1/x/",
    "https://127.0.0.1/x/",
    "https://[::ffff:169.254.169.254]/x/",
    "https://cal.example:8443/x/",
    "https://bo:secret@cal.example/x/",
    "javascript:alert(1)",
    "file:///etc/passwd",
    "//[/",
    "https://cal.example/a b/",
    "https://cal.example/" + "x" * 3000,
]


@pytest.mark.parametrize("href", HOSTILE)
def test_what_may_not_be_asked_is_no_part_of_an_account(href: str, usual: Server, internet: Internet) -> None:
    usual.answers["/cals/"] = told((href, calendar("Evil")), ("/cals/own/", calendar("Own")))
    assert account() == [OWN]
    usual.answers["/bo/"] = home(href)
    assert account() is None
    usual.answers["/"] = principal(href)
    assert account() is None
    assert len(usual.requests) == 3 + 2 + 2  # the last one at the well-known address
    assert internet.asked == ["cal.example"] * len(usual.requests)


def test_a_name_that_turns_out_to_be_private_is_not_connected_to(usual: Server, internet: Internet) -> None:
    internet.names["inside.example"] = [["10.0.0.1"]]
    usual.answers["/bo/"] = home("https://inside.example/")
    assert fault() == Fault.PRIVATE
    assert "10.0.0.1" not in internet.connected


def test_the_login_is_not_sent_in_the_clear_even_where_the_operator_allows_it(server: Server) -> None:
    with https.running() as plain:
        allowed = [server.origin, plain.origin]
        server.answers["/"] = principal(f"{plain.origin}/bo/")
        plain.answers |= {"/": principal("/bo/"), "/bo/": home("/cals/")}
        plain.answers["/cals/"] = told(("own/", calendar("Own")))
        assert fetch.account(Source(server.origin, "bo", "secret"), allowed=allowed) is None
        assert plain.requests == []
        found = fetch.account(Source(plain.origin, "bo", "secret"), allowed=allowed)
        assert found == (OWN._replace(url=f"{plain.origin}/cals/own/"),)


# Where it ends


def test_all_of_it_has_one_deadline(usual: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def slowly(content: bytes) -> Callable[[Request], bytes]:
        def wait(_: Request) -> bytes:
            time.sleep(0.3)
            return content

        return wait

    monkeypatch.setattr(asking, "TOTAL", 0.5)
    usual.answers = {path: slowly(content) for path, content in usual.answers.items() if isinstance(content, bytes)}
    assert fault() == Fault.SILENT
    assert len(usual.requests) == 2


def test_xml_with_declarations_is_refused(usual: Server) -> None:
    bomb = b'<!DOCTYPE multistatus [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]><D:multistatus'
    _, _, body = told(("/cals/own/", calendar("Own"))).partition(b"\r\n\r\n")
    usual.answers["/cals/"] = answer(207, body.replace(b"<D:multistatus", bomb, 1))
    assert fault() == Fault.NO_CALENDAR


@pytest.mark.parametrize("depth", [caldav.DEPTH, 500_000])
def test_xml_that_is_nested_without_end_is_refused_at_once(depth: int, usual: Server) -> None:
    start, end = b'<D:multistatus xmlns:D="DAV:">', b"</D:multistatus>"
    usual.answers["/cals/"] = answer(207, start + b"<a>" * depth + b"</a>" * depth + end)
    started = time.monotonic()
    assert fault() == Fault.NO_CALENDAR
    assert time.monotonic() - started < 2


def test_very_many_small_things_take_little_memory(usual: Server) -> None:
    start, end = b'<D:multistatus xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav">', b"</D:multistatus>"
    facts = b"<D:response><D:propstat><D:prop>%s</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>"
    homes = facts % (b"<C:calendar-home-set>" + b"<D:href>/</D:href>" * 20_000 + b"</C:calendar-home-set>")
    usual.answers["/cals/"] = answer(207, start + b"<D:response/>" * 20_000 + homes + end)
    tracemalloc.start()
    try:
        assert account() == []
        assert tracemalloc.get_traced_memory()[1] < 4 * 1024 * 1024
    finally:
        tracemalloc.stop()
