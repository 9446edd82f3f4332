"""One visit, beside the board or on a page of its own: how it stands, the one next step, and all that happened."""

from __future__ import annotations

from datetime import timedelta

from flask import g, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from markupsafe import Markup

from booking.actions import appointment, outbox, slot
from booking.actions import visit as actions
from booking.domain.access import digest
from booking.domain.appointment import NEXT, OPEN, Status, is_due, may_become, may_go_back_to, may_note
from booking.domain.availability import Wish
from booking.domain.errors import Invalid, NotOffered, PatientBusy, PlaceTaken, SlotTaken
from booking.formats import qr
from booking.store import history, overrun, place
from booking.store.access import IdempotencyKey
from booking.store.base import db
from booking.store.clinic import Location
from booking.store.patient import Person
from booking.web import errors
from booking.web.access import allow
from booking.web.desk import answers, outcome, seen, visits, words
from booking.web.desk.blueprint import DESK, READERS, blueprint
from booking.web.desk.outcome import Deed, leads_to
from booking.web.desk.visits import Visit

NOTES = {deed.value: Status(deed.value) for deed in (Deed.ARRIVED, Deed.CHECKED_IN, Deed.FULFILLED, Deed.NOSHOW)}
SOON_OVER = timedelta(minutes=10)


@blueprint.get("/desk/<clinic>/appointments/<id>")
@allow("staff", *READERS)
def visit(id: str) -> ResponseReturnValue:
    return _panel(visits.one(id))


@blueprint.post("/desk/<clinic>/appointments/<id>/status")
@allow("staff", *READERS)
def note(id: str) -> ResponseReturnValue:
    if request.form.get("to") not in NOTES:
        raise Invalid({"to": "status"})
    deed = Deed(request.form["to"])
    return leads_to(deed)(_note)(id)


def _note(id: str) -> ResponseReturnValue:
    status = NOTES[request.form["to"]]
    chosen = request.form.get("place", type=int) if status == Status.CHECKED_IN else None
    try:
        row = actions.note(g.clinic.id, id, status, place=chosen, by=g.caller, now=g.now, expected=outcome.version())
    except PlaceTaken as refusal:
        return _panel(visits.one(id), errors.words(refusal)), 409
    return outcome.show(Deed(status.value), row)


@blueprint.post("/desk/<clinic>/appointments/<id>/back")
@allow("staff", *READERS)
@leads_to(Deed.BACK)
def take_back(id: str) -> ResponseReturnValue:
    row = actions.take_back(g.clinic.id, id, by=g.caller, now=g.now, expected=outcome.version())
    return outcome.show(Deed.BACK, row)


@blueprint.post("/desk/<clinic>/appointments/<id>/longer")
@allow("staff", *READERS)
@leads_to(Deed.LONGER)
def extend(id: str) -> ResponseReturnValue:
    try:
        row = actions.extend(g.clinic.id, id, by=g.caller, now=g.now, expected=outcome.version())
    except SlotTaken:
        return _panel(visits.one(id), _("The next minutes are taken already: the visits below wait.")), 409
    return outcome.show(Deed.LONGER, row)


@blueprint.post("/desk/<clinic>/appointments/<id>/again")
@allow("staff", *DESK)
def again(id: str) -> ResponseReturnValue:
    """Book a cancelled visit once more. What was cancelled stays so: this is another one, with an invite of its own."""
    before = visits.one(id)
    row, patient = before.row, before.patient
    if row.status != Status.CANCELLED:
        return outcome.changed(id)
    wish = Wish(row.service_id, row.new_patient, row.practitioner_id, row.location_id, staff=True, any_tick=True)
    try:
        made = appointment.book(
            g.clinic.id,
            wish,
            row.starts_at,
            Person(patient.name, patient.email, patient.phone, row.language),
            note=before.note,
            remind=row.remind,
            key=IdempotencyKey("desk-again", id, digest(id)),
            by=g.caller,
            now=g.now,
        )
    except (SlotTaken, NotOffered, PatientBusy) as refusal:
        return _panel(before, errors.words(refusal, row.zone)), 409
    return outcome.show(Deed.AGAIN, made)


@blueprint.get("/desk/<clinic>/appointments/<id>/card")
@allow("staff", *READERS)
def card(id: str) -> str:
    """A card to take home."""
    found = visits.one(id)
    told = outbox.visit(found.row, found.row.language, g.now)
    return render_template(
        "desk/card.html",
        visit=found,
        place=db.session.get_one(Location, found.row.location_id),
        code=Markup(qr.svg(told.manage_url, "d-qr")) if found.row.status in OPEN else "",
    )


def _panel(found: Visit, refusal: str = "") -> str:
    seen.appointment(found.row.public_id)
    row, role = found.row, g.caller.role
    status = Status(row.status)
    entries = history.of(row)
    back_to = may_go_back_to([entry.step for entry in entries], g.now)
    next_step = NEXT.get(status)
    if next_step and not (may_note(role, next_step) and is_due(next_step, row.starts_at, row.zone, g.now)):
        next_step = None
    is_desk = role in DESK
    may_be_longer = status == Status.CHECKED_IN and row.ends_at - SOON_OVER <= g.now
    return render_template(
        "desk/visit.html",
        visit=found,
        refusal=refusal,
        outcome=outcome.of_request(),
        next_step=next_step,
        back_to=back_to if may_note(role, status) else None,
        places=place.places(row) if status in (Status.BOOKED, Status.ARRIVED, Status.CHECKED_IN) else {},
        may_miss=may_become(status, Status.NOSHOW)
        and may_note(role, Status.NOSHOW)
        and is_due(Status.NOSHOW, row.starts_at, row.zone, g.now),
        may_move=is_desk and status in OPEN,
        may_cancel=is_desk and may_become(status, Status.CANCELLED) and row.ends_at > g.now,
        may_err=is_desk and may_become(status, Status.ENTERED_IN_ERROR),
        may_book_again=is_desk and status == Status.CANCELLED and row.starts_at > g.now and _is_free(found),
        longer_until=row.ends_at + timedelta(minutes=actions.LONGER) if may_be_longer else None,
        kept_waiting=visits.of(overrun.waiting(row, max(g.now, row.ends_at) + SOON_OVER)) if may_be_longer else [],
        status_words=words.status_words,
        past=[words.told(entry, row.zone) for entry in reversed(entries)],
        last=entries[-1].id,
        said=answers.of(found),
        not_counted=answers.not_counted(found),
        mails=[words.mailed(mail, row.zone) for mail in history.mails(row)],
    )


def _is_free(found: Visit) -> bool:
    row = found.row
    wish = Wish(row.service_id, row.new_patient, row.practitioner_id, row.location_id, staff=True, any_tick=True)
    book = slot.read(g.clinic.id, g.now)
    return wish.service in book.plan.services and not slot.why_not(book, wish, row.starts_at)
