"""The demonstration's mailbox: every mail that would have been sent, as the one who gets it would see it; and, the
other way round, a practitioner's own calendar that blocks her time.

It is there in BOOKING_ENV=demo only, which serves on loopback; everywhere else these addresses are 404.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from flask import Blueprint, Response, make_response, render_template, request

from booking.domain.errors import NotFound
from booking.formats import received
from booking.store.base import settings
from booking.web.access import allow
from booking.web.headers import POLICY

# The HTML of a mail is shown in a frame of its own: no scripts, no forms, nothing loaded, links open a new tab.
FRAME_POLICY = (
    "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
SHOWN = 100  # newest mails on the list

blueprint = Blueprint("mailbox", __name__, url_prefix="/mailbox")


@dataclass(frozen=True, slots=True)
class Kept:
    """A mail in the folder, by its file's name without the ending."""

    id: str
    mail: received.Received


@blueprint.before_request
def _only_in_the_demonstration() -> None:
    if settings().env != "demo":
        raise NotFound


@blueprint.get("")
@allow("public")
def inbox() -> str:
    newest = sorted(_folder().glob("*.eml"), key=lambda path: (path.stat().st_mtime_ns, path.name), reverse=True)
    return render_template(
        "mailbox/inbox.html", mails=[_read(path) for path in newest[:SHOWN]], total=len(newest), shown=SHOWN
    )


@blueprint.get("/<id>")
@allow("public")
def mail(id: str) -> Response:
    response = make_response(render_template("mailbox/mail.html", kept=_find(id)))
    response.headers["Content-Security-Policy"] = f"{POLICY}; frame-src 'self'"
    return response


@blueprint.get("/calendars/mei.ics")
@allow("public")
def calendar() -> Response:
    """A practitioner's own calendar, as it would be on another server."""
    content = (Path(__file__).parents[1] / "demo" / "mei.ics").read_bytes()
    response = make_response(content)
    response.headers["Content-Type"] = "text/calendar; charset=utf-8"
    response.add_etag()
    response.make_conditional(request)
    return response


@blueprint.get("/<id>/html")
@allow("public")
def html(id: str) -> Response:
    kept = _find(id)
    if not kept.mail.html:
        raise NotFound
    # Links leave the frame, as they leave a mail program.
    response = make_response(kept.mail.html.replace("<head>", '<head><base target="_blank">', 1))
    response.headers["Content-Security-Policy"] = FRAME_POLICY
    response.headers["X-Frame-Options"] = "SAMEORIGIN"
    return response


@blueprint.get("/<id>/invite.ics")
@allow("public")
def invite(id: str) -> Response:
    kept = _find(id)
    if kept.mail.invite is None:
        raise NotFound
    response = make_response(kept.mail.invite.raw)
    response.headers["Content-Type"] = f"text/calendar; charset=utf-8; method={kept.mail.invite.method}"
    response.headers["Content-Disposition"] = 'attachment; filename="invite.ics"'
    return response


def _folder() -> Path:
    return settings().instance / "mail"


def _find(id: str) -> Kept:
    # The name is looked for among those that are there, so that nothing in it can lead elsewhere.
    path = next((path for path in _folder().glob("*.eml") if path.stem == id), None)
    if path is None:
        raise NotFound
    return _read(path)


def _read(path: Path) -> Kept:
    return Kept(path.stem, received.read(path.read_bytes()))
