"""A visit goes elsewhere: dropped on the board by mouse, finger or keys, or by a form without any script; and back.

The board's script asks for JSON; who sends the form gets pages.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from itertools import groupby

from flask import g, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from wtforms import StringField
from wtforms.validators import AnyOf, Length

from booking.actions import appointment, slot
from booking.domain.appointment import OPEN
from booking.domain.availability import Practitioner, Wish
from booking.domain.errors import (
    BookingError,
    Changed,
    Invalid,
    NotFound,
    NotOffered,
    PatientBusy,
    SlotTaken,
    WrongStatus,
)
from booking.domain.message import Tell
from booking.domain.time import local
from booking.formats.contact import tidy
from booking.store.appointment import Appointment
from booking.store.diary import Diary
from booking.web import errors
from booking.web.access import allow
from booking.web.desk import causes, outcome, visits, why, words
from booking.web.desk.blueprint import DESK, blueprint
from booking.web.desk.causes import Cause
from booking.web.desk.outcome import Deed
from booking.web.desk.requests import choice
from booking.web.desk.visits import Visit
from booking.web.forms import Form
from booking.web.patient import ask

DAYS_SHOWN = 2
EXACT = "exact"  # instead of a listed time: the one in the fields beside it
REASON_LENGTH = 200


class MoveForm(Form):
    """Where a visit goes: a start with a practitioner, as the page lists them, or as the board's script says it."""

    time = StringField(lazy_gettext("Time"))  # <instant>/<practitioner>
    start = StringField()
    practitioner = StringField()
    room = StringField()
    on = StringField(lazy_gettext("Date"))
    at = StringField(lazy_gettext("Time of day"))
    who = StringField(lazy_gettext("Practitioner"))
    squeeze = StringField(
        lazy_gettext("Why it has to be then, though it is full"),
        [Length(max=REASON_LENGTH, message=lazy_gettext("Keep the reason under 200 characters"))],
        filters=[tidy],
    )
    tell = StringField(validators=[AnyOf([when.value for when in Tell])], default=Tell.LATER.value)


@dataclass(frozen=True)
class Move:
    """A visit, and the place that was chosen for it."""

    visit: Visit
    start: datetime
    practitioner: Practitioner
    room: int | None

    @property
    def wish(self) -> Wish:
        row = self.visit.row
        return Wish(row.service_id, row.new_patient, self.practitioner.id, staff=True, any_tick=True)

    @cached_property
    def book(self) -> Diary:
        return slot.read(g.clinic.id, g.now, moving=self.visit.row.id)

    @cached_property
    def causes(self) -> list[Cause]:
        """Why it can't go there, each with who or what is behind it."""
        reasons = slot.why_not(self.book, self.wish, self.start)
        service = self.book.plan.services.get(self.visit.row.service_id)
        return causes.of(reasons, self.book.plan, service, self.practitioner, None) if service else []

    @property
    def may_squeeze(self) -> bool:
        """Whether nothing but other visits stands in the way."""
        return causes.is_full(slot.why_not(self.book, self.wish, self.start))


@blueprint.get("/desk/<clinic>/appointments/<id>/move")
@allow("staff", *DESK)
def move(id: str) -> ResponseReturnValue:
    visit = visits.one(id)
    if visit.row.status not in OPEN or visit.row.service_id not in ask.plan().services:
        return redirect(url_for("desk.visit", id=id), 303)
    return _page(visit, MoveForm())


@blueprint.post("/desk/<clinic>/appointments/<id>/move")
@allow("staff", *DESK)
def move_now(id: str) -> ResponseReturnValue:
    visit, form = visits.one(id), MoveForm()
    if not form.validate():
        return _page(visit, form), 422
    wanted = _chosen(visit, form)
    if wanted is None:
        form.time.errors = (_("Choose a time"),)
        return _page(visit, form), 422
    try:
        row = appointment.reschedule(
            g.clinic.id,
            id,
            wanted.start,
            practitioner=wanted.practitioner.id,
            room=wanted.room,
            squeeze=form.squeeze.data or "",
            telling=Tell(form.tell.data),
            by=g.caller,
            now=g.now,
            expected=outcome.version(),
        )
    except (Changed, WrongStatus):
        return _changed(id)
    except (SlotTaken, NotOffered, PatientBusy) as refusal:
        return _refused(wanted, form, refusal)
    return _done(row, Deed.MOVED)


@blueprint.post("/desk/<clinic>/appointments/<id>/undo")
@allow("staff", *DESK)
def undo(id: str) -> ResponseReturnValue:
    """The last move by the desk is taken back; while no mail of it went out, nobody hears of either."""
    visit = visits.one(id)
    try:
        row = appointment.undo_move(g.clinic.id, id, by=g.caller, now=g.now, expected=outcome.version())
    except (Changed, WrongStatus):
        return _changed(id)
    except (SlotTaken, NotOffered, PatientBusy) as refusal:
        said = _("It can't go back: %(reason)s", reason=_said(refusal, visit))
        if _wants_json():
            return jsonify(said=said), 409
        return render_template("desk/moved_not.html", visit=visit, said=said), 409
    return _done(row, Deed.UNDONE)


def _chosen(visit: Visit, form: MoveForm) -> Move | None:
    """Where the form says that the visit goes; None if it does not. What it leaves out stays as it is."""
    plan, row = ask.plan(), visit.row
    keeps = plan.practitioners.get(row.practitioner_id)
    room = ask.named(plan.rooms, form.room.data or "")
    if form.time.data == EXACT:
        who = ask.named(plan.practitioners, form.who.data or "") or keeps
        here = {"location": plan.locations[row.location_id].slug}  # whose clock the form's time goes by
        start = why.instant(form.on.data or "", form.at.data or "", ask.read(plan.services[row.service_id].slug, here))
    elif form.time.data:
        instant, _slash, slug = form.time.data.partition("/")
        start, who = ask.instant(instant), ask.named(plan.practitioners, slug) or keeps
    elif form.start.data:
        start, who = ask.instant(form.start.data), ask.named(plan.practitioners, form.practitioner.data or "") or keeps
    else:
        return None
    if who is None:
        raise Invalid({"practitioner": "unknown"})
    return Move(visit, start, who, room.id if room else None)


def _refused(wanted: Move, form: MoveForm, refusal: BookingError) -> ResponseReturnValue:
    found = wanted.causes if not isinstance(refusal, PatientBusy) else []
    said = " ".join(cause.said for cause in found) or _said(refusal, wanted.visit)
    if not _wants_json():
        return _page(wanted.visit, form, said, found, may_squeeze=wanted.may_squeeze), 409
    ways = dict.fromkeys(way.said for cause in found for way in cause.ways)
    answer = {"said": " ".join([said, "; ".join(ways)]).strip()}
    if wanted.may_squeeze:
        start = f"{wanted.start:%Y-%m-%dT%H:%MZ}/{wanted.practitioner.slug}"
        answer["squeeze"] = url_for("desk.move", id=wanted.visit.row.public_id, time=start)
    return jsonify(answer), 409


def _said(refusal: BookingError, visit: Visit) -> str:
    if isinstance(refusal, PatientBusy):
        return _("%(name)s has another visit at that time.", name=visit.patient.name)
    return errors.words(refusal, visit.row.zone)


def _done(row: Appointment, deed: Deed) -> ResponseReturnValue:
    if not _wants_json():
        return outcome.show_on_day(deed, row)
    visit = visits.one(row.public_id)
    said = words.moved_words(row, visit.patient, visit.told, is_back=deed is Deed.UNDONE)
    undo = url_for("desk.undo", id=row.public_id) if deed is Deed.MOVED else None
    return jsonify(said=said, version=row.version, undo=undo)


def _changed(id: str) -> ResponseReturnValue:
    """Somebody else was first: say how the visit stands now, and change nothing."""
    if not _wants_json():
        return outcome.changed(id)
    visit = visits.one(id)
    return jsonify(said=words.stands_words(visit.row, visit.patient, visit.practitioner), changed=True), 409


def _wants_json() -> bool:
    return request.accept_mimetypes.best_match(["text/html", "application/json"]) == "application/json"


def _page(
    visit: Visit, form: MoveForm, refusal: str = "", found: list[Cause] | None = None, *, may_squeeze: bool = False
) -> str:
    book = slot.read(g.clinic.id, g.now, moving=visit.row.id)
    plan, row = book.plan, visit.row
    people = [person for person in plan.practitioners.values() if row.service_id in person.services]
    slug = request.args.get("practitioner", "")
    only = next((person for person in people if person.slug == slug), None)
    wish = Wish(row.service_id, row.new_patient, only.id if only else None, staff=True)
    today = slot.today(plan, wish, g.now)
    since = max(ask.day(request.args.get("from")) or local(row.starts_at, row.zone).date(), today)
    if since.year >= 2200:
        raise NotFound
    offer = slot.search(book, wish, since, since + timedelta(days=DAYS_SHOWN))
    own = (row.starts_at, row.practitioner_id)
    choices = [choice(free, plan) for free in offer.slots if (free.start, free.practitioner) != own]
    return render_template(
        "desk/move.html",
        visit=visit,
        form=form,
        refusal=refusal,
        causes=found or [],
        whens=[(Tell.LATER, _("In three minutes")), (Tell.NOW, _("Now")), (Tell.NO, _("Not by mail"))],
        may_squeeze=may_squeeze or "time" in request.args,
        exact=_exact(visit, form),
        since=since,
        earlier=max(since - timedelta(days=DAYS_SHOWN), today) if since > today else None,
        later=since + timedelta(days=DAYS_SHOWN),
        days=[list(day) for _on, day in groupby(choices, key=lambda one: one.on)],
        next=choice(offer.next, plan) if offer.next else None,
        people=people,
        only=only,
        has_places=len(plan.locations) > 1,
    )


@dataclass(frozen=True, slots=True)
class Exact:
    """The fields for a time that is not listed."""

    on: str
    at: str
    who: str
    chosen: bool = False


def _exact(visit: Visit, form: MoveForm) -> Exact:
    """What was typed, else what the board asked for in the address, else the visit's own time."""
    if request.method == "POST":
        return Exact(form.on.data or "", form.at.data or "", form.who.data or "", form.time.data == EXACT)
    row = visit.row
    instant, _slash, slug = request.args.get("time", "").partition("/")
    wall = local(ask.instant(instant) if instant else row.starts_at, row.zone)
    own = ask.plan().practitioners.get(row.practitioner_id)
    return Exact(wall.date().isoformat(), f"{wall:%H:%M}", slug or (own.slug if own else ""), bool(instant))
