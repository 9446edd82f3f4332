"""Refusals in words: a page in the clinic's look, or problem+json for programs. The only place that has them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from flask import Flask, Response, current_app, g, json, make_response, render_template, request
from flask.globals import request_ctx
from flask_babel import gettext as _
from flask_babel import ngettext
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import DBAPIError, OperationalError
from werkzeug.exceptions import HTTPException

from booking.actions.clinic import OlderFile
from booking.domain import password as passwords
from booking.domain.availability import Reason, ReasonCode
from booking.domain.errors import (
    BookingError,
    Busy,
    Changed,
    Invalid,
    KeyReused,
    LastOwner,
    NotAllowed,
    NotFound,
    NotOffered,
    NotProven,
    PatientBusy,
    PlaceTaken,
    RateLimited,
    SlotTaken,
    TooLate,
    TooManyVisits,
    WrongStatus,
)
from booking.formats import words as shown
from booking.store import clinic as clinics
from booking.store import diary
from booking.store.base import db
from booking.web import i18n, kept, slots

STATUS: Mapping[type[BookingError], int] = {
    NotFound: 404,
    NotAllowed: 403,
    NotProven: 422,
    Invalid: 422,
    KeyReused: 422,
    RateLimited: 429,
}  # every other refusal is a conflict with how things stand: 409
PROGRAMS = ("/api/", "/feeds/", "/static/", "/healthz", "/readyz")
CLINICS_SHOWN = 10  # on an error page that belongs to no clinic


class Refused(Exception):
    """A program's request that can't be read: the status, what is wrong, and each wrong field with its fault."""

    def __init__(self, status: int, detail: str, faults: Iterable[tuple[str, str]] = ()) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.faults = list(faults)


def configure(app: Flask) -> None:
    """Answer every refusal and fault of the app in words."""
    app.register_error_handler(BookingError, _refused)
    app.register_error_handler(Refused, _unread)
    app.register_error_handler(HTTPException, _failed)
    app.register_error_handler(OperationalError, _database_gone)


def is_for_programs() -> bool:
    """Whether the answer to this request is read by a program: no cookies, no clinic's look."""
    return request.path.startswith(PROGRAMS)


def status_of(error: BookingError) -> int:
    return STATUS.get(type(error), 409)


def words(error: BookingError, zone: str | None = None) -> str:
    """What to tell the reader about a refusal, in whole sentences; with a zone it names the time that it is about."""
    match error:
        case SlotTaken() if zone:
            return _("Someone just took %(time)s.", time=i18n.clock(error.starts_at, zone))
        case SlotTaken():
            return _("Someone just took this time.")
        case NotOffered():
            return " ".join(reason_words(reason, zone) for reason in error.reasons[:2]) or _(
                "This time is not on offer."
            )
        case TooLate():
            return _("It is too late to change this visit online. Please call us.")
        case TooManyVisits():
            return ngettext(
                "You have %(num)s visit booked. To book more, please call.",
                "You have %(num)s visits booked. To book more, please call.",
                error.limit,
            )
        case PatientBusy():
            return _("You already have a visit at this time. To change it, use the link in its mail, or call us.")
        case PlaceTaken():
            return _("Somebody sits at that place already. Please choose another one.")
        case WrongStatus() | Changed():
            return _("This visit was changed in the meantime. Please look at it again.")
        case KeyReused():
            return _("This form was sent before with other details. Please start again.")
        case OlderFile():
            return _("The settings were changed again in the meantime. Please look at them anew.")
        case RateLimited():
            return _("Too many tries in a short time. Please wait a little, or call us.")
        case Busy():
            return _("Many people are booking at this moment. Please try again.")
        case NotFound() if is_for_programs():
            return _("There is nothing at this address.")
        case NotFound():
            return _("We can't find this page. Perhaps the link is old, or was cut off in a mail.")
        case NotAllowed():
            return _("You may not do this.")
        case NotProven():
            return _("This is not the right password or code.")
        case LastOwner():
            return _("A clinic keeps at least one owner. Make somebody else an owner first.")
        case Invalid():
            return " ".join(fault_words(code) for code in error.faults.values())
    return _("This can't be done now.")


def reason_words(reason: Reason, zone: str | None = None) -> str:
    """Why a time is not on offer, as one sentence for a patient."""
    match reason.code:
        case ReasonCode.TAKEN | ReasonCode.ROOM_FULL | ReasonCode.BUSY_OUTSIDE:
            return _("Someone just took this time.")
        case ReasonCode.PAST:
            return _("This time has passed.")
        case ReasonCode.TOO_SOON:
            return _("This time is too soon to book online. Please call us.")
        case ReasonCode.TOO_FAR:
            return _("This time is further ahead than can be booked online.")
        case ReasonCode.NOT_ONLINE:
            return _("This visit is booked by phone only.")
        case ReasonCode.NEW_PATIENTS_ONLY:
            return _("This visit is for new patients only.")
        case ReasonCode.FIRST_VISIT_FIRST:
            return _("New patients book a first visit before this one.")
        case ReasonCode.NOT_OFFERED:
            return _("This visit is not offered there.")
    return _("The clinic is not open for this visit then.")


def fault_words(code: str) -> str:
    """What is wrong with an entry, by the code that `Invalid` carries for it."""
    match code:
        case "name":
            return _("Enter your full name")
        case "phone":
            return _("Enter a phone number with its area code, like %(example)s", example=_example_phone())
        case "email":
            return _("Enter an e-mail address like name@example.com, or leave it empty")
        case "email-needed":
            return _("Enter an e-mail address like name@example.com")
        case "text":
            return _("This has characters in it that can't be kept. Please type it again")
        case "date":
            return _("There is no such date. Please choose a day again.")
        case "instant":
            return _("There is no such time. Please choose a time again.")
        case "period":
            return _("Choose a beginning and a later end, both in whole five minutes")
        case "contact":
            return _("Enter a phone number or an e-mail so that we can reach you")
        case "note":
            return _("Keep the note under 500 characters")
        case "unknown":
            return _("The clinic has no such entry")
        case "password-short":
            return _said_long_enough(passwords.SHORTEST)
        case "password-short-factor":
            return _said_long_enough(passwords.SHORTEST_WITH_FACTOR)
        case "password-long":
            return _("Use at most %(count)s characters", count=passwords.LONGEST)
        case "password-common":
            return _("This is among the first that others would try. A few words that do not belong together do well")
        case "idle-minutes":
            return _("Choose between 5 and 30 minutes")
    return _("Check this entry")


def _said_long_enough(count: int) -> str:
    return _("Use at least %(count)s characters. A few words that do not belong together do well", count=count)


def _example_phone() -> str:
    return "(630) 555-0142" if g.get("clinic") is None else shown.phone_shown(g.clinic.phone, g.clinic.region)


# Answers


def problem(status: int, detail: str, **more: Any) -> Response:
    """A refusal as RFC 9457 problem details."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail, **more}
    response = current_app.response_class(json.dumps(body), status, mimetype="application/problem+json")
    return response


def _refused(error: BookingError) -> Response:
    db.session.rollback()
    status = status_of(error)
    response = problem(status, words(error), **_facts(error)) if is_for_programs() else _page(status, words(error))
    if isinstance(error, RateLimited):
        response.headers["Retry-After"] = str(error.retry_after)
    return response


def _unread(error: Refused) -> Response:
    more = {"errors": [{"field": field, "detail": detail} for field, detail in error.faults]} if error.faults else {}
    return problem(error.status, error.detail, **more)


def _facts(error: BookingError) -> dict[str, Any]:
    if isinstance(error, SlotTaken | NotOffered):
        plan = diary.plan(g.clinic.id, g.clinic.revision)
        facts: dict[str, Any] = {"alternatives": [slots.plain(slot, plan) for slot in error.alternatives]}
        if isinstance(error, NotOffered):
            facts["reasons"] = [reason.code for reason in error.reasons]
        return facts
    if isinstance(error, Invalid):
        return {"errors": [{"field": field, "detail": fault_words(code)} for field, code in error.faults.items()]}
    return {}


def _failed(error: HTTPException) -> Response:
    if error.response is not None:
        return make_response(error.response)
    status = error.code or 500
    if is_for_programs():
        response = problem(status, error.description or _said(status))
    elif status >= 500:
        response = _broken(status)
    else:
        response = _unproven(status) if isinstance(error, CSRFError) else _page(status, _said(status))
    for name, value in error.get_headers(request.environ):
        if name.lower() not in ("content-type", "content-length"):
            response.headers[name] = value  # Allow, Retry-After, WWW-Authenticate
    return response


def _database_gone(error: DBAPIError) -> Response:
    current_app.logger.error("the database failed", exc_info=error)
    response = problem(503, _said(503)) if is_for_programs() else _broken(503)
    response.headers["Retry-After"] = "5"
    return response


def _said(status: int) -> str:
    match status:
        case 401:
            return _("Send a valid API key as a Bearer token.")
        case 403:
            return _("You may not do this.")
        case 404 | 410:
            return _("We can't find this page. Perhaps the link is old, or was cut off in a mail.")
        case 405:
            return _("This page does not take that. Please start again from the clinic's page.")
        case 413:
            return _("That was too much at once. Nothing was sent.")
        case 415:
            return _("This is not in a form that can be read here.")
        case 429:
            return _("Too many tries in a short time. Please wait a little, or call us.")
        case 503:
            return _("We can't reach our books at the moment. Please try again in a minute, or call us.")
        case _ if status >= 500:
            return _("Something went wrong on our side. Please try again, or call us.")
    return _("We can't make sense of this request. Please start again from the clinic's page.")


def _unproven(status: int) -> Response:
    """A form came without proof that it is ours: where the browser says that it is, it can be sent again from here."""
    again = kept.of_request() if kept.is_from_us() else None
    if again is not None:
        return _page(status, _("Nothing was sent yet: this page was open for too long."), again)
    said = _(
        "Nothing was sent: this page was open for too long, or the form came from elsewhere. "
        "Go back, your text is still there. Load the page again if it does not work, or call us."
    )
    return _page(status, said)


def _page(status: int, said: str, again: kept.Form | None = None) -> Response:
    """The refusal in the look of the clinic that the address names, or with all clinics to choose from."""
    if request_ctx.url_adapter is None:
        return _broken(status, said)  # a foreign host: no address of ours can be built for it
    try:
        nearby = [g.clinic] if g.clinic else _clinics_nearby()
    except OperationalError:
        return _broken(status, said)
    page = render_template("errors/page.html", said=said, status=status, clinics=nearby, again=again)
    return make_response(page, status)


def _clinics_nearby() -> list[clinics.Clinic]:
    """The clinic that the address speaks of though nothing is there; else the only one, or all if they are few."""
    everyone = clinics.everyone()
    parts = request.path.split("/")
    named = [clinic for clinic in everyone if clinic.slug in parts[1:3]]
    found = named or everyone[:CLINICS_SHOWN]
    if len(found) == 1:
        g.clinic = found[0]
        g.language = i18n.language_of_request()
    return found


def _broken(status: int, said: str = "") -> Response:
    """A page that needs no database and no address of ours, with the phone if the clinic is known already."""
    page = render_template("errors/broken.html", said=said or _said(status), clinic=g.get("clinic"))
    return make_response(page, status)
