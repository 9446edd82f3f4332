"""The patient's visit: confirmation and manage page in one, moving it, cancelling it, and its calendar file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from flask import Response, g, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _l
from markupsafe import Markup
from wtforms import TextAreaField
from wtforms.validators import Length

from booking.actions import appointment as visits
from booking.actions import feed as feeds
from booking.actions import outbox, slot
from booking.domain.appointment import ASKED, OPEN, OVER, Status, Why, changeable_until
from booking.domain.errors import BookingError, NotFound, NotOffered, PatientBusy, SlotTaken, TooLate, WrongStatus
from booking.formats import add_to, ical, qr
from booking.formats.add_to import AddTo
from booking.formats.contact import NOTE_LENGTH, tidy_lines
from booking.store import appointment as appointments
from booking.store.appointment import Appointment, Change
from booking.store.base import db
from booking.store.clinic import Location
from booking.store.patient import Patient
from booking.store.practitioner import Actor, Service
from booking.store.sealed import unseal
from booking.web import errors
from booking.web.access import allow, limit, open_visit
from booking.web.forms import Form
from booking.web.patient import ask, home, times
from booking.web.patient.ask import Ask
from booking.web.patient.blueprint import blueprint

LATELY = timedelta(minutes=30)  # so long after booking the page says what was sent


class State(StrEnum):
    """What the page says first."""

    REQUESTED = "requested"  # waits for the desk
    OFFERED = "offered"  # the desk offers another time
    BOOKED = "booked"
    HERE = "here"  # arrived or checked in
    OVER = "over"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Page:
    """A visit with the rows that its page prints."""

    visit: Appointment
    state: State
    patient: Patient
    service: Service
    practitioner: Actor
    location: Location
    map_url: str
    change_until: datetime
    may_change: bool  # online; also cancelling
    is_new: bool  # made a moment ago
    is_asked: bool  # to choose another time, since the clinic can't keep this one
    moved_from: datetime | None  # by its last change
    ended_by: str  # patient, staff or worker, once cancelled
    was_request: bool  # when it ended
    said: str  # the desk's words with its offer or its refusal
    again: str | None  # where the same may be booked again
    add_to: tuple[AddTo, ...]  # calendars that take it by a link; none unless it is booked
    code: Markup  # the visit's link for the camera of a phone, on paper
    is_mailed: bool  # the address of all visits, a moment ago

    @property
    def zone(self) -> str:
        return self.visit.zone


@blueprint.get("/a/<token>")
@allow("public")
def link(token: str) -> ResponseReturnValue:
    visit = open_visit(token)
    return redirect(url_for("patient.appointment", id=visit.public_id), 303)


@blueprint.get("/<clinic>/appointments/<id>")
@allow("visit")
def appointment(id: str) -> str:
    return render_template("patient/appointment.html", page=_page(g.appointment))


class CancelForm(Form):
    """Why, if the patient wants to say."""

    reason = TextAreaField(
        _l("Tell us why, if you like (optional)"),
        [Length(max=NOTE_LENGTH, message=_l("Keep it under 500 characters"))],
        [tidy_lines],
    )


@blueprint.get("/<clinic>/appointments/<id>/cancel")
@allow("visit")
def cancel(id: str) -> ResponseReturnValue:
    page = _page(g.appointment)
    if not page.may_change:
        return redirect(url_for("patient.appointment", id=id), 303)
    return render_template("patient/cancel.html", page=page, form=CancelForm())


@blueprint.post("/<clinic>/appointments/<id>/cancel")
@allow("visit")
def cancel_visit(id: str) -> ResponseReturnValue:
    form = CancelForm()
    if not form.validate():
        return render_template("patient/cancel.html", page=_page(g.appointment), form=form), 422
    try:
        visits.cancel(g.clinic.id, id, reason=form.reason.data or "", by=g.caller, now=g.now)
    except (TooLate, WrongStatus) as error:
        return _refused(id, error)
    return redirect(url_for("patient.appointment", id=id), 303)


@blueprint.post("/<clinic>/appointments/<id>/accept")
@allow("visit")
def accept(id: str) -> ResponseReturnValue:
    try:
        visits.accept(g.clinic.id, id, by=g.caller, now=g.now)
    except WrongStatus as error:
        return _refused(id, error)
    return redirect(url_for("patient.appointment", id=id), 303)


@blueprint.get("/<clinic>/appointments/<id>/reschedule")
@allow("visit")
def reschedule(id: str) -> ResponseReturnValue:
    page = _page(g.appointment)
    wanted = _ask_again(g.appointment)
    if not page.may_change or wanted is None:
        return redirect(url_for("patient.appointment", id=id), 303)
    return _times(page, wanted)


@blueprint.post("/<clinic>/appointments/<id>/reschedule")
@allow("visit")
def move(id: str) -> ResponseReturnValue:
    wanted = _ask_again(g.appointment)
    if wanted is None:
        raise NotFound
    _same, start = times.chosen_time(wanted.service.slug)
    named = replace(_same, new=wanted.new)
    try:
        visits.reschedule(
            g.clinic.id,
            id,
            start,
            practitioner=named.wish.practitioner,
            location=named.wish.location,
            by=g.caller,
            now=g.now,
        )
    except (SlotTaken, NotOffered) as error:
        return _times(_page(_fresh(id)), replace(named, practitioner=wanted.practitioner), error), 409
    except (PatientBusy, TooLate, WrongStatus) as error:
        return _refused(id, error)
    return redirect(url_for("patient.appointment", id=id), 303)


@blueprint.get("/<clinic>/appointments/<id>/invite.ics")
@allow("visit")
def invite(id: str) -> Response:
    if _state(g.appointment) is not State.BOOKED:
        raise NotFound
    response = make_response(ical.single_file(outbox.visit(g.appointment, g.language, g.now)))
    response.headers["Content-Type"] = "text/calendar; charset=utf-8"
    response.headers["Content-Disposition"] = 'attachment; filename="appointment.ics"'
    return response


@blueprint.post("/<clinic>/appointments/<id>/feed")
@allow("visit")
def mail_feed(id: str) -> ResponseReturnValue:
    """Mail the patient the address of all their visits, to the e-mail address on record and nowhere else."""
    limit(f"feed-of:{g.appointment.patient_id}", 5, 86400)
    feeds.mail_address(g.clinic.id, g.appointment.patient_id, anew="anew" in request.form, by=g.caller, now=g.now)
    return redirect(url_for("patient.appointment", id=id, mailed=1, _anchor="calendar"), 303)


def _fresh(id: str) -> Appointment:
    return appointments.by_public_id(g.clinic.id, id)


def _refused(id: str, error: BookingError) -> ResponseReturnValue:
    """The visit as it is now, with why the change was not made."""
    return render_template("patient/appointment.html", page=_page(_fresh(id)), refusal=errors.words(error)), 409


def _times(page: Page, wanted: Ask, refused: SlotTaken | NotOffered | None = None) -> str:
    """The page of times, for moving a visit: its own time counts as free, and stays the patient's until then."""
    link = times.links(url_for("patient.reschedule", id=page.visit.public_id), wanted.narrowing())
    return render_template(
        "patient/times.html",
        ask=wanted,
        page=times.found(wanted, link, slot.read(g.clinic.id, g.now, moving=page.visit.id)),
        action=url_for("patient.move", id=page.visit.public_id),
        refusal=times.refusal_of(wanted, refused) if refused else None,
        moving=page,
    )


def _ask_again(visit: Appointment) -> Ask | None:
    """The visit's own wish, narrowed as the address says; None if its service is no longer booked online."""
    service = ask.plan().services.get(visit.service_id)
    if service is None or not service.online:
        return None
    return replace(ask.read(service.slug, request.args), new=visit.new_patient)


def _page(visit: Appointment) -> Page:
    location = db.session.get_one(Location, visit.location_id)
    service = db.session.get_one(Service, visit.service_id)
    changes = appointments.changes(visit.id)
    last = changes[-1]
    moved_from = last.what.get("moved_from")
    change_until = changeable_until(visit.starts_at, g.clinic.cancellation_notice)
    state = _state(visit)
    told = outbox.visit(visit, g.language, g.now)
    is_asked = state is State.BOOKED and visit.needs_desk == ASKED
    in_time = g.now <= change_until or is_asked or state in (State.REQUESTED, State.OFFERED)
    return Page(
        visit=visit,
        state=state,
        patient=db.session.get_one(Patient, visit.patient_id),
        service=service,
        practitioner=db.session.get_one(Actor, visit.practitioner_id),
        location=location,
        map_url=home.map_url(location),
        change_until=change_until,
        may_change=in_time and g.now < visit.starts_at and visit.status in OPEN,
        is_new=len(changes) == 1 and g.now < visit.created_at + LATELY,
        moved_from=datetime.fromisoformat(moved_from) if moved_from else None,
        is_asked=is_asked,
        ended_by=_ended_by(last) if state is State.CANCELLED else "",
        was_request=last.old_status == Status.PENDING,
        said=_said_by_desk(last, visit) if last.old_status == Status.PENDING else "",
        again=_again(visit, service),
        add_to=add_to.links(told) if state is State.BOOKED else (),
        code=Markup(qr.svg(told.manage_url, "p-qr")),
        is_mailed="mailed" in request.args,
    )


def _state(visit: Appointment) -> State:
    if visit.status in OVER:
        return State.CANCELLED
    if visit.ends_at <= g.now or visit.status in (Status.FULFILLED, Status.NOSHOW):
        return State.OVER
    if visit.status == Status.PENDING:
        return State.OFFERED if visit.waits_for == "patient" else State.REQUESTED
    return State.BOOKED if visit.status == Status.BOOKED else State.HERE


def _ended_by(last: Change) -> str:
    return "patient" if last.what.get("why") == Why.PATIENT else last.by_kind


def _said_by_desk(last: Change, visit: Appointment) -> str:
    if last.by_kind != "staff" or last.reason is None:
        return ""
    return unseal(last.reason, f"change.reason:{visit.public_id}").decode()


def _again(visit: Appointment, service: Service) -> str | None:
    """Where the same service may be booked again, with the same practitioner if they still give it."""
    plan = ask.plan()
    if service.id not in plan.services or not service.online:
        return None
    who = plan.practitioners.get(visit.practitioner_id)
    gives = who is not None and service.id in who.services
    return url_for("patient.times", service=service.slug, practitioner=who.slug if who and gives else None)
