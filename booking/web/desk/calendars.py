"""Practitioners' own calendars elsewhere, whose busy times block theirs: how they are read, adding and removing them.

Everybody at the desk sees how old the busy times are. Owners add and remove for all, practitioners for themselves, and
they alone see what the calendars of an account are called.
What is left of a practitioner who has left is the owners' to remove.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext, ngettext
from wtforms import PasswordField, SelectMultipleField, StringField
from wtforms.validators import InputRequired, Length
from wtforms.widgets import CheckboxInput

from booking.actions import outside as actions
from booking.domain.errors import Invalid, NotFound
from booking.domain.outside import Fault, is_to_warn_of
from booking.formats.contact import tidy
from booking.store import outside, own, practitioner
from booking.store.clinic import zone
from booking.store.outside import OutsideCalendar, Place, State
from booking.store.practitioner import Actor
from booking.web import i18n
from booking.web.access import allow
from booking.web.desk.blueprint import READERS, blueprint
from booking.web.forms import Form

ADDRESS = lazy_gettext("Enter the calendar’s address; it begins with https:// or webcal://")
TOO_LONG = lazy_gettext("This is too long")


class CalendarForm(Form):
    url = StringField(lazy_gettext("Address"), [InputRequired(ADDRESS), Length(max=2000, message=TOO_LONG)], [tidy])
    user = StringField(lazy_gettext("User name (CalDAV only)"), [Length(max=200, message=TOO_LONG)], [tidy])
    password = PasswordField(lazy_gettext("Password (CalDAV only)"), [Length(max=200, message=TOO_LONG)])

    def of(self, slug: str) -> CalendarForm:
        """The same form, as that of one practitioner among others on the page."""
        for field in (self.url, self.user, self.password):
            field.id = f"{slug}-{field.name}"
        return self

    @property
    def place(self) -> Place:
        return Place(self.url.data or "", self.user.data or "", (self.password.data or "") if self.user.data else "")


class ChoiceForm(Form):
    """Which calendars of an account count: by number, for their addresses are secret."""

    chosen = SelectMultipleField(coerce=int, option_widget=CheckboxInput())


def _choice(account: OutsideCalendar, *, sent: bool = False) -> ChoiceForm:
    """The form for an account, as it was sent or with those ticked that its server counts."""
    found = outside.choices_of(account)
    form = ChoiceForm({"chosen": [number for number, one in enumerate(found) if one.counts]}, sent=sent)
    form.chosen.id = f"choice-{account.public_id}"
    form.chosen.choices = [(number, one.name) for number, one in enumerate(found)]
    return form


@dataclass(frozen=True, slots=True)
class Calendar:
    """One calendar as the page tells of it, or an account with the form to choose from it."""

    id: str
    host: str
    read: str
    name: str = ""
    choice: ChoiceForm | None = None
    trouble: str = ""
    unread: str = ""


@dataclass(frozen=True, slots=True)
class Person:
    """A practitioner with their calendars, and the form for one more if it is the reader's to fill in."""

    slug: str
    name: str
    calendars: list[Calendar]
    form: CalendarForm | None
    has_left: bool = False

    @property
    def is_kept(self) -> bool:
        """Whether the calendars are the reader's to remove."""
        return self.form is not None or self.has_left


@blueprint.get("/desk/<clinic>/calendars")
@allow("staff", *READERS)
def calendars() -> str:
    return _page()


@blueprint.post("/desk/<clinic>/calendars")
@allow("staff", *READERS)
def add_calendar() -> ResponseReturnValue:
    slug, form = request.form.get("practitioner", ""), CalendarForm()
    someone = _keeper_of(slug)
    if not form.validate():
        return _page({slug: form}), 422
    try:
        actions.add(g.clinic.id, someone.id, form.place, by=g.caller, now=g.now)
    except Invalid as refusal:
        form.url.errors = (_refusal_words(refusal.faults["url"]),)
        return _page({slug: form}), 422
    return redirect(url_for("desk.calendars", done="added"), 303)


@blueprint.post("/desk/<clinic>/calendars/<id>/choose")
@allow("staff", *READERS)
def choose_calendars(id: str) -> ResponseReturnValue:
    account = outside.get(g.clinic.id, id)
    form = _choice(account, sent=True)
    if not form.chosen.choices or not _may_keep(account.actor_id):
        raise NotFound
    if not form.validate():
        return _page(choosing={id: form}), 422
    try:
        actions.choose(g.clinic.id, id, form.chosen.data or (), by=g.caller, now=g.now)
    except Invalid as refusal:
        form.chosen.errors = (_refusal_words(refusal.faults["url"]),)
        return _page(choosing={id: form}), 422
    return redirect(url_for("desk.calendars", done="chosen"), 303)


@blueprint.post("/desk/<clinic>/calendars/<id>/remove")
@allow("staff", *READERS)
def remove_calendar(id: str) -> ResponseReturnValue:
    found = outside.get(g.clinic.id, id)
    if not _may_keep(found.actor_id):
        raise NotFound
    actions.remove(g.clinic.id, id, by=g.caller, now=g.now)
    return redirect(url_for("desk.calendars", done="removed"), 303)


def troubles() -> list[State]:
    """The calendars of which the desk has to know something."""
    return [
        state for state in outside.states(g.clinic.id) if state.unread or state.is_waiting or state.is_to_warn_of(g.now)
    ]


def warnings(torn: int = 0) -> list[str]:
    """What the desk has to know of those calendars, and of visits in busy times."""
    found = [ngettext("%(num)s visit at a busy time", "%(num)s visits at busy times", torn)] if torn else []
    for state in troubles():
        name = state.practitioner
        if state.is_waiting:
            found.append(_("%(name)s’s own calendars: choose which of them count", name=name))
        if state.is_to_warn_of(g.now):
            when = state.read_at and _when(state.read_at)
            found.append(
                _("%(name)s’s own calendar was last read on %(when)s", name=name, when=when)
                if when
                else _("%(name)s’s own calendar was never read", name=name)
            )
        if state.unread:
            found.append(
                ngettext(
                    "%(num)s event of %(name)s’s own calendar is not understood",
                    "%(num)s events of %(name)s’s own calendar are not understood",
                    state.unread,
                    name=name,
                )
            )
    return found


def _page(adding: Mapping[str, CalendarForm] | None = None, choosing: Mapping[str, ChoiceForm] | None = None) -> str:
    """The page; with the form that was sent for a practitioner or an account, if it could not be taken."""
    adding, choosing = adding or {}, choosing or {}
    by_owner: dict[int, list[OutsideCalendar]] = {}
    for calendar in outside.of_clinic(g.clinic.id):
        by_owner.setdefault(calendar.actor_id, []).append(calendar)
    done = {
        "added": _("The calendar is entered. It is read within a minute."),
        "chosen": _("The calendars are entered. They are read within a minute."),
        "removed": _("The calendar is removed. Its busy times block nothing any more."),
    }
    people = []
    for one in _practitioners():
        may_keep, there = _may_keep(one.id), by_owner.get(one.id, ())
        shown = [_shown(calendar, choosing.get(calendar.public_id), is_kept=may_keep) for calendar in there]
        form = (adding.get(one.slug) or CalendarForm(sent=False)).of(one.slug) if may_keep else None
        people.append(Person(one.slug, one.name, shown, form))
    return render_template(
        "desk/calendars.html",
        people=[one for one in people if one.calendars or one.form] + (_left() if _is_owner() else []),
        wrong=next(iter([*adding.values(), *choosing.values()]), None),
        clashes=outside.clashes(g.clinic.id, g.now),
        done=done.get(request.args.get("done", "")),
    )


def _practitioners() -> list[Actor]:
    return practitioner.actors(g.clinic.id, "practitioner")


def _left() -> list[Person]:
    """Those who have left and whose calendars are still there, with the secrets that open them."""
    found: dict[int, Person] = {}
    for one, calendar in outside.of_those_who_left(g.clinic.id):
        person = found.setdefault(one.id, Person(one.slug, one.name, [], None, has_left=True))
        person.calendars.append(Calendar(calendar.public_id, calendar.host, _("It is not read."), _name(calendar)))
    return list(found.values())


def _is_owner() -> bool:
    return bool(g.caller.role == "owner")


def _may_keep(practitioner_id: int) -> bool:
    """Whether the reader may add and remove this practitioner's calendars."""
    if _is_owner():
        return True
    myself = own.practitioner(g.clinic.id, g.staff.email)
    return myself is not None and myself.id == practitioner_id


def _keeper_of(slug: str) -> Actor:
    found = next((one for one in _practitioners() if one.slug == slug and _may_keep(one.id)), None)
    if found is None:
        raise NotFound
    return found


def _name(calendar: OutsideCalendar) -> str:
    place = outside.opened(calendar)
    return place.name if place else ""


def _shown(calendar: OutsideCalendar, sent: ChoiceForm | None, *, is_kept: bool) -> Calendar:
    """What the reader is told of a calendar; its name only if it is theirs to keep."""
    facts: dict[str, Any] = {"id": calendar.public_id, "host": calendar.host}
    if calendar.choices is not None:
        return _account(facts, sent or _choice(calendar), is_kept=is_kept)
    if is_kept:
        facts["name"] = _name(calendar)
    if calendar.read_at is None:
        facts["read"] = _("Not read yet, so it blocks nothing.")
    else:
        facts["read"] = _("Busy times as of %(when)s.", when=_when(calendar.read_at))
    if calendar.fault is not None and calendar.failing_since is not None:
        why, since = fault_words(Fault(calendar.fault)), _when(calendar.failing_since)
        facts["trouble"] = _("It can’t be read since %(since)s: %(why)s", since=since, why=why)
    elif is_to_warn_of(g.now, created_at=calendar.created_at, read_at=calendar.read_at, failing_since=None):
        facts["trouble"] = _("Nobody looks at it: booking worker does not seem to run.")
    if calendar.unread:
        facts["unread"] = ngettext(
            "%(num)s event is not fully understood. What was understood of it, now or before, blocks time.",
            "%(num)s events are not fully understood. What was understood of them, now or before, blocks time.",
            calendar.unread,
        )
    return Calendar(**facts)


def _account(facts: dict[str, Any], form: ChoiceForm, *, is_kept: bool) -> Calendar:
    facts["read"] = _("This is an account with several calendars.")
    if not form.chosen.choices:
        facts["trouble"] = _("What was found there can’t be decrypted any more. Remove it and enter it again.")
    else:
        facts["trouble"] = _("It blocks nothing until it is chosen which of its calendars count.")
        facts["choice"] = form if is_kept else None
    return Calendar(**facts)


def _when(at: datetime) -> str:
    home = zone(g.clinic.id)
    return _("%(day)s, %(time)s", day=i18n.short_day(at, home), time=i18n.clock(at, home))


def _refusal_words(code: str) -> str:
    match code:
        case "known":
            return _("This calendar is there already")
        case "many":
            return _("There may be no more than %(count)s calendars. Remove one first", count=actions.MOST)
        case "none":
            return _("Choose at least one calendar, or remove the account")
    return fault_words(Fault(code))


def fault_words(fault: Fault) -> str:
    """Why a calendar can't be read, as a sentence."""
    match fault:
        case Fault.ADDRESS:
            return _("The address has to begin with https:// or webcal://, with no name or password in it.")
        case Fault.PRIVATE:
            return _("The address leads into a private network. Whoever runs this service can allow it.")
        case Fault.NAME:
            return _("There is no server of that name.")
        case Fault.SILENT:
            return _("The server does not answer.")
        case Fault.CERTIFICATE:
            return _("There is no secure connection: the server can’t prove that it is the right one.")
        case Fault.DENIED:
            return _(
                "The server lets nobody in with this address, name and password. Some want an app password, "
                "not the usual one."
            )
        case Fault.GONE:
            return _("There is no calendar at this address.")
        case Fault.STATUS:
            return _("The server answers with an error.")
        case Fault.TOO_LARGE:
            return _("The calendar is too large.")
        case Fault.NO_CALENDAR:
            return _(
                "What is there is no calendar that can be understood, nor an account that has one. "
                "Below it says where the address is found."
            )
        case Fault.TOO_MUCH:
            return _("Its events repeat more than can be worked out.")
