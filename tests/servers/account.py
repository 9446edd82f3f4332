"""What a CalDAV server answers that tells of an account, for the scripted servers of `https`."""

from __future__ import annotations

from html import escape

from tests.servers.https import answer

OK = "HTTP/1.1 200 OK"


def told(*resources: tuple[str, str]) -> bytes:
    """An answer that tells of resources by href, with the properties that each has."""
    rows = "".join(
        f"<D:response><D:href>{escape(href)}</D:href>"
        f"<D:propstat><D:prop>{props}</D:prop><D:status>{OK}</D:status></D:propstat>"
        "<D:propstat><D:prop><D:owner/></D:prop><D:status>HTTP/1.1 404 Not Found</D:status></D:propstat></D:response>"
        for href, props in resources
    )
    start = '<?xml version="1.0"?><D:multistatus xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav">'
    return answer(207, f"{start}{rows}</D:multistatus>".encode())


def principal(href: str) -> bytes:
    return told(("/", f"<D:current-user-principal><D:href>{href}</D:href></D:current-user-principal>"))


def home(*hrefs: str) -> bytes:
    named = "".join(f"<D:href>{href}</D:href>" for href in hrefs)
    return told(("/bo/", f"<C:calendar-home-set>{named}</C:calendar-home-set>"))


def calendar(name: str = "", *, takes: str = "", is_transparent: bool = False) -> str:
    props = (
        f"<D:resourcetype><D:collection/><C:calendar/></D:resourcetype><D:displayname>{escape(name)}</D:displayname>"
    )
    if takes:
        kinds = "".join(f'<C:comp name="{kind}"/>' for kind in takes.split())
        props += f"<C:supported-calendar-component-set>{kinds}</C:supported-calendar-component-set>"
    kind = "transparent" if is_transparent else "opaque"
    return props + f"<C:schedule-calendar-transp><C:{kind}/></C:schedule-calendar-transp>"


def account(*calendars: tuple[str, str]) -> dict[str, bytes]:
    """The answers of a server with Bo's account, whose home has these calendars."""
    return {"/": principal("/bo/"), "/bo/": home("/cals/"), "/cals/": told(*calendars)}
