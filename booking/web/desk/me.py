"""A practitioner's own page: my day, my week, my hours and my time off."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from flask import g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from wtforms import DateField, StringField, TimeField
from wtforms.validators import InputRequired, Length, Optional

from booking.actions import clinic as clinics
from booking.actions.clinic import Stranded, StrandedVisit
from booking.domain import opening, spells
from booking.domain.errors import Invalid, NotFound
from booking.domain.plan import Plan, Practitioner
from booking.domain.time import local
from booking.formats.contact import tidy
from booking.store import diary, own, paper
from booking.web import i18n
from booking.web.access import allow
from booking.web.desk import my_feed, visits
from booking.web.desk.blueprint import READERS, blueprint
from booking.web.desk.visits import Visit
from booking.web.forms import Form
from booking.web.patient import ask

WEEK = 7  # days
DAY = lazy_gettext("Enter a date")
CLOCK = lazy_gettext("Enter a time such as 09:30, or leave it empty")


class TimeOffForm(Form):
    from_on = DateField(lazy_gettext("First day"), [InputRequired(DAY)])
    to_on = DateField(lazy_gettext("Last day"), [InputRequired(DAY)])
    from_time = TimeField(lazy_gettext("From (the whole day if empty)"), [Optional()])
    to_time = TimeField(lazy_gettext("Until (the whole day if empty)"), [Optional()])
    note = StringField(lazy_gettext("Note for the desk (may be empty)"), [Length(max=100)], filters=[tidy])

    def validate(self, extra_validators: Mapping[str, Any] | None = None) -> bool:
        valid = super().validate(extra_validators)
        for field, said in ((self.from_on, DAY), (self.to_on, DAY), (self.from_time, CLOCK), (self.to_time, CLOCK)):
            if field.errors:
                field.errors = (said,)
        return valid

    @property
    def starts(self) -> datetime:
        """Wall clock, as is `ends`."""
        return datetime.combine(_given(self.from_on.data), self.from_time.data or time())

    @property
    def ends(self) -> datetime:
        last = _given(self.to_on.data)
        return datetime.combine(last, self.to_time.data) if self.to_time.data else _midnight_after(last)


@dataclass(frozen=True, slots=True)
class Ahead:
    """A day of the week to come: when I work where, and who comes."""

    on: date
    hours: list[str]
    visits: list[Visit]


@dataclass(frozen=True, slots=True)
class Off:
    """A stretch of time off, wall clock."""

    starts: datetime
    ends: datetime
    said: str
    note: str


@blueprint.get("/desk/<clinic>/me")
@allow("staff", *READERS)
def me() -> str:
    return _page(TimeOffForm())


@blueprint.post("/desk/<clinic>/me/time-off")
@allow("staff", *READERS)
def add_time_off() -> ResponseReturnValue:
    form, who = TimeOffForm(), _myself()
    if not form.validate():
        return _page(form), 422
    keep = "keep" in request.form
    try:
        clinics.add_time_off(
            g.clinic.id,
            who.slug,
            form.starts,
            form.ends,
            form.note.data or "",
            keep_visits=keep,
            by=g.caller,
            now=g.now,
        )
    except Stranded as refusal:
        return _page(form, refusal.visits), 409
    except Invalid as refusal:
        _blame(form, refusal)
        return _page(form), 422
    return redirect(url_for("desk.me", done="added", _anchor="time-off"), 303)


@blueprint.post("/desk/<clinic>/me/time-off/remove")
@allow("staff", *READERS)
def remove_time_off() -> ResponseReturnValue:
    starts, ends = (_wall(request.form.get(name, "")) for name in ("starts", "ends"))
    clinics.remove_time_off(g.clinic.id, _myself().slug, starts, ends, by=g.caller, now=g.now)
    return redirect(url_for("desk.me", done="removed", _anchor="time-off"), 303)


def _page(form: TimeOffForm, stranded: tuple[StrandedVisit, ...] = ()) -> str:
    someone = own.practitioner(g.clinic.id, g.staff.email)
    if someone is None:
        return render_template("desk/me.html", who=None)
    plan = diary.current_plan(g.clinic.id)
    who, zone = plan.practitioners[someone.id], paper.zone(g.clinic.id)
    today = local(g.now, zone).date()
    on = ask.day(request.args.get("on")) or today
    done = {"added": _("Your time off is entered."), "removed": _("Your time off is taken back.")}
    return render_template(
        "desk/me.html",
        who=who,
        zone=zone,
        on=on,
        is_today=on == today,
        noon=_noon(on),
        before=on - timedelta(days=1),
        after=on + timedelta(days=1),
        day=_visits(who, on, on + timedelta(days=1)),
        week=list(_week(plan, who, today)),
        hours=_hours(plan, who),
        time_off=list(_time_off(who, today)),
        form=form,
        feed=my_feed.shown(who.id, who.name),
        stranded=stranded,
        done=done.get(request.args.get("done", ""), ""),
    )


def _myself() -> Practitioner:
    """Who of the practitioners the signed-in person is. Raises NotFound for one who is none."""
    someone = own.practitioner(g.clinic.id, g.staff.email)
    if someone is None:
        raise NotFound
    return diary.current_plan(g.clinic.id).practitioners[someone.id]


def _visits(who: Practitioner, since: date, until: date) -> list[Visit]:
    return visits.of(paper.on_day(g.clinic.id, since, until, practitioner=who.id))


def _week(plan: Plan, who: Practitioner, today: date) -> Iterator[Ahead]:
    coming = _visits(who, today, today + timedelta(days=WEEK))
    for on in (today + timedelta(days=n) for n in range(WEEK)):
        works = [
            _stretch(start, end, plan.locations[place].zone, plan.locations[place].name if _has_places(plan) else "")
            for place in opening.workplaces(plan, who.id)
            for start, end in spells.of_day(plan, place, on, [who.id])
        ]
        yield Ahead(on, works, [visit for visit in coming if visit.row.start_time.date() == on])


def _hours(plan: Plan, who: Practitioner) -> list[tuple[date, list[str]]]:
    """The weekly hours, by weekday (any date that is one); the clinic's owner sets them."""
    monday = date(2001, 1, 1)
    days = []
    for number in range(WEEK):
        stretches = []
        for hours in sorted((one for one in who.hours if number in one.days), key=lambda one: one.opens):
            midnight = datetime(2001, 1, 1, tzinfo=UTC)
            starts, ends = (midnight + timedelta(minutes=minutes) for minutes in (hours.opens, hours.closes))
            place = plan.locations[hours.location].name if _has_places(plan) else ""
            said = _stretch(starts, ends, "UTC", place)
            stretches.append(
                _("%(hours)s, every %(weeks)s weeks", hours=said, weeks=hours.weeks) if hours.weeks > 1 else said
            )
        if stretches:
            days.append((monday + timedelta(days=number), stretches))
    return days


def _time_off(who: Practitioner, today: date) -> Iterator[Off]:
    for entry in sorted(who.time_off, key=lambda one: one.starts):
        if entry.ends.date() >= today:
            yield Off(entry.starts, entry.ends, _off_words(entry.starts, entry.ends), entry.name)


def _off_words(starts: datetime, ends: datetime) -> str:
    """When, in words: whole days without their midnights."""
    last = ends - timedelta(minutes=1)
    first_day, last_day = _shown(starts), _shown(last)
    if starts.time() == ends.time() == time():
        if first_day == last_day:
            return first_day
        return _("%(first)s to %(last)s", first=first_day, last=last_day)
    return _(
        "%(first)s, %(start)s to %(last)s, %(end)s",
        first=first_day,
        start=i18n.clock(starts.replace(tzinfo=UTC), "UTC"),
        last=_shown(ends),
        end=i18n.clock(ends.replace(tzinfo=UTC), "UTC"),
    )


def _stretch(start: datetime, end: datetime, zone: str, place: str) -> str:
    said = _("%(start)s – %(end)s", start=i18n.clock(start, zone), end=i18n.clock(end, zone))
    return _("%(hours)s, %(place)s", hours=said, place=place) if place else said


def _blame(form: TimeOffForm, refusal: Invalid) -> None:
    if "note" in refusal.faults:
        form.note.errors = (_("Keep the note to one short line"),)
    if refusal.faults.keys() & {"from", "to"}:
        form.to_on.errors = (_("It has to end after it begins, both on whole five minutes"),)


def _has_places(plan: Plan) -> bool:
    return len(plan.locations) > 1


def _given(on: date | None) -> date:
    assert on is not None, "the form was validated"
    return on


def _midnight_after(on: date) -> datetime:
    return datetime.combine(on + timedelta(days=1), time())


def _noon(on: date) -> datetime:
    return datetime.combine(on, time(12), tzinfo=UTC)


def _shown(wall: datetime) -> str:
    return i18n.short_day(wall.replace(tzinfo=UTC), "UTC")


def _wall(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=None)
    except ValueError:
        raise NotFound from None
