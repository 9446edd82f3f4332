"""Requests: what waits for the desk, and its three answers: confirm, offer another time, decline."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import groupby

from flask import g, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from wtforms import Field, StringField, TextAreaField
from wtforms.validators import InputRequired, Length, ValidationError

from booking.actions import appointment, slot
from booking.domain.appointment import ASKED, Status
from booking.domain.availability import Plan, Slot, Wish
from booking.domain.errors import Invalid, NotFound, NotOffered, PatientBusy, SlotTaken
from booking.domain.reply import ASKING
from booking.domain.time import local
from booking.formats.contact import NOTE_LENGTH, is_readable, tidy_lines
from booking.store import appointment as appointments
from booking.store.answer import visits_unheard
from booking.store.appointment import Appointment
from booking.web import errors
from booking.web.access import allow
from booking.web.desk import answers, outcome, visits, words
from booking.web.desk.blueprint import DESK, READERS, blueprint
from booking.web.desk.outcome import Deed, leads_to
from booking.web.desk.visits import Visit
from booking.web.forms import Form
from booking.web.patient import ask

DAYS_SHOWN = 3
ANSWERED_AT_ONCE = 20  # requests for which the page says what fits; the rest is asked for one by one


def readable(_form: Form, field: Field) -> None:
    if not is_readable(field.data):
        raise ValidationError(_("Leave out the characters that can't be read"))


class MessageForm(Form):
    message = TextAreaField(
        lazy_gettext("Message to the patient (optional)"),
        [Length(max=NOTE_LENGTH, message=lazy_gettext("Keep the message under 500 characters")), readable],
        filters=[tidy_lines],
    )


class OfferForm(MessageForm):
    time = StringField(lazy_gettext("Time"), [InputRequired(lazy_gettext("Choose a time"))])


@blueprint.get("/desk/<clinic>/requests")
@allow("staff", *READERS)
def requests() -> str:
    waiting, unheard = appointments.requests(g.clinic.id), visits_unheard(g.clinic.id, g.now)
    found = visits.of(waiting)
    known, doubtful = ({row.id for row, _patient in rows} for rows in (waiting, unheard))
    alone = visits.of((row, patient) for row, patient in unheard if row.id not in known)
    for_desk = [visit for visit in found if visit.waits_for_desk]
    marked = [visit for visit in found if visit.row.status != Status.PENDING and visit.row.ends_at > g.now]
    return render_template(
        "desk/requests.html",
        for_desk=for_desk,
        for_patient=[visit for visit in found if visit.waits_for_patient],
        answered=[visit for visit in marked if visit.row.needs_desk in ASKING],
        marked=[visit for visit in marked if visit.row.needs_desk not in ASKING],
        alone=alone,
        not_counted={v.row.id: answers.not_counted(v) for v in [*marked, *alone] if v.row.id in doubtful},
        said={visit.row.id: answers.of(visit) for visit in marked if visit.row.needs_desk in (*ASKING, ASKED)},
        fits={visit.row.id: _fit(visit.row) for visit in [*for_desk, *marked][:ANSWERED_AT_ONCE]},
        outcome=outcome.of_request(),
    )


@blueprint.post("/desk/<clinic>/requests/<id>/confirm")
@allow("staff", *DESK)
@leads_to(Deed.CONFIRMED)
def confirm(id: str) -> ResponseReturnValue:
    row = appointment.confirm(g.clinic.id, id, by=g.caller, now=g.now, expected=outcome.version())
    return outcome.show(Deed.CONFIRMED, row)


@blueprint.get("/desk/<clinic>/requests/<id>/decline")
@allow("staff", *DESK)
def decline(id: str) -> ResponseReturnValue:
    visit = visits.one(id)
    if visit.row.status != Status.PENDING:
        return outcome.show(Deed.DECLINED, visit.row)
    return render_template("desk/decline.html", visit=visit, form=MessageForm())


@blueprint.post("/desk/<clinic>/requests/<id>/decline")
@allow("staff", *DESK)
@leads_to(Deed.DECLINED)
def decline_now(id: str) -> ResponseReturnValue:
    visit = visits.one(id)
    form = MessageForm()
    if not form.validate():
        return render_template("desk/decline.html", visit=visit, form=form), 422
    row = appointment.decline(
        g.clinic.id, id, message=form.message.data or "", by=g.caller, now=g.now, expected=outcome.version()
    )
    return outcome.show(Deed.DECLINED, row)


@blueprint.get("/desk/<clinic>/requests/<id>/offer")
@allow("staff", *DESK)
def offer(id: str) -> ResponseReturnValue:
    visit = visits.one(id)
    if visit.row.status != Status.PENDING:
        return outcome.show(Deed.OFFERED, visit.row)
    return _offer_page(visit, OfferForm({"time": request.args.get("time", "")}))


@blueprint.post("/desk/<clinic>/requests/<id>/offer")
@allow("staff", *DESK)
@leads_to(Deed.OFFERED)
def offer_now(id: str) -> ResponseReturnValue:
    visit = visits.one(id)
    form = OfferForm()
    if not form.validate():
        return _offer_page(visit, form), 422
    start, practitioner = chosen(form.time.data or "")
    if _is_offered(visit.row, start, practitioner):
        return outcome.show(Deed.OFFERED, visit.row)
    try:
        row = appointment.offer(
            g.clinic.id,
            id,
            start,
            practitioner=practitioner,
            message=form.message.data or "",
            by=g.caller,
            now=g.now,
            expected=outcome.version(),
        )
    except (SlotTaken, NotOffered, PatientBusy) as refusal:
        return _offer_page(visits.one(id), form, errors.words(refusal, visit.row.zone)), 409
    return outcome.show(Deed.OFFERED, row)


@blueprint.post("/desk/<clinic>/appointments/<id>/settle")
@allow("staff", *DESK)
@leads_to(Deed.SETTLED)
def settle(id: str) -> ResponseReturnValue:
    visit = appointment.settle(g.clinic.id, id, by=g.caller, now=g.now, expected=outcome.version())
    return outcome.show(Deed.SETTLED, visit)


@dataclass(frozen=True, slots=True)
class Fit:
    """What fits a visit now: whatever speaks against its own time, and the nearest others."""

    against: list[str]
    others: list[Choice]


def _fit(visit: Appointment) -> Fit | None:
    """None for a service that the clinic does not give any more."""
    book = slot.read(g.clinic.id, g.now, moving=visit.id)
    plan = book.plan
    if visit.service_id not in plan.services:
        return None
    own = Wish(visit.service_id, visit.new_patient, visit.practitioner_id, visit.location_id, staff=True, any_tick=True)
    names = {person.id: person.name for person in plan.practitioners.values()}
    reasons = slot.why_not(book, own, visit.starts_at)
    others = slot.nearest(book, replace(own, practitioner=None, location=None, any_tick=False), visit.starts_at)
    return Fit(
        [words.reason_words(reason, names.get(visit.practitioner_id, ""), visit.zone) for reason in reasons],
        [choice(free, plan) for free in others if free.start != visit.starts_at],
    )


def _is_offered(visit: Appointment, start: datetime, practitioner: int) -> bool:
    """The same offer stands already: the button was pressed twice, and one mail is enough."""
    return outcome.is_so(Deed.OFFERED, visit) and (visit.starts_at, visit.practitioner_id) == (start, practitioner)


def chosen(value: str) -> tuple[datetime, int]:
    """The start and the practitioner of a time on the page. Raises Invalid for anything else."""
    start, _slash, slug = value.partition("/")
    who = next((person.id for person in ask.plan().practitioners.values() if person.slug == slug), None)
    if who is None:
        raise Invalid({"time": "instant"})
    return ask.instant(start), who


def _offer_page(visit: Visit, form: OfferForm, refusal: str = "") -> str:
    book = slot.read(g.clinic.id, g.now, moving=visit.row.id)
    plan = book.plan
    people = [person for person in plan.practitioners.values() if visit.row.service_id in person.services]
    chosen = next((person for person in people if person.slug == request.args.get("practitioner")), None)
    wish = Wish(visit.row.service_id, visit.row.new_patient, chosen.id if chosen else None, staff=True)
    today = slot.today(plan, wish, g.now)
    since = _since(visit.row, today)
    found = slot.search(book, wish, since, since + timedelta(days=DAYS_SHOWN))
    return render_template(
        "desk/offer.html",
        visit=visit,
        form=form,
        refusal=refusal,
        since=since,
        earlier=max(since - timedelta(days=DAYS_SHOWN), today) if since > today else None,
        later=since + timedelta(days=DAYS_SHOWN),
        days=_by_day(found.slots, visit.row, plan),
        next=choice(found.next, plan) if found.next else None,
        people=people,
        chosen=chosen,
        has_places=len(plan.locations) > 1,
    )


def _since(visit: Appointment, today: date) -> date:
    """The first day to look at: the asked one, else the day of the wish; never one that has passed."""
    since = ask.day(request.args.get("from")) or local(visit.starts_at, visit.zone).date()
    if since.year >= 2200:
        raise NotFound
    return max(since, today)


@dataclass(frozen=True, slots=True)
class Choice:
    """A time that may be offered; `value` is what the form sends."""

    value: str
    slot: Slot
    zone: str
    practitioner: str
    location: str

    @property
    def on(self) -> date:
        return local(self.slot.start, self.zone).date()


def choice(free: Slot, plan: Plan) -> Choice:
    person, place = plan.practitioners[free.practitioner], plan.locations[free.location]
    return Choice(ask.slot_value(free, person), free, place.zone, person.name, place.name)


def _by_day(slots: Iterable[Slot], visit: Appointment, plan: Plan) -> list[list[Choice]]:
    """Each start once, by day; without the time that was asked for."""
    first: dict[datetime, Choice] = {}
    for free in slots:
        if (free.start, free.practitioner) != (visit.starts_at, visit.practitioner_id):
            first.setdefault(free.start, choice(free, plan))
    return [list(day) for _on, day in groupby(first.values(), key=lambda choice: choice.on)]
