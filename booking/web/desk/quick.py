"""Quick book: patient, service, when, in a few keystrokes. Who stands there already, and who is squeezed in.

The patient comes first. Their last visit then answers the rest: service, practitioner, weekday and time. Every time
on the page is a button, the likeliest first, so that Enter books it.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import cached_property
from itertools import groupby

from flask import g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext, ngettext
from wtforms import BooleanField, StringField, TextAreaField

from booking.actions import appointment, slot, visit
from booking.domain.access import digest
from booking.domain.appointment import Status
from booking.domain.availability import NewPatients, Practitioner, Service, Slot, Wish
from booking.domain.errors import BookingError, Invalid, KeyReused, NotFound, NotOffered, PatientBusy, SlotTaken
from booking.domain.time import TICK_MINUTES, first_instant, instant_of, local, tick_of
from booking.formats.contact import phone_number, tidy, tidy_lines
from booking.store import appointment as appointments
from booking.store import patient as patients
from booking.store import practitioner as practitioners
from booking.store import takers
from booking.store.access import IdempotencyKey
from booking.store.appointment import Appointment
from booking.store.base import db
from booking.store.diary import Diary
from booking.store.patient import Found, Patient, Person
from booking.store.takers import Taker
from booking.web import i18n
from booking.web.access import allow
from booking.web.desk import causes, seen, visits, why
from booking.web.desk.blueprint import DESK, blueprint
from booking.web.desk.causes import Cause, Way
from booking.web.forms import ContactForm, Form, check_note
from booking.web.patient import ask
from booking.web.patient.ask import Ask

WHEN = ("start", "on", "at", "walk_in")
CARRIED = ("service", "practitioner", "location", *WHEN)  # while a patient is looked for
REPEATS, WEEKS_AHEAD = 3, 12  # of the last visit's weekday and time
DAYS_SHOWN, DAYS_SEARCHED = 2, 7
OTHERS = 4  # sooner, with somebody else
SQUEEZES = 3
REASON_LENGTH = 200
TYPED = 100  # characters that are looked for
TIME, WALK_IN, SQUEEZE = "time", "walk-in", "squeeze"  # what the button of a time does


class BookForm(Form):
    """What is said of a visit beside who, what and when."""

    note = TextAreaField(lazy_gettext("Note (optional)"), [check_note], filters=[tidy_lines])
    remind = BooleanField(lazy_gettext("Remind them by e-mail the day before"), default=True)
    reason = StringField(lazy_gettext("Why it has to be then"), filters=[tidy])
    key = StringField()  # the same for every sending of one form


class NewPatientForm(ContactForm, BookForm):
    """The same for somebody who has no record yet."""


@dataclass(frozen=True)
class Line:
    """The line "patient, service, when" as far as it is filled in."""

    values: Mapping[str, str]
    patient: Patient | None  # None: somebody new
    last: Appointment | None  # their newest visit, or the one that they want again

    @cached_property
    def ask(self) -> Ask:
        """The service, with whom and where; what nobody said is as it was the last time."""
        plan = ask.plan()
        slug = self.values.get("service") or self._usual(list(plan.services.values())).slug
        wanted = replace(ask.read(slug, self.values), new=self.is_new)
        usual = plan.practitioners.get(self.last.practitioner_id) if self.last else None
        if "practitioner" in self.values or usual not in wanted.practitioners:
            return wanted
        return replace(wanted, practitioner=usual)

    @property
    def is_new(self) -> bool:
        """Whether it is their first visit: the record says so unless the desk knows better."""
        said = ask.said(self.values)
        return self.last is None if said is None else said

    @property
    def wish(self) -> Wish:
        return replace(self.ask.wish, staff=True)

    @cached_property
    def start(self) -> datetime | None:
        """The one time that is asked for, if any; between the service's usual times too."""
        at, on = self.values.get("at"), self.values.get("on")
        if at and on:
            return instant_of(tick_of(why.instant(on, at, self.ask)))
        return ask.instant(self.values["start"]) if self.values.get("start") else None

    @property
    def since(self) -> date:
        """The day from which times are listed."""
        asked = ask.day(self.values.get("on")) or (local(self.start, self.ask.zone).date() if self.start else None)
        if asked and asked.year not in why.YEARS:
            raise Invalid({"on": "date"})
        return max(asked or self.ask.today, self.ask.today)

    def _usual(self, services: list[Service]) -> Service:
        """The service of the last visit, or what follows a first visit; else one that such a patient may book."""
        if not services:
            raise NotFound
        refused = NewPatients.NO if self.is_new else NewPatients.ONLY
        fitting = [one for one in services if one.new_patients is not refused] or services
        slug = self.values.get("practitioner")
        given = {id for who in ask.plan().practitioners.values() if who.slug == slug for id in who.services}
        fitting = [one for one in fitting if one.id in given] or fitting
        if self.last is None:
            return fitting[0]
        last = self.last.service_id
        same = [one for one in fitting if one.id == last]
        return next(iter([*same, *(one for one in fitting if one.first_visit == last), *fitting]))


@dataclass(frozen=True, slots=True)
class Choice:
    """A time with its button; `value` is what it sends."""

    value: str
    slot: Slot
    zone: str
    who: str
    where: str


@dataclass(frozen=True, slots=True)
class Group:
    """Times that belong together; `has_day` where they are of several days."""

    title: str
    choices: list[Choice]
    has_day: bool = True


@dataclass(frozen=True, slots=True)
class Squeeze:
    """A time that is full, and who would share it."""

    value: str
    who: str
    affected: list[Way]


@dataclass(frozen=True, slots=True)
class Times:
    """All times that the page offers; for the one that was asked for also why it is not free."""

    groups: list[Group]
    causes: list[Cause]
    squeezes: list[Squeeze]
    later: date


@blueprint.get("/desk/<clinic>/new")
@allow("staff", *DESK)
def new() -> ResponseReturnValue:
    if request.args.get("booked"):
        return _booked(request.args["booked"])
    return _chosen() if _is_chosen() else _search()


@blueprint.post("/desk/<clinic>/new")
@allow("staff", *DESK)
def new_sent() -> ResponseReturnValue:
    """The same page with what was typed, which has no place in an address."""
    return _chosen() if _is_chosen() else _search()


@blueprint.post("/desk/<clinic>/new/book")
@allow("staff", *DESK)
def new_book() -> ResponseReturnValue:
    line = _line()
    form = _form(line)
    deed, start, who = _pressed(request.form.get("choice", ""))
    if not all((form.validate(), _has_reason(form, deed))):
        return _page(line, form), 422
    if deed == WALK_IN:
        start = max(start, instant_of(tick_of(g.now)))
    person = _person(line, form)
    wish = replace(line.wish, practitioner=who.id, any_tick=True)
    try:
        booked = appointment.book(
            g.clinic.id,
            wish,
            start,
            person,
            note=form.note.data or "",
            remind=form.remind.data,
            key=_key(form, line, person),
            squeeze=(form.reason.data or "") if deed == SQUEEZE else "",
            by=g.caller,
            now=g.now,
        )
        if deed == WALK_IN and booked.status == Status.BOOKED:
            visit.note(g.clinic.id, booked.public_id, Status.ARRIVED, by=g.caller, now=g.now)
    except (SlotTaken, NotOffered, PatientBusy, KeyReused) as refusal:
        form.key.data = _new_key()
        asked = {"practitioner": who.slug, "start": f"{start:%Y-%m-%dT%H:%MZ}", "on": "", "at": ""}
        told = _refused(refusal, line, person, start)
        return _page(replace(line, values={**line.values, **asked}), form, told), 409
    return redirect(url_for("desk.new", booked=booked.public_id), 303)


@blueprint.post("/desk/<clinic>/new/<id>/undo")
@allow("staff", *DESK)
def new_undo(id: str) -> ResponseReturnValue:
    """Take a booking back that should not have been made."""
    visit.enter_in_error(g.clinic.id, id, by=g.caller, now=g.now)
    return redirect(url_for("desk.new", booked=id), 303)


# Who it is for


def _is_chosen() -> bool:
    """Whether it is said who the visit is for: a patient, somebody like one, or somebody new."""
    return any(name in request.values for name in ("patient", "like", "name", "new_patient"))


def _search() -> str:
    text = tidy(request.form.get("q"))[:TYPED]
    found = patients.search(g.clinic.id, text, now=g.now) if text else []
    # The script asks for the part that changes.
    page = "desk/new_found.html" if "X-Part" in request.headers else "desk/new.html"
    said = _found_words(found) if text else ""
    return render_template(
        page, text=text, found=found, said=said, carried=_carried(), wished=_wished(), is_walk_in=_is_walk_in()
    )


def _wished() -> str:
    """The time that was chosen before the patient, in words; empty without one."""
    if not request.values.get("start"):
        return ""
    plan = ask.plan()
    start, zone = ask.instant(request.values["start"]), next(iter(plan.locations.values())).zone
    day, time = i18n.short_day(start, zone), i18n.clock(start, zone)
    who = ask.named(plan.practitioners, request.values.get("practitioner", ""))
    if who is None:
        return _("%(day)s, %(time)s", day=day, time=time)
    return _("%(day)s, %(time)s with %(name)s", day=day, time=time, name=who.name)


def _found_words(found: list[Found]) -> str:
    if not found:
        return _("Nobody is found. “New patient” adds them.")
    return ngettext("%(num)s patient is found.", "%(num)s patients are found.", len(found))


def _carried(names: Iterable[str] = CARRIED) -> dict[str, str]:
    return {name: request.values[name] for name in names if request.values.get(name)}


def _is_walk_in() -> bool:
    return request.values.get("walk_in") == "1"


def _chosen() -> ResponseReturnValue:
    line = _line()
    return _page(line, _form(line))


def _line() -> Line:
    values = request.values.to_dict()
    if values.get("later"):
        values |= {"on": values["later"], "at": "", "start": ""}
    someone = _patient(values["patient"]) if values.get("patient") else None
    return Line(values, someone, _last_of(someone, values.get("repeat", "")) if someone else None)


def _last_of(someone: Patient, repeated: str) -> Appointment | None:
    """The patient's newest visit, or the one that is to be repeated."""
    if not repeated:
        return appointments.last_of(g.clinic.id, someone.id)
    found = appointments.by_public_id(g.clinic.id, repeated)
    if found.patient_id != someone.id:
        raise NotFound
    return found


def _patient(public_id: str) -> Patient:
    """The record that has this patient's visits."""
    found = patients.by_public_id(g.clinic.id, public_id)
    return db.session.get_one(Patient, found.merged_into_id) if found.merged_into_id else found


def _form(line: Line) -> BookForm:
    """The form as it was sent, or as it begins: what was searched for is the new patient's name, phone or e-mail."""
    if "key" in request.form:
        return BookForm() if line.patient else NewPatientForm()
    start: dict[str, str | bool] = {"key": _new_key(), "remind": line.last is None or line.last.remind}
    if line.patient:
        return BookForm(start, sent=False)
    return NewPatientForm(start | _contact(line.values), sent=False)


def _contact(values: Mapping[str, str]) -> dict[str, str]:
    if values.get("like"):
        shared = _patient(values["like"])
        return {"phone": shared.phone or "", "email": shared.email or ""}
    text = tidy(values.get("q"))
    if "@" in text:
        return {"email": text}
    return {"phone" if phone_number(text, g.clinic.region) else "name": text}


def _new_key() -> str:
    return secrets.token_urlsafe(16)


def _person(line: Line, form: BookForm) -> Person:
    if line.patient is None:
        assert isinstance(form, NewPatientForm)
        asked = line.values.get("language", "")
        return replace(form.person(), language=asked if asked in g.clinic.languages else g.language)
    known = line.patient
    return Person(known.name, known.email, known.phone, known.language)


# When


def _times(line: Line) -> Times:
    book = slot.read(g.clinic.id, g.now)
    wish, groups = line.wish, []
    asked = slot.at(book, replace(wish, any_tick=True), line.start) if line.start else []
    walk_in = Group(_("Walk-in: books, and notes the arrival"), _walk_ins(book, line), has_day=False)
    if _is_walk_in():
        groups.append(walk_in)
    if asked:
        groups.append(Group(_("The time you asked for"), [_choice(book, free) for free in asked]))
    elif line.start:
        near = slot.nearest(book, wish, line.start)
        groups.append(Group(_("Nearest to it"), [_choice(book, free) for free in near]))
    else:
        groups.append(Group(_("As last time"), _repeats(book, line)))
    by_day, later = _soonest(book, line)
    sooner = _sooner(book, line, by_day)
    groups += [Group(_("Sooner, with somebody else"), sooner), *by_day]
    if not _is_walk_in():
        groups.append(walk_in)
    reasons, squeezes = _why_not(book, line) if line.start and not asked else ([], [])
    return Times([group for group in groups if group.choices], reasons, squeezes, later)


def _choice(book: Diary, free: Slot, deed: str = TIME) -> Choice:
    who, place = book.plan.practitioners[free.practitioner], book.plan.locations[free.location]
    where = place.name if len(book.plan.locations) > 1 else ""
    return Choice(f"{deed}/{ask.slot_value(free, who)}", free, place.zone, who.name, where)


def _repeats(book: Diary, line: Line) -> list[Choice]:
    """The weekday and time of the last visit in the weeks to come."""
    if line.last is None:
        return []
    since = max(line.last.start_time.date() + timedelta(days=7), line.since)
    weeks = -((line.last.start_time.date() - since).days // 7)
    starts = (
        first_instant(line.last.start_time + timedelta(weeks=week), line.last.zone)
        for week in range(weeks, weeks + WEEKS_AHEAD)
    )
    found = [free for start in starts if start > g.now for free in slot.at(book, line.wish, start)[:1]]
    return [_choice(book, free) for free in found[:REPEATS]]


def _soonest(book: Diary, line: Line) -> tuple[list[Group], date]:
    """The next days with free times, each start once; and the day after them."""
    offer = slot.search(book, line.wish, line.since, line.since + timedelta(days=DAYS_SEARCHED))
    if not offer.slots and offer.next:
        on = local(offer.next.start, line.ask.zone).date()
        offer = slot.search(book, line.wish, on, on + timedelta(days=1))
    starts = {free.start: free for free in reversed(offer.slots)}
    choices = [_choice(book, starts[start]) for start in sorted(starts)]
    days = [(on, list(of_day)) for on, of_day in groupby(choices, key=_date_of)][:DAYS_SHOWN]
    zone = line.ask.zone
    groups = [Group(i18n.day(choices[0].slot.start, zone), choices, has_day=False) for _on, choices in days]
    return groups, (days[-1][0] if days else line.since) + timedelta(days=1)


def _date_of(choice: Choice) -> date:
    return local(choice.slot.start, choice.zone).date()


def _sooner(book: Diary, line: Line, by_day: list[Group]) -> list[Choice]:
    """Others who are free before the wished practitioner is."""
    if line.wish.practitioner is None:
        return []
    anyone = replace(line.wish, practitioner=None)
    found = slot.search(book, anyone, line.since, line.since + timedelta(days=DAYS_SEARCHED)).slots
    own = by_day[0].choices[0].slot.start if by_day else None
    starts: dict[datetime, Slot] = {}
    for free in found:
        if own is None or free.start < own:
            starts.setdefault(free.start, free)
    return [_choice(book, free) for free in list(starts.values())[:OTHERS]]


def _walk_ins(book: Diary, line: Line) -> list[Choice]:
    """How soon today each practitioner can take somebody who is here already."""
    today = line.ask.today
    wish = replace(line.wish, practitioner=None if _is_walk_in() else line.wish.practitioner, any_tick=True)
    found = slot.starts(book, wish, today, today + timedelta(days=1))
    slots = [slot.at(book, replace(wish, practitioner=who), instant_of(ticks[0])) for (who, _), ticks in found.items()]
    return [_choice(book, free, WALK_IN) for free in sorted(free for [free] in slots)]


def _why_not(book: Diary, line: Line) -> tuple[list[Cause], list[Squeeze]]:
    """Why the time that was asked for is not free, with whoever comes closest; and with whom one could squeeze in."""
    assert line.start is not None
    people = [line.ask.practitioner] if line.ask.practitioner else line.ask.practitioners
    wish = replace(line.wish, any_tick=True)
    found = [(who, slot.why_not(book, replace(wish, practitioner=who.id), line.start)) for who in people]
    if not found:
        return [], []
    nearest, reasons = min(found, key=lambda pair: len(pair[1]))
    zone, start = line.ask.zone, f"{line.start:%Y-%m-%dT%H:%MZ}"
    squeezes = [
        Squeeze(f"{SQUEEZE}/{start}/{who.slug}", who.name, _ways(causes.affected(reasons), book, zone))
        for who, reasons in found
        if causes.is_full(reasons)
    ]
    return causes.of(reasons, book.plan, line.ask.service, nearest, line.ask.location), squeezes[:SQUEEZES]


def _ways(found: Iterable[Taker], book: Diary, zone: str) -> list[Way]:
    return [causes.way_to(taker, book.plan, zone) for taker in found]


# Booking


def _pressed(value: str) -> tuple[str, datetime, Practitioner]:
    """What the button does, its start and its practitioner. Raises Invalid for anything else."""
    deed, _slash, rest = value.partition("/")
    start, _slash, slug = rest.partition("/")
    who = next((person for person in ask.plan().practitioners.values() if person.slug == slug), None)
    if deed not in (TIME, WALK_IN, SQUEEZE) or who is None:
        raise Invalid({"choice": "instant"})
    return deed, ask.instant(start), who


def _has_reason(form: BookForm, deed: str) -> bool:
    """Nobody is squeezed in without a reason, which is kept."""
    if deed != SQUEEZE or 0 < len(form.reason.data or "") <= REASON_LENGTH:
        return True
    form.reason.errors = (*form.reason.errors, _("Say why, in up to %(count)s characters", count=REASON_LENGTH))
    return False


def _key(form: BookForm, line: Line, person: Person) -> IdempotencyKey | None:
    """The form's own key, so that Enter pressed twice is one visit."""
    if not form.key.data or len(form.key.data) > 100:
        return None
    said = [request.form.get("choice"), line.wish.service, line.wish.new, person.name, person.email, person.phone]
    return IdempotencyKey("desk", form.key.data, digest(json.dumps([*said, form.note.data, form.reason.data])))


@dataclass(frozen=True, slots=True)
class Refused:
    said: str
    ways: list[Way]


def _refused(refusal: BookingError, line: Line, person: Person, start: datetime) -> Refused:
    """Why nothing was booked, with the visit that is in the way if it is the patient's own."""
    zone = line.ask.zone
    if isinstance(refusal, KeyReused):
        return Refused(_("This form has booked a visit already. Press the time once more to book another one."), [])
    if not isinstance(refusal, PatientBusy):
        return Refused(_("%(time)s is not free any more.", time=i18n.clock(start, zone)), [])
    ends_at = start + timedelta(minutes=line.ask.minutes)
    own = takers.of_person(g.clinic.id, person, start, ends_at)
    said = _("%(name)s has another visit at that time. Nothing was booked.", name=person.name)
    return Refused(said, [causes.way_to(taker, line.ask.plan, zone) for taker in own])


# The page


def _page(line: Line, form: BookForm, refused: Refused | None = None) -> str:
    times = _times(line)
    if line.patient:
        seen.patient(line.patient.id)
    start = local(line.start, line.ask.zone) if line.start else None
    return render_template(
        "desk/new_times.html",
        line=line,
        form=form,
        refused=refused,
        times=times,
        services=list(line.ask.plan.services.values()),
        people=list(line.ask.plan.practitioners.values()),
        places=list(line.ask.plan.locations.values()),
        asks_new=any(ask.matters(service) for service in line.ask.plan.services.values()),
        on=start.date() if start else line.since if line.values.get("on") else None,
        at=f"{start:%H:%M}" if start else "",
        step=TICK_MINUTES * 60,
        is_walk_in=_is_walk_in(),
        carried=_carried(),
        carried_to_another=_carried(WHEN),
        shared=_patient(line.values["like"]) if line.values.get("like") else None,
    )


def _booked(public_id: str) -> str:
    found = visits.one(public_id)
    seen.appointment(public_id)
    _name, address = practitioners.invited(found.row.practitioner_id)
    return render_template(
        "desk/new_booked.html",
        visit=found,
        is_there=found.row.status in (Status.BOOKED, Status.ARRIVED),
        is_practitioner_told=bool(address),
    )
