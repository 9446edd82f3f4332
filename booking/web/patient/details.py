"""The patient's details: the form, what is wrong with it in words, and booking."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from flask import g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from itsdangerous import BadSignature, URLSafeSerializer
from wtforms import BooleanField, StringField, TextAreaField

from booking.actions import appointment as visits
from booking.actions import slot
from booking.domain.access import digest
from booking.domain.appointment import changeable_until
from booking.domain.availability import Location, Practitioner
from booking.domain.errors import BookingError, KeyReused, NotOffered, PatientBusy, SlotTaken, TooManyVisits
from booking.domain.time import local
from booking.formats.contact import tidy, tidy_lines
from booking.store.access import IdempotencyKey
from booking.store.base import settings
from booking.store.hold import is_for
from booking.web import errors
from booking.web.access import address, allow, limit, remember_visit
from booking.web.forms import ContactForm, check_note
from booking.web.patient import ask, times
from booking.web.patient.ask import Ask
from booking.web.patient.blueprint import blueprint

KEY_LENGTH = 100
FASTEST, SLOWEST = 2, 24 * 3600  # seconds in which a person fills in the form


class DetailsForm(ContactForm):
    """Who comes and how to reach them. Shape only; whether they may book is `actions/appointment`."""

    note = TextAreaField(_l("Anything we should know? (optional)"), [check_note], filters=[tidy_lines])
    remind = BooleanField(_l("Send me a reminder the day before"), default=True)
    website = StringField(_l("Leave this empty"), filters=[tidy])  # people don't see it, robots fill it in
    stamp = StringField()  # when the form was first shown, signed
    key = StringField()  # the same for every sending of one form


@dataclass(frozen=True, slots=True)
class Visit:
    """The visit that the form is about."""

    start: datetime
    end: datetime
    practitioner: Practitioner | None  # None: whoever is free then
    location: Location
    held_until: datetime | None  # None: nothing is held


@blueprint.get("/<clinic>/book/<service>/details")
@allow("public")
def details(service: str) -> ResponseReturnValue:
    wanted, start = ask.read(service, request.args), ask.instant(request.args.get("start", ""))
    if wanted.new is None:
        return times.new_or_not(wanted, times.link_to(wanted, "patient.details", start=request.args["start"]))
    visit = _visit(wanted, start)
    if visit is None:
        return times.page(wanted, refused=_why_not(wanted, start)), 409
    empty = DetailsForm({"remind": True, "stamp": _stamp(), "key": secrets.token_urlsafe(16)})
    return page(wanted, start, visit, empty)


@blueprint.post("/<clinic>/book/<service>/details")
@allow("public")
def book_visit(service: str) -> ResponseReturnValue:
    wanted, start = times.chosen_time(service)
    form = DetailsForm()
    if not form.validate() or not _is_from_a_person(form):
        return page(wanted, start, _visit(wanted, start), form), 422
    limit(f"book:{address()}", 30, 3600)
    limit(f"book-as:{address()} {form.email.data or form.phone.data}", 5, 3600)
    try:
        visit = visits.book(
            g.clinic.id,
            wanted.wish,
            start,
            form.person(),
            note=form.note.data or "",
            remind=form.remind.data,
            session_key=g.session_key,
            key=_key(form, wanted, start),
            by=g.caller,
            now=g.now,
        )
    except (SlotTaken, NotOffered, TooManyVisits, PatientBusy, KeyReused) as error:
        return page(wanted, start, _visit(wanted, start), form, refused=error), 409
    remember_visit(visit)
    return redirect(url_for("patient.appointment", id=visit.public_id), 303)


def page(
    wanted: Ask, start: datetime, visit: Visit | None, form: DetailsForm, refused: BookingError | None = None
) -> str:
    """The form for a visit; after a refusal it says why, and offers the nearest times with all that was typed."""
    if visit is None and refused is None:
        refused = _why_not(wanted, start)
    taken = refused if isinstance(refused, SlotTaken | NotOffered) else None
    return render_template(
        "patient/details.html",
        ask=wanted,
        visit=None if taken else visit,
        start=start,
        start_value=f"{start:%Y-%m-%dT%H:%MZ}",
        form=form,
        taken=times.refusal_of(wanted, taken) if taken else None,
        refusal=errors.words(refused) if refused and not taken else "",
        change_until=changeable_until(start, g.clinic.cancellation_notice),
        zone=visit.location.zone if visit else wanted.zone,
    )


def _visit(wanted: Ask, start: datetime) -> Visit | None:
    """The visit at this start: what this browser holds, else what is on offer, else None."""
    plan = wanted.plan
    held = slot.held(g.clinic.id, session_key=g.session_key, now=g.now) if g.session_key else None
    if held and is_for(held, wanted.wish, start):
        who, where = plan.practitioners.get(held.practitioner_id), plan.locations[held.location_id]
        return Visit(start, held.ends_at, who, where, held.expires_at)
    day = local(start, wanted.zone).date()
    offered = slot.search(slot.read(g.clinic.id, g.now), wanted.wish, day, day + timedelta(days=1)).slots
    options = [option for option in offered if option.start == start]
    if not options:
        return None
    who = plan.practitioners[options[0].practitioner] if len({o.practitioner for o in options}) == 1 else None
    return Visit(start, options[0].end, who, plan.locations[options[0].location], None)


def _why_not(wanted: Ask, start: datetime) -> NotOffered:
    """Why a time can't be had, from whoever comes closest to offering it, with the nearest other times."""
    book = slot.read(g.clinic.id, g.now)
    people = [wanted.practitioner] if wanted.practitioner else wanted.practitioners
    answers = [slot.why_not(book, replace(wanted.wish, practitioner=person.id), start) for person in people]
    return NotOffered(start, min(answers, key=len, default=[]))


def _is_from_a_person(form: DetailsForm) -> bool:
    """Robots fill in what nobody sees, and at once. A person who is taken for one only has to send the form again."""
    if settings().rate_limits == "off":
        return True
    if form.website.data:
        form.website.data = ""
        form.form_errors.append(_("Please check your details once more, then confirm."))
        return False
    try:
        age = g.now.timestamp() - _signer().loads(form.stamp.data or "")
    except BadSignature:
        age = SLOWEST
    if age >= SLOWEST:
        form.stamp.data = _stamp()
        form.form_errors.append(_("This form was open for a long time. Please check your details, then confirm."))
        return False
    if age < FASTEST:
        form.form_errors.append(_("That was very quick. Please check your details once more, then confirm."))
        return False
    return True


def _signer() -> URLSafeSerializer:
    return URLSafeSerializer(settings().secret_key, salt="patient.details")


def _stamp() -> str:
    text = _signer().dumps(int(g.now.timestamp()))
    return text if isinstance(text, str) else text.decode()


def _key(form: DetailsForm, wanted: Ask, start: datetime) -> IdempotencyKey | None:
    """The form's own key, so that a double click or a form that is sent again gives the same visit."""
    if not form.key.data or len(form.key.data) > KEY_LENGTH:
        return None
    person = form.person()
    said = [
        wanted.service.slug,
        wanted.arguments(),
        start.isoformat(),
        person.name,
        person.email,
        person.phone,
        form.note.data,
    ]
    return IdempotencyKey("web", form.key.data, digest(json.dumps(said)))
