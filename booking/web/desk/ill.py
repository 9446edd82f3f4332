"""A practitioner is ill: nobody books with them any more, and each of their visits is moved, asked about or cancelled.

First the time off, so that nobody books meanwhile; then what becomes of each visit, each in a transaction of its own.
Whatever is left stays marked for the desk.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from flask import g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from booking.actions import appointment, clinic, slot
from booking.actions import visit as actions
from booking.domain.appointment import ASKED, OVER, Status, Why
from booking.domain.availability import Practitioner, Slot, Wish
from booking.domain.errors import BookingError, Invalid, NotFound
from booking.domain.time import day_bounds, local
from booking.formats.contact import NOTE_LENGTH
from booking.store import appointment as appointments
from booking.web.access import allow
from booking.web.desk import visits, words
from booking.web.desk.blueprint import DESK, blueprint
from booking.web.desk.requests import Choice, MessageForm, choice, chosen
from booking.web.desk.visits import Visit
from booking.web.patient import ask

DAYS = 31  # of one absence, at most
SEARCHED = timedelta(days=14)
ENDED = OVER | {Status.FULFILLED, Status.NOSHOW}


@dataclass(frozen=True, slots=True)
class Absence:
    """Who is away, from the first to the last of these local days."""

    who: Practitioner
    on: date
    until: date
    is_noted: bool  # as time off

    @property
    def values(self) -> dict[str, str]:
        return {"practitioner": self.who.slug, "on": self.on.isoformat(), "until": self.until.isoformat()}

    def address(self, done: str | None = None) -> str:
        """The page about it; `done` are the public ids of visits that something was chosen for."""
        on, until = self.on.isoformat(), self.until.isoformat()
        return url_for("desk.ill", practitioner=self.who.slug, on=on, until=until, done=done)


@dataclass(frozen=True, slots=True)
class Ways:
    """What may become of a visit: other times for it, and the one that the form begins with."""

    visit: Visit
    others: list[Choice]
    default: str
    may_choose: bool


@blueprint.get("/desk/<clinic>/ill")
@allow("staff", *DESK)
def ill() -> str:
    return _page(MessageForm())


@blueprint.post("/desk/<clinic>/ill")
@allow("staff", *DESK)
def away() -> ResponseReturnValue:
    """Note the time off. Twice is once."""
    absence = _absence(request.form)
    if absence is None:
        raise Invalid({"practitioner": "name"})
    if not absence.is_noted:
        clinic.add_time_off(
            g.clinic.id,
            absence.who.slug,
            datetime.combine(absence.on, time.min),
            datetime.combine(absence.until + timedelta(days=1), time.min),
            keep_visits=True,
            by=g.caller,
            now=g.now,
        )
    return redirect(absence.address(), 303)


@blueprint.post("/desk/<clinic>/ill/visits")
@allow("staff", *DESK)
def settle_all() -> ResponseReturnValue:
    """Carry out what was chosen for each visit. The page that follows tells what became of each from how it stands."""
    absence = _absence(request.form)
    form = MessageForm()
    if absence is None:
        raise NotFound
    if not form.validate():
        return _page(form, absence), 422
    wanted = [(name.removeprefix("do-"), value) for name, value in request.form.items() if name.startswith("do-")]
    tried = [id for id, value in wanted if value and value != "leave"]
    for id, value in wanted:
        with suppress(BookingError):  # somebody else was quicker: the visit is still on the page
            _settle(id, value, form.message.data or "")
    return redirect(absence.address(done=",".join(tried)), 303)


def _settle(id: str, value: str, message: str) -> None:
    version = request.form.get(f"version-{id}", type=int)
    change = {"by": g.caller, "now": g.now, "expected": version}
    is_request = visits.one(id).row.status == Status.PENDING
    match value:
        case "" | "leave":
            return
        case "choose":
            actions.ask_to_choose(g.clinic.id, id, message=message, **change)
        case "cancel" if is_request:
            appointment.decline(g.clinic.id, id, message=message, **change)
        case "cancel":
            appointment.cancel(g.clinic.id, id, why=Why.CLINIC, message=message, **change)
        case _ if is_request:
            start, who = chosen(value)
            appointment.offer(g.clinic.id, id, start, practitioner=who, message=message, **change)
        case _:
            start, who = chosen(value)
            appointment.reschedule(g.clinic.id, id, start, practitioner=who, **change)


def _page(form: MessageForm, absence: Absence | None = None) -> str:
    absence = absence or _absence(request.args)
    left = list(_theirs(absence)) if absence else []
    tried = [id for id in request.args.get("done", "").split(",") if id]
    to_do = {visit.row.public_id for visit in left if visit.row.needs_desk != ASKED}
    return render_template(
        "desk/ill.html",
        form=form,
        note_length=NOTE_LENGTH,
        people=list(ask.plan().practitioners.values()),
        absence=absence,
        today=_today(),
        ways=list(_ways(absence, left)) if absence and absence.is_noted else [],
        left=left,
        done=[words.stands(found.row, found.patient) for found in _known(tried) if found.row.public_id not in to_do],
        refused=[found for found in _known(tried) if found.row.public_id in to_do],
    )


def _known(ids: list[str]) -> Iterator[Visit]:
    for id in ids:
        with suppress(NotFound):
            yield visits.one(id)


def _today() -> date:
    place = next(iter(ask.plan().locations.values()), None)
    return local(g.now, place.zone if place else "UTC").date()


def _absence(values: Mapping[str, str]) -> Absence | None:
    """What the address or the form speaks of, None if of nobody yet."""
    if not values.get("practitioner"):
        return None
    who = next((person for person in ask.plan().practitioners.values() if person.slug == values["practitioner"]), None)
    if who is None:
        raise NotFound
    on = ask.day(values.get("on")) or _today()
    until = max(ask.day(values.get("until")) or on, on)
    if not 2000 <= on.year < 2200 or until - on > timedelta(days=DAYS):
        raise Invalid({"until": "period"})
    starts, ends = datetime.combine(on, time.min), datetime.combine(until + timedelta(days=1), time.min)
    return Absence(who, on, until, any(off.starts <= starts and ends <= off.ends for off in who.time_off))


def _theirs(absence: Absence) -> Iterator[Visit]:
    """Their visits in these days that are not over, by start."""
    zones = {place.zone for place in ask.plan().locations.values()}
    since = min(day_bounds(absence.on, zone)[0] for zone in zones)
    until = max(day_bounds(absence.until, zone)[1] for zone in zones)
    for visit in visits.of(appointments.for_day(g.clinic.id, since, until)):
        on = local(visit.row.starts_at, visit.row.zone).date()
        is_ahead = visit.row.ends_at > g.now and visit.row.status not in ENDED
        if visit.row.practitioner_id == absence.who.id and absence.on <= on <= absence.until and is_ahead:
            yield visit


def _ways(absence: Absence, left: list[Visit]) -> Iterator[Ways]:
    """What may become of each visit. No time is proposed for two of them."""
    claimed: list[Slot] = []
    for visit in left:
        row = visit.row
        is_here = row.status in (Status.ARRIVED, Status.CHECKED_IN)
        may_choose = row.status == Status.BOOKED and row.needs_desk != ASKED
        others = [] if is_here else _others(visit, claimed)
        claimed += [other.slot for other in others]
        if row.needs_desk != ASKED and others and others[0].slot.start == row.starts_at:
            default = others[0].value
        else:
            default = "choose" if may_choose and visit.patient.email else "leave"
        yield Ways(visit, others, default, may_choose)


def _others(visit: Visit, claimed: list[Slot]) -> list[Choice]:
    """The same time with somebody else, the next time with somebody else, and the next with whom it was."""
    row = visit.row
    book = slot.read(g.clinic.id, g.now, moving=row.id)
    if row.service_id not in book.plan.services:
        return []
    wish = Wish(row.service_id, row.new_patient, location=row.location_id, staff=True)
    since = max(local(row.starts_at, row.zone).date(), slot.today(book.plan, wish, g.now))
    slots = slot.search(book, wish, since, since + SEARCHED).slots
    free = [found for found in slots if found.start >= row.starts_at and not any(_meet(found, one) for one in claimed)]
    theirs = [found for found in free if found.practitioner == row.practitioner_id]
    others = [found for found in free if found.practitioner != row.practitioner_id]
    same_time = [found for found in others if found.start == row.starts_at][:1]
    later = [found for found in others if found.start != row.starts_at][:1]
    return [choice(found, book.plan) for found in (*same_time, *later, *theirs[:1])]


def _meet(one: Slot, other: Slot) -> bool:
    return one.practitioner == other.practitioner and one.start < other.end and other.start < one.end
