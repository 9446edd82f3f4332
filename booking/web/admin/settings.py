"""The settings' pages: of the clinic, its rules, rooms and closures, of each location, service and practitioner."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from flask import g, render_template, request, url_for
from flask.typing import ResponseReturnValue

from booking.actions import clinic as clinics
from booking.domain import opening, spells
from booking.domain.errors import NotFound
from booking.domain.time import local
from booking.formats import clinic_file as file
from booking.formats import letter
from booking.formats import words as mail_words
from booking.store import diary
from booking.web.access import allow
from booking.web.admin import pages, picture, screen
from booking.web.admin.blueprint import KEEPERS, OWNER, blueprint
from booking.web.admin.screen import Screen

DAYS_SHOWN = 14
KINDS = "<any(locations, services, practitioners):kind>"
PRACTITIONERS = "practitioners"


# The parts of which there is one


@blueprint.route("/admin/<clinic>/<any(clinic, rules, rooms):name>", methods=["GET", "POST"])
@allow("staff", *OWNER)
def single(name: str) -> ResponseReturnValue:
    found = screen.opened(pages.SINGLE[name], lambda _tree: ("clinic",) if name != "rooms" else ())
    if screen.is_submitted():
        saved = screen.save(found, name, lambda _slug: url_for("admin.single", name=name))
        if saved:
            return saved
    return screen.shown(found, "admin/page.html")


@blueprint.route("/admin/<clinic>/closures", methods=["GET", "POST"])
@allow("staff", *KEEPERS)
def closures() -> ResponseReturnValue:
    found = screen.opened(pages.CLOSURES, lambda _tree: ())
    if screen.is_submitted():
        saved = screen.save(found, "closures", lambda _slug: url_for("admin.closures"))
        if saved:
            return saved
    return screen.shown(found, "admin/page.html")


# Lists and their entries


@blueprint.get(f"/admin/<clinic>/{KINDS}")
@allow("staff", *OWNER)
def entries(kind: str) -> str:
    tree = file.as_values(clinics.current(g.clinic.slug))
    return render_template(
        "admin/entries.html",
        page=pages.ENTRIES[kind],
        kind=kind,
        entries=tree.get(kind, []),
        may_undo=screen.may_undo(),
    )


@blueprint.post(f"/admin/<clinic>/order/{KINDS}")
@allow("staff", *OWNER)
def order(kind: str) -> ResponseReturnValue:
    """Move an entry up: patients see them in this order."""
    typed = file.as_values(clinics.current(g.clinic.slug))
    rows, slug = typed.get(kind, []), request.form.get("up", "")
    number = next((number for number, row in enumerate(rows) if row["slug"] == slug), 0)
    if number == 0:
        raise NotFound
    rows[number - 1], rows[number] = rows[number], rows[number - 1]
    loaded = clinics.save(file.from_values(typed), kind, by=g.caller, now=g.now)
    return screen.saved(loaded, url_for("admin.entries", kind=kind))


@blueprint.route(f"/admin/<clinic>/add/{KINDS}", methods=["GET", "POST"])
@allow("staff", *OWNER)
def add(kind: str) -> ResponseReturnValue:
    found = screen.opened(pages.addition(pages.ENTRIES[kind]), screen.after_last(kind))
    if screen.is_submitted():
        saved = screen.save(found, kind, lambda slug: url_for("admin.entry", kind=kind, entry=slug))
        if saved:
            return saved
    return screen.shown(found, "admin/page.html", kind=kind, aside=_aside(kind, found))


@blueprint.route(f"/admin/<clinic>/{KINDS}/<entry>", methods=["GET", "POST"])
@allow("staff", *OWNER)
def entry(kind: str, entry: str) -> ResponseReturnValue:
    found = screen.opened(pages.ENTRIES[kind], screen.entry(kind, entry))
    if screen.is_submitted():
        part = f"{kind}:{entry}"
        if screen.is_removal():
            saved = screen.remove(found, part, lambda: url_for("admin.entries", kind=kind))
        else:
            saved = screen.save(found, part, lambda slug: url_for("admin.entry", kind=kind, entry=slug))
        if saved:
            return saved
    return screen.shown(found, "admin/page.html", kind=kind, entry=entry, aside=_aside(kind, found))


@blueprint.route("/admin/<clinic>/practitioners/<entry>/hours", methods=["GET", "POST"])
@allow("staff", *OWNER)
def hours(entry: str) -> ResponseReturnValue:
    return _times(pages.HOURS, entry, "admin.hours")


@blueprint.route("/admin/<clinic>/practitioners/<entry>/time-off", methods=["GET", "POST"])
@allow("staff", *KEEPERS)
def time_off(entry: str) -> ResponseReturnValue:
    return _times(pages.TIME_OFF, entry, "admin.time_off")


def _times(page: pages.Page, entry: str, endpoint: str) -> ResponseReturnValue:
    found = screen.opened(page, screen.entry(PRACTITIONERS, entry))
    if screen.is_submitted():
        saved = screen.save(found, f"{PRACTITIONERS}:{entry}", lambda slug: url_for(endpoint, entry=slug))
        if saved:
            return saved
    return screen.shown(found, "admin/page.html", kind=PRACTITIONERS, entry=entry, days=_next_days(entry))


# What a page shows beside its form


@dataclass(frozen=True, slots=True)
class Stretch:
    """Some hours of a day in a location."""

    starts: datetime
    ends: datetime
    zone: str
    place: str


@dataclass(frozen=True, slots=True)
class WorkDay:
    on: date
    hours: list[Stretch]


def _next_days(slug: str) -> list[WorkDay]:
    """When a practitioner works in the next two weeks by what is saved, time off and closures taken out."""
    plan = diary.current_plan(g.clinic.id)
    person = next((found for found in plan.practitioners.values() if found.slug == slug), None)
    if person is None:
        raise NotFound
    places = [plan.locations[id] for id in opening.workplaces(plan, person.id)]
    today = local(g.now, next(iter(plan.locations.values())).zone).date()
    days = []
    for on in (today + timedelta(days=n) for n in range(DAYS_SHOWN)):
        stretches = [
            Stretch(start, end, place.zone, place.name if len(places) > 1 else "")
            for place in places
            for start, end in spells.of_day(plan, place.id, on, [person.id])
        ]
        days.append(WorkDay(on, sorted(stretches, key=lambda stretch: stretch.starts)))
    return days


def _aside(kind: str, found: Screen) -> dict[str, Any]:
    typed = {key: value for each in found.page.fields for key, value in each.take(found.raw[each.key]).items()}
    if kind == "services":
        return {"service": _service_seen(typed)}
    if kind == "locations":
        return {"way": _way(typed)}
    return {}


@dataclass(frozen=True, slots=True)
class ServiceSeen:
    """A service as its form has it: its pictures, and what a patient is shown."""

    name: Any
    description: Any
    price: Any
    online: bool
    usual: picture.Picture | None
    first: picture.Picture | None  # a first visit with stages of its own


def _service_seen(typed: dict[str, Any]) -> ServiceSeen:
    longer = typed.get("new_patients") == "longer"
    return ServiceSeen(
        typed.get("name", ""),
        typed.get("description"),
        typed.get("price"),
        typed.get("online", True),
        picture.draw(typed.get("stages", ())),
        picture.draw(typed.get("new_patient_stages", ())) if longer else None,
    )


def _way(typed: dict[str, Any]) -> letter.Section:
    """What a mail says about the way to the location, in the reader's language."""

    def said(key: str) -> str:
        return mail_words.text_in(typed.get(key, ""), g.language, g.clinic.languages[0])

    def degrees(key: str) -> float | None:
        return value if isinstance(value := typed.get(key), float) else None

    place = letter.Place(
        typed.get("name", ""),
        tuple(typed.get("address", ())),
        said("directions"),
        said("transit"),
        said("parking"),
        said("access"),
        typed.get("map_url", ""),
        degrees("latitude"),
        degrees("longitude"),
    )
    return letter.getting_here(place, g.language)
