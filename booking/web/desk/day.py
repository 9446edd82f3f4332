"""The day as a list, in the order of its starts: what a phone shows, what prints, what needs no script."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from flask import g, render_template

from booking.domain.appointment import OVER, Status
from booking.domain.time import day_bounds, local
from booking.store import appointment as appointments
from booking.web.desk import calendars, visits, words
from booking.web.desk.columns import Asked
from booking.web.desk.visits import Visit


def drawn(asked: Asked) -> str:
    """The part of the list's page that changes."""
    shown = [
        visit
        for visit in _visits_on(asked.on, {place.zone for place in asked.places} or {asked.zone})
        if (asked.location is None or visit.row.location_id == asked.location.id)
        and (asked.practitioner is None or visit.row.practitioner_id == asked.practitioner.id)
    ]
    return render_template(
        "desk/list_part.html",
        visits=[visit for visit in shown if Status(visit.row.status) not in OVER],
        counts=words.counts([visit.row.status for visit in shown], sum(visit.is_late for visit in shown)),
        warnings=calendars.warnings(),
        has_places=len(asked.plan.locations) > 1,
    )


def _visits_on(on: date, zones: Iterable[str]) -> list[Visit]:
    """The visits of a date, each by the calendar of the place where it is."""
    bounds = [day_bounds(on, zone) for zone in zones]
    rows = appointments.for_day(g.clinic.id, min(start for start, _end in bounds), max(end for _start, end in bounds))
    return visits.of((row, patient) for row, patient in rows if local(row.starts_at, row.zone).date() == on)
