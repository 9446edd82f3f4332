"""Choosing a time: seven days with what is free on each, and the times of one of them as buttons."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby
from urllib.parse import urlencode

from flask import g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from booking.actions import slot
from booking.domain import availability as heart
from booking.domain import spells
from booking.domain.availability import NewPatients, Slot
from booking.domain.errors import NotOffered, SlotTaken
from booking.domain.time import local
from booking.store.diary import Diary
from booking.web import errors, i18n
from booking.web.access import address, allow, limit
from booking.web.patient import ask
from booking.web.patient.ask import Ask
from booking.web.patient.blueprint import blueprint

WEEK = timedelta(days=7)
NOON, EVENING = 12, 17  # hours of the location's clock

Link = Callable[..., str]  # the same page with other arguments


@dataclass(frozen=True, slots=True)
class Chip:
    """One way to narrow the wish."""

    label: str
    href: str
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class Day:
    """A day of the strip."""

    on: date
    free: int
    note: str  # what is free, or why nothing is
    href: str
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class Time:
    """A time as a button: what it sends, when it is, and with whom and where if that isn't chosen yet."""

    value: str
    start: datetime
    clock: str
    zone: str
    who: str
    where: str

    @property
    def iso(self) -> str:
        return self.start.isoformat()


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the day with its times."""

    name: str
    none: str  # said when there are no times in it
    times: list[Time]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a time can't be had, and the nearest ones."""

    words: str
    nearest: list[Time]


@dataclass(frozen=True, slots=True)
class Times:
    """Everything the page of times prints."""

    zone: str
    days: list[Day]
    chosen: Day | None
    parts: list[Part]
    first: Time | None  # the first one within the horizon, whatever the week shown
    next: Time | None  # the first one after the week shown, if that has none
    next_href: str
    earlier: str | None
    later: str | None
    last: date  # of the horizon
    practitioners: list[Chip]
    locations: list[Chip]


@blueprint.get("/<clinic>/book/<service>")
@allow("public")
def times(service: str) -> ResponseReturnValue:
    wanted = ask.read(service, request.args)
    if wanted.new is None and wanted.row.online:
        return new_or_not(wanted, link_to(wanted))
    if wanted.new and wanted.service.new_patients is NewPatients.NO:
        first = wanted.plan.services.get(wanted.service.first_visit or 0)
        return render_template("patient/first_visit.html", ask=wanted, first=first)
    return page(wanted)


@blueprint.post("/<clinic>/book/<service>")
@allow("public")
def hold(service: str) -> ResponseReturnValue:
    wanted, start = chosen_time(service)
    limit(f"hold:{address()}", 20, 600)
    try:
        held = slot.hold(g.clinic.id, wanted.wish, start, session_key=g.session_key, now=g.now)
    except (SlotTaken, NotOffered) as error:
        return page(ask.read(service, request.form), refused=error), 409  # with anyone, if a button named somebody
    who = wanted.plan.practitioners[held.practitioner_id]
    where = wanted.plan.locations[held.location_id]
    details = link_to(wanted, "patient.details", start=f"{start:%Y-%m-%dT%H:%MZ}")
    return redirect(details(practitioner=who.slug, location=where.slug), 303)


def chosen_time(service: str) -> tuple[Ask, datetime]:
    """What the button of a time sent: the wish, with the practitioner that the button named, and the start."""
    said = request.form.get("instead") or request.form.get("start", "")
    start, _slash, practitioner = said.partition("/")
    named = {"practitioner": practitioner} if practitioner else {}
    return ask.read(service, request.form.to_dict() | named), ask.instant(start)


def link_to(wanted: Ask, endpoint: str = "patient.times", **more: str) -> Link:
    """Addresses of a page about this wish, with some arguments changed; None takes one away."""
    return links(url_for(endpoint, service=wanted.service.slug), more | wanted.arguments())


def links(path: str, arguments: dict[str, str]) -> Link:
    """Addresses of one page. It has a dozen of them, so the path is built once."""

    def link(**changes: str | None) -> str:
        wanted = {name: value for name, value in (arguments | changes).items() if value is not None}
        return f"{path}?{urlencode(wanted)}" if wanted else path

    return link


def new_or_not(wanted: Ask, link: Link) -> str:
    """The question that comes before the times where the answer matters."""
    return render_template("patient/new_or_not.html", ask=wanted, yes=link(new="1"), no=link(new="0"))


def page(wanted: Ask, *, refused: SlotTaken | NotOffered | None = None) -> str:
    """The page of times for a wish; after a refusal it leads with the nearest times."""
    return render_template(
        "patient/times.html",
        ask=wanted,
        page=found(wanted, link_to(wanted), slot.read(g.clinic.id, g.now)),
        action=url_for("patient.hold", service=wanted.service.slug),
        refusal=refusal_of(wanted, refused) if refused else None,
    )


def refusal_of(wanted: Ask, error: SlotTaken | NotOffered) -> Refusal:
    """What to say about a time that can't be had, with the nearest ones that can."""
    book = slot.read(g.clinic.id, g.now)
    nearest = heart.nearest(book.plan, book, wanted.wish, error.starts_at, g.now)
    return Refusal(errors.words(error, wanted.zone), [time_of(wanted, [option]) for option in nearest])


def found(wanted: Ask, link: Link, book: Diary) -> Times:
    """The times for a wish around the day that the address names."""
    wish, today = wanted.wish, wanted.today
    last = today + timedelta(days=g.clinic.horizon)
    day = ask.day(request.args.get("day"))
    since = min(max(ask.day(request.args.get("from")) or day or today, today), last)
    counts = slot.per_day(book, wish, since, since + WEEK)
    on = day if day and since <= day < since + WEEK else min(counts, default=None)
    offered = slot.search(book, wish, on, on + timedelta(days=1)).slots if on in counts else ()
    first = slot.first(book, wish)
    later = None if counts or first is None else slot.first(book, wish, since + WEEK)
    days = [_day(wanted, link, since, since + timedelta(days=n), counts, on) for n in range(7)]
    return Times(
        zone=wanted.zone,
        days=days,
        chosen=next((day for day in days if day.is_chosen), None),
        parts=_parts(wanted, offered),
        first=time_of(wanted, [first]) if first else None,
        next=time_of(wanted, [later]) if later else None,
        next_href=link(**{"from": local(later.start, wanted.zone).date().isoformat()}) if later else "",
        earlier=link(**{"from": max(since - WEEK, today).isoformat()}) if since > today else None,
        later=link(**{"from": (since + WEEK).isoformat()}) if since + WEEK <= last else None,
        last=last,
        practitioners=_practitioners(wanted, link),
        locations=_locations(wanted, link),
    )


def _day(wanted: Ask, link: Link, since: date, on: date, counts: dict[date, int], chosen: date | None) -> Day:
    free = counts.get(on, 0)
    href = link(**{"from": since.isoformat(), "day": on.isoformat()})
    return Day(on, free, _note(wanted, on, free), href, on == chosen)


def _note(wanted: Ask, on: date, free: int) -> str:
    if free:
        return _("%(count)s free", count=free)
    if on > wanted.today + timedelta(days=g.clinic.horizon):
        return _("not yet")
    if not _is_open(wanted, on):
        return _("closed")
    return _("call us") if on == wanted.today else _("full")  # what is left of today may be too soon to book online


def _is_open(wanted: Ask, on: date) -> bool:
    """Whether anybody who gives it is there on that day, later than now."""
    people = [wanted.practitioner] if wanted.practitioner else wanted.practitioners
    places = [wanted.location] if wanted.location else wanted.plan.locations.values()
    ids = [person.id for person in people]
    return any(end > g.now for place in places for _start, end in spells.of_day(wanted.plan, place.id, on, ids))


def _parts(wanted: Ask, offered: Iterable[Slot]) -> list[Part]:
    times = [time_of(wanted, list(same)) for _start, same in groupby(offered, key=lambda option: option.start)]

    def between(first: int, last: int) -> list[Time]:
        return [time for time in times if first <= local(time.start, time.zone).hour < last]

    return [
        Part(_("Morning"), _("No morning times left"), between(0, NOON)),
        Part(_("Afternoon"), _("No afternoon times left"), between(NOON, EVENING)),
        Part(_("Evening"), _("No evening times left"), between(EVENING, 24)),
    ]


def time_of(wanted: Ask, options: list[Slot]) -> Time:
    """One button for the options of one start; it names the practitioner and the place where these are open."""
    only = options[0] if len(options) == 1 else None
    person = wanted.plan.practitioners[only.practitioner] if only else None
    places = dict.fromkeys(option.location for option in options)
    place = wanted.plan.locations[options[0].location]
    several_places = wanted.location is None and len(wanted.plan.locations) > 1
    return Time(
        value=ask.slot_value(options[0], person),
        start=options[0].start,
        clock=i18n.clock(options[0].start, place.zone),
        zone=place.zone,
        who="" if wanted.practitioner else _who(wanted, options),
        where=" / ".join(wanted.plan.locations[id].name for id in places) if several_places else "",
    )


def _who(wanted: Ask, options: list[Slot]) -> str:
    names = wanted.short_names
    match [names[option.practitioner] for option in options]:
        case [one]:
            return one
        case [one, other]:
            return _("%(one)s or %(other)s", one=one, other=other)
    return _("%(count)s practitioners", count=len(options))


def _practitioners(wanted: Ask, link: Link) -> list[Chip]:
    people = wanted.practitioners
    if len(people) < 2:
        return []
    chosen = wanted.practitioner
    anyone = Chip(_("Anyone (soonest)"), link(practitioner=None), chosen is None)
    return [anyone, *(Chip(p.name, link(practitioner=p.slug), p == chosen) for p in people)]


def _locations(wanted: Ask, link: Link) -> list[Chip]:
    used: set[int] = set()
    for person in wanted.practitioners:
        used.update(hours.location for hours in person.hours)
        used.update(extra.location for extra in person.extra_hours)
    places = [place for place in wanted.plan.locations.values() if place.id in used]
    if len(places) < 2:
        return []
    anywhere = Chip(_("Either place") if len(places) == 2 else _("Any place"), link(location=None), not wanted.location)
    return [anywhere, *(Chip(p.name, link(location=p.slug), p == wanted.location) for p in places)]
