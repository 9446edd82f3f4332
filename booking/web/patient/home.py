"""The clinic as a patient meets it: what it offers, when, where, and how to get there; and choosing a service."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from flask import g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from booking.actions import slot
from booking.domain import opening, spells
from booking.domain.availability import NewPatients, Plan, Slot, Wish
from booking.domain.errors import NotFound
from booking.domain.time import local
from booking.formats import words
from booking.store import clinic as clinics
from booking.store.base import settings
from booking.store.clinic import Location, Text
from booking.store.diary import Diary
from booking.store.practitioner import Actor
from booking.store.practitioner import Service as ServiceRow
from booking.web.access import allow
from booking.web.patient import ask, times
from booking.web.patient.ask import Ask
from booking.web.patient.blueprint import blueprint
from booking.web.patient.times import Time

CLOSURES_AHEAD = timedelta(days=60)


@dataclass(frozen=True, slots=True)
class Offered:
    """A service with what a patient wants to know before choosing it."""

    row: ServiceRow
    minutes: int
    longest: int  # for new patients, where that is longer; else the same
    next: Slot | None
    zone: str  # of the next one
    href: str


@dataclass(frozen=True, slots=True)
class FirstAvailable:
    """The first time of the first service that is open to those who gave one answer to whether they are new."""

    ask: Ask
    time: Time


@dataclass(frozen=True, slots=True)
class OpenDay:
    """A local date with the stretches in which somebody is there."""

    on: date
    spells: list[tuple[datetime, datetime]]
    closure: str


@dataclass(frozen=True, slots=True)
class Place:
    """A location with its week, today first, and the closures after that."""

    row: Location
    days: list[OpenDay]
    closures: list[tuple[date, date, str]]  # from, the last day, why
    map_url: str


@blueprint.get("/")
@allow("public")
def index() -> ResponseReturnValue:
    everyone = clinics.everyone()
    if len(everyone) == 1:
        return redirect(url_for("patient.home", clinic=everyone[0].slug))
    return render_template("patient/index.html", clinics=everyone)


@blueprint.get("/<clinic>/")
@allow("public")
def home() -> str:
    book = slot.read(g.clinic.id, g.now)
    services = ask.texts().services
    return render_template(
        "patient/home.html",
        services=[_offered(book, row) for row in services],
        first=_first_available(book, services),
        practitioners=ask.texts().practitioners,
        places=places(book.plan),
        conditions=[(text, condition_slug(text)) for text in g.clinic.conditions],
        linked_data=_linked_data(),
    )


@blueprint.get("/<clinic>/directions")
@allow("public")
def directions() -> str:
    return render_template("patient/directions.html", places=places(ask.plan()))


@blueprint.get("/<clinic>/book")
@allow("public")
def book() -> ResponseReturnValue:
    diary = slot.read(g.clinic.id, g.now)
    reason, person = _condition(request.args.get("reason", "")), _practitioner(request.args.get("practitioner", ""))
    services = [row for row in ask.texts().services if _suits(diary.plan, row, reason, person)]
    offered = [_offered(diary, row, person) for row in services]
    online = [entry for entry in offered if entry.row.online]
    if len(online) == len(offered) == 1 and len(ask.texts().practitioners) == 1:
        return redirect(online[0].href)
    return render_template(
        "patient/book.html",
        services=offered,
        reason=reason,
        person=person,
        practitioners=ask.texts().practitioners,
        conditions=[(text, condition_slug(text)) for text in g.clinic.conditions],
    )


def places(plan: Plan) -> list[Place]:
    """The clinic's locations with their hours."""
    return [_place(plan, row) for row in ask.texts().locations]


def condition_slug(condition: Text) -> str:
    """What stands for a condition in an address: the words of the clinic's first language."""
    plain = words.text_in(condition, "", g.clinic.languages[0])
    return re.sub(r"\W+", "-", plain.casefold()).strip("-")


def map_url(place: Location) -> str:
    """The same link as in mails and invites."""
    return words.map_link(place.map_url or "", place.latitude, place.longitude, place.address)


def _offered(book: Diary, row: ServiceRow, person: Actor | None = None) -> Offered:
    service = book.plan.services[row.id]
    returning = Ask(book.plan, service, row, new=False)
    newcomer = Ask(book.plan, service, row, new=True)
    only_new = service.new_patients is NewPatients.ONLY
    wish = Wish(row.id, new=only_new, practitioner=person.id if person else None)
    first = slot.first(book, wish) if row.online else None
    who = person.slug if person else None
    return Offered(
        row,
        minutes=newcomer.minutes if only_new else returning.minutes,
        longest=max(newcomer.minutes, returning.minutes),
        next=first,
        zone=book.plan.locations[first.location].zone if first else returning.zone,
        href=url_for("patient.times", service=row.slug, practitioner=who),
    )


def _first_available(book: Diary, services: Sequence[ServiceRow]) -> list[FirstAvailable]:
    """One entry for new patients and one for the others; a single one where that makes no difference."""
    found: list[FirstAvailable] = []
    for new in (True, False):
        for row in services:
            service = book.plan.services[row.id]
            if not row.online or service.new_patients is (NewPatients.NO if new else NewPatients.ONLY):
                continue
            wanted = Ask(book.plan, service, row, new=new)
            if not new and found and found[0].ask.row is row and not wanted.needs_answer:
                return found
            first = slot.first(book, wanted.wish)
            if first:
                found.append(FirstAvailable(wanted, times.time_of(wanted, [first])))
                break
    return found


def _place(plan: Plan, row: Location) -> Place:
    today = local(g.now, row.zone).date()
    week = [today + timedelta(days=n) for n in range(7)]
    ahead = []
    for entry in opening.closures(plan, row.id):
        last = (entry.ends - timedelta(microseconds=1)).date()
        if last >= today and entry.starts.date() <= today + CLOSURES_AHEAD:
            ahead.append((entry.starts.date(), last, entry.name))
    return Place(row, [_open_day(plan, row.id, day, ahead) for day in week], sorted(ahead), map_url(row))


def _open_day(plan: Plan, location: int, day: date, closures: list[tuple[date, date, str]]) -> OpenDay:
    why = next((name for first, last, name in closures if first <= day <= last), "")
    return OpenDay(day, spells.of_day(plan, location, day, plan.practitioners), why)


def _suits(plan: Plan, row: ServiceRow, reason: Text, person: Actor | None) -> bool:
    gives = [p for p in plan.practitioners.values() if row.id in p.services]
    if person is not None and person.id not in {p.id for p in gives}:
        return False
    return reason is None or condition_slug(reason) in {condition_slug(text) for text in row.conditions}


def _condition(slug: str) -> Text:
    if not slug:
        return None
    found = next((text for text in g.clinic.conditions if condition_slug(text) == slug), None)
    if found is None:
        raise NotFound
    return found


def _practitioner(slug: str) -> Actor | None:
    if not slug:
        return None
    found = next((row for row in ask.texts().practitioners if row.slug == slug), None)
    if found is None:
        raise NotFound
    return found


def _linked_data() -> dict[str, Any]:
    """The clinic for search engines, as schema.org has it."""
    shown = []
    for place in ask.texts().locations:
        entry: dict[str, Any] = {"@type": "Place", "name": place.name, "address": ", ".join(place.address)}
        if place.latitude is not None and place.longitude is not None:
            entry["geo"] = {"@type": "GeoCoordinates", "latitude": place.latitude, "longitude": place.longitude}
        shown.append(entry)
    return {
        "@context": "https://schema.org",
        "@type": "MedicalBusiness",
        "name": g.clinic.name,
        "telephone": g.clinic.phone,
        "email": g.clinic.email,
        "url": g.clinic.website or settings().public_url + url_for("patient.home"),
        "location": shown,
    }
