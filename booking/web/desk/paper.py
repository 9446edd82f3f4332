"""The day on paper: a table for each practitioner or each room, one sheet of paper each, with a box to tick."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from flask import g, render_template, request
from flask_babel import gettext as _

from booking.domain.errors import NotFound
from booking.domain.time import day_bounds, local
from booking.store import clinic as clinics
from booking.store import paper
from booking.store import practitioner as practitioners
from booking.store.practitioner import Actor
from booking.web.access import allow
from booking.web.desk import seen, visits
from booking.web.desk.blueprint import READERS, blueprint
from booking.web.desk.visits import Visit
from booking.web.patient import ask

YEARS = range(2000, 2200)


@dataclass(frozen=True, slots=True)
class Sheet:
    """What is on one sheet of paper."""

    title: str
    visits: list[Visit]


@blueprint.get("/desk/<clinic>/day-sheet")
@allow("staff", *READERS)
def day_sheet() -> str:
    zone = paper.zone(g.clinic.id)
    on = ask.day(request.args.get("on")) or local(g.now, zone).date()
    if on.year not in YEARS:
        raise NotFound
    people = practitioners.actors(g.clinic.id, "practitioner")
    rooms = practitioners.actors(g.clinic.id, "room")
    by_room = "room" in request.args
    chosen = request.args.get("room" if by_room else "practitioner", "")
    found = visits.of(paper.on_day(g.clinic.id, on, on + timedelta(days=1)))
    seen.day_sheet(on)
    return render_template(
        "desk/day_sheet.html",
        on=on,
        before=on - timedelta(days=1),
        after=on + timedelta(days=1),
        noon=day_bounds(on, zone)[0] + timedelta(hours=12),
        zone=zone,
        printed_at=g.now,
        by_room=by_room,
        chosen=chosen,
        people=people,
        rooms=rooms,
        has_places=len(clinics.locations(g.clinic.id)) > 1,
        sheets=_sheets(found, rooms if by_room else people, chosen, by_room=by_room),
    )


def _sheets(found: list[Visit], actors: list[Actor], chosen: str, *, by_room: bool) -> list[Sheet]:
    """One sheet for each actor with visits that day, in the clinic's order, or for the chosen one.

    Nobody falls off: visits without a room, or of somebody who left the clinic, have sheets at the end.
    """
    if chosen and chosen not in {actor.slug for actor in actors}:
        raise NotFound
    by_actor: dict[int | None, list[Visit]] = {}
    for visit in found:
        by_actor.setdefault(visit.row.room_id if by_room else visit.row.practitioner_id, []).append(visit)
    if chosen:
        return [Sheet(actor.name, by_actor.get(actor.id, [])) for actor in actors if actor.slug == chosen]
    sheets = [Sheet(actor.name, by_actor.pop(actor.id)) for actor in actors if actor.id in by_actor]
    others = [Sheet(_name(visits_, by_room=by_room), visits_) for visits_ in by_actor.values()]
    return sheets + others


def _name(found: list[Visit], *, by_room: bool) -> str:
    if by_room:
        return found[0].room or _("Without a room")
    return found[0].practitioner
