"""Doors: every route declares its guard, `enforce` asks it before the view runs, and nothing else lets anybody in.

What lives in the signed cookie of a browser: its language, an id for its holds, and which visits it was shown the
link of. Staff have a second cookie with the secret of their session row.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address
from typing import Any, TypeVar
from urllib.parse import urlsplit

from flask import Flask, Response, current_app, g, redirect, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge, Unauthorized

from booking.actions import staff as staff_actions
from booking.actions.staff import State
from booking.domain.access import PATIENT, PUBLIC, Caller, digest, is_genuine, subject_of
from booking.domain.errors import NotAllowed, NotFound, RateLimited
from booking.settings import Settings
from booking.store import access as doors
from booking.store import clinic as clinics
from booking.store import staff
from booking.store.appointment import Appointment
from booking.store.base import db, settings
from booking.store.clinic import Clinic
from booking.store.staff import SignedIn
from booking.web import errors

V = TypeVar("V", bound=Callable[..., Any])
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
KINDS = ("public", "visit", "staff", "key")
SHOWN_FOR = timedelta(days=90)  # a visit's link shows it so long after its end
VISITS_REMEMBERED = 12  # by one browser: the cookie has to stay small
SCOPES = ("read", "book", "desk")  # of API keys; each holds those before it


@dataclass(frozen=True, slots=True)
class Guard:
    """Who may use a route: its kind, and the roles (staff) or scopes (key) that are let in; no roles means any."""

    kind: str
    names: frozenset[str]
    fresh: bool = False  # staff have to have proven themselves within the last five minutes


class Unproven(Exception):
    """Somebody has to prove again who they are before this is done; `desk/unlock` asks them."""

    def __init__(self, person: SignedIn) -> None:
        super().__init__(person.id)
        self.person = person


def allow(kind: str, *names: str, fresh: bool = False) -> Callable[[V], V]:
    """Declare a route's guard: "public", "visit", "staff" with roles, or "key" with a scope. Stands below the route.

    With `fresh` staff are asked for their password or passkey if they did not show it in the last five minutes.
    """
    if kind not in KINDS:
        raise ValueError(f"unknown guard {kind!r}")

    def mark(view: V) -> V:
        view.guard = Guard(kind, frozenset(names), fresh)  # type: ignore[attr-defined]
        return view

    return mark


def guard_of(app: Flask, endpoint: str) -> Guard:
    """The declared guard of an endpoint. Raises LookupError where there is none."""
    guard = getattr(app.view_functions[endpoint], "guard", None)
    if guard is None:
        raise LookupError(f"the route {endpoint} declares no guard: put @allow(...) below its route")
    return guard  # type: ignore[no-any-return]


def check_guards(app: Flask) -> None:
    """Raise LookupError that names a route without a guard: the app then does not start."""
    for rule in app.url_map.iter_rules():
        guard_of(app, rule.endpoint)


def enforce() -> ResponseReturnValue | None:
    """Before every view: its guard, then proof that an unsafe request comes from a page of ours."""
    if request.url_rule is None:
        return None  # nothing is there; the answer says so
    guard = guard_of(current_app, request.url_rule.endpoint)
    g.guarded_by = guard.kind
    refusal = _ASK[guard.kind](guard)
    if refusal is not None:
        return refusal
    if guard.kind != "key":
        ask_for_proof()
        if not errors.is_for_programs():
            _name_browser()
    return None


def _ask_public(guard: Guard) -> None:
    g.caller = PUBLIC


def _ask_visit(guard: Guard) -> None:
    """This browser was shown the link of this visit, and the link still holds."""
    assert request.view_args is not None
    public_id = request.view_args["id"]
    version = session.get("visits", {}).get(public_id)
    visit = doors.visit(public_id)
    if visit is None or visit.clinic_id != g.clinic.id or visit.link_version != version or _is_long_past(visit):
        raise NotFound
    g.appointment = visit
    g.caller = PATIENT


def _ask_staff(guard: Guard) -> ResponseReturnValue | None:
    """Somebody with one of the guard's roles in this clinic, whose session is open, has proven all they have to."""
    person = staff.session(staff_secret(), clinic_id=g.clinic.id if g.clinic else None)
    state = staff_actions.state(person, g.now) if person else State.OVER
    if person is None or state is not State.OPEN:
        return _turn_away(person, state)
    if (g.clinic and person.role is None) or (guard.names and person.role not in guard.names):
        raise NotFound
    if g.clinic and g.clinic.require_second_factor and not person.has_second_factor:
        return redirect(url_for("desk.account", next=_here()), 303)
    if guard.fresh and not staff_actions.is_fresh(person, g.now):
        raise Unproven(person)
    if not is_background():
        staff_actions.note_use(staff_secret(), person, g.now)
    g.staff = person
    g.caller = Caller("staff", person.id, person.role)
    return None


def _turn_away(person: SignedIn | None, state: State) -> ResponseReturnValue:
    if is_background():
        return Response(status=401)
    if person is not None and state in (State.LOCKED, State.OLD):
        raise Unproven(person)
    if request.method not in ("GET", "HEAD"):
        raise NotFound
    return redirect(url_for("desk.factor" if state is State.FACTOR_DUE else "desk.login", next=_here()), 303)


def is_background() -> bool:
    """Whether a script asks by itself: that does not count as use."""
    return "X-Background" in request.headers


def _here() -> str:
    return request.full_path.rstrip("?") if request.method in ("GET", "HEAD") else ""


def _ask_key(guard: Guard) -> None:
    """The request carries an API key of this clinic with one of the guard's scopes."""
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    key = doors.key_by_digest(digest(secret.strip()), g.now) if scheme.lower() == "bearer" else None
    if key is None:
        raise Unauthorized(www_authenticate=WWWAuthenticate("bearer", {"realm": "booking"}))
    if key.clinic_id != g.clinic.id:
        raise NotFound
    held = {scope for top in key.scopes for scope in SCOPES[: SCOPES.index(top) + 1]}
    if not guard.names <= held:
        raise NotAllowed
    g.caller = Caller("key", key.id, "desk" if "desk" in held else None)


_ASK: dict[str, Callable[[Guard], ResponseReturnValue | None]] = {
    "public": _ask_public,
    "visit": _ask_visit,
    "staff": _ask_staff,
    "key": _ask_key,
}


def ask_for_proof() -> None:
    """Raise CSRFError unless this is a safe request, or comes from a page of ours."""
    if request.method in SAFE_METHODS or not current_app.config["WTF_CSRF_ENABLED"]:
        return
    if request.headers.get("Sec-Fetch-Site") == "cross-site":
        raise CSRFError("another site sent this")
    current_app.extensions["csrf"].protect()


def _name_browser() -> None:
    """Holds belong to a browser: its id is made by the first request that may take one."""
    if request.method not in SAFE_METHODS and "id" not in session:
        session["id"] = secrets.token_urlsafe(16)
    if "id" in session:
        g.session_key = digest(session["id"])


def refuse_unreadable() -> None:
    """Refuse what no page of ours would send and no database takes: bodies beyond the limit, NUL characters."""
    if (request.content_length or 0) > current_app.config["MAX_CONTENT_LENGTH"]:
        raise RequestEntityTooLarge
    if "\0" in request.path or "%00" in request.query_string.decode("latin-1"):
        raise BadRequest
    if request.method not in SAFE_METHODS and any("\0" in value for value in request.form.values()):
        raise BadRequest


def clinic_of(slug: str) -> Clinic:
    """The clinic's settings, detached: they stay readable across the transactions of the request.

    Each process keeps those it has read, under their revision: reading the row anew costs as much as a search. The
    board's revision is not a setting and may be old here. Raises NotFound.
    """
    known: dict[str, Clinic] = current_app.extensions.setdefault("booking-clinics", {})
    revision = clinics.revision(slug)
    found = known.get(slug)
    if found is None or (found.id, found.revision) != revision:
        found = known[slug] = detached(clinics.by_slug(slug))
    return found


def detached(clinic: Clinic) -> Clinic:
    db.session.expunge(clinic)
    return clinic


# Visits


def open_visit(token: str) -> Appointment:
    """The visit that the token of a mailed link is for; this browser may see it from now on, and g.clinic is its.

    Raises NotFound for any token that is not good, and RateLimited after too many of those from one address.
    """
    subject = subject_of(token, "manage")
    visit = doors.visit(subject) if subject else None
    secret = settings().secret_key
    genuine = visit is not None and is_genuine(
        token, secret, "manage", visit.clinic_id, visit.public_id, visit.link_version
    )
    if visit is None or not genuine or _is_long_past(visit):
        limit(f"token:{address()}", 30, 300)
        raise NotFound
    g.clinic = detached(clinics.by_id(visit.clinic_id))
    remember_visit(visit)
    return visit


def remember_visit(visit: Appointment) -> None:
    """Let this browser see the visit: it was just booked here, or its link was opened."""
    others = {id: version for id, version in session.get("visits", {}).items() if id != visit.public_id}
    newest = list(others.items())[-VISITS_REMEMBERED + 1 :]
    session["visits"] = dict([*newest, (visit.public_id, visit.link_version)])


def _is_long_past(visit: Appointment) -> bool:
    return bool(visit.ends_at + SHOWN_FOR < g.now)


# Staff sessions


def cookie_name(name: str, found: Settings) -> str:
    """The name of a cookie: browsers tie __Host- cookies to this host and https."""
    return f"__Host-{name}" if found.https else name


def sign_in(response: Response, secret: str) -> None:
    """Give the browser the secret of its staff session (from `actions/staff.sign_in`)."""
    found = settings()
    response.set_cookie(cookie_name("sid", found), secret, path="/", secure=found.https, httponly=True, samesite="Lax")


def sign_out(response: Response) -> None:
    """Take the staff session's cookie from the browser; `actions/staff.sign_out` ends the session itself."""
    found = settings()
    response.delete_cookie(cookie_name("sid", found), path="/", secure=found.https, httponly=True, samesite="Lax")


def staff_secret() -> str:
    """The secret of the staff session that this request carries, empty without one."""
    return request.cookies.get(cookie_name("sid", settings()), "")


# Limits and redirects


def address() -> str:
    """The network address that limits count by: an IPv6 host owns its /64."""
    text = request.remote_addr or ""
    try:
        found = ip_address(text)
    except ValueError:
        return text
    return text if found.version == 4 else str(ip_address(int(found) >> 64 << 64))


def limit(bucket: str, count: int, seconds: int) -> None:
    """Count one try against a bucket ("book:<address>:<e-mail>") and raise RateLimited past `count` in `seconds`.

    Only a digest of what follows the first colon is kept. All processes share the count.
    """
    if settings().rate_limits == "off":
        return
    tries, retry_after = doors.count(_sealed(bucket), seconds, g.now)
    if tries > count:
        raise RateLimited(retry_after)


def slow_down(bucket: str) -> None:
    """Count one guess of a secret against a bucket: ten are free, then each has to wait longer, or RateLimited."""
    if settings().rate_limits == "off":
        return
    wait = doors.attempt(_sealed(bucket), g.now)
    if wait:
        raise RateLimited(wait)


def speed_up(bucket: str, *, all: bool) -> None:
    """The guess was right: take it back, or all that were counted against the bucket."""
    if settings().rate_limits == "on":
        doors.forgive(_sealed(bucket), all=all)


def _sealed(bucket: str) -> str:
    name, _, subject = bucket.partition(":")
    return f"{name}:{hmac.digest(settings().secret_key.encode(), subject.strip().casefold().encode(), 'sha256').hex()}"


def safe_next(path: str | None, otherwise: str) -> str:
    """`path` if it leads to a page of ours, else `otherwise`: never to another host."""
    if not path or not path.startswith("/") or path.startswith("//"):
        return otherwise
    if "\\" in path or any(ord(c) < 32 or 127 <= ord(c) < 160 for c in path):
        return otherwise
    parts = urlsplit(path)
    return otherwise if parts.scheme or parts.netloc else path
