"""Who did and saw what in the clinic, newest first, for its owner: narrowed by person, record, action and days."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from flask import Response, g, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from booking.actions import audit as actions
from booking.domain.audit import Action, Kind
from booking.domain.errors import NotFound
from booking.domain.time import day_bounds
from booking.store import audit, clinic, entries, trail
from booking.store.audit import Entry, Wanted
from booking.store.trail import Thing
from booking.web import i18n
from booking.web.access import allow
from booking.web.desk import deeds
from booking.web.desk.blueprint import blueprint
from booking.web.patient import ask

PAGE = 100
KINDS = ("patient", "public", "key", "worker")
NAMES = ("who", "visit", "patient", "action", "since", "until")


@dataclass(frozen=True, slots=True)
class Line:
    """An entry as it is read."""

    seq: int
    at: datetime
    who: str
    what: str
    about: Thing | None
    details: list[str]


@blueprint.get("/desk/<clinic>/audit")
@allow("staff", "owner")
def audit_trail() -> str:
    zone = _zone()
    wanted, patient = _wanted(zone)
    before = request.args.get("before", type=int)
    found = audit.search(g.clinic.id, wanted, before=before, limit=PAGE + 1)
    return render_template(
        "desk/audit.html",
        lines=_lines(found[:PAGE]),
        zone=zone,
        more=found[PAGE - 1].seq if len(found) > PAGE else None,
        before=before,
        asked=_asked(),
        patient=patient,
        people=[(f"staff:{person.id}", person.name) for person, _role in entries.staff(g.clinic.id)],
        kinds=[(kind, deeds.kind_words(kind)) for kind in KINDS],
        actions=sorted(((action.value, deeds.action_words(action)) for action in Action), key=lambda pair: pair[1]),
    )


@blueprint.post("/desk/<clinic>/audit/export")
@allow("staff", "owner", fresh=True)
def audit_export() -> ResponseReturnValue:
    wanted, _patient = _wanted(_zone())
    text = actions.export(g.clinic.id, wanted, by=g.caller, now=g.now)
    # The mark tells spreadsheets that it is UTF-8.
    response = Response("\ufeff" + text, mimetype="text/csv")
    name = f"audit-{g.clinic.slug}-{g.now:%Y-%m-%d}.csv"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _zone() -> str:
    places = clinic.locations(g.clinic.id)
    return places[0].zone if places else "UTC"


def _asked() -> dict[str, str]:
    """What the address or the form narrows to."""
    return {name: text for name in NAMES if (text := request.values.get(name, "").strip())}


def _wanted(zone: str) -> tuple[Wanted, str]:
    """The entries that are asked for, and the name of the patient they are about, if any. Raises NotFound."""
    asked = _asked()
    who, patient, objects = asked.get("who", ""), "", None
    staff_id = who.removeprefix("staff:") if who.startswith("staff:") else ""
    if (staff_id and not staff_id.isdecimal()) or (who and not staff_id and who not in KINDS):
        raise NotFound
    if "patient" in asked:
        found = trail.of_patient(g.clinic.id, asked["patient"])
        if found is None:
            raise NotFound
        patient, objects = found
    if "visit" in asked:
        visits = trail.of_visit(g.clinic.id, asked["visit"])
        objects = visits if objects is None else tuple(set(visits) & set(objects))
    since, until = ask.day(asked.get("since")), ask.day(asked.get("until"))
    wanted = Wanted(
        staff_id=int(staff_id) if staff_id else None,
        by_kind=who if who in KINDS else None,
        action=asked.get("action"),
        objects=objects,
        since=day_bounds(since, zone)[0] if since else None,
        until=day_bounds(until, zone)[1] if until else None,
    )
    return wanted, patient


def _lines(found: list[Entry]) -> list[Line]:
    people = audit.authors(found)
    things = trail.things(g.clinic.id, {entry.object for entry in found if entry.object})
    return [
        Line(
            entry.seq,
            entry.at,
            people[entry.by_id].name
            if entry.by_kind == "staff" and entry.by_id in people
            else deeds.kind_words(entry.by_kind),
            deeds.action_words(entry.action),
            things.get(entry.object) or _named(entry.object),
            _details(entry, things.get(entry.object)),
        )
        for entry in found
    ]


def _named(object: str) -> Thing | None:
    """What an object is that is no row: a day, a part of the settings."""
    kind, _colon, name = object.partition(":")
    if kind == Kind.DAY:
        noon = datetime.fromisoformat(f"{name}T12:00+00:00")
        return Thing(Kind.DAY, _("Day sheet of %(day)s", day=i18n.day(noon, "UTC")))
    return Thing(Kind.STAFF, object) if object else None


def _details(entry: Entry, about: Thing | None) -> list[str]:
    """The facts of an entry: codes and instants, the latter in the visit's zone."""
    zone = about.zone if about else "UTC"
    return [_fact(name, str(value), zone) for name, value in entry.facts.items()]


def _fact(name: str, value: str, zone: str) -> str:
    if name == "moved_from":
        at = datetime.fromisoformat(value)
        return _("from %(day)s, %(time)s", day=i18n.short_day(at, zone), time=i18n.clock(at, zone))
    return f"{name.replace('_', ' ')}: {value}"
