"""The browser in which somebody signs in: what it is called, who signed in there before, and its session's secret."""

from __future__ import annotations

from datetime import timedelta

from flask import Response, g, make_response, redirect, request, session
from flask_babel import gettext as _

from booking.actions import staff
from booking.actions.staff import Browser
from booking.domain.access import browser_mark
from booking.store import staff as records
from booking.store.base import settings
from booking.web import access

MARKS = 12  # people whom a browser remembers: a desk is shared
LASTS = timedelta(days=365)
BROWSERS = {"Edg/": "Edge", "OPR/": "Opera", "Firefox/": "Firefox", "Chrome/": "Chrome", "Safari/": "Safari"}
SYSTEMS = {
    "Android": "Android",
    "iPhone": "iPhone",
    "iPad": "iPad",
    "CrOS": "ChromeOS",
    "Windows": "Windows",
    "Mac OS": "macOS",
    "Linux": "Linux",
}


def here() -> Browser:
    """This request's browser."""
    return Browser(_device(), frozenset(_marks()), access.staff_secret() or None, g.language)


def enter(secret: str, to: str) -> Response:
    """Give the browser this session and go on; whoever used it before has no part in what follows."""
    session.clear()
    return go_on(secret, to)


def go_on(secret: str, to: str) -> Response:
    """Give the browser this session of who used it before, and go on."""
    response = make_response(redirect(to, 303))
    give(response, secret)
    return response


def give(response: Response, secret: str) -> None:
    """Give the browser this session, and let it remember whose it is once they have shown all they have to."""
    access.sign_in(response, secret)
    found = records.session(secret)
    if found is None or staff.state(found, g.now) is not staff.State.OPEN:
        return
    mark = browser_mark(settings().secret_key, found.id)
    marks = [*[other for other in _marks() if other != mark][-MARKS + 1 :], mark]
    response.set_cookie(
        access.cookie_name("known", settings()),
        ".".join(marks),
        max_age=LASTS,
        path="/",
        secure=settings().https,
        httponly=True,
        samesite="Lax",
    )


def _marks() -> list[str]:
    found = request.cookies.get(access.cookie_name("known", settings()), "")
    return found.split(".")[:MARKS] if found else []


def _device() -> str:
    """What a person would call the browser and its system. It tells devices apart for people, not for machines."""
    said = request.user_agent.string
    browser = next((name for part, name in BROWSERS.items() if part in said), "")
    system = next((name for part, name in SYSTEMS.items() if part in said), "")
    if browser and system:
        return _("%(browser)s on %(system)s", browser=browser, system=system)
    return browser or system
